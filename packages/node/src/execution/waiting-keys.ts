/**
 * Who waits for which key, first come, first served, and which of these keys were written since. Pure: a key is its
 * namespace's prefix and the user key, one character per byte; an empty registry costs writers nothing.
 *
 * A waiter keeps its place in every queue until it is removed, also when it was asked and waits on.
 */

export class WaitingKeys<W> {
  /** Sets keep the order of insertion, and forget in constant time. */
  readonly #queues = new Map<string, Set<W>>();
  readonly #keys = new Map<W, readonly string[]>();
  readonly #ready = new Set<string>();

  /** Nobody waits for a key. */
  get empty(): boolean {
    return this.#queues.size === 0;
  }

  /** A written key that somebody waits for is still to be looked at. */
  get hasReady(): boolean {
    return this.#ready.size > 0;
  }

  /** @param keys may be empty or name a key twice. */
  add(waiter: W, keys: readonly string[]): void {
    this.#keys.set(waiter, keys);
    for (const key of keys) {
      const queue = this.#queues.get(key) ?? new Set();
      queue.add(waiter);
      this.#queues.set(key, queue);
    }
  }

  /** Does nothing when it is none. */
  remove(waiter: W): void {
    const keys = this.#keys.get(waiter);
    if (keys === undefined) return;
    this.#keys.delete(waiter);
    for (const key of keys) {
      const queue = this.#queues.get(key);
      queue?.delete(waiter);
      if (queue?.size !== 0) continue;
      this.#queues.delete(key);
      this.#ready.delete(key);
    }
  }

  /** A key was written. */
  touch(key: string): void {
    if (this.#queues.has(key)) this.#ready.add(key);
  }

  /** Every key that begins with `prefix` was deleted: whoever waits for what a key holds may have to be told. */
  deletedAll(prefix: string): void {
    for (const key of this.#queues.keys()) if (key.startsWith(prefix)) this.#ready.add(key);
  }

  /** Anything may have been written. */
  replacedAll(): void {
    this.deletedAll('');
  }

  /** The key that was written first of those still to be looked at; it is then looked at. */
  takeReady(): string | undefined {
    for (const key of this.#ready) {
      this.#ready.delete(key);
      return key;
    }
    return undefined;
  }

  /** How many keys somebody waits for, of those that are chosen. */
  count(isChosen: (waiter: W) => boolean = (): boolean => true): number {
    let keys = 0;
    for (const queue of this.#queues.values()) if ([...queue].some(isChosen)) keys++;
    return keys;
  }

  /** Who waits for `key` now, in their order. Later changes do not show. */
  waitersOf(key: string): readonly W[] {
    return [...(this.#queues.get(key) ?? [])];
  }
}
