/**
 * A key's value as the payload of DUMP. Each type is written in one plain form, under the lowest version that has it, so that
 * old servers take it too. Lists are written as Kvrocks writes them: a quicklist with one element in each node.
 *
 * Bitmaps become the strings they are in Redis. Sorted integers, JSON, bloom filters and HyperLogLogs are refused, as Kvrocks
 * does: Redis keeps them as values of modules, or as strings that could not be told from others.
 */
import { OperationError } from '@holdfast/base';
import {
  Lists,
  Sets,
  Zsets,
  bitmapAsString,
  typeId,
  type Collection,
  type DataTypes,
  type UserKey,
} from '@holdfast/engine';
import { Refusal } from '../command.ts';
import { ziplistOf } from '../rdb/pack-elements.ts';
import { rdbType, rdbVersion } from '../rdb/rdb-format.ts';
import { RdbWriter } from '../rdb/rdb-writer.ts';
import { StreamDump } from './dump-stream.ts';

/** Kvrocks' text. */
const noSuchForm = 'ERR Invalid or Not supported object type';

export class ValueDump {
  readonly #types: DataTypes;
  readonly #lists: Lists;
  readonly #sets: Sets;
  readonly #zsets: Zsets;
  readonly #streams: StreamDump;

  constructor(types: DataTypes) {
    const { records } = types;
    this.#types = types;
    this.#lists = new Lists(records);
    this.#sets = new Sets(records);
    this.#zsets = new Zsets(records);
    this.#streams = new StreamDump(records);
  }

  /**
   * @param demandRoom asked before memory is taken for so many bytes; throws to refuse.
   * @returns undefined when there is no such key.
   */
  payloadOf(key: UserKey, nowMs: number, demandRoom: (bytes: number) => void): Buffer | Refusal | undefined {
    const { records } = this.#types;
    if (!records.load(key, nowMs)) return undefined;
    const { type } = records.meta;
    const writer = new RdbWriter(demandRoom);
    const version = this.#write(type, { key, nowMs, writer });
    return version instanceof Refusal ? version : writer.sealed(version);
  }

  /** @returns the version of the form. */
  #write(type: number, dump: Dump): number | Refusal {
    switch (type) {
      case typeId.string:
      case typeId.bitmap:
        return this.#string(type, dump);
      case typeId.list:
        return this.#list(dump);
      case typeId.set:
        return this.#set(dump);
      case typeId.zset:
        return this.#zset(dump);
      case typeId.hash:
        return this.#hash(dump);
      case typeId.stream:
        return this.#streams.write(dump);
      default:
        return new Refusal(noSuchForm);
    }
  }

  #string(type: number, { key, writer }: Dump): number | Refusal {
    const { records, strings } = this.#types;
    writer.u8(rdbType.string);
    if (type === typeId.string) {
      writer.string(records.body());
      return rdbVersion.oldest;
    }
    const { size } = records.meta;
    const text = bitmapAsString(records, key, strings.bitmapBytesMax);
    if (text === undefined) {
      return new Refusal(
        `ERR the bitmap has ${size} bytes, and only ${strings.bitmapBytesMax} become a string (max-bitmap-to-string-mb)`,
      );
    }
    writer.string({ buffer: text, start: 0, end: text.length });
    return rdbVersion.oldest;
  }

  #list({ key, nowMs, writer }: Dump): number {
    const list = this.#lists;
    list.open(key, nowMs);
    writer.u8(rdbType.quicklist);
    writer.count(list.size);
    const entries = list.elements(list.first, list.end);
    let count = 0;
    try {
      for (; entries.next(); count++) {
        const node = ziplistOf(entries.value);
        writer.string({ buffer: node, start: 0, end: node.length });
      }
    } finally {
      entries.close();
    }
    checkCount(list, count);
    return rdbVersion.oldest;
  }

  #set({ key, nowMs, writer }: Dump): number {
    const set = this.#sets;
    set.open(key, nowMs);
    writer.u8(rdbType.set);
    writer.count(set.size);
    const entries = set.iterate({ keysOnly: true });
    let count = 0;
    try {
      for (; entries.next(); count++) {
        const { buffer, start, end } = entries.key;
        writer.string({ buffer, start: start + set.prefixLength, end });
      }
    } finally {
      entries.close();
    }
    checkCount(set, count);
    return rdbVersion.oldest;
  }

  /** From the highest score down, as Redis does: it adds each before the others then, without searching. */
  #zset({ key, nowMs, writer }: Dump): number {
    const zset = this.#zsets;
    zset.open(key, nowMs);
    writer.u8(rdbType.zset2);
    writer.count(zset.size);
    const walk = zset.walkScores(undefined, undefined, { reverse: true });
    let count = 0;
    try {
      for (; walk.next(); count++) {
        writer.string(walk.member);
        writer.double(walk.score);
      }
    } finally {
      walk.close();
    }
    checkCount(zset, count);
    return rdbVersion.doubleScores;
  }

  #hash({ key, nowMs, writer }: Dump): number | Refusal {
    const { hashes } = this.#types;
    if (hashes.open(key, nowMs) !== 'found') return new Refusal('ERR the encoding of this hash is not known');
    const size = hashes.livingFields();
    const isTimed = hashes.hasTimedFields;
    // With a base of 0 each field's time is told as 1 more than itself.
    writer.u8(isTimed ? rdbType.hashTimed : rdbType.hash);
    if (isTimed) writer.ms(0);
    writer.count(size);
    const walk = hashes.walk();
    let count = 0;
    try {
      for (; walk.next(); count++) {
        if (isTimed) writer.count(walk.expireMs === 0 ? 0 : walk.expireMs + 1);
        writer.string(walk.field);
        writer.string(walk.value);
      }
    } finally {
      walk.close();
    }
    checkCount({ size }, count);
    return isTimed ? rdbVersion.timedFields : rdbVersion.oldest;
  }
}

/** What is to be written where. */
export interface Dump {
  readonly key: UserKey;
  readonly nowMs: number;
  readonly writer: RdbWriter;
}

/** The count stands before the elements: a collection whose record counts wrong has no payload. */
function checkCount({ size }: Pick<Collection, 'size'>, count: number): void {
  if (size === count) return;
  const message = `a collection has ${count} elements and its metadata record says ${size}: it cannot be dumped`;
  throw new OperationError('ENGINE_SIZE_CORRUPT', message, { outcome: 'not-applied' });
}
