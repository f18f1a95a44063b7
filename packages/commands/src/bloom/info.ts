/** What a Bloom filter is and holds: BF.INFO, BF.CARD. */
import type { Blooms } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, firstKey, type CommandDefinition } from '../command.ts';
import { itself, keyOf, wrongArity } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { bloomErrors } from './settings.ts';

interface Fact {
  /** As BF.INFO is asked for it alone. */
  readonly word: string;
  /** As it is called in the whole answer. */
  readonly title: string;
  /** Undefined: there is none. */
  readonly of: (blooms: Blooms) => number | undefined;
}

const facts: readonly Fact[] = [
  { word: 'capacity', title: 'Capacity', of: (blooms) => blooms.capacity },
  { word: 'size', title: 'Size', of: (blooms) => blooms.bytes },
  { word: 'filters', title: 'Number of filters', of: (blooms) => blooms.filters },
  { word: 'items', title: 'Number of items inserted', of: (blooms) => blooms.size },
  {
    word: 'expansion',
    title: 'Expansion rate',
    of: ({ expansion }) => (expansion === 0 ? undefined : expansion),
  },
];

function replyFact(fact: Fact, blooms: Blooms, reply: ReplyWriter): void {
  const value = fact.of(blooms);
  if (value === undefined) reply.nil();
  else reply.integer(value);
}

interface InfoInput {
  readonly request: Request;
  /** Undefined: all. */
  readonly fact: Fact | undefined;
}

function parseInfo(request: Request): InfoInput | Refusal {
  if (request.count === 2) return { request, fact: undefined };
  if (request.count > 3) return wrongArity('bf.info');
  const fact = facts.find(({ word }) => request.is(2, word));
  return fact === undefined ? new Refusal(bloomErrors.badInfo) : { request, fact };
}

function bfInfo(blooms: Blooms): CommandDefinition {
  return define<InfoInput>({
    name: 'bf.info',
    arity: -2,
    flags: ['readonly'],
    keys: firstKey,
    group: 'bloom',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(1)',
    summary:
      'Returns capacity, size in bytes, number of filters, items and expansion of a Bloom filter, or one of them.',
    parse: parseInfo,
    run(call, { request, fact }, reply) {
      const opened = openCollection(blooms, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'absent') return reply.error(bloomErrors.notFound);
      if (fact !== undefined) return replyFact(fact, blooms, reply);
      // An array in RESP3 too, as Kvrocks has it.
      reply.array(2 * facts.length);
      for (const each of facts) {
        reply.simple(each.title);
        replyFact(each, blooms, reply);
      }
    },
  });
}

function bfCard(blooms: Blooms): CommandDefinition {
  return define<Request>({
    name: 'bf.card',
    arity: 2,
    flags: ['readonly'],
    keys: firstKey,
    group: 'bloom',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(1)',
    summary: 'Returns how many items were added to a Bloom filter.',
    parse: itself,
    run(call, request, reply) {
      const opened = openCollection(blooms, keyOf(call, request, 1), call.nowMs, reply);
      if (opened !== undefined) reply.integer(opened === 'found' ? blooms.size : 0);
    },
  });
}

export function bloomInfoCommands(blooms: Blooms): CommandDefinition[] {
  return [bfInfo(blooms), bfCard(blooms)];
}
