/**
 * Makes a key of an RDB value, part by part as they are read. What was there before is replaced; the caller takes everything
 * back when the reading fails in the middle. As with Redis' deep sanitizing, an element given twice is a failure.
 */
import {
  Lists,
  Sets,
  StreamGroups,
  StreamId,
  Streams,
  Zsets,
  entriesUpTo,
  highestEntryId,
  type DataTypes,
  type Span,
  type UserKey,
} from '@holdfast/engine';
import { RdbFailure } from '../rdb/rdb-format.ts';
import type { RdbReader } from '../rdb/rdb-reader.ts';
import { readRdbValue, type RdbGroup, type RdbKind, type RdbSink, type RdbStreamState } from '../rdb/read-value.ts';

/** Where to, and when the key dies (Unix time in ms; 0 never). */
export interface RestoreTarget {
  readonly key: UserKey;
  readonly expireMs: number;
  readonly nowMs: number;
}

export class ValueRestore implements RdbSink {
  readonly #types: DataTypes;
  readonly #lists: Lists;
  readonly #sets: Sets;
  readonly #zsets: Zsets;
  readonly #streams: Streams;
  readonly #groups: StreamGroups;
  readonly #last = new StreamId();
  #kind: RdbKind = 'string';
  #target: RestoreTarget | undefined;

  constructor(types: DataTypes) {
    const { records } = types;
    this.#types = types;
    this.#lists = new Lists(records);
    this.#sets = new Sets(records);
    this.#zsets = new Zsets(records);
    this.#streams = new Streams(records);
    this.#groups = new StreamGroups(this.#streams);
  }

  /**
   * Restores the value whose type byte was read.
   * @returns false when nothing of the value lives any more; it is the caller's then to take back what was written.
   * @throws RdbFailure when the bytes are no value; part of it may have been written by then.
   */
  restore(type: number, reader: RdbReader, target: RestoreTarget): boolean {
    this.#target = target;
    readRdbValue(type, reader, this);
    if (this.#kind === 'hash' && this.#types.hashes.size === 0) return false;
    this.#save(target);
    return target.expireMs === 0 || target.expireMs > target.nowMs;
  }

  #collection(): Lists | Sets | Zsets | Streams | undefined {
    switch (this.#kind) {
      case 'list':
        return this.#lists;
      case 'set':
        return this.#sets;
      case 'zset':
        return this.#zsets;
      case 'stream':
        return this.#streams;
      case 'string':
      case 'hash':
        return undefined;
      default:
        return this.#kind satisfies never;
    }
  }

  begin(kind: RdbKind): void {
    const { key, expireMs } = this.#target as RestoreTarget;
    this.#kind = kind;
    this.#last.clear();
    const collection = kind === 'hash' ? this.#types.hashes : this.#collection();
    if (collection === undefined) return;
    if (kind === 'hash') this.#types.hashes.create(key);
    else collection.create(key);
    collection.expireMs = expireMs;
  }

  element(value: Span): void {
    const { key, expireMs } = this.#target as RestoreTarget;
    if (this.#kind === 'string') this.#types.strings.set(key, value, expireMs);
    else if (this.#kind === 'list') this.#lists.push('right', value);
    else if (!this.#sets.add(value)) throw new RdbFailure('a set has a member twice');
  }

  member(member: Span, score: number): void {
    const zset = this.#zsets;
    zset.subkeyOf(member);
    if (zset.isWrittenByCommand()) throw new RdbFailure('a sorted set has a member twice');
    zset.add(member, score);
  }

  field(field: Span, value: Span, expireMs: number): void {
    const { hashes } = this.#types;
    if (hashes.isPutByCommand(field)) throw new RdbFailure('a hash has a field twice');
    if (expireMs !== 0 && !hashes.hasTimedFields) {
      throw new RdbFailure(
        'a field has a time to die, which hashes have with hash-encoding-mode field-expiration only',
      );
    }
    if (expireMs !== 0 && expireMs <= (this.#target as RestoreTarget).nowMs) return;
    hashes.put(field, value, true, expireMs);
  }

  entry(id: StreamId, parts: Span): void {
    const isFirst = this.#streams.size === 0 && this.#last.isZero;
    const isBehind = isFirst ? !id.isZero : id.compare(this.#last) > 0;
    if (!isBehind || id.compare(highestEntryId) > 0) throw new RdbFailure(`the entry ${id.toString()} is out of order`);
    this.#streams.append(id, parts);
    this.#last.set(id);
  }

  streamState({ lastGenerated, counts }: RdbStreamState): void {
    const streams = this.#streams;
    if (lastGenerated.compare(this.#last) < 0)
      throw new RdbFailure('the last id of a stream lies before its last entry');
    streams.lastGenerated.set(lastGenerated);
    if (counts === undefined) return;
    if (counts.entriesAdded < BigInt(streams.size))
      throw new RdbFailure('a stream has more entries than were ever added');
    streams.maxDeleted.set(counts.maxDeleted);
    streams.entriesAdded = counts.entriesAdded;
  }

  group({ name, lastDelivered, entriesRead, consumers }: RdbGroup): void {
    const streams = this.#streams;
    const groups = this.#groups;
    const span: Span = { buffer: name, start: 0, end: name.length };
    if (groups.find(span) !== undefined) throw new RdbFailure('a stream has a group twice');
    const group = {
      name,
      consumers: consumers.length,
      pending: 0,
      lastDelivered,
      entriesRead: entriesRead ?? entriesUpTo(streams, lastDelivered),
      lag: 0n,
    };
    for (const { name: consumer, seenMs, activeMs, pending } of consumers) {
      const isTwice = groups.findConsumer(group, { buffer: consumer, start: 0, end: consumer.length }) !== undefined;
      if (isTwice) throw new RdbFailure('a group has a consumer twice');
      for (const { id, state } of pending) groups.putPending(group, { id, consumer, ...state });
      groups.putConsumer(group, { name: consumer, pending: pending.length, seenMs, activeMs: activeMs ?? seenMs });
      group.pending += pending.length;
    }
    groups.put(group);
    streams.groups++;
  }

  #save({ key }: RestoreTarget): void {
    switch (this.#kind) {
      case 'string':
        return;
      case 'list':
        return this.#lists.save(key);
      case 'set':
        return this.#sets.save(key, true);
      case 'zset':
        return this.#zsets.save(key, true);
      case 'hash':
        return this.#types.hashes.save(key, true);
      case 'stream':
        return this.#streams.saveStream(key);
      default:
        return this.#kind satisfies never;
    }
  }
}
