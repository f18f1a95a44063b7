/** ZRANDMEMBER and ZSCAN. Members are numbered in byte order; see data/random-positions.ts and data/scan-step.ts. */
import { readOrderedDouble, type Span, type Zsets } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { formatDouble } from '../data/doubles.ts';
import { openCollection } from '../data/open-collection.ts';
import { drawElements, parseRandomDraw, type RandomDraw } from '../data/random-draw.ts';
import { parseScanOptions, type ScanOptions } from '../data/scan-options.ts';
import { replyScanStep } from '../data/scan-step.ts';
import { replyGathered, type ScoredMember, type SortedSets } from './sorted-sets.ts';

/** The members at rising positions of the open sorted set; throws when they are more than a reply may hold. */
function membersAt(zsets: Zsets, positions: readonly number[], reply: ReplyWriter): ScoredMember[] {
  const found: ScoredMember[] = [];
  let bytes = 0;
  const walk = zsets.walkMembers();
  try {
    for (let position = 0; found.length < positions.length && walk.next(); position++) {
      if (positions[found.length] !== position) continue;
      const { member } = walk;
      const row: ScoredMember = [member.buffer.latin1Slice(member.start, member.end), walk.score];
      while (positions[found.length] === position) {
        found.push(row);
        bytes += member.length;
      }
      reply.demandRoom(bytes);
    }
    return found;
  } finally {
    walk.close();
  }
}

/** Distinct members come in byte order, repeated draws in the order drawn. */
function draw(of: SortedSets, count: number, reply: ReplyWriter): readonly ScoredMember[] {
  const { zsets, types } = of;
  const { random } = types.engine;
  return drawElements(random, zsets.size, count, (positions) => membersAt(zsets, positions, reply));
}

function runRandom(call: Call, of: SortedSets, input: RandomDraw, reply: ReplyWriter): void {
  const opened = openCollection(of.zsets, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  const isEmpty = opened === 'absent' || input.count === 0;
  if (input.count !== undefined)
    return replyGathered(reply, isEmpty ? [] : draw(of, input.count, reply), input.isWithMore);
  const [one] = isEmpty ? [] : draw(of, 1, reply);
  if (one === undefined) reply.nil();
  else reply.bulkLatin1(one[0]);
}

function zRandMember(of: SortedSets): CommandDefinition {
  return define<RandomDraw>({
    name: 'zrandmember',
    arity: -2,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'sorted-set',
    since: '6.2.0',
    complexity: 'O(N) where N is the number of members: they are walked through.',
    summary: 'Returns random members of a sorted set; with a negative count the same one may come again.',
    parse: (request) => parseRandomDraw(request, 'withscores'),
    run: (call, input, reply) => runRandom(call, of, input, reply),
  });
}

interface ScanInput {
  readonly request: Request;
  readonly options: ScanOptions;
}

function scoreText({ buffer, start }: Span): Buffer {
  return Buffer.from(formatDouble(readOrderedDouble(buffer, start)), 'latin1');
}

function zScan({ zsets, types }: SortedSets): CommandDefinition {
  return define<ScanInput>({
    name: 'zscan',
    arity: -3,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'sorted-set',
    since: '2.8.0',
    complexity: 'O(1) for every call, O(N) for a whole iteration, N being the number of members.',
    summary: 'Iterates over the members and scores of a sorted set.',
    parse(request) {
      const options = parseScanOptions(request, 2, {});
      return options instanceof Refusal ? options : { request, options };
    },
    run(call, { request, options }, reply) {
      const opened = openCollection(zsets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      replyScanStep(opened === 'found' ? zsets : undefined, types.cursors, options, reply, scoreText);
    },
  });
}

export function zsetWalkCommands(of: SortedSets): CommandDefinition[] {
  return [zRandMember(of), zScan(of)];
}
