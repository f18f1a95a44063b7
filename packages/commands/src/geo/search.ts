/** GEOSEARCH, GEOSEARCHSTORE, GEORADIUS(_RO), GEORADIUSBYMEMBER(_RO): the members within a circle or a box. */
import type { Zsets } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { define, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { storeGathered, type ScoredMember, type SortedSets } from '../zset/sorted-sets.ts';
import { decode, type Position } from './geohash.ts';
import { replyDistance, replyPosition } from './positions.ts';
import { parseSearch, radiusKeys, type SearchForm, type SearchInput } from './search-arguments.ts';
import { distanceWithin, searchRanges } from './shape.ts';

/** A member that was found. */
interface Found {
  /** One character per byte. */
  readonly member: string;
  readonly score: number;
  readonly position: Position;
  /** From the middle, in metres. */
  readonly metres: number;
}

/** Gathers what lies within the shape, in the order of the cells. @param atMost where to stop; 0: nowhere. */
function search(zsets: Zsets, { shape }: SearchInput, center: Position, atMost: number): Found[] {
  const found: Found[] = [];
  for (const { min, end } of searchRanges(shape, center)) {
    const walk = zsets.walkScores({ score: min, isExcluded: false }, { score: end, isExcluded: true });
    try {
      while (walk.next()) {
        const { score } = walk;
        const position = decode(score);
        const metres = distanceWithin(shape, center, position);
        if (metres === undefined) continue;
        const { buffer, start, end: stop } = walk.member;
        found.push({ member: buffer.latin1Slice(start, stop), score, position, metres });
        if (found.length === atMost) return found;
      }
    } finally {
      walk.close();
    }
  }
  return found;
}

function results(zsets: Zsets, input: SearchInput, center: Position): Found[] {
  const { order, count, any } = input;
  const found = search(zsets, input, center, any ? count : 0);
  if (order === 'asc') found.sort((a, b) => a.metres - b.metres);
  if (order === 'desc') found.sort((a, b) => b.metres - a.metres);
  return count > 0 ? found.slice(0, count) : found;
}

/** The middle of the search in the open set; undefined when the member meant is not there. */
function centerOf(zsets: Zsets, { center }: SearchInput): Position | undefined {
  if (!('member' in center)) return center;
  return zsets.find(center.member) ? decode(zsets.score) : undefined;
}

function replyFound(reply: ReplyWriter, found: readonly Found[], input: SearchInput): void {
  const { withDistance, withHash, withCoordinates, unit } = input;
  const columns = 1 + Number(withDistance) + Number(withHash) + Number(withCoordinates);
  reply.array(found.length);
  for (const { member, score, position, metres } of found) {
    if (columns > 1) reply.array(columns);
    reply.bulkLatin1(member);
    if (withDistance) replyDistance(reply, metres / unit);
    // ZADD may have given any score; a reply is a whole number.
    if (withHash) reply.integer(Math.trunc(score));
    if (withCoordinates) replyPosition(reply, position);
  }
}

function runSearch(call: Call, of: SortedSets, form: SearchForm, input: SearchInput, reply: ReplyWriter): void {
  const { zsets } = of;
  const { request, source, target, storesDistance, unit } = input;
  const opened = openCollection(zsets, keyOf(call, request, source), call.nowMs, reply);
  if (opened === undefined) return;
  const center = opened === 'found' ? centerOf(zsets, input) : undefined;
  if (opened === 'found' && center === undefined) return reply.error('ERR could not decode requested zset member');
  const found = center === undefined ? [] : results(zsets, input, center);
  if (target === undefined) return replyFound(reply, found, input);
  const rows = found.map(({ member, score, metres }): ScoredMember => [member, storesDistance ? metres / unit : score]);
  const event = form.center === 'search' ? 'geosearchstore' : 'georadiusstore';
  storeGathered(call, of, keyOf(call, request, target), rows, event);
  reply.integer(rows.length);
}

interface SearchCommand extends SearchForm {
  readonly arity: number;
  readonly since: string;
  readonly summary: string;
}

const searchCommands: readonly SearchCommand[] = [
  {
    name: 'geosearch',
    center: 'search',
    stores: 'never',
    arity: -7,
    since: '6.2.0',
    summary: 'Returns the members of a geographic set within a circle or a box.',
  },
  {
    name: 'geosearchstore',
    center: 'search',
    stores: 'always',
    arity: -8,
    since: '6.2.0',
    summary: 'Stores the members of a geographic set within a circle or a box in another one.',
  },
  {
    name: 'georadius',
    center: 'position',
    stores: 'option',
    arity: -6,
    since: '3.2.0',
    summary: 'Returns, or stores, the members of a geographic set around a position.',
  },
  {
    name: 'georadius_ro',
    center: 'position',
    stores: 'never',
    arity: -6,
    since: '3.2.10',
    summary: 'Returns the members of a geographic set around a position.',
  },
  {
    name: 'georadiusbymember',
    center: 'member',
    stores: 'option',
    arity: -5,
    since: '3.2.0',
    summary: 'Returns, or stores, the members of a geographic set around one of them.',
  },
  {
    name: 'georadiusbymember_ro',
    center: 'member',
    stores: 'never',
    arity: -5,
    since: '3.2.10',
    summary: 'Returns the members of a geographic set around one of them.',
  },
];

export function geoSearchCommands(of: SortedSets): CommandDefinition[] {
  return searchCommands.map((form) =>
    define<SearchInput>({
      name: form.name,
      arity: form.arity,
      flags: [form.stores === 'never' ? 'readonly' : 'write', 'slow'],
      keys: form.stores === 'always' ? { first: 1, last: 2, step: 1 } : firstKey,
      ...(form.stores === 'option' ? { keyIndexes: radiusKeys } : {}),
      group: 'geo',
      since: form.since,
      complexity: 'O(N+M log(M)) for N members in the cells that cover the shape and M within it.',
      summary: form.summary,
      parse: (request) => parseSearch(request, form),
      run: (call, input, reply) => runSearch(call, of, form, input, reply),
    }),
  );
}
