/** A walk over members of a sorted set: what an entry of either family says, in one form. */
import { Window } from './bytes.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { readOrderedDouble } from './ordered-double.ts';

const scoreBytes = 8;

export class MemberWalk {
  /** The current member; valid until the next call. */
  readonly member: Window = new Window();
  readonly #entries: EntryIterator;
  readonly #prefixLength: number;
  readonly #isByScore: boolean;

  /** @param isByScore whether entries are of the family of scores. */
  constructor(entries: EntryIterator, prefixLength: number, isByScore: boolean) {
    this.#entries = entries;
    this.#prefixLength = prefixLength;
    this.#isByScore = isByScore;
  }

  /** Moves to the next member. @returns false at the end. */
  next(): boolean {
    if (!this.#entries.next()) return false;
    const { key } = this.#entries;
    this.member.set(key.buffer, key.start + this.#prefixLength + (this.#isByScore ? scoreBytes : 0), key.end);
    return true;
  }

  /** The score of the current member. */
  get score(): number {
    if (this.#isByScore) return readOrderedDouble(this.member.buffer, this.member.start - scoreBytes);
    const { value } = this.#entries;
    return readOrderedDouble(value.buffer, value.start);
  }

  close(): void {
    this.#entries.close();
  }
}
