/**
 * WATCH: which connections want to know that a key was written. A connection whose watched key was written is spoilt
 * until EXEC, DISCARD or UNWATCH. Keys are kept as one character per byte; an empty registry costs writers nothing.
 */
export class WatchedKeys<Watcher extends object> {
  readonly #watchers = new Map<string, Set<Watcher>>();
  readonly #keys = new Map<Watcher, Set<string>>();
  readonly #spoilt = new Set<Watcher>();

  get empty(): boolean {
    return this.#watchers.size === 0;
  }

  /** @param key namespace prefix and user key, one character per byte. */
  watch(watcher: Watcher, key: string): void {
    const keys = this.#keys.get(watcher) ?? new Set();
    keys.add(key);
    this.#keys.set(watcher, keys);
    const watchers = this.#watchers.get(key) ?? new Set();
    watchers.add(watcher);
    this.#watchers.set(key, watchers);
  }

  unwatch(watcher: Watcher): void {
    this.#spoilt.delete(watcher);
    const keys = this.#keys.get(watcher);
    if (keys === undefined) return;
    this.#keys.delete(watcher);
    for (const key of keys) {
      const watchers = this.#watchers.get(key);
      watchers?.delete(watcher);
      if (watchers?.size === 0) this.#watchers.delete(key);
    }
  }

  /** A key was written. */
  touch(key: string): void {
    const watchers = this.#watchers.get(key);
    if (watchers !== undefined) for (const watcher of watchers) this.#spoilt.add(watcher);
  }

  /** Everything may have been written (FLUSHALL, full sync). */
  touchAll(): void {
    for (const watcher of this.#keys.keys()) this.#spoilt.add(watcher);
  }

  isSpoilt(watcher: Watcher): boolean {
    return this.#spoilt.has(watcher);
  }

  /** Whether the watcher watches `key`; for expiry between WATCH and EXEC. */
  keysOf(watcher: Watcher): Iterable<string> {
    return this.#keys.get(watcher) ?? [];
  }
}
