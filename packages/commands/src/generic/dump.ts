/** DUMP and RESTORE: a value in Redis' own format, to be carried to another server. */
import type { DataTypes } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { expireMsMax, invalidExpire } from '../data/expiry-option.ts';
import { notify } from '../events.ts';
import { openPayload } from '../rdb/payload.ts';
import { RdbFailure } from '../rdb/rdb-format.ts';
import { ValueDump } from './dump-value.ts';
import { ValueRestore } from './restore-value.ts';

function dump(types: DataTypes): CommandDefinition {
  const values = new ValueDump(types);
  return define<Request>({
    name: 'dump',
    arity: 2,
    flags: ['readonly'],
    keys: firstKey,
    group: 'generic',
    since: '2.6.0',
    complexity: 'O(N) where N is the number of elements.',
    summary: 'Returns the value of a key in the format that RESTORE takes.',
    parse: itself,
    run(call, request, reply) {
      const payload = values.payloadOf(keyOf(call, request, 1), call.nowMs, (bytes) => reply.demandRoom(bytes));
      if (payload === undefined) reply.nil();
      else if (payload instanceof Refusal) reply.error(payload.message);
      else reply.bulk(payload);
    },
  });
}

interface RestoreInput {
  readonly request: Request;
  /** As given; 0 never. */
  readonly ms: number;
  replace: boolean;
  isAbsolute: boolean;
}

/** Kvrocks' texts. */
const outOfRange = 'ERR out of numeric range';
const keyExists = 'ERR target key name already exists.';

const wrongPayload = 'ERR DUMP payload version or checksum are wrong';
const badData = 'ERR Bad data format';

function parseRestore(request: Request): RestoreInput | Refusal {
  const options = { replace: false, isAbsolute: false };
  for (let index = 4; index < request.count; index++) {
    if (request.is(index, 'replace')) options.replace = true;
    else if (request.is(index, 'absttl')) options.isAbsolute = true;
    else {
      const refusal = checkAccess(request, index++);
      if (refusal !== undefined) return refusal;
    }
  }
  const ttl = request.int64(2);
  if (ttl === undefined) return new Refusal(errors.notInteger);
  if (ttl < 0n) return new Refusal(outOfRange);
  return Number(ttl) > expireMsMax ? invalidExpire('restore') : { request, ms: Number(ttl), ...options };
}

/** IDLETIME and FREQ: checked and not kept, since nothing here is evicted. */
function checkAccess(request: Request, index: number): Refusal | undefined {
  const isIdle = request.is(index, 'idletime');
  if (index + 1 >= request.count || !(isIdle || request.is(index, 'freq'))) return new Refusal(errors.syntax);
  const value = request.int64(index + 1);
  if (value === undefined) return new Refusal(errors.notInteger);
  if (isIdle && value < 0n) return new Refusal('ERR Invalid IDLETIME value, must be >= 0');
  if (!isIdle && (value < 0n || value > 255n)) return new Refusal('ERR Invalid FREQ value, must be >= 0 and <= 255');
  return undefined;
}

function runRestore(types: DataTypes, values: ValueRestore, call: Call, input: RestoreInput, reply: ReplyWriter): void {
  const { request, ms, replace, isAbsolute } = input;
  const { keyspace, engine } = types;
  const { nowMs } = call;
  const key = keyOf(call, request, 1);
  const exists = keyspace.exists(key, nowMs);
  if (exists && !replace) return reply.error(keyExists);
  const reader = openPayload(spanOfArgument(request, 3));
  if (reader === undefined) return reply.error(wrongPayload);
  const expireMs = ms === 0 || isAbsolute ? ms : nowMs + ms;
  if (expireMs > expireMsMax) return reply.error(invalidExpire('restore').message);
  let isAlive: boolean;
  try {
    isAlive = values.restore(reader.u8(), reader, { key, expireMs, nowMs });
    if (!reader.isAtEnd) throw new RdbFailure('bytes follow behind the value');
  } catch (error) {
    if (!(error instanceof RdbFailure)) throw error;
    engine.rollbackCommand();
    return reply.error(`${badData}: ${error.message}`);
  }
  if (!isAlive) {
    // It was read all the same, so that a payload is judged alike whatever its time is.
    engine.rollbackCommand();
    if (keyspace.delete(key, nowMs)) notify(call, 'g', 'del', key);
  } else notify(call, 'g', 'restore', key);
  reply.ok();
}

function restore(types: DataTypes): CommandDefinition {
  const values = new ValueRestore(types);
  return define<RestoreInput>({
    name: 'restore',
    arity: -4,
    flags: ['write'],
    keys: firstKey,
    group: 'generic',
    since: '2.6.0',
    complexity: 'O(N) where N is the number of elements.',
    summary: 'Makes a key of a value that DUMP returned, here or in Redis.',
    parse: parseRestore,
    run: (call, input, reply) => runRestore(types, values, call, input, reply),
  });
}

export function dumpCommands(types: DataTypes): CommandDefinition[] {
  return [dump(types), restore(types)];
}
