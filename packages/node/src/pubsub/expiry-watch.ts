/**
 * `expired` events. Nobody deletes an expired key here: it reads as missing from its moment on, and its record goes with a
 * compaction. So the event cannot come from a deletion, as in Redis. Instead, while class `x` is asked for, keys that are
 * given an expiry are remembered with it, and looked at when the moment has come: a record that still has that expiry has
 * died now. An event is never said of a key that lives, or was deleted or overwritten before.
 *
 * Not said, as a consequence: of keys that got their expiry before the class was asked for, or before the process started,
 * and of those beyond the bound. Entries lie in buckets of one period each, so that a period costs what died in it.
 */
import { defaultNamespace, type Namespace, type Span } from '@holdfast/engine';

/** Keys remembered at once: some 30 MB with keys of 100 bytes. */
export const watchedExpiriesMax = 100_000;
const periodMs = 100;

interface Entry {
  readonly namespace: Namespace;
  readonly key: Buffer;
  readonly expireMs: number;
}

export interface ExpiryWatchEnvironment {
  /**
   * When a key dies, as seen at `nowMs` (Unix time in ms): 0 when it does not, undefined when there is none.
   */
  expireMs(namespace: Namespace, key: Buffer, nowMs: number): number | undefined;
}

export class ExpiryWatch {
  readonly #env: ExpiryWatchEnvironment;
  #fresh: { namespace: Namespace; key: Buffer; notedMs: number }[] = [];
  readonly #buckets = new Map<number, Map<string, Entry>>();
  #count = 0;
  #doneUntil = 0;

  constructor(env: ExpiryWatchEnvironment) {
    this.#env = env;
  }

  /** Keys remembered. */
  get count(): number {
    return this.#count;
  }

  /** The running command gave `key` an expiry, or a key with one another name. What it is, is read later. */
  note(namespace: Namespace, { buffer, start, end }: Span, nowMs: number): void {
    if (this.#count >= watchedExpiriesMax) return;
    this.#count++;
    this.#fresh.push({ namespace, key: Buffer.from(buffer.subarray(start, end)), notedMs: nowMs });
  }

  /** Sorts in what was noted since the last time. */
  #sortIn(): void {
    const fresh = this.#fresh;
    this.#fresh = [];
    this.#count -= fresh.length;
    for (const { namespace, key, notedMs } of fresh) {
      const expireMs = this.#env.expireMs(namespace, key, notedMs);
      if (expireMs === undefined || expireMs === 0) continue;
      // What dies in a period that was looked at already is found in the next.
      const at = Math.max(Math.floor(expireMs / periodMs), this.#doneUntil);
      const bucket = this.#buckets.get(at) ?? new Map<string, Entry>();
      const name = `${namespace === defaultNamespace ? '' : namespace.name}\0${key.toString('latin1')}`;
      if (!bucket.has(name)) this.#count++;
      bucket.set(name, { namespace, key, expireMs });
      this.#buckets.set(at, bucket);
    }
  }

  /** Tells of every remembered key that died before `nowMs`. To be called about every 100 ms. */
  takeDead(nowMs: number, tell: (namespace: Namespace, key: Buffer) => void): void {
    if (this.#count === 0) return;
    const until = Math.floor(nowMs / periodMs);
    if (this.#buckets.size === 0) this.#doneUntil = 0;
    this.#sortIn();
    const due = until - this.#doneUntil > this.#buckets.size ? [...this.#buckets.keys()] : undefined;
    if (due !== undefined) for (const at of due.filter((one) => one < until).sort((a, b) => a - b)) this.#end(at, tell);
    else for (let at = this.#doneUntil; at < until; at++) this.#end(at, tell);
    this.#doneUntil = Math.max(until, this.#doneUntil);
  }

  /** The class is not asked for any more, or another node has the keys. */
  clear(): void {
    this.#fresh = [];
    this.#buckets.clear();
    this.#count = 0;
  }

  #end(at: number, tell: (namespace: Namespace, key: Buffer) => void): void {
    const bucket = this.#buckets.get(at);
    if (bucket === undefined) return;
    this.#buckets.delete(at);
    this.#count -= bucket.size;
    for (const { namespace, key, expireMs } of bucket.values()) {
      if (this.#env.expireMs(namespace, key, expireMs - 1) === expireMs) tell(namespace, key);
    }
  }
}
