/**
 * A reply of many members in slices. How many there are is known for ranks; a range of scores or of byte strings is counted
 * first, which takes slices of its own before the header is written.
 */
import { OperationError } from '@holdfast/base';
import type { MemberWalk } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { sliceElements, type SlicedReply } from '../sliced.ts';
import { replyRow, replyRowsHeader } from './sorted-sets.ts';
import type { Selection } from './range.ts';

/** Members counted in one slice: counting one takes a fraction of what writing it takes. */
const countedAtATime = 8 * sliceElements;

export class SlicedRows implements SlicedReply {
  readonly #walk: MemberWalk;
  readonly #withScores: boolean;
  #counting: Selection | undefined;
  #left: number;

  /**
   * @param rows what is written.
   * @param counting the same again, to be counted; undefined when the header was written for `rows.limit` of them.
   */
  constructor(rows: Selection, counting: Selection | undefined, withScores: boolean) {
    this.#walk = rows.walk;
    this.#withScores = withScores;
    this.#counting = counting;
    this.#left = counting === undefined ? rows.limit : 0;
  }

  next(reply: ReplyWriter): boolean {
    if (this.#counting !== undefined) {
      this.#count(this.#counting, reply);
      return true;
    }
    const rows = Math.min(this.#left, sliceElements);
    for (let i = 0; i < rows; i++) {
      if (!this.#walk.next()) throw fewerThanCounted(this.#left - i);
      replyRow(reply, this.#walk, this.#withScores);
    }
    this.#left -= rows;
    return this.#left > 0;
  }

  #count({ walk, limit }: Selection, reply: ReplyWriter): void {
    const upTo = Math.min(limit, this.#left + countedAtATime);
    while (this.#left < upTo && walk.next()) this.#left++;
    if (this.#left === upTo && upTo < limit) return;
    walk.close();
    this.#counting = undefined;
    replyRowsHeader(reply, this.#left, this.#withScores);
  }

  close(): void {
    this.#walk.close();
    this.#counting?.walk.close();
    this.#counting = undefined;
  }
}

function fewerThanCounted(missing: number): OperationError {
  const message = `a sorted set holds ${missing} members fewer than its record says: the reply cannot be finished`;
  return new OperationError('ENGINE_RECORD_CORRUPT', message, { outcome: 'not-applied' });
}
