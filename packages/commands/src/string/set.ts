/** SET and its older forms: SETNX, SETEX, PSETEX, GETSET. */
import { type DataTypes, type Span, type UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import {
  expireMsOf,
  invalidExpire,
  isTimed,
  keepExpiry,
  noExpiry,
  parseAgain,
  parsePositiveTime,
  type Expiry,
} from '../data/expiry-option.ts';
import { notify } from '../events.ts';
import { comparesValue, holds, nx, parseComparison, xx, type Condition } from './condition.ts';

interface SetInput {
  readonly request: Request;
  /** Index of the value. */
  readonly value: number;
  condition: Condition | undefined;
  expiry: Expiry;
  get: boolean;
}

function parseSet(request: Request): SetInput | Refusal {
  const input: SetInput = { request, value: 2, condition: undefined, expiry: noExpiry, get: false };
  for (let index = 3; index < request.count;) {
    const taken = takeSetOption(input, index);
    if (taken instanceof Refusal) return taken;
    index += taken;
  }
  return input;
}

/** @returns how many arguments the option at `index` takes. */
function takeSetOption(input: SetInput, index: number): number | Refusal {
  const { request } = input;
  if (request.is(index, 'get') && !input.get) {
    input.get = true;
    return 1;
  }
  if (input.condition === undefined && (request.is(index, 'nx') || request.is(index, 'xx'))) {
    input.condition = request.is(index, 'nx') ? nx : xx;
    return 1;
  }
  if (input.expiry.kind === 'none' && request.is(index, 'keepttl')) {
    input.expiry = keepExpiry;
    return 1;
  }
  const condition = input.condition === undefined ? parseComparison(request, index) : undefined;
  if (condition instanceof Refusal) return condition;
  if (condition !== undefined) {
    input.condition = condition;
    return 2;
  }
  const expiry = parseAgain(request, index, 'set', input.expiry);
  if (expiry === undefined) return new Refusal(errors.syntax);
  if (expiry instanceof Refusal) return expiry;
  input.expiry = expiry;
  return 2;
}

/** A string with the time at which it dies. */
export interface TimedValue {
  readonly value: Span;
  /** Unix time in ms; 0 for never. */
  readonly expireMs: number;
  /** Whether the time is new, and not one that is kept. */
  readonly isTimed: boolean;
}

/** Writes a string, or deletes the key when its time has already passed. */
export function setString({ strings, keyspace }: DataTypes, call: Call, key: UserKey, timed: TimedValue): void {
  const { value, expireMs, isTimed } = timed;
  const isDead = expireMs !== 0 && expireMs <= call.nowMs;
  if (isDead) keyspace.delete(key, call.nowMs);
  else strings.set(key, value, expireMs);
  notifySet(call, key, isTimed);
  // Redis keeps such a key until it is looked at; then this is what it says.
  if (isDead) notify(call, 'x', 'expired', key);
}

/** A string was set, on request with a time to live. */
export function notifySet(call: Call, key: UserKey, isTimed: boolean): void {
  if (call.events === undefined) return;
  notify(call, '$', 'set', key);
  if (isTimed) notify(call, 'g', 'expire', key);
}

function runSet(types: DataTypes, call: Call, input: SetInput, reply: ReplyWriter): void {
  const { request, condition, expiry, get } = input;
  const key = keyOf(call, request, 1);
  const value = spanOfArgument(request, input.value);
  if (condition === undefined && !get && expiry.kind === 'none') {
    types.strings.set(key, value, 0);
    notify(call, '$', 'set', key);
    reply.ok();
    return;
  }
  const found = types.strings.get(key, call.nowMs);
  if (found === 'wrong-type' && (get || (condition !== undefined && comparesValue(condition)))) {
    reply.error(errors.wrongType);
    return;
  }
  const currentMs = found === 'absent' ? 0 : types.strings.expireMs;
  const expireMs = expireMsOf(expiry, call.nowMs, currentMs);
  if (expireMs === undefined) {
    reply.error(invalidExpire('set').message);
    return;
  }
  const present = found === 'absent' ? undefined : types.strings.value;
  const acts = condition === undefined || holds(condition, present);
  // The reply takes the old value before the key is written: both may stand in the same buffer.
  if (get) replyValue(types, found === 'found', reply);
  else if (acts) reply.ok();
  else reply.nil();
  if (acts) setString(types, call, key, { value, expireMs, isTimed: isTimed(expiry) });
}

function replyValue({ strings }: DataTypes, isFound: boolean, reply: ReplyWriter): void {
  if (!isFound) reply.nil();
  else reply.bulk(strings.value.buffer, strings.value.start, strings.value.end);
}

function set(types: DataTypes): CommandDefinition {
  return define<SetInput>({
    name: 'set',
    arity: -3,
    flags: ['write'],
    keys: firstKey,
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Sets the string value of a key, ignoring its type. The key is created if it does not exist.',
    parse: parseSet,
    run: (call, input, reply) => runSet(types, call, input, reply),
  });
}

function setNx(types: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'setnx',
    arity: 3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Sets the string value of a key only when the key does not exist.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const isNew = !types.keyspace.exists(key, call.nowMs);
      if (isNew) {
        types.strings.set(key, spanOfArgument(request, 2), 0);
        notify(call, '$', 'set', key);
      }
      reply.integer(isNew ? 1 : 0);
    },
  });
}

/** SETEX and PSETEX: the time stands between key and value. */
function setWithTime(types: DataTypes, name: string, factor: number, since: string): CommandDefinition {
  return define<SetInput>({
    name,
    arity: 4,
    flags: ['write'],
    keys: firstKey,
    group: 'string',
    since,
    complexity: 'O(1)',
    summary: `Sets the string value and the time to live (${factor === 1 ? 'ms' : 's'}) of a key.`,
    parse(request) {
      const ms = parsePositiveTime(request, 2, factor, name);
      if (ms instanceof Refusal) return ms;
      return { request, value: 3, condition: undefined, expiry: { kind: 'in', ms }, get: false };
    },
    run(call, { request, value, expiry }, reply) {
      const expireMs = expireMsOf(expiry, call.nowMs, 0);
      if (expireMs === undefined) return reply.error(invalidExpire(name).message);
      const key = keyOf(call, request, 1);
      types.strings.set(key, spanOfArgument(request, value), expireMs);
      notifySet(call, key, true);
      reply.ok();
    },
  });
}

function getSet(types: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'getset',
    arity: 3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Returns the string value of a key and sets a new one.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const found = types.strings.get(key, call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      replyValue(types, found === 'found', reply);
      types.strings.set(key, spanOfArgument(request, 2), 0);
      notify(call, '$', 'set', key);
    },
  });
}

export function setCommands(types: DataTypes): CommandDefinition[] {
  return [
    set(types),
    setNx(types),
    setWithTime(types, 'setex', 1000, '2.0.0'),
    setWithTime(types, 'psetex', 1, '2.6.0'),
    getSet(types),
  ];
}
