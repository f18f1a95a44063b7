/**
 * Walking over many keys: SCAN, KEYS, RANDOMKEY, counting, keys of a slot. All of them read metadata records in key
 * order, in blocks; the keys that are dead at `nowMs` are passed over.
 */
import { randomBelow } from '@holdfast/base';
import { slotOf } from '@holdfast/topology';
import type { Span } from './bytes.ts';
import type { Engine } from './engine.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { family } from './families.ts';
import type { Glob } from './glob.ts';
import { Metadata } from './metadata-value.ts';
import type { Namespace } from './namespace.ts';
import { keyAfterPrefix, metadataPrefix, userKeyOffset } from './stored-key.ts';

export interface ScanRequest {
  readonly namespace: Namespace;
  readonly nowMs: number;
  /** The stored key after which to go on; undefined at the beginning. */
  readonly after: Buffer | undefined;
  readonly match: Glob | undefined;
  /** Type id. */
  readonly type: number | undefined;
  /** How many keys to look at. */
  readonly count: number;
}

export interface ScanResult {
  readonly keys: readonly Buffer[];
  /** The last stored key that was looked at; undefined when the scan is complete. */
  readonly last: Buffer | undefined;
}

/** RANDOMKEY looks at this many keys from a random place on, and takes one of them. */
const randomWindow = 64;

/** A draw of one key out of those seen so far. */
interface Draw {
  readonly offset: number;
  readonly nowMs: number;
  seen: number;
  chosen: Buffer | undefined;
}

