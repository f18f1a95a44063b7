/**
 * Entries in replies. Their number has to be announced, and nothing counts the entries between two ids: small ranges are
 * gathered aside first; what turns out to be larger than `slicedAbove` is counted, slice by slice, by a second walk over the
 * same snapshot without values, and then written slice by slice.
 */
import { OperationError } from '@holdfast/base';
import { EntryParts, StreamId, type EntryIterator, type EntryRange, type Span, type Streams } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { sliceElements, type SlicedReply } from '../sliced.ts';

/** Keys that one slice counts: they are passed several times as fast as entries are written. */
const countedPerSlice = 4 * sliceElements;

const parts = new EntryParts();
const id = new StreamId();

/** Writes an entry: its id, and its fields and values as one flat array, in RESP3 too. */
export function replyEntry(entryId: StreamId, value: Span, reply: ReplyWriter): void {
  reply.array(2);
  reply.bulkLatin1(entryId.toString());
  reply.array(parts.count(value));
  parts.enter(value);
  while (parts.next()) reply.bulk(parts.buffer, parts.start, parts.end);
}

/** Entries to be shown, ends included. */
export interface WantedEntries {
  readonly from: StreamId;
  readonly to: StreamId;
  readonly reverse: boolean;
  /** Most entries. Infinity: all. */
  readonly count: number;
}

/** As the engine takes it. */
function rangeOf({ from, to, reverse }: WantedEntries): EntryRange {
  return { from, to, reverse };
}

/**
 * Writes the wanted entries of the open stream.
 * @returns how many; undefined when there are more than `room`: what was written then is to be thrown away.
 */
export function gatherEntries(
  streams: Streams,
  wanted: WantedEntries,
  room: number,
  into: ReplyWriter,
): number | undefined {
  if (wanted.from.compare(wanted.to) > 0 || streams.size === 0) return 0;
  if ((knownCount(streams, wanted) ?? 0) > room) return undefined;
  const entries = streams.iterateEntries(rangeOf(wanted));
  let count = 0;
  try {
    while (count < wanted.count && entries.next()) {
      if (count === room) return undefined;
      streams.readId(entries, id);
      replyEntry(id, entries.value, into);
      count++;
    }
  } finally {
    entries.close();
  }
  return count;
}

/** The number of wanted entries where it is known without walking: when they are the whole stream. */
function knownCount({ size, first, last }: Streams, { from, to, count }: WantedEntries): number | undefined {
  const isWhole = from.compare(first) <= 0 && to.compare(last) >= 0;
  return isWhole ? Math.min(size, count) : undefined;
}

/** The entries of one stream within a sliced reply. */
export class EntriesPart {
  /** What stands in the reply in front of the entries' array. */
  readonly #head: Buffer;
  readonly #counting: EntryIterator | undefined;
  readonly #entries: EntryIterator;
  readonly #idStart: number;
  readonly #most: number;
  #left: number;
  #isAnnounced = false;

  /** Of the open stream; others may be opened afterwards. */
  constructor(streams: Streams, wanted: WantedEntries, head: Buffer) {
    const known = knownCount(streams, wanted);
    this.#head = head;
    this.#left = known ?? 0;
    this.#most = wanted.count;
    this.#idStart = streams.prefixLength;
    const range = { ...rangeOf(wanted), detached: true };
    this.#counting = known === undefined ? streams.iterateEntries({ ...range, keysOnly: true }) : undefined;
    this.#entries = streams.iterateEntries(range);
  }

  /** Writes up to `room` entries. @returns the room that is left; 0 when the part has to go on in another slice. */
  next(room: number, reply: ReplyWriter): number {
    if (!this.#isAnnounced) {
      if (!this.#count()) return 0;
      reply.raw(this.#head);
      reply.array(this.#left);
      this.#isAnnounced = true;
    }
    let free = room;
    for (; this.#left > 0 && free > 0; this.#left--, free--) {
      if (!this.#entries.next()) {
        const message = `a stream ended ${this.#left} entries early: its metadata counts more than there are`;
        throw new OperationError('ENGINE_SIZE_CORRUPT', message, { outcome: 'not-applied' });
      }
      const { key, value } = this.#entries;
      id.read(key.buffer, key.start + this.#idStart);
      replyEntry(id, value, reply);
    }
    return this.#left > 0 ? 0 : Math.max(1, free);
  }

  /** Counts on. @returns whether the number is known. */
  #count(): boolean {
    const counting = this.#counting;
    if (counting === undefined) return true;
    for (let i = 0; i < countedPerSlice; i++) {
      if (this.#left >= this.#most || !counting.next()) return true;
      this.#left++;
    }
    return false;
  }

  close(): void {
    this.#counting?.close();
    this.#entries.close();
  }
}

/** A reply of many entries, part by part. */
export class SlicedEntries implements SlicedReply {
  readonly #parts: readonly EntriesPart[];
  #at = 0;

  constructor(list: readonly EntriesPart[]) {
    this.#parts = list;
  }

  next(reply: ReplyWriter): boolean {
    let room = sliceElements;
    while (this.#at < this.#parts.length) {
      room = (this.#parts[this.#at] as EntriesPart).next(room, reply);
      if (room === 0) return true;
      this.#at++;
    }
    return false;
  }

  close(): void {
    for (const part of this.#parts) part.close();
  }
}
