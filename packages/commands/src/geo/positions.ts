/** Single positions: GEOADD, GEOPOS, GEODIST, GEOHASH. A geographic set is a sorted set whose scores are positions. */
import type { Zsets } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { formatHuman } from '../data/doubles.ts';
import { openCollection } from '../data/open-collection.ts';
import { addFlag, parseAddFlags, runAdd, type Additions } from '../zset/add.ts';
import { type SortedSets } from '../zset/sorted-sets.ts';
import { parsePosition, parseUnit } from './arguments.ts';
import { decode, encode, geohashText, type Position } from './geohash.ts';
import { distance } from './shape.ts';

/** A length in some unit, as Redis prints it. */
export function replyDistance(reply: ReplyWriter, length: number): void {
  reply.bulkLatin1(length.toFixed(4));
}

export function replyPosition(reply: ReplyWriter, { longitude, latitude }: Position): void {
  reply.array(2);
  reply.double(formatHuman(longitude));
  reply.double(formatHuman(latitude));
}

const allowed = addFlag.nx | addFlag.xx | addFlag.ch;

function parseGeoAdd(request: Request): Additions | Refusal {
  const { flags, end } = parseAddFlags(request, allowed);
  const left = request.count - end;
  const isContradiction = (flags & addFlag.nx) !== 0 && (flags & addFlag.xx) !== 0;
  if (left === 0 || left % 3 !== 0 || isContradiction) return new Refusal(errors.syntax);
  const scores: number[] = [];
  for (let i = 0; i < left / 3; i++) {
    const position = parsePosition(request, end + 3 * i);
    if (position instanceof Refusal) return position;
    scores.push(encode(position));
  }
  return { request, first: end + 2, stride: 3, scores, flags };
}

function geoAdd(of: SortedSets): CommandDefinition {
  return define<Additions>({
    name: 'geoadd',
    arity: -5,
    flags: ['write', 'slow'],
    keys: firstKey,
    group: 'geo',
    since: '3.2.0',
    complexity: 'O(log(N)) for each member added.',
    summary: 'Adds members with positions to a geographic set, or moves them.',
    parse: parseGeoAdd,
    run: (call, input, reply) => runAdd(call, of, input, reply),
  });
}

/** Answers each member from argument 2 on, by its score; `ifMissing` for those that are not there. */
function replyEach(
  call: Call,
  zsets: Zsets,
  request: Request,
  reply: ReplyWriter,
  show: { found: (score: number) => void; missing: () => void },
): void {
  const opened = openCollection(zsets, keyOf(call, request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  reply.array(request.count - 2);
  for (let index = 2; index < request.count; index++) {
    if (zsets.find(spanOfArgument(request, index))) show.found(zsets.score);
    else show.missing();
  }
}

function geoPos({ zsets }: SortedSets): CommandDefinition {
  return define<Request>({
    name: 'geopos',
    arity: -2,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'geo',
    since: '3.2.0',
    complexity: 'O(1) for each member.',
    summary: 'Returns longitudes and latitudes of members of a geographic set.',
    parse: itself,
    run(call, request, reply) {
      const found = (score: number): void => replyPosition(reply, decode(score));
      replyEach(call, zsets, request, reply, { found, missing: () => reply.nilArray() });
    },
  });
}

function geoHash({ zsets }: SortedSets): CommandDefinition {
  return define<Request>({
    name: 'geohash',
    arity: -2,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'geo',
    since: '3.2.0',
    complexity: 'O(1) for each member.',
    summary: 'Returns the geohash texts of members of a geographic set.',
    parse: itself,
    run(call, request, reply) {
      const found = (score: number): void => reply.bulkLatin1(geohashText(decode(score)));
      replyEach(call, zsets, request, reply, { found, missing: () => reply.nil() });
    },
  });
}

interface DistanceInput {
  readonly request: Request;
  readonly unit: number;
}

function geoDist({ zsets }: SortedSets): CommandDefinition {
  return define<DistanceInput>({
    name: 'geodist',
    arity: -4,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'geo',
    since: '3.2.0',
    complexity: 'O(1)',
    summary: 'Returns the distance between two members of a geographic set.',
    parse(request) {
      if (request.count > 5) return new Refusal(errors.syntax);
      const unit = request.count === 5 ? parseUnit(request, 4) : 1;
      return unit instanceof Refusal ? unit : { request, unit };
    },
    run(call, { request, unit }, reply) {
      const opened = openCollection(zsets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      if (!zsets.find(spanOfArgument(request, 2))) return reply.nil();
      const from = decode(zsets.score);
      if (!zsets.find(spanOfArgument(request, 3))) return reply.nil();
      replyDistance(reply, distance(from, decode(zsets.score)) / unit);
    },
  });
}

export function geoPositionCommands(of: SortedSets): CommandDefinition[] {
  return [geoAdd(of), geoPos(of), geoHash(of), geoDist(of)];
}
