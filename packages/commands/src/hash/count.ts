/** Numbers in fields: HINCRBY, HINCRBYFLOAT. */
import { spanOf, type DataTypes } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { keyOf, spanOfArgument } from '../data/arguments.ts';
import { addFloat, parseFloatIncrement, type FloatIncrement } from '../data/float-increment.ts';
import { addInt64, int64Of } from '../data/integers.ts';
import { notify } from '../events.ts';
import { openHashForWrite } from './fields.ts';

/** Redis' texts, with what Kvrocks' own suite looks for. */
const notIntegerField = 'ERR hash value is not an integer: it has non-integer characters';
const notFloatField = 'ERR hash value is not a float: it is not a number';

interface IncrementInput {
  readonly request: Request;
  readonly increment: bigint;
}

function hIncrBy({ hashes }: DataTypes): CommandDefinition {
  return define<IncrementInput>({
    name: 'hincrby',
    arity: 4,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '2.0.0',
    complexity: 'O(1)',
    summary: 'Adds a whole number to the number a field holds; a field that does not exist counts as 0.',
    parse(request) {
      const increment = request.int64(3);
      return increment === undefined ? new Refusal(errors.notInteger) : { request, increment };
    },
    run(call, { request, increment }, reply) {
      const key = keyOf(call, request, 1);
      if (openHashForWrite(hashes, key, call.nowMs, reply) === undefined) return;
      const field = spanOfArgument(request, 2);
      const exists = hashes.get(field);
      const value = exists ? int64Of(hashes.value) : 0n;
      if (value === undefined) return reply.error(notIntegerField);
      const sum = addInt64(value, increment);
      if (sum === undefined) return reply.error(errors.overflow);
      hashes.put(field, spanOf(String(sum)), !exists, exists ? hashes.fieldExpireMs : 0);
      hashes.save(key);
      notify(call, 'h', 'hincrby', key);
      reply.integer(sum);
    },
  });
}

function hIncrByFloat({ hashes }: DataTypes): CommandDefinition {
  return define<FloatIncrement>({
    name: 'hincrbyfloat',
    arity: 4,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '2.6.0',
    complexity: 'O(1)',
    summary: 'Adds a floating point number to the number a field holds; a field that does not exist counts as 0.',
    parse(request) {
      const input = parseFloatIncrement(request, 3);
      // Here Redis refuses the increment itself; INCRBYFLOAT refuses the sum.
      const isInfinite = !(input instanceof Refusal) && input.increment === 'infinite';
      return isInfinite ? new Refusal('ERR value is NaN or Infinity') : input;
    },
    run(call, { request, increment }, reply) {
      const key = keyOf(call, request, 1);
      if (openHashForWrite(hashes, key, call.nowMs, reply) === undefined) return;
      const field = spanOfArgument(request, 2);
      const exists = hashes.get(field);
      const { buffer, start, end } = hashes.value;
      const stored = exists ? buffer.latin1Slice(start, end) : undefined;
      const sum = addFloat(stored, increment, notFloatField);
      if ('error' in sum) return reply.error(sum.error);
      hashes.put(field, spanOf(sum.text), !exists, exists ? hashes.fieldExpireMs : 0);
      hashes.save(key);
      notify(call, 'h', 'hincrbyfloat', key);
      reply.bulkLatin1(sum.text);
    },
  });
}

export function hashCountCommands(types: DataTypes): CommandDefinition[] {
  return [hIncrBy(types), hIncrByFloat(types)];
}
