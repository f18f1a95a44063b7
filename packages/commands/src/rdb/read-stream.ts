/**
 * Reads a stream, the RDB value with the most parts:
 *
 *   nodes       count, then a string of 16 bytes (the id of the first entry it ever had) and a listpack of entries
 *   state       entries, last id; since Redis 7.0 also first id, highest deleted id, entries ever added
 *   groups      count, then name, last delivered id, [since 7.0: entries read],
 *               pending entries: count, then 16 bytes id, 8 bytes time, deliveries
 *               consumers: count, then name, 8 bytes time seen, [since 7.2: 8 bytes time active],
 *                          pending entries: count, then 16 bytes id
 *
 * A node's listpack begins with a master entry: entries, deleted entries, number of fields, the fields, 0. An entry is flags,
 * distance of its id from the node's in ms and sequence, [number of fields], fields and values, or values alone where its
 * fields are the master's, and the number of elements it took.
 */
import { Scratch, StreamId, writeEntryPart, type Span } from '@holdfast/engine';
import { int64Of } from '../data/integers.ts';
import { Listpack } from './packed-elements.ts';
import { RdbFailure } from './rdb-format.ts';
import type { RdbReader } from './rdb-reader.ts';
import type { RdbConsumer, RdbGroup, RdbPending, RdbSink } from './read-value.ts';

/** Flags of an entry. */
export const entryFlag = { deleted: 1, masterFields: 2 } as const;

/** Which of the three forms is read: each knows what the one before does, and more. */
type StreamForm = 1 | 2 | 3;

const idBytes = 16;

/**
 * What is held in memory while it is read: more of it than this is refused, for a payload could ask for more memory than
 * there is. XADD takes no more fields either.
 */
const most = { fields: 1 << 20, pending: 4_000_000, consumers: 1_000_000 } as const;

class Node {
  readonly #listpack: Listpack;
  readonly #ms: bigint;
  readonly #seq: bigint;
  readonly #fields: Span[] = [];
  readonly #parts = new Scratch();

  constructor(first: StreamId, text: Span) {
    this.#listpack = new Listpack(text);
    this.#ms = (BigInt(first.msHigh) << 32n) | BigInt(first.msLow);
    this.#seq = (BigInt(first.seqHigh) << 32n) | BigInt(first.seqLow);
  }

