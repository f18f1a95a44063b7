/**
 * Reads one RDB value and hands its parts on as they come, so that a value of millions of elements is never held in memory
 * as objects. Where bytes are wrong the reading stops in the middle with an RdbFailure; what was handed on is then the
 * caller's to take back.
 *
 *   string   one string                          list, set    count, then as many strings
 *   hash     count, then field and value         zset         count, then member and score
 *
 * and the same packed into one string (packed-elements.ts); a quicklist is a count and as many packed strings.
 */
import type { Span, StreamId } from '@holdfast/engine';
import { parseDoubleLeniently } from '../data/doubles.ts';
import { int64Of } from '../data/integers.ts';
import { Intset, Listpack, Ziplist, Zipmap, type ElementCursor } from './packed-elements.ts';
import { RdbFailure, rdbType } from './rdb-format.ts';
import type { RdbReader } from './rdb-reader.ts';
import { readStream } from './read-stream.ts';

export type RdbKind = 'string' | 'list' | 'set' | 'zset' | 'hash' | 'stream';

/** What a stream is besides its entries. */
export interface RdbStreamState {
  readonly size: number;
  readonly lastGenerated: StreamId;
  /** Undefined in the oldest form, which does not tell them. */
  readonly counts:
    { readonly first: StreamId; readonly maxDeleted: StreamId; readonly entriesAdded: bigint } | undefined;
}

export interface RdbPending {
  readonly deliveredMs: number;
  readonly deliveries: number;
}

export interface RdbConsumer {
  readonly name: Buffer;
  readonly seenMs: number;
  /** Undefined in forms that do not tell it. */
  readonly activeMs: number | undefined;
  readonly pending: readonly { readonly id: StreamId; readonly state: RdbPending }[];
}

export interface RdbGroup {
  readonly name: Buffer;
  readonly lastDelivered: StreamId;
  /** -1 when it is not known; undefined in the oldest form, which does not tell it. */
  readonly entriesRead: bigint | undefined;
  readonly consumers: readonly RdbConsumer[];
}

/** Takes the parts of a value. Spans are valid during the call. May throw RdbFailure for what it cannot take. */
export interface RdbSink {
  /** Called once, first. */
  begin(kind: RdbKind): void;
  /** The string, or the next element of a list or set. */
  element(value: Span): void;
  member(member: Span, score: number): void;
  /** @param expireMs Unix time at which the field dies; 0 never. */
  field(field: Span, value: Span, expireMs: number): void;
  /** The next entry; `parts` is its fields and values as the engine keeps them. */
  entry(id: StreamId, parts: Span): void;
  /** After the last entry. */
  streamState(state: RdbStreamState): void;
  group(group: RdbGroup): void;
}

function elements(cursor: ElementCursor, sink: RdbSink): number {
  let count = 0;
  for (let element = cursor.next(); element !== undefined; element = cursor.next(), count++) sink.element(element);
  return count;
}

function plainElements(reader: RdbReader, sink: RdbSink): number {
  const count = reader.length();
  for (let i = 0; i < count; i++) sink.element(reader.string());
  return count;
}

function need(element: Span | undefined): Span {
  if (element === undefined) throw new RdbFailure('a packed collection ends within a pair');
  return element;
}

function packedFields(cursor: ElementCursor, sink: RdbSink): number {
  let count = 0;
  for (let field = cursor.next(); field !== undefined; field = cursor.next(), count++) {
    sink.field(field, need(cursor.next()), 0);
  }
  return count;
}

function fields(reader: RdbReader, sink: RdbSink): number {
  const count = reader.length();
  for (let i = 0; i < count; i++) sink.field(reader.string(), reader.string(), 0);
  return count;
}

function time(ms: bigint): number {
  if (ms < 0n || ms > BigInt(Number.MAX_SAFE_INTEGER)) throw new RdbFailure(`a field dies at ${ms}`);
  return Number(ms);
}

/** The earliest time comes first; each field's is told as 1 + its distance from that, or 0 for none. */
function timedFields(reader: RdbReader, sink: RdbSink): number {
  const earliestMs = BigInt(reader.ms());
  const count = reader.length();
  for (let i = 0; i < count; i++) {
    const told = reader.uint64();
    const expireMs = told === 0n ? 0 : time(earliestMs + told - 1n);
    sink.field(reader.string(), reader.string(), expireMs);
  }
  return count;
}

/** Behind the earliest time, triples of field, value and time; 0 for none. */
function packedTimedFields(reader: RdbReader, sink: RdbSink): number {
  reader.ms();
  const cursor = new Listpack(reader.string());
  let count = 0;
  for (let field = cursor.next(); field !== undefined; field = cursor.next(), count++) {
    const value = need(cursor.next());
    const expireMs = int64Of(need(cursor.next()));
    if (expireMs === undefined) throw new RdbFailure('the time of a field is no number');
    sink.field(field, value, time(expireMs));
  }
  return count;
}

