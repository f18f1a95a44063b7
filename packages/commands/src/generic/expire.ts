/** When keys die: EXPIRE and its relatives, TTL and its relatives, PERSIST. */
import type { DataTypes } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf } from '../data/arguments.ts';
import { expireMsMax, invalidExpire, noInteger } from '../data/expiry-option.ts';
import { isInt64 } from '../data/integers.ts';
import { notify, notifyExpire } from '../events.ts';

interface ExpireShape {
  readonly name: string;
  readonly since: string;
  /** Milliseconds in one unit of the argument. */
  readonly factor: number;
  /** Whether the argument counts from now. */
  readonly isRelative: boolean;
}

interface ExpireInput {
  readonly request: Request;
  /** As given, in ms; may be negative. */
  readonly ms: number;
  readonly nx: boolean;
  readonly xx: boolean;
  readonly gt: boolean;
  readonly lt: boolean;
}

function parseExpire(request: Request, { name, factor, isRelative }: ExpireShape): ExpireInput | Refusal {
  const flags = { nx: false, xx: false, gt: false, lt: false };
  const value = request.int64(2);
  for (let index = 3; index < request.count; index++) {
    const flag = (['nx', 'xx', 'gt', 'lt'] as const).find((word) => request.is(index, word));
    if (flag === undefined) return new Refusal(`ERR Unsupported option ${request.latin1(index).slice(0, 128)}`);
    flags[flag] = true;
  }
  if (flags.nx && (flags.xx || flags.gt || flags.lt)) {
    return new Refusal('ERR NX and XX, GT or LT options at the same time are not compatible');
  }
  if (flags.gt && flags.lt) return new Refusal('ERR GT and LT options at the same time are not compatible');
  if (value === undefined) return noInteger(request, 2);
  // As in Redis a time far in the past is just past, unless it cannot even be counted in ms.
  if (!isInt64(value * BigInt(factor))) return invalidExpire(name);
  const ms = Number(value) * factor;
  // An instant that far away is never reached, so the latest that is kept stands for it.
  if (!isRelative) return { request, ms: Math.min(ms, expireMsMax), ...flags };
  return ms > expireMsMax ? invalidExpire(name) : { request, ms, ...flags };
}

/** Whether the options let `expireMs` replace what is there. A key without expiry counts as living forever. */
function isAllowed({ nx, xx, gt, lt }: ExpireInput, expireMs: number, currentMs: number): boolean {
  if (nx && currentMs !== 0) return false;
  if (xx && currentMs === 0) return false;
  if (gt && (currentMs === 0 || expireMs <= currentMs)) return false;
  return !(lt && currentMs !== 0 && expireMs >= currentMs);
}

function expire({ keyspace }: DataTypes, shape: ExpireShape): CommandDefinition {
  return define<ExpireInput>({
    name: shape.name,
    arity: -3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'generic',
    since: shape.since,
    complexity: 'O(1)',
    summary: `Sets when a key dies, ${shape.isRelative ? 'from now' : 'as a Unix time'} in ${shape.factor === 1 ? 'ms' : 's'}; NX, XX, GT, LT make it conditional.`,
    parse: (request) => parseExpire(request, shape),
    run(call, input, reply) {
      // A time before 1970 is as much in the past as 1.
      const expireMs = Math.max(1, shape.isRelative ? call.nowMs + input.ms : input.ms);
      if (expireMs > expireMsMax) return reply.error(invalidExpire(shape.name).message);
      const key = keyOf(call, input.request, 1);
      const currentMs = keyspace.expireMs(key, call.nowMs);
      if (currentMs === undefined || !isAllowed(input, expireMs, currentMs)) return reply.integer(0);
      keyspace.setExpireMs(key, expireMs, call.nowMs);
      notifyExpire(call, key, expireMs);
      reply.integer(1);
    },
  });
}

interface TimeShape {
  readonly name: string;
  readonly since: string;
  readonly summary: string;
  /** @param expireMs when the key dies, not 0. */
  answer(expireMs: number, nowMs: number): number;
}

function runTime({ keyspace }: DataTypes, shape: TimeShape, call: Call, request: Request, reply: ReplyWriter): void {
  const expireMs = keyspace.expireMs(keyOf(call, request, 1), call.nowMs);
  if (expireMs === undefined) reply.integer(-2);
  else if (expireMs === 0) reply.integer(-1);
  else reply.integer(shape.answer(expireMs, call.nowMs));
}

/** TTL, PTTL, EXPIRETIME, PEXPIRETIME: -2 without a key, -1 without an expiry. */
function time(types: DataTypes, shape: TimeShape): CommandDefinition {
  return define<Request>({
    name: shape.name,
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'generic',
    since: shape.since,
    complexity: 'O(1)',
    summary: shape.summary,
    parse: itself,
    run(call, request, reply) {
      runTime(types, shape, call, request, reply);
    },
  });
}

function persist({ keyspace }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'persist',
    arity: 2,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'generic',
    since: '2.2.0',
    complexity: 'O(1)',
    summary: 'Removes the expiry of a key.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const currentMs = keyspace.expireMs(key, call.nowMs);
      if (currentMs === undefined || currentMs === 0) return reply.integer(0);
      keyspace.setExpireMs(key, 0, call.nowMs);
      notify(call, 'g', 'persist', key);
      reply.integer(1);
    },
  });
}

const toSeconds = (ms: number): number => Math.floor((ms + 500) / 1000);

export function expireCommands(types: DataTypes): CommandDefinition[] {
  return [
    expire(types, { name: 'expire', since: '1.0.0', factor: 1000, isRelative: true }),
    expire(types, { name: 'pexpire', since: '2.6.0', factor: 1, isRelative: true }),
    expire(types, { name: 'expireat', since: '1.2.0', factor: 1000, isRelative: false }),
    expire(types, { name: 'pexpireat', since: '2.6.0', factor: 1, isRelative: false }),
    time(types, {
      name: 'ttl',
      since: '1.0.0',
      summary: 'Returns the remaining time to live of a key in seconds.',
      answer: (expireMs, nowMs) => toSeconds(expireMs - nowMs),
    }),
    time(types, {
      name: 'pttl',
      since: '2.6.0',
      summary: 'Returns the remaining time to live of a key in ms.',
      answer: (expireMs, nowMs) => expireMs - nowMs,
    }),
    time(types, {
      name: 'expiretime',
      since: '7.0.0',
      summary: 'Returns when a key dies, as a Unix time in seconds.',
      answer: toSeconds,
    }),
    time(types, {
      name: 'pexpiretime',
      since: '7.0.0',
      summary: 'Returns when a key dies, as a Unix time in ms.',
      answer: (expireMs) => expireMs,
    }),
    persist(types),
  ];
}
