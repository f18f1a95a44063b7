/** A bounded log in memory: the newest entries, each with a number that rises for as long as the process lives. */
import type { EntryLog } from '@holdfast/commands';

export class NewestEntries<Entry> implements EntryLog<Entry> {
  /** Oldest first. */
  #entries: Entry[] = [];
  #lastId = 0;
  readonly #lengthMax: () => number;

  constructor(lengthMax: () => number) {
    this.#lengthMax = lengthMax;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** @param make is given the entry's number, from 1. */
  add(make: (id: number) => Entry): void {
    this.#entries.push(make(++this.#lastId));
    this.trim();
  }

  /** Forgets what is too much; to be called when the bound changes. */
  trim(): void {
    const tooMany = this.#entries.length - this.#lengthMax();
    if (tooMany > 0) this.#entries.splice(0, tooMany);
  }

  newest(count: number): readonly Entry[] {
    if (count <= 0) return [];
    return this.#entries.slice(-Math.min(count, this.#entries.length)).reverse();
  }

  clear(): void {
    this.#entries = [];
  }
}
