/**
 * A reply of many members in slices. How many there are is known for ranks; a range of scores or of byte strings is counted
 * first, which takes slices of its own before the header is written.
 */
import { OperationError } from '@holdfast/base';
import type { MemberWalk } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { sliceElements, type SlicedReply } from '../sliced.ts';
import { replyRow, replyRowsHeader } from './sorted-sets.ts';
import { passedAtOnce, type Selection } from './range.ts';

/** A selection of which some was passed. */
class Progress {
  readonly walk: MemberWalk;
  readonly limit: number;
  #skip: number;

  constructor({ walk, skip, limit }: Selection) {
    this.walk = walk;
    this.limit = limit;
    this.#skip = skip;
  }

  /** Passes some of what stands before the range. @returns whether it is passed. */
  pass(): boolean {
    const upTo = Math.max(0, this.#skip - passedAtOnce);
    while (this.#skip > upTo && this.walk.next()) this.#skip--;
    if (this.#skip > upTo) this.#skip = 0;
    return this.#skip === 0;
  }
}

export class SlicedRows implements SlicedReply {
  readonly #rows: Progress;
  readonly #withScores: boolean;
  #counting: Progress | undefined;
  #left: number;

  /**
   * @param rows what is written.
   * @param counting the same again, to be counted; undefined when the header was written for `rows.limit` of them.
   */
  constructor(rows: Selection, counting: Selection | undefined, withScores: boolean) {
    this.#rows = new Progress(rows);
    this.#counting = counting === undefined ? undefined : new Progress(counting);
    this.#withScores = withScores;
    this.#left = counting === undefined ? rows.limit : 0;
  }

  next(reply: ReplyWriter): boolean {
    if (this.#counting !== undefined) return this.#count(this.#counting, reply);
    if (!this.#rows.pass()) return true;
    const { walk } = this.#rows;
    const rows = Math.min(this.#left, sliceElements);
    for (let i = 0; i < rows; i++) {
      if (!walk.next()) throw fewerThanCounted(this.#left - i);
      replyRow(reply, walk, this.#withScores);
    }
    this.#left -= rows;
    return this.#left > 0;
  }

  #count(counting: Progress, reply: ReplyWriter): boolean {
    if (!counting.pass()) return true;
    const { walk, limit } = counting;
    const upTo = Math.min(limit, this.#left + passedAtOnce);
    while (this.#left < upTo && walk.next()) this.#left++;
    if (this.#left === upTo && upTo < limit) return true;
    walk.close();
    this.#counting = undefined;
    replyRowsHeader(reply, this.#left, this.#withScores);
    return this.#left > 0;
  }

  close(): void {
    this.#rows.walk.close();
    this.#counting?.walk.close();
    this.#counting = undefined;
  }
}

function fewerThanCounted(missing: number): OperationError {
  const message = `a sorted set holds ${missing} members fewer than its record says: the reply cannot be finished`;
  return new OperationError('ENGINE_SIZE_CORRUPT', message, { outcome: 'not-applied' });
}
