/**
 * What commands do to keys whatever their type: expiry, deletion, renaming, flushing. Deleting a collection deletes
 * only its metadata record; a flush is one range delete of metadata records (Kvrocks storage/redis_db.cc).
 */
import { typeName } from './metadata-value.ts';
import { copyKey } from './key-copy.ts';
import type { Engine } from './engine.ts';
import { family } from './families.ts';
import type { Namespace } from './namespace.ts';
import type { Records } from './records.ts';
import { keyAfterPrefix, metadataPrefix, type UserKey } from './stored-key.ts';

export class Keyspace {
  readonly records: Records;
  readonly engine: Engine;

  constructor(records: Records) {
    this.records = records;
    this.engine = records.engine;
  }

  exists(key: UserKey, nowMs: number): boolean {
    return this.records.load(key, nowMs);
  }

  /** As TYPE answers: `none`, `string`, `hash`, … */
  type(key: UserKey, nowMs: number): string {
    return this.records.load(key, nowMs) ? typeName(this.records.meta.type) : 'none';
  }

  /** Unix time in ms at which the key dies; 0 never; undefined when there is no such key. */
  expireMs(key: UserKey, nowMs: number): number | undefined {
    return this.records.load(key, nowMs) ? this.records.meta.expireMs : undefined;
  }

  /** Deletes a key. @returns whether there was one. */
  delete(key: UserKey, nowMs: number, isFirstOfCommand = true): boolean {
    if (!this.records.load(key, nowMs)) return false;
    if (isFirstOfCommand) this.records.log(0);
    this.records.delete(key);
    return true;
  }

  /**
   * Sets when an existing key dies; 0 makes it stay. A time that has passed deletes it.
   * The key must have been loaded right before (`expireMs`), and exist.
   */
  setExpireMs(key: UserKey, expireMs: number, nowMs: number): void {
    const { records } = this;
    if (expireMs !== 0 && expireMs <= nowMs) {
      records.log(0);
      records.delete(key);
      return;
    }
    records.logExpire();
    records.meta.expireMs = expireMs;
    records.store(key, records.body());
  }

  /**
   * Copies a key with its expiry, all sub keys under a new version. What `to` was before is replaced.
   * @param move deletes `from` as well, in the same records.
   * @returns false when there is no `from`.
   */
  copy(from: UserKey, to: UserKey, nowMs: number, move: boolean): boolean {
    if (!this.records.load(from, nowMs)) return false;
    copyKey(this.records, from, to, move);
    return true;
  }

  /** Deletes all keys of a namespace (FLUSHDB) or, without one, of all (FLUSHALL). Node-wide state stays. */
  flush(namespace?: Namespace): void {
    if (namespace !== undefined) return this.#deletePrefixRange(namespace.prefix, namespace.prefix);
    const last = this.engine.iterate(family.metadata, { reverse: true, keysOnly: true });
    try {
      if (!last.next()) return;
      this.engine.tick.deleteRange(family.metadata, Buffer.of(0), Buffer.concat([last.key.view(), Buffer.of(0)]));
    } finally {
      last.close();
    }
  }

  /** Deletes all keys of a range of slots, both ends included. Only with slots in stored keys. */
  deleteSlots(namespace: Namespace, first: number, last: number): void {
    this.#deletePrefixRange(metadataPrefix(namespace, first), metadataPrefix(namespace, last));
  }

  #deletePrefixRange(first: Uint8Array, last: Uint8Array): void {
    const end = keyAfterPrefix(last);
    if (end !== undefined) this.engine.tick.deleteRange(family.metadata, first, end);
  }
}
