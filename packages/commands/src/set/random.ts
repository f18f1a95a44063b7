/**
 * SPOP and SRANDMEMBER. Members are numbered in byte order, positions are drawn and met in one pass over the keys: a draw from
 * a set of N members walks through N/2 of them on average, and keeps only what it returns.
 */
import type { DataTypes, Sets } from '@holdfast/engine';
import { spanOf } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, wrongArity } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { drawElements, parseDrawCount } from '../data/random-draw.ts';
import { notify } from '../events.ts';

interface RandomInput {
  readonly request: Request;
  /** Undefined: one member, not in an array. Negative (SRANDMEMBER): the same one may come again. */
  readonly count: number | undefined;
}

/** The members at rising positions of the open set; throws when they are more than a reply may hold. */
function membersAt(sets: Sets, positions: readonly number[], reply: ReplyWriter): Buffer[] {
  const found: Buffer[] = [];
  let bytes = 0;
  const entries = sets.iterate({ keysOnly: true });
  try {
    for (let position = 0; found.length < positions.length && entries.next(); position++) {
      if (positions[found.length] !== position) continue;
      const { key } = entries;
      const member = Buffer.from(key.buffer.subarray(key.start + sets.prefixLength, key.end));
      while (positions[found.length] === position) {
        bytes += member.length;
        found.push(member);
      }
      reply.demandRoom(bytes);
    }
    return found;
  } finally {
    entries.close();
  }
}

/** Distinct members in byte order, or with a negative count repeated ones in the order drawn. */
function draw({ engine }: DataTypes, sets: Sets, count: number, reply: ReplyWriter): readonly Buffer[] {
  return drawElements(engine.random, sets.size, count, (positions) => membersAt(sets, positions, reply));
}

function parseRandMember(request: Request): RandomInput | Refusal {
  if (request.count > 3) return wrongArity('srandmember');
  const count = parseDrawCount(request);
  return count instanceof Refusal ? count : { request, count };
}

function sRandMember(types: DataTypes, sets: Sets): CommandDefinition {
  return define<RandomInput>({
    name: 'srandmember',
    arity: -2,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'set',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of members: they are walked through up to the last one drawn.',
    summary: 'Returns random members of a set; with a negative count the same one may come again.',
    parse: parseRandMember,
    run(call, { request, count }, reply) {
      const opened = openCollection(sets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      const drawn = opened === 'found' && count !== 0 ? draw(types, sets, count ?? 1, reply) : [];
      if (count === undefined) return replyOne(drawn, reply);
      reply.array(drawn.length);
      for (const member of drawn) reply.bulk(member);
    },
  });
}

function replyOne([member]: readonly Buffer[], reply: ReplyWriter): void {
  if (member === undefined) reply.nil();
  else reply.bulk(member);
}

function parsePop(request: Request): RandomInput | Refusal {
  if (request.count === 2) return { request, count: undefined };
  if (request.count > 3) return wrongArity('spop');
  const count = request.int64(2);
  if (count === undefined) return new Refusal(errors.notInteger);
  return count < 0n ? new Refusal(errors.outOfRange) : { request, count: Number(count) };
}

function runPop(types: DataTypes, sets: Sets, call: Call, input: RandomInput, reply: ReplyWriter): void {
  const key = keyOf(call, input.request, 1);
  const opened = openCollection(sets, key, call.nowMs, reply);
  if (opened === undefined) return;
  const popped = opened === 'found' && input.count !== 0 ? draw(types, sets, input.count ?? 1, reply) : [];
  const isWhole = popped.length === sets.size;
  if (popped.length > 0 && isWhole) {
    // One record instead of one for every member: those become unreachable, and go in compaction.
    sets.size = 0;
    sets.save(key);
  } else if (popped.length > 0) {
    for (const member of popped) sets.removeMember(spanOf(member));
    sets.save(key);
  }
  if (popped.length > 0) {
    notify(call, 's', 'spop', key);
    if (isWhole) notify(call, 'g', 'del', key);
  }
  if (input.count === undefined) return replyOne(popped, reply);
  reply.set(popped.length);
  for (const member of popped) reply.bulk(member);
}

function sPop(types: DataTypes, sets: Sets): CommandDefinition {
  return define<RandomInput>({
    name: 'spop',
    arity: -2,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'set',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of members: they are walked through up to the last one drawn.',
    summary: 'Removes random members from a set and returns them.',
    parse: parsePop,
    run: (call, input, reply) => runPop(types, sets, call, input, reply),
  });
}

export function setRandomCommands(types: DataTypes, sets: Sets): CommandDefinition[] {
  return [sRandMember(types, sets), sPop(types, sets)];
}
