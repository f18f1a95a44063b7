/** Several keys in one command: MGET, MSET, MSETNX, MSETEX. */
import { bitmapAsString, type DataTypes } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, type Call, type CommandDefinition, type KeySpec } from '../command.ts';
import { itself, keyOf, spanOfArgument, wrongArity } from '../data/arguments.ts';
import {
  expireMsOf,
  invalidExpire,
  isTimed,
  keepExpiry,
  noExpiry,
  parseTimedExpiry,
  type Expiry,
} from '../data/expiry-option.ts';
import { notify } from '../events.ts';
import { nx, xx, type Condition } from './condition.ts';
import { notifySet } from './set.ts';

const allKeys: KeySpec = { first: 1, last: -1, step: 1 };
const everySecond: KeySpec = { first: 1, last: -1, step: 2 };

function mGet({ strings, records }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: allKeys,
    group: 'string',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of keys.',
    summary: 'Returns the string values of keys; nil for a key that does not exist or holds another type.',
    parse: itself,
    run(call, request, reply) {
      reply.array(request.count - 1);
      for (let index = 1; index < request.count; index++) {
        const key = keyOf(call, request, index);
        const found = strings.get(key, call.nowMs);
        if (found === 'found') reply.bulk(strings.value.buffer, strings.value.start, strings.value.end);
        else {
          const bitmap = found === 'absent' ? undefined : bitmapAsString(records, key, strings.bitmapBytesMax);
          if (bitmap === undefined) reply.nil();
          else reply.bulk(bitmap);
        }
      }
    },
  });
}

function setAll({ strings }: DataTypes, call: Call, request: Request): void {
  for (let index = 1; index < request.count; index += 2) {
    const key = keyOf(call, request, index);
    const value = spanOfArgument(request, index + 1);
    if (index === 1) strings.set(key, value, 0);
    else strings.setNext(key, value, 0);
    notify(call, '$', 'set', key);
  }
}

function mSet(types: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'mset',
    arity: -3,
    flags: ['write'],
    keys: everySecond,
    group: 'string',
    since: '1.0.1',
    complexity: 'O(N) where N is the number of keys.',
    summary: 'Sets the string values of keys, all at once.',
    parse: (request) => (request.count % 2 === 0 ? wrongArity('mset') : request),
    run(call, request, reply) {
      setAll(types, call, request);
      reply.ok();
    },
  });
}

function mSetNx(types: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'msetnx',
    arity: -3,
    flags: ['write'],
    keys: everySecond,
    group: 'string',
    since: '1.0.1',
    complexity: 'O(N) where N is the number of keys.',
    summary: 'Sets the string values of keys only when none of them exists.',
    parse: (request) => (request.count % 2 === 0 ? wrongArity('msetnx') : request),
    run(call, request, reply) {
      for (let index = 1; index < request.count; index += 2) {
        if (types.keyspace.exists(keyOf(call, request, index), call.nowMs)) return reply.integer(0);
      }
      setAll(types, call, request);
      reply.integer(1);
    },
  });
}

interface MSetExInput {
  readonly request: Request;
  readonly pairs: number;
  readonly condition: Condition | undefined;
  readonly expiry: Expiry;
}

function pairsOf(request: Request): number | undefined {
  const pairs = request.integer(1);
  return pairs >= 1 && pairs <= (request.count - 2) / 2 ? pairs : undefined;
}

function parseMSetEx(request: Request): MSetExInput | Refusal {
  const announced = request.integer(1);
  if (!(announced >= 1)) return new Refusal('ERR invalid numkeys value');
  const pairs = pairsOf(request);
  if (pairs === undefined) return wrongArity('msetex');
  let condition: Condition | undefined;
  let expiry: Expiry = noExpiry;
  for (let index = 2 + 2 * pairs; index < request.count;) {
    if (condition === undefined && (request.is(index, 'nx') || request.is(index, 'xx'))) {
      condition = request.is(index++, 'nx') ? nx : xx;
      continue;
    }
    if (expiry.kind !== 'none') return new Refusal(errors.syntax);
    if (request.is(index, 'keepttl')) {
      expiry = keepExpiry;
      index++;
      continue;
    }
    const timed = parseTimedExpiry(request, index, 'msetex') ?? new Refusal(errors.syntax);
    if (timed instanceof Refusal) return timed;
    expiry = timed;
    index += 2;
  }
  return { request, pairs, condition, expiry };
}

function keyIndexesOfMSetEx(request: Request): number[] {
  const pairs = pairsOf(request) ?? 0;
  return Array.from({ length: pairs }, (_, i) => 2 + 2 * i);
}

function mSetEx({ strings, keyspace }: DataTypes): CommandDefinition {
  return define<MSetExInput>({
    name: 'msetex',
    arity: -4,
    flags: ['write'],
    keys: { first: 2, last: 2, step: 1 },
    keyIndexes: keyIndexesOfMSetEx,
    group: 'string',
    since: '8.4.0',
    complexity: 'O(N) where N is the number of keys.',
    summary: 'Sets the string values of keys with one expiry, all or none of them.',
    parse: parseMSetEx,
    run(call, { request, pairs, condition, expiry }, reply) {
      for (let pair = 0; condition !== undefined && pair < pairs; pair++) {
        const exists = keyspace.exists(keyOf(call, request, 2 + 2 * pair), call.nowMs);
        if (exists === (condition.kind === 'nx')) return reply.integer(0);
      }
      if (expireMsOf(expiry, call.nowMs, 0) === undefined) return reply.error(invalidExpire('msetex').message);
      let isFirst = true;
      for (let pair = 0; pair < pairs; pair++) {
        const key = keyOf(call, request, 2 + 2 * pair);
        const currentMs = expiry.kind === 'keep' ? (keyspace.expireMs(key, call.nowMs) ?? 0) : 0;
        const expireMs = expireMsOf(expiry, call.nowMs, currentMs) as number;
        if (expireMs !== 0 && expireMs <= call.nowMs) {
          keyspace.delete(key, call.nowMs);
          isFirst = true;
        } else if (isFirst) {
          strings.set(key, spanOfArgument(request, 3 + 2 * pair), expireMs);
          isFirst = false;
        } else strings.setNext(key, spanOfArgument(request, 3 + 2 * pair), expireMs);
        notifySet(call, key, isTimed(expiry));
        if (expireMs !== 0 && expireMs <= call.nowMs) notify(call, 'x', 'expired', key);
      }
      reply.integer(1);
    },
  });
}

export function manyCommands(types: DataTypes): CommandDefinition[] {
  return [mGet(types), mSet(types), mSetNx(types), mSetEx(types)];
}