  /** @returns how many entries there were that are not deleted. */
  read(sink: RdbSink): number {
    const living = this.#count();
    const deleted = this.#count();
    const fields = this.#count();
    bound(fields, 'fields');
    for (let i = 0; i < fields; i++) this.#fields.push(this.#element());
    if (this.#integer() !== 0n) throw new RdbFailure('the master entry of a stream does not end');
    let [seenLiving, seenDeleted] = [0, 0];
    for (let flags = this.#listpack.next(); flags !== undefined; flags = this.#listpack.next()) {
      if (this.#entry(integerOf(flags), sink)) seenLiving++;
      else seenDeleted++;
    }
    if (seenLiving !== living || seenDeleted !== deleted) {
      throw new RdbFailure(`a node of a stream has ${seenLiving} + ${seenDeleted} entries, not ${living} + ${deleted}`);
    }
    return living;
  }

  /** @returns whether it is not deleted. */
  #entry(flags: bigint, sink: RdbSink): boolean {
    const id = StreamId.of(
      BigInt.asUintN(64, this.#ms + this.#integer()),
      BigInt.asUintN(64, this.#seq + this.#integer()),
    );
    const isLikeMaster = (flags & BigInt(entryFlag.masterFields)) !== 0n;
    const fields = isLikeMaster ? this.#fields.length : this.#count();
    const parts = this.#parts;
    parts.reset();
    for (let i = 0; i < fields; i++) {
      writeEntryPart(parts, isLikeMaster ? (this.#fields[i] as Span) : this.#element());
      writeEntryPart(parts, this.#element());
    }
    const took = isLikeMaster ? fields + 3 : 2 * fields + 4;
    if (this.#count() !== took) throw new RdbFailure('an entry of a stream cannot be walked backwards');
    const isDeleted = (flags & BigInt(entryFlag.deleted)) !== 0n;
    if (!isDeleted) sink.entry(id, parts);
    return !isDeleted;
  }

  #element(): Span {
    const element = this.#listpack.next();
    if (element === undefined) throw new RdbFailure('a node of a stream ends within an entry');
    return element;
  }

  #integer(): bigint {
    return integerOf(this.#element());
  }

  /** Counts are bounded by what follows: reading stops where the listpack does. */
  #count(): number {
    const count = this.#integer();
    if (count < 0n || count > 0xffffffffn) throw new RdbFailure(`a stream counts ${count}`);
    return Number(count);
  }
}

function bound(count: number, what: keyof typeof most): void {
  if (count > most[what]) throw new RdbFailure(`a stream has ${count} ${what}, and at most ${most[what]} are read`);
}

function integerOf(text: Span): bigint {
  const value = int64Of(text);
  if (value === undefined) throw new RdbFailure('a number of a stream is none');
  return value;
}

function rawId(reader: RdbReader): StreamId {
  const id = new StreamId();
  id.read(reader.buffer, reader.take(idBytes));
  return id;
}

function toldId(reader: RdbReader): StreamId {
  const ms = reader.uint64();
  return StreamId.of(ms, reader.uint64());
}

function copyOf({ buffer, start, end }: Span): Buffer {
  return Buffer.from(buffer.subarray(start, end));
}

/** @returns the number of entries. */
export function readStream(reader: RdbReader, sink: RdbSink, form: StreamForm): number {
  const nodes = reader.length();
  let size = 0;
  for (let i = 0; i < nodes; i++) {
    const first = reader.string();
    if (first.end - first.start !== idBytes) throw new RdbFailure('a node of a stream has no id');
    const id = new StreamId();
    id.read(first.buffer, first.start);
    size += new Node(id, reader.string()).read(sink);
  }
  const told = reader.length();
  if (told !== size) throw new RdbFailure(`a stream has ${size} entries and says ${told}`);
  const lastGenerated = toldId(reader);
  const counts =
    form === 1 ? undefined : { first: toldId(reader), maxDeleted: toldId(reader), entriesAdded: reader.uint64() };
  sink.streamState({ size, lastGenerated, counts });
  const groups = reader.length();
  for (let i = 0; i < groups; i++) sink.group(readGroup(reader, form));
  return size;
}

function readGroup(reader: RdbReader, form: StreamForm): RdbGroup {
  const name = copyOf(reader.string());
  const lastDelivered = toldId(reader);
  const entriesRead = form === 1 ? undefined : BigInt.asIntN(64, reader.uint64());
  const pending = new Map<string, RdbPending>();
  const count = reader.length();
  bound(count, 'pending');
  for (let i = 0; i < count; i++) {
    const id = rawId(reader).toString();
    if (pending.has(id)) throw new RdbFailure(`the entry ${id} is pending twice`);
    pending.set(id, { deliveredMs: reader.ms(), deliveries: reader.length() });
  }
  const consumers: RdbConsumer[] = [];
  const consumerCount = reader.length();
  bound(consumerCount, 'consumers');
  for (let i = 0; i < consumerCount; i++) consumers.push(readConsumer(reader, form, pending));
  if (pending.size > 0) throw new RdbFailure(`${pending.size} pending entries belong to no consumer`);
  return { name, lastDelivered, entriesRead, consumers };
}

/** @param pending of the group; those of this consumer are taken out. */
function readConsumer(reader: RdbReader, form: StreamForm, pending: Map<string, RdbPending>): RdbConsumer {
  const name = copyOf(reader.string());
  const seenMs = reader.ms();
  // Redis writes -1 for a consumer that has never got an entry.
  const activeMs = form === 3 ? reader.msOrNever() : undefined;
  const own: { id: StreamId; state: RdbPending }[] = [];
  const count = reader.length();
  for (let i = 0; i < count; i++) {
    const id = rawId(reader);
    const text = id.toString();
    const state = pending.get(text);
    if (state === undefined)
      throw new RdbFailure(`the entry ${text} is a consumer's and not the group's, or another's`);
    pending.delete(text);
    own.push({ id, state });
  }
  return { name, seenMs, activeMs, pending: own };
}
