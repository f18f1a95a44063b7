/**
 * WATCH: which connections want to know that a key was written. A connection whose watched key was written is spoilt
 * until EXEC, DISCARD or UNWATCH. Keys are kept as one character per byte; an empty registry costs writers nothing.
 */

/** What one watched key takes beside its own characters, about. */
const keyOverheadBytes = 256;

/** Who watches; carries what its keys take, so that it can be held to its share of memory. */
export interface Watcher {
  watchedBytes: number;
}

export class WatchedKeys<W extends Watcher> {
  /** Who watches a key, and whether it was there then. */
  readonly #watchers = new Map<string, Map<W, boolean>>();
  readonly #keys = new Map<W, Set<string>>();
  readonly #spoilt = new Set<W>();
  /** When the first key that a watcher saw alive expires. */
  readonly #expireMs = new Map<W, number>();

  get empty(): boolean {
    return this.#watchers.size === 0;
  }

  /**
   * @param key namespace prefix and user key, one character per byte.
   * @param expireMs when the key dies by itself; 0 when it does not; undefined when it is not there. A later change of it
   *   is a write.
   */
  watch(watcher: W, key: string, expireMs: number | undefined): void {
    if (expireMs !== undefined && expireMs !== 0)
      this.#expireMs.set(watcher, Math.min(expireMs, this.#expireMs.get(watcher) ?? Infinity));
    const keys = this.#keys.get(watcher) ?? new Set();
    if (!keys.has(key)) watcher.watchedBytes += key.length + keyOverheadBytes;
    keys.add(key);
    this.#keys.set(watcher, keys);
    const watchers = this.#watchers.get(key) ?? new Map<W, boolean>();
    // Seen there once, it is there: had it gone since, that was a write.
    watchers.set(watcher, expireMs !== undefined || watchers.get(watcher) === true);
    this.#watchers.set(key, watchers);
  }

  unwatch(watcher: W): void {
    this.#spoilt.delete(watcher);
    this.#expireMs.delete(watcher);
    watcher.watchedBytes = 0;
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
    if (watchers !== undefined) for (const watcher of watchers.keys()) this.#spoilt.add(watcher);
  }

  /** Every key, or every one that begins with `prefix`, is gone (FLUSHALL): those that were not there are what they were. */
  deletedAll(prefix: string): void {
    for (const [key, watchers] of this.#watchers) {
      if (!key.startsWith(prefix)) continue;
      for (const [watcher, wasThere] of watchers) if (wasThere) this.#spoilt.add(watcher);
    }
  }

  /** Everything may be another thing than before (full sync). */
  replacedAll(): void {
    for (const watcher of this.#keys.keys()) this.#spoilt.add(watcher);
  }

  /** Whether a watched key was written, or has expired, since it is watched. */
  isSpoilt(watcher: W, nowMs: number): boolean {
    return this.#spoilt.has(watcher) || (this.#expireMs.get(watcher) ?? Infinity) <= nowMs;
  }
}
