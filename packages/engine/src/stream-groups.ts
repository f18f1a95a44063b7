/**
 * Groups of consumers of a stream, in the stream family next to the entries (Kvrocks types/redis_stream_base.cc). Behind
 * the eight bytes ff and a byte for the kind:
 *
 *   1 group           u64 length, name                         what the group has read, and two counters
 *   2 consumer        u64 length, group, u64 length, name      number of its pending entries, when it was seen
 *   3 pending entry   u64 length, group, ms u64, seq u64       who has it, since when, how often it was handed out
 *
 * Pending entries are kept by id for the whole group only. To find those of one consumer the group's are walked over, until
 * as many were found as its record counts. The counters of group and consumer are kept by whoever puts or deletes a
 * pending entry.
 */
import { OperationError } from '@holdfast/base';
import { Scratch, type Span } from './bytes.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { family } from './families.ts';
import { readU64 } from './metadata-value.ts';
import { StreamId, streamIdBytes } from './stream-id.ts';
import { otherThanEntries, type Streams } from './streams.ts';
import { keyAfterPrefix } from './stored-key.ts';

const kind = { group: 1, consumer: 2, pending: 3 } as const;

/** What `entriesRead` is when the position of the group among all entries ever added is not known. */
export const unknownEntriesRead = -1n;

/** Records of a group above which XGROUP DESTROY deletes ranges instead of each of them. */
const deletedByRangeAbove = 1024;

export interface StreamGroup {
  readonly name: Buffer;
  consumers: number;
  pending: number;
  readonly lastDelivered: StreamId;
  entriesRead: bigint;
  /** Kvrocks' own guess; kept as it is, lag is computed. */
  readonly lag: bigint;
}

export interface StreamConsumer {
  readonly name: Buffer;
  pending: number;
  /** When it last asked for entries, Unix time in ms. */
  seenMs: number;
  /** When it last got some; 0 never. */
  activeMs: number;
}

/** An entry that was handed out and not acknowledged. */
export interface PendingEntry {
  readonly id: StreamId;
  consumer: Buffer;
  /** Unix time in ms of the last delivery. Entries read under Kvrocks 2.10 have 0. */
  deliveredMs: number;
  deliveries: number;
}

/** Which pending entries `iterate` shows; both ends included. */
export interface PendingRange {
  readonly from?: StreamId | undefined;
  readonly to?: StreamId | undefined;
  readonly reverse?: boolean;
}

export class StreamGroups {
  /** The stream whose groups these are; it must be open. */
  readonly streams: Streams;
  readonly #value = new Scratch();
  readonly #bound = new Scratch();

  constructor(streams: Streams) {
    this.streams = streams;
  }

