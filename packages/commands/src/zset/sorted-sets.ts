/** What commands on sorted sets share: the objects they work with, rows of replies, and storing what was gathered. */
import { Collection, Zsets, typeId, type DataTypes, type MemberWalk, type UserKey } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import type { Call } from '../command.ts';
import { formatDouble } from '../data/doubles.ts';
import { notify } from '../events.ts';

/** One of each for all commands of the family, since commands run one after the other. */
export interface SortedSets {
  readonly types: DataTypes;
  readonly zsets: Zsets;
  /** A second one, for what is written while `zsets` is read. */
  readonly target: Zsets;
  /** Sets, which count as sorted sets with the score 1 where several are combined. */
  readonly sets: Collection;
}

export function sortedSets(types: DataTypes): SortedSets {
  const { records } = types;
  return {
    types,
    zsets: new Zsets(records),
    target: new Zsets(records),
    sets: new Collection(records, typeId.set),
  };
}

/** Saves the open sorted set after members were removed, and says so. */
export function saveRemoved(call: Call, zsets: Zsets, key: UserKey, event: string): void {
  zsets.save(key);
  notify(call, 'z', event, key);
  if (zsets.size === 0) notify(call, 'g', 'del', key);
}

/** A score as a reply: a double in RESP3. */
export function replyScore(reply: ReplyWriter, score: number): void {
  reply.double(formatDouble(score));
}

/** Announces rows: of members, or of members with scores, which are pairs of their own in RESP3 only. */
export function replyRowsHeader(reply: ReplyWriter, count: number, withScores: boolean): void {
  reply.array(withScores && reply.protocol !== 3 ? 2 * count : count);
}

export function replyRow(reply: ReplyWriter, walk: MemberWalk, withScores: boolean): void {
  const { member } = walk;
  if (withScores && reply.protocol === 3) reply.array(2);
  reply.bulk(member.buffer, member.start, member.end);
  if (withScores) replyScore(reply, walk.score);
}

/** Members with scores that were gathered, one character per byte. */
export type ScoredMember = readonly [member: string, score: number];

export function replyGathered(reply: ReplyWriter, rows: readonly ScoredMember[], withScores: boolean): void {
  replyRowsHeader(reply, rows.length, withScores);
  for (const [member, score] of rows) {
    if (withScores && reply.protocol === 3) reply.array(2);
    reply.bulkLatin1(member);
    if (withScores) replyScore(reply, score);
  }
}

/**
 * Puts gathered members in place of whatever `key` was, or deletes it when there are none.
 * @param event what is said when something was stored.
 */
export function storeGathered(
  call: Call,
  { target, types }: SortedSets,
  key: UserKey,
  rows: readonly ScoredMember[],
  event: string,
): void {
  if (rows.length === 0) {
    if (types.keyspace.delete(key, call.nowMs)) notify(call, 'g', 'del', key);
    return;
  }
  target.create(key);
  for (const [member, score] of rows) {
    const buffer = Buffer.from(member, 'latin1');
    // A weight may have made -0 of a score, which would stand before the members that have 0.
    target.add({ buffer, start: 0, end: buffer.length }, score + 0);
  }
  target.save(key, true);
  notify(call, 'z', event, key);
}