export class KeyScan {
  readonly #engine: Engine;
  readonly #meta = new Metadata();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** One step of SCAN. */
  scan({ namespace, nowMs, after, match, type, count }: ScanRequest): ScanResult {
    const offset = userKeyOffset(namespace, this.#engine.slotPrefixed);
    const entries = this.#entries(this.#scanPrefix(namespace, match), after);
    const keys: Buffer[] = [];
    let looked = 0;
    let last: Buffer | undefined;
    try {
      while (entries.next()) {
        if (looked === count) return { keys, last };
        looked++;
        if (looked === count) last = entries.key.copy();
        if (!this.#isAlive(entries, nowMs) || (type !== undefined && this.#meta.type !== type)) continue;
        const key = userKeyOf(entries, offset);
        if (match === undefined || match.matches(key)) keys.push(Buffer.from(key.buffer.subarray(key.start, key.end)));
      }
      return { keys, last: undefined };
    } finally {
      entries.close();
    }
  }

  /** Calls `found` with every living key of a namespace, or of one of its slots. The span is valid during the call. */
  forEach(namespace: Namespace, options: { nowMs: number; slot?: number }, found: (key: Span) => void): void {
    const { engine, offset } = this.#frame(namespace);
    const { slot } = options;
    const isSlotPrefixed = slot !== undefined && engine.slotPrefixed;
    const entries = this.#entries(metadataPrefix(namespace, isSlotPrefixed ? slot : undefined));
    try {
      while (entries.next()) {
        if (!this.#isAlive(entries, options.nowMs)) continue;
        const key = userKeyOf(entries, offset);
        if (slot !== undefined && !engine.slotPrefixed && slotOf(key.buffer, key.start, key.end) !== slot) continue;
        found(key);
      }
    } finally {
      entries.close();
    }
  }

  /** A walk over the living keys of a namespace that match, as they are now; to be closed by the caller. */
  walk(namespace: Namespace, options: { nowMs: number; match: Glob; detached: boolean }): KeyWalk {
    const prefix = this.#scanPrefix(namespace, options.match);
    const lt = keyAfterPrefix(prefix);
    const { detached } = options;
    const range = { gte: prefix, ...(lt === undefined ? {} : { lt }), fillCache: false, detached };
    const offset = userKeyOffset(namespace, this.#engine.slotPrefixed);
    return new KeyWalk(this.#engine.iterate(family.metadata, range), { ...options, offset });
  }

  /** Number of living keys of a slot. */
  countInSlot(namespace: Namespace, slot: number, nowMs: number): number {
    let count = 0;
    this.forEach(namespace, { nowMs, slot }, () => count++);
    return count;
  }

  /** At most `max` living keys of a slot, in key order. */
  keysInSlot(namespace: Namespace, slot: number, max: number, nowMs: number): Buffer[] {
    const keys: Buffer[] = [];
    if (max <= 0) return keys;
    const { engine, offset } = this.#frame(namespace);
    const entries = this.#entries(engine.slotPrefixed ? metadataPrefix(namespace, slot) : metadataPrefix(namespace));
    try {
      while (keys.length < max && entries.next()) {
        if (!this.#isAlive(entries, nowMs)) continue;
        const key = userKeyOf(entries, offset);
        if (engine.slotPrefixed || slotOf(key.buffer, key.start, key.end) === slot) {
          keys.push(Buffer.from(key.buffer.subarray(key.start, key.end)));
        }
      }
      return keys;
    } finally {
      entries.close();
    }
  }

  /**
   * A living key: one of the first few from a place drawn between the first and the last stored key, going on at the
   * beginning after the end. Of up to `randomWindow` keys each is as likely as any other; of more, those that stand
   * close together are drawn less often than one that stands alone (an even draw would have to count).
   */
  random(namespace: Namespace, nowMs: number): Buffer | undefined {
    const prefix = metadataPrefix(namespace);
    const first = this.#edge(prefix, false);
    const last = this.#edge(prefix, true);
    if (first === undefined || last === undefined) return undefined;
    const draw: Draw = {
      offset: userKeyOffset(namespace, this.#engine.slotPrefixed),
      nowMs,
      seen: 0,
      chosen: undefined,
    };
    const point = this.#between(first, last);
    const end = keyAfterPrefix(prefix);
    this.#sample(draw, { gte: point, ...(end === undefined ? {} : { lt: end }) });
    this.#sample(draw, { gte: prefix, lt: point });
    return draw.chosen;
  }

  /** Goes on with a draw over the living keys of a range, until it has seen enough. */
  #sample(draw: Draw, range: { gte: Buffer; lt?: Buffer }): void {
    const entries = this.#engine.iterate(family.metadata, { ...range, fillCache: false });
    try {
      while (draw.seen < randomWindow && entries.next()) {
        if (!this.#isAlive(entries, draw.nowMs)) continue;
        draw.seen++;
        if (randomBelow(this.#engine.random, draw.seen) > 0) continue;
        const key = userKeyOf(entries, draw.offset);
        draw.chosen = Buffer.from(key.buffer.subarray(key.start, key.end));
      }
    } finally {
      entries.close();
    }
  }

  /** Bytes drawn between two keys: what they share, then a random value between the next eight bytes of each. */
  #between(first: Buffer, last: Buffer): Buffer {
    let shared = 0;
    while (shared < first.length && shared < last.length && first[shared] === last[shared]) shared++;
    const low = Buffer.alloc(6);
    const high = Buffer.alloc(6);
    first.copy(low, 0, shared);
    last.copy(high, 0, shared);
    const from = low.readUIntBE(0, 6);
    const range = high.readUIntBE(0, 6) - from + 1;
    const drawn = from + Math.floor((this.#engine.random.u32() / 2 ** 32) * range);
    const point = Buffer.alloc(shared + 6);
    first.copy(point, 0, 0, shared);
    point.writeUIntBE(drawn, shared, 6);
    return point;
  }

  /** RocksDB's guess at the number of records of all namespaces, dead ones included. */
  estimateKeys(): number {
    const guess = Number(this.#engine.database.property(family.metadata, 'rocksdb.estimate-num-keys') ?? 0);
    return Number.isFinite(guess) && guess > 0 ? guess : 0;
  }

  /** An exact count of a namespace, step by step, so that the event loop is not held up. */
  counter(namespace: Namespace): KeyCounter {
    return new KeyCounter(this.#engine, namespace);
  }

  #frame(namespace: Namespace): { engine: Engine; offset: number } {
    return { engine: this.#engine, offset: userKeyOffset(namespace, this.#engine.slotPrefixed) };
  }

  /** What all matches begin with: a pattern's own prefix helps only where keys are not ordered by slot first. */
  #scanPrefix(namespace: Namespace, match: Glob | undefined): Buffer {
    const prefix = metadataPrefix(namespace);
    return match === undefined || this.#engine.slotPrefixed ? prefix : Buffer.concat([prefix, match.prefix]);
  }

  #entries(prefix: Buffer, after?: Buffer): EntryIterator {
    const next = after === undefined ? prefix : Buffer.concat([after, Buffer.of(0)]);
    return this.#entriesFrom(prefix, next.compare(prefix) > 0 ? next : prefix);
  }

  #entriesFrom(prefix: Buffer, gte: Buffer): EntryIterator {
    const lt = keyAfterPrefix(prefix);
    return this.#engine.iterate(family.metadata, { gte, ...(lt === undefined ? {} : { lt }), fillCache: false });
  }

  #edge(prefix: Buffer, reverse: boolean): Buffer | undefined {
    const lt = keyAfterPrefix(prefix);
    const range = { gte: prefix, ...(lt === undefined ? {} : { lt }), reverse, keysOnly: true };
    const entries = this.#engine.iterate(family.metadata, range);
    try {
      return entries.next() ? entries.key.copy() : undefined;
    } finally {
      entries.close();
    }
  }

  #isAlive(entries: EntryIterator, nowMs: number): boolean {
    return this.#meta.read(entries.value) && !this.#meta.isDead(nowMs);
  }
}

function userKeyOf({ key }: EntryIterator, offset: number): Span {
  return { buffer: key.buffer, start: key.start + offset, end: key.end };
}

interface KeyWalkOptions {
  readonly nowMs: number;
  readonly match: Glob;
  /** Where the user key begins in a stored key. */
  readonly offset: number;
}

/** Step by step, so that the event loop is not held up; when it is detached it may go on after the command that made it. */
export class KeyWalk {
  readonly #entries: EntryIterator;
  readonly #options: KeyWalkOptions;
  readonly #meta = new Metadata();

  constructor(entries: EntryIterator, options: KeyWalkOptions) {
    this.#entries = entries;
    this.#options = options;
  }

  /**
   * Looks at up to `entriesMax` more records and calls `found` for each key; the span is valid during the call.
   * @returns false at the end.
   */
  step(entriesMax: number, found: (key: Span) => void): boolean {
    const { nowMs, match, offset } = this.#options;
    for (let looked = 0; looked < entriesMax; looked++) {
      if (!this.#entries.next()) return false;
      if (!this.#meta.read(this.#entries.value) || this.#meta.isDead(nowMs)) continue;
      const key = userKeyOf(this.#entries, offset);
      if (match.matches(key)) found(key);
    }
    return true;
  }

  close(): void {
    this.#entries.close();
  }
}

/** Counts what is committed; a key written or deleted meanwhile may be counted or not. */
export class KeyCounter {
  keys = 0;
  /** Of `keys`, those with an expiry. */
  expires = 0;
  /** Records that are dead but not compacted away yet. */
  expired = 0;
  /** Sum of the remaining times of `expires`, in ms. */
  ttlSumMs = 0;
  readonly #engine: Engine;
  readonly #prefix: Buffer;
  readonly #meta = new Metadata();
  #after: Buffer | undefined;

  constructor(engine: Engine, namespace: Namespace) {
    this.#engine = engine;
    this.#prefix = metadataPrefix(namespace);
  }

  /** Looks at up to `entriesMax` more records. @returns true when the count is complete. */
  step(entriesMax: number, nowMs: number): boolean {
    const lt = keyAfterPrefix(this.#prefix);
    const gte = this.#after ?? this.#prefix;
    const range = { gte, ...(lt === undefined ? {} : { lt }), fillCache: false };
    const entries = this.#engine.iterate(family.metadata, range);
    try {
      for (let looked = 0; looked < entriesMax; looked++) {
        if (!entries.next()) return true;
        this.#count(entries, nowMs);
        if (looked === entriesMax - 1) this.#after = Buffer.concat([entries.key.view(), Buffer.of(0)]);
      }
      return false;
    } finally {
      entries.close();
    }
  }

  #count(entries: EntryIterator, nowMs: number): void {
    if (!this.#meta.read(entries.value)) return;
    if (this.#meta.isDead(nowMs)) {
      this.expired++;
      return;
    }
    this.keys++;
    if (this.#meta.expireMs === 0) return;
    this.expires++;
    this.ttlSumMs += this.#meta.expireMs - nowMs;
  }
}