  find(name: Span): StreamGroup | undefined {
    writeName(this.#begin(kind.group), name);
    if (!this.streams.fetch(family.stream)) return undefined;
    return readGroup(copyOf(name), this.streams.value);
  }

  /** All groups, ordered by name. */
  list(): StreamGroup[] {
    const groups: StreamGroup[] = [];
    if (this.streams.groups === 0) return groups;
    this.#walk(this.#prefix(kind.group), (name, value) => groups.push(readGroup(name, value)));
    return groups.sort(byName);
  }

  put(group: StreamGroup): void {
    const value = this.#value;
    value.reset();
    value.u64(group.consumers);
    value.u64(group.pending);
    group.lastDelivered.write(value);
    writeInt64(value, group.entriesRead);
    writeInt64(value, group.lag);
    writeName(this.#begin(kind.group), { buffer: group.name, start: 0, end: group.name.length });
    this.streams.store(value, undefined, family.stream);
  }

  /** Deletes a group with its consumers and pending entries. The stream's number of groups is the caller's. */
  remove(group: StreamGroup): void {
    const isLarge = group.consumers + group.pending > deletedByRangeAbove;
    for (const each of [kind.consumer, kind.pending]) {
      const prefix = this.#prefix(each, group.name);
      if (isLarge) this.#removeRange(prefix);
      else this.#walkKeys(prefix, () => this.streams.erase(family.stream));
    }
    writeName(this.#begin(kind.group), { buffer: group.name, start: 0, end: group.name.length });
    this.streams.erase(family.stream);
  }

  findConsumer(group: StreamGroup, name: Span): StreamConsumer | undefined {
    this.#consumerKey(group, name);
    if (!this.streams.fetch(family.stream)) return undefined;
    return readConsumer(copyOf(name), this.streams.value);
  }

  /** The consumers of a group, ordered by name. */
  consumers(group: StreamGroup): StreamConsumer[] {
    const consumers: StreamConsumer[] = [];
    if (group.consumers === 0) return consumers;
    this.#walk(this.#prefix(kind.consumer, group.name), (name, value) => consumers.push(readConsumer(name, value)));
    return consumers.sort(byName);
  }

  putConsumer(group: StreamGroup, { name, pending, seenMs, activeMs }: StreamConsumer): void {
    const value = this.#value;
    value.reset();
    value.u64(pending);
    value.u64(seenMs);
    value.u64(activeMs);
    this.#consumerKey(group, { buffer: name, start: 0, end: name.length });
    this.streams.store(value, undefined, family.stream);
  }

  /** Deletes a consumer and its pending entries; the counters of `group` follow, which is to be put afterwards. */
  removeConsumer(group: StreamGroup, { name, pending }: StreamConsumer): void {
    let left = pending;
    const entries = this.iterate(group, {});
    try {
      while (left > 0 && entries.next()) {
        if (!entries.isOf(name)) continue;
        this.erasePending(group, entries.id);
        left--;
      }
    } finally {
      entries.close();
    }
    this.#consumerKey(group, { buffer: name, start: 0, end: name.length });
    this.streams.erase(family.stream);
    group.pending = Math.max(0, group.pending - (pending - left));
    group.consumers = Math.max(0, group.consumers - 1);
  }

  findPending(group: StreamGroup, id: StreamId): PendingEntry | undefined {
    this.#pendingKey(group, id);
    return this.streams.fetch(family.stream) ? readPending(id.copy(), this.streams.value) : undefined;
  }

  putPending(group: StreamGroup, { id, consumer, deliveredMs, deliveries }: PendingEntry): void {
    const value = this.#value;
    value.reset();
    value.u64(deliveredMs);
    value.u64(deliveries);
    value.u64(consumer.length);
    value.bytes(consumer);
    this.#pendingKey(group, id);
    this.streams.store(value, undefined, family.stream);
  }

  erasePending(group: StreamGroup, id: StreamId): void {
    this.#pendingKey(group, id);
    this.streams.erase(family.stream);
  }

  /** Pending entries of a group in the order of their ids; to be closed by the caller. */
  iterate(group: StreamGroup, { from, to, reverse }: PendingRange): PendingEntries {
    const prefix = this.#prefix(kind.pending, group.name);
    const ends: { from: Span; to?: Span } = { from: spanWith(prefix, from) };
    const after = to?.copy();
    if (after?.increment() === true) ends.to = spanWith(prefix, after);
    else ends.to = whole(keyAfterPrefix(prefix) as Buffer);
    const entries = this.streams.iterate({ ...ends, reverse: reverse ?? false, of: family.stream });
    return new PendingEntries(entries, this.streams.prefixLength + prefix.length);
  }

  #begin(of: number): Scratch {
    const key = this.streams.subkey();
    key.bytes(otherThanEntries);
    key.u8(of);
    return key;
  }

  #consumerKey(group: StreamGroup, name: Span): void {
    const key = this.#begin(kind.consumer);
    writeName(key, whole(group.name));
    writeName(key, name);
  }

  #pendingKey(group: StreamGroup, id: StreamId): void {
    const key = this.#begin(kind.pending);
    writeName(key, whole(group.name));
    id.write(key);
  }

  /** What all records of a kind, or of a kind and a group, begin with. Owned by the caller. */
  #prefix(of: number, group?: Buffer): Buffer {
    const prefix = this.#bound;
    prefix.reset();
    prefix.bytes(otherThanEntries);
    prefix.u8(of);
    if (group !== undefined) writeName(prefix, whole(group));
    return Buffer.from(prefix.view());
  }

  /** Shows the records behind a prefix whose keys go on with a name; the name is the visitor's to keep. */
  #walk(prefix: Buffer, visit: (name: Buffer, value: Span) => void): void {
    const at = this.streams.prefixLength + prefix.length + 8;
    const entries = this.#entriesOf(prefix, false);
    try {
      while (entries.next()) visit(Buffer.from(entries.key.view().subarray(at)), entries.value);
    } finally {
      entries.close();
    }
  }

  /** Brings the key of each record behind a prefix into the sub key in the making. */
  #walkKeys(prefix: Buffer, visit: () => void): void {
    const entries = this.#entriesOf(prefix, true);
    try {
      while (entries.next()) {
        const { buffer, start, end } = entries.key;
        this.streams.subkey().bytes(buffer, start + this.streams.prefixLength, end);
        visit();
      }
    } finally {
      entries.close();
    }
  }

  #entriesOf(prefix: Buffer, keysOnly: boolean): EntryIterator {
    const to = whole(keyAfterPrefix(prefix) as Buffer);
    return this.streams.iterate({ from: whole(prefix), to, keysOnly, of: family.stream });
  }

  #removeRange(prefix: Buffer): void {
    const begin = Buffer.from(this.streams.subkeyOf(whole(prefix)).view());
    const end = Buffer.from(this.streams.subkeyOf(whole(keyAfterPrefix(prefix) as Buffer)).view());
    this.streams.records.engine.tick.deleteRange(family.stream, begin, end);
  }
}

