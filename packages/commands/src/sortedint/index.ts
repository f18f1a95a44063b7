/** Sorted integers, a type of Kvrocks' own: sets of unsigned 64-bit numbers in numeric order. Texts are Kvrocks'. */
import { SortedInts, type DataTypes, type Uint64 } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { itself, keyOf } from '../data/arguments.ts';
import { openCollection, openCollectionForWrite } from '../data/open-collection.ts';
import { parseUint64 } from './number.ts';
import { sortedIntRangeCommands } from './range.ts';

interface NumbersInput {
  readonly request: Request;
  readonly numbers: readonly Uint64[];
}

function parseNumbers(request: Request): NumbersInput | Refusal {
  const numbers: Uint64[] = [];
  for (let index = 2; index < request.count; index++) {
    const number = parseUint64(request, index);
    if (number === undefined) return new Refusal(errors.notInteger);
    numbers.push(number);
  }
  return { request, numbers };
}

function siAdd(ints: SortedInts): CommandDefinition {
  return define<NumbersInput>({
    name: 'siadd',
    arity: -3,
    flags: ['write'],
    keys: firstKey,
    group: 'sortedint',
    since: 'Kvrocks 1.3.0',
    complexity: 'O(N) where N is the number of numbers given.',
    summary: 'Adds numbers to a sorted integer set. The set is created if it does not exist.',
    parse: parseNumbers,
    run(call, { request, numbers }, reply) {
      const key = keyOf(call, request, 1);
      if (openCollectionForWrite(ints, key, call.nowMs, reply) === undefined) return;
      let added = 0;
      for (const number of numbers) if (ints.add(number)) added++;
      ints.save(key);
      reply.integer(added);
    },
  });
}

function siRem(ints: SortedInts): CommandDefinition {
  return define<NumbersInput>({
    name: 'sirem',
    arity: -3,
    flags: ['write', 'no-dbsize-check'],
    keys: firstKey,
    group: 'sortedint',
    since: 'Kvrocks 1.3.0',
    complexity: 'O(N) where N is the number of numbers given.',
    summary: 'Removes numbers from a sorted integer set.',
    parse: parseNumbers,
    run(call, { request, numbers }, reply) {
      const key = keyOf(call, request, 1);
      const opened = openCollection(ints, key, call.nowMs, reply);
      if (opened === undefined) return;
      let removed = 0;
      for (const number of numbers) if (ints.remove(number)) removed++;
      if (removed > 0) ints.save(key);
      reply.integer(removed);
    },
  });
}

function siCard(ints: SortedInts): CommandDefinition {
  return define<Request>({
    name: 'sicard',
    arity: 2,
    flags: ['readonly'],
    keys: firstKey,
    group: 'sortedint',
    since: 'Kvrocks 1.3.0',
    complexity: 'O(1)',
    summary: 'Returns how many numbers a sorted integer set has.',
    parse: itself,
    run(call, request, reply) {
      if (openCollection(ints, keyOf(call, request, 1), call.nowMs, reply) !== undefined) reply.integer(ints.size);
    },
  });
}

function siExists(ints: SortedInts): CommandDefinition {
  return define<NumbersInput>({
    name: 'siexists',
    arity: -3,
    flags: ['readonly'],
    keys: firstKey,
    group: 'sortedint',
    since: 'Kvrocks 1.3.0',
    complexity: 'O(N) where N is the number of numbers given.',
    summary: 'Tells for each of several numbers whether a sorted integer set has it.',
    parse: parseNumbers,
    run(call, { request, numbers }, reply) {
      if (openCollection(ints, keyOf(call, request, 1), call.nowMs, reply) === undefined) return;
      reply.array(numbers.length);
      for (const number of numbers) reply.integer(ints.has(number) ? 1 : 0);
    },
  });
}

/** All commands on sorted integers. */
export function sortedIntCommands(types: DataTypes): CommandDefinition[] {
  const ints = new SortedInts(types.records);
  return [siAdd(ints), siRem(ints), siCard(ints), siExists(ints), ...sortedIntRangeCommands(ints)];
}