function scored(sink: RdbSink, member: Span, score: number): void {
  if (Number.isNaN(score)) throw new RdbFailure('a score is no number');
  sink.member(member, score);
}

function packedMembers(cursor: ElementCursor, sink: RdbSink): number {
  let count = 0;
  for (let member = cursor.next(); member !== undefined; member = cursor.next(), count++) {
    const { buffer, start, end } = need(cursor.next());
    if (end - start > 128) throw new RdbFailure(`a score has ${end - start} characters`);
    scored(sink, member, parseDoubleLeniently(buffer.latin1Slice(start, end)));
  }
  return count;
}

function members(reader: RdbReader, sink: RdbSink, isBinary: boolean): number {
  const count = reader.length();
  for (let i = 0; i < count; i++) scored(sink, reader.string(), isBinary ? reader.double() : reader.doubleText());
  return count;
}

const plainNode = 1;
const packedNode = 2;

/** Since Redis 7.0 each string says whether it is packed or one element too large for that. */
function quicklist(reader: RdbReader, sink: RdbSink, isTold: boolean): number {
  const nodes = reader.length();
  let count = 0;
  for (let i = 0; i < nodes; i++) {
    const form = isTold ? reader.length() : packedNode;
    const text = reader.string();
    if (form === plainNode) {
      sink.element(text);
      count++;
    } else if (form === packedNode) count += elements(isTold ? new Listpack(text) : new Ziplist(text), sink);
    else throw new RdbFailure(`a node of a list has the form ${form}`);
  }
  return count;
}

interface Form {
  readonly kind: RdbKind;
  /** Reads the body. @returns how many elements there were. */
  read(reader: RdbReader, sink: RdbSink): number;
}

const forms: ReadonlyMap<number, Form> = new Map<number, Form>([
  [rdbType.string, { kind: 'string', read: (reader, sink) => (sink.element(reader.string()), 1) }],
  [rdbType.list, { kind: 'list', read: plainElements }],
  [rdbType.set, { kind: 'set', read: plainElements }],
  [rdbType.zset, { kind: 'zset', read: (reader, sink) => members(reader, sink, false) }],
  [rdbType.hash, { kind: 'hash', read: fields }],
  [rdbType.zset2, { kind: 'zset', read: (reader, sink) => members(reader, sink, true) }],
  [rdbType.hashZipmap, { kind: 'hash', read: (reader, sink) => packedFields(new Zipmap(reader.string()), sink) }],
  [rdbType.listZiplist, { kind: 'list', read: (reader, sink) => elements(new Ziplist(reader.string()), sink) }],
  [rdbType.setIntset, { kind: 'set', read: (reader, sink) => elements(new Intset(reader.string()), sink) }],
  [rdbType.zsetZiplist, { kind: 'zset', read: (reader, sink) => packedMembers(new Ziplist(reader.string()), sink) }],
  [rdbType.hashZiplist, { kind: 'hash', read: (reader, sink) => packedFields(new Ziplist(reader.string()), sink) }],
  [rdbType.quicklist, { kind: 'list', read: (reader, sink) => quicklist(reader, sink, false) }],
  [rdbType.stream, { kind: 'stream', read: (reader, sink) => readStream(reader, sink, 1) }],
  [rdbType.hashListpack, { kind: 'hash', read: (reader, sink) => packedFields(new Listpack(reader.string()), sink) }],
  [rdbType.zsetListpack, { kind: 'zset', read: (reader, sink) => packedMembers(new Listpack(reader.string()), sink) }],
  [rdbType.quicklist2, { kind: 'list', read: (reader, sink) => quicklist(reader, sink, true) }],
  [rdbType.stream2, { kind: 'stream', read: (reader, sink) => readStream(reader, sink, 2) }],
  [rdbType.setListpack, { kind: 'set', read: (reader, sink) => elements(new Listpack(reader.string()), sink) }],
  [rdbType.stream3, { kind: 'stream', read: (reader, sink) => readStream(reader, sink, 3) }],
  [rdbType.hashTimed, { kind: 'hash', read: timedFields }],
  [rdbType.hashListpackTimed, { kind: 'hash', read: packedTimedFields }],
]);

/**
 * Reads the body of a value, which stands behind its type byte.
 * @throws RdbFailure when the bytes are no value: of no known type, damaged, or a collection without elements.
 */
export function readRdbValue(type: number, reader: RdbReader, sink: RdbSink): void {
  const form = forms.get(type);
  if (form === undefined) throw new RdbFailure(`values of type ${type} are not known`);
  reader.beginValue();
  sink.begin(form.kind);
  if (form.read(reader, sink) === 0 && form.kind !== 'stream') throw new RdbFailure(`a ${form.kind} without elements`);
}

const nothing = (): void => undefined;

/** Takes a value without looking at it. */
export const ignored: RdbSink = {
  begin: nothing,
  element: nothing,
  member: nothing,
  field: nothing,
  entry: nothing,
  streamState: nothing,
  group: nothing,
};