/** Pending entries one after the other. `id` is filled anew by each `next`. */
export class PendingEntries {
  readonly id: StreamId = new StreamId();
  deliveredMs = 0;
  deliveries = 0;
  readonly #entries: EntryIterator;
  readonly #idStart: number;

  /** @param idStart where the id begins in the keys of `entries`. */
  constructor(entries: EntryIterator, idStart: number) {
    this.#entries = entries;
    this.#idStart = idStart;
  }

  next(): boolean {
    if (!this.#entries.next()) return false;
    const { key, value } = this.#entries;
    this.id.read(key.buffer, key.start + this.#idStart);
    requireBytes(value, 24);
    this.deliveredMs = readU64(value.buffer, value.start);
    this.deliveries = readU64(value.buffer, value.start + 8);
    return true;
  }

  /** Where the name of the consumer that has it stands; valid until `next`. */
  get consumer(): Span {
    const { buffer, start, end } = this.#entries.value;
    return { buffer, start: start + 24, end };
  }

  /** Whether the consumer of this name has it. */
  isOf(name: Buffer): boolean {
    const { buffer, start, end } = this.#entries.value;
    return end - start - 24 === name.length && name.compare(buffer, start + 24, end) === 0;
  }

  /** The current entry, owned by the caller. */
  entry(): PendingEntry {
    const { deliveredMs, deliveries } = this;
    return { id: this.id.copy(), consumer: copyOf(this.consumer), deliveredMs, deliveries };
  }

  close(): void {
    this.#entries.close();
  }
}

function whole(bytes: Buffer): Span {
  return { buffer: bytes, start: 0, end: bytes.length };
}

function copyOf({ buffer, start, end }: Span): Buffer {
  return Buffer.from(buffer.subarray(start, end));
}

function byName(a: { readonly name: Buffer }, b: { readonly name: Buffer }): number {
  return a.name.compare(b.name);
}

function spanWith(prefix: Buffer, id: StreamId | undefined): Span {
  if (id === undefined) return whole(prefix);
  const bytes = new Scratch(prefix.length + streamIdBytes);
  bytes.bytes(prefix);
  id.write(bytes);
  return bytes;
}

function writeName(into: Scratch, { buffer, start, end }: Span): void {
  into.u64(end - start);
  into.bytes(buffer, start, end);
}

function writeInt64(into: Scratch, value: bigint): void {
  into.u64Halves(Number((value >> 32n) & 0xffffffffn), Number(value & 0xffffffffn));
}

function requireBytes({ start, end }: Span, bytes: number): void {
  if (end - start >= bytes) return;
  const message = `a record of a stream's group has only ${end - start} of ${bytes} bytes`;
  throw new OperationError('ENGINE_RECORD_CORRUPT', message, { outcome: 'not-applied' });
}

function readGroup(name: Buffer, value: Span): StreamGroup {
  requireBytes(value, 48);
  const { buffer, start } = value;
  const lastDelivered = new StreamId();
  lastDelivered.read(buffer, start + 16);
  return {
    name,
    consumers: readU64(buffer, start),
    pending: readU64(buffer, start + 8),
    lastDelivered,
    entriesRead: buffer.readBigInt64BE(start + 32),
    lag: buffer.readBigInt64BE(start + 40),
  };
}

function readConsumer(name: Buffer, value: Span): StreamConsumer {
  requireBytes(value, 24);
  const { buffer, start } = value;
  return {
    name,
    pending: readU64(buffer, start),
    seenMs: readU64(buffer, start + 8),
    activeMs: readU64(buffer, start + 16),
  };
}

function readPending(id: StreamId, value: Span): PendingEntry {
  requireBytes(value, 24);
  const { buffer, start, end } = value;
  return {
    id,
    consumer: copyOf({ buffer, start: start + 24, end }),
    deliveredMs: readU64(buffer, start),
    deliveries: readU64(buffer, start + 8),
  };
}
