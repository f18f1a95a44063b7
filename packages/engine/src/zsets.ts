/**
 * Sorted sets, as Kvrocks keeps them: one metadata record, and two records per member. In the family of sub keys
 * `member -> score`, which answers what score a member has and lists members in byte order; in the family of scores
 * `score member -> nothing`, which lists members by score and, where scores are equal, in byte order. Both are written
 * together, always the sub key first.
 *
 * There is no count of members before a given one: finding a rank walks the scores from the nearer end, which takes time
 * in proportion. Scores -0 and 0 are equal numbers that stand at different places, -0 first.
 */
import { spanOf, type Span } from './bytes.ts';
import { Collection } from './collection.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { family } from './families.ts';
import { MemberWalk } from './member-walk.ts';
import { typeId } from './metadata-value.ts';
import { readOrderedDouble, writeOrderedDouble } from './ordered-double.ts';
import type { Records } from './records.ts';

/** One end of a range of scores. */
export interface ScoreBound {
  readonly score: number;
  readonly isExcluded: boolean;
}

export interface WalkOptions {
  readonly reverse?: boolean;
  /** May go on after the command, see EntryIterator. */
  readonly detached?: boolean;
  /** About so many are passed on at once, see EntryIterator. */
  readonly passing?: number;
}

/** A range of members, in byte order. */
export interface MemberRange extends WalkOptions {
  /** First member, included. */
  readonly from?: Span | undefined;
  /** End, not included. */
  readonly to?: Span | undefined;
}

const scoreBytes = 8;
const nothing: Span = spanOf('');

export class Zsets extends Collection {
  /** What `find` found. */
  score = 0;
  readonly #encoded: Buffer = Buffer.alloc(scoreBytes);
  readonly #encodedSpan: Span = spanOf(this.#encoded);

  constructor(records: Records) {
    super(records, typeId.zset);
  }

  /** Reads the score of a member of the open sorted set into `score`. @returns whether it is a member. */
  find(member: Span): boolean {
    if (this.size === 0) return false;
    this.subkeyOf(member);
    if (!this.fetch()) return false;
    this.score = readOrderedDouble(this.value.buffer, this.value.start);
    return true;
  }

  /** Adds what is not a member yet. */
  add(member: Span, score: number): void {
    this.#put(member, score);
    this.size++;
  }

  /** Gives a member another score; `from` is exactly the one it has. */
  move(member: Span, from: number, to: number): void {
    this.#eraseScore(member, from);
    this.#put(member, to);
  }

  /** Removes a member; `score` is exactly the one it has. */
  remove(member: Span, score: number): void {
    this.subkeyOf(member);
    this.erase();
    this.#eraseScore(member, score);
    this.size--;
  }

  #put(member: Span, score: number): void {
    writeOrderedDouble(this.#encoded, 0, score);
    this.subkeyOf(member);
    this.store(this.#encodedSpan);
    this.#scoreKey(member);
    this.store(nothing, nothing, family.zsetScore);
  }

  #eraseScore(member: Span, score: number): void {
    writeOrderedDouble(this.#encoded, 0, score);
    this.#scoreKey(member);
    this.erase(family.zsetScore);
  }

  #scoreKey(member: Span): void {
    const key = this.subkey();
    key.bytes(this.#encoded);
    key.bytes(member.buffer, member.start, member.end);
  }

  /** Members in byte order; to be closed by the caller. */
  walkMembers({ from, to, ...how }: MemberRange = {}): MemberWalk {
    const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    return new MemberWalk(this.iterate({ ...range, ...how }), this.prefixLength, false);
  }

  /** Members by score, all or those between two ends; to be closed by the caller. */
  walkScores(min?: ScoreBound, max?: ScoreBound, how: WalkOptions = {}): MemberWalk {
    const from = min === undefined ? undefined : scoreEdge(min.score, !min.isExcluded);
    const to = max === undefined ? undefined : scoreEdge(max.score, max.isExcluded);
    return this.#byScore(from, to, how);
  }

  /**
   * Members by score, beginning with the one of a rank, counted from 0 in the direction of the walk. Skips from the end that
   * is nearer, so that it takes time in proportion to the distance from there. To be closed by the caller.
   */
  walkRanks(rank: number, how: WalkOptions = {}): MemberWalk {
    if (rank * 2 <= this.size) {
      const { passing } = how;
      const walk = this.#byScore(
        undefined,
        undefined,
        passing === undefined ? how : { ...how, passing: rank + passing },
      );
      for (let i = 0; i < rank; i++) walk.next();
      return walk;
    }
    const isReverse = how.reverse === true;
    const edge = this.#edgeAt(this.size - 1 - rank, !isReverse);
    return isReverse ? this.#byScore(undefined, edge, how) : this.#byScore(edge, undefined, how);
  }

  /** Just before the element that is `skipped` elements from an end; `fromLast`: from the end, and just after it if not. */
  #edgeAt(skipped: number, fromLast: boolean): Buffer {
    const entries = this.#scoreEntries(undefined, undefined, { reverse: fromLast });
    try {
      for (let i = 0; i <= skipped; i++) entries.next();
      const at = Buffer.from(entries.key.view().subarray(this.prefixLength));
      return fromLast ? at : Buffer.concat([at, Buffer.of(0)]);
    } finally {
      entries.close();
    }
  }

  /** How many members lie between two scores. Walks them. */
  countScores(min: ScoreBound, max: ScoreBound): number {
    return count(this.#scoreEntries(scoreEdge(min.score, !min.isExcluded), scoreEdge(max.score, max.isExcluded), {}));
  }

  /** How many members lie in a range of byte strings. Walks them. */
  countMembers(from: Span | undefined, to: Span | undefined): number {
    const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    return count(this.iterate({ ...range, keysOnly: true }));
  }

  /**
   * How many members stand before one that exists. Walks from both ends at a time until one side is through.
   * @param score exactly the one it has.
   */
  rankOf(member: Span, score: number): number {
    writeOrderedDouble(this.#encoded, 0, score);
    const at = Buffer.concat([this.#encoded, member.buffer.subarray(member.start, member.end)]);
    const before = this.#scoreEntries(undefined, at, {});
    const after = this.#scoreEntries(Buffer.concat([at, Buffer.of(0)]), undefined, { reverse: true });
    try {
      for (let steps = 0; ; steps++) {
        if (!before.next()) return steps;
        if (!after.next()) return this.size - 1 - steps;
      }
    } finally {
      before.close();
      after.close();
    }
  }

  #byScore(from: Buffer | undefined, to: Buffer | undefined, how: WalkOptions): MemberWalk {
    return new MemberWalk(this.#scoreEntries(from, to, how), this.prefixLength, true);
  }

  #scoreEntries(from: Buffer | undefined, to: Buffer | undefined, how: WalkOptions): EntryIterator {
    return this.iterate({
      ...(from === undefined ? {} : { from: spanOf(from) }),
      ...(to === undefined ? {} : { to: spanOf(to) }),
      of: family.zsetScore,
      keysOnly: true,
      ...how,
    });
  }
}

function count(entries: EntryIterator): number {
  let found = 0;
  try {
    while (entries.next()) found++;
  } finally {
    entries.close();
  }
  return found;
}

/** The place right before all members of a score, or right after them; the two zeros are one score. */
function scoreEdge(score: number, isBefore: boolean): Buffer {
  const edge = Buffer.alloc(scoreBytes);
  writeOrderedDouble(edge, 0, score !== 0 ? score : isBefore ? -0 : 0);
  if (!isBefore) edge.writeBigUInt64BE(edge.readBigUInt64BE(0) + 1n, 0);
  return edge;
}
