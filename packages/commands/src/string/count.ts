/** Numbers in strings: INCR, INCRBY, DECR, DECRBY, INCRBYFLOAT. The expiry stays. */
import { Scratch, spanOf, type DataTypes, type Span } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { addFloat, parseFloatIncrement, type FloatIncrement } from '../data/float-increment.ts';
import { addInt64, int64Min, int64Of, safeIntegerOf } from '../data/integers.ts';
import { notify } from '../events.ts';

interface CountInput {
  readonly request: Request;
  readonly increment: number | bigint;
}

function addTo({ strings }: DataTypes, call: Call, input: CountInput, reply: ReplyWriter): void {
  const key = keyOf(call, input.request, 1);
  const found = strings.get(key, call.nowMs);
  if (found === 'wrong-type') return reply.error(errors.wrongType);
  const sum = sumOf(found === 'absent' ? undefined : strings.value, input.increment);
  if (typeof sum === 'string') return reply.error(sum);
  const text = digitsOf(sum);
  if (found === 'absent') strings.set(key, text, 0);
  else strings.rewrite(key, text, strings.expireMs);
  notify(call, '$', 'incrby', key);
  reply.integer(sum);
}

const digits = new Scratch(32);

/** Valid until the next call. */
function digitsOf(sum: number | bigint): Span {
  if (typeof sum === 'bigint') return spanOf(String(sum));
  digits.reset();
  digits.decimal(sum);
  return digits;
}

/** @returns the sum, or the error line. Sums of safe numbers of 15 digits are safe. */
function sumOf(stored: Span | undefined, increment: number | bigint): number | bigint | string {
  const small = stored === undefined ? 0 : safeIntegerOf(stored);
  if (!Number.isNaN(small) && typeof increment === 'number') return small + increment;
  const value = stored === undefined ? 0n : int64Of(stored);
  if (value === undefined) return errors.notInteger;
  return addInt64(value, BigInt(increment)) ?? errors.overflow;
}

function byOne(sign: 1 | -1): (request: Request) => CountInput {
  return (request) => ({ request, increment: sign });
}

/** An increment as a number when the sum with 15 digits stays safe, else as a BigInt. */
function parseIncrement(request: Request, sign: 1n | -1n): CountInput | Refusal {
  const value = request.int64(2);
  if (value === undefined) return new Refusal(errors.notInteger);
  if (sign === -1n && value === int64Min) return new Refusal('ERR decrement would overflow');
  const increment = sign * value;
  const small = Number(increment);
  return { request, increment: Math.abs(small) < 2 ** 52 ? small : increment };
}

interface CountShape {
  readonly name: string;
  readonly arity: number;
  readonly summary: string;
  readonly parse: (request: Request) => CountInput | Refusal;
}

function count(types: DataTypes, { name, arity, summary, parse }: CountShape): CommandDefinition {
  return define<CountInput>({
    name,
    arity,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    summary,
    parse,
    run: (call, input, reply) => addTo(types, call, input, reply),
  });
}

function incrByFloat({ strings }: DataTypes): CommandDefinition {
  return define<FloatIncrement>({
    name: 'incrbyfloat',
    arity: 3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'string',
    since: '2.6.0',
    complexity: 'O(1)',
    summary: 'Adds a floating point number to the number a key holds; a key that does not exist counts as 0.',
    parse: (request) => parseFloatIncrement(request, 2),
    run(call, { request, increment }, reply) {
      const key = keyOf(call, request, 1);
      const found = strings.get(key, call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      const { buffer, start, end } = strings.value;
      const sum = addFloat(found === 'absent' ? undefined : buffer.latin1Slice(start, end), increment, errors.notFloat);
      if ('error' in sum) return reply.error(sum.error);
      const text = spanOf(sum.text);
      if (found === 'absent') strings.set(key, text, 0);
      else strings.rewrite(key, text, strings.expireMs);
      notify(call, '$', 'incrbyfloat', key);
      reply.bulkLatin1(sum.text);
    },
  });
}

export function countCommands(types: DataTypes): CommandDefinition[] {
  return [
    count(types, {
      name: 'incr',
      arity: 2,
      summary: 'Adds 1 to the number a key holds; a key that does not exist counts as 0.',
      parse: byOne(1),
    }),
    count(types, {
      name: 'decr',
      arity: 2,
      summary: 'Subtracts 1 from the number a key holds; a key that does not exist counts as 0.',
      parse: byOne(-1),
    }),
    count(types, {
      name: 'incrby',
      arity: 3,
      summary: 'Adds a whole number to the number a key holds; a key that does not exist counts as 0.',
      parse: (request) => parseIncrement(request, 1n),
    }),
    count(types, {
      name: 'decrby',
      arity: 3,
      summary: 'Subtracts a whole number from the number a key holds; a key that does not exist counts as 0.',
      parse: (request) => parseIncrement(request, -1n),
    }),
    incrByFloat(types),
  ];
}
