/** GET and the commands that read one string: GETEX, GETDEL, STRLEN, GETRANGE, SUBSTR, DIGEST. */
import { bitmapAsString, typeId, type DataTypes, type UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf } from '../data/arguments.ts';
import { digestOf } from '../data/digest.ts';
import { expireMsOf, invalidExpire, isTimed, noExpiry, parseExpiryFrom, type Expiry } from '../data/expiry-option.ts';
import { notify, notifyExpire } from '../events.ts';

/**
 * Answers with the string that the value loaded last is, which `Strings.get` did not find to be one: a bitmap, as Redis would
 * hold it. Anything else is refused, and a bitmap beyond max-bitmap-to-string-mb too.
 * @returns whether it was a bitmap that was written.
 */
function replyBitmap({ strings, records }: DataTypes, key: UserKey, reply: ReplyWriter): boolean {
  const { type, size } = records.meta;
  const bitmap = bitmapAsString(records, key, strings.bitmapBytesMax);
  if (bitmap !== undefined) reply.bulk(bitmap);
  else if (type !== typeId.bitmap) reply.error(errors.wrongType);
  else {
    const most = `only ${strings.bitmapBytesMax} are returned as a string (max-bitmap-to-string-mb)`;
    reply.error(`ERR Operation aborted: The size of the bitmap is ${size} bytes, ${most}`);
  }
  return bitmap !== undefined;
}

function runGet(types: DataTypes, call: Call, request: Request, reply: ReplyWriter): void {
  const { strings } = types;
  const key = keyOf(call, request, 1);
  const found = strings.get(key, call.nowMs);
  if (found === 'found') return reply.bulk(strings.value.buffer, strings.value.start, strings.value.end);
  if (found === 'absent') return reply.nil();
  replyBitmap(types, key, reply);
}

function get(types: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Returns the string value of a key. A bitmap is answered as the string Redis would hold.',
    parse: itself,
    run: (call, request, reply) => runGet(types, call, request, reply),
  });
}

interface GetExInput {
  readonly request: Request;
  /** Undefined: the expiry stays. Kind `none`: PERSIST. */
  readonly expiry: Expiry | undefined;
}

function parseGetEx(request: Request): GetExInput | Refusal {
  if (request.count === 2) return { request, expiry: undefined };
  if (request.count === 3 && request.is(2, 'persist')) return { request, expiry: noExpiry };
  const expiry = parseExpiryFrom(request, 2, 'getex');
  return expiry instanceof Refusal ? expiry : { request, expiry };
}

function getEx(types: DataTypes): CommandDefinition {
  const { strings, keyspace, records } = types;
  return define<GetExInput>({
    name: 'getex',
    arity: -2,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'string',
    since: '6.2.0',
    complexity: 'O(1)',
    summary: 'Returns the string value of a key and sets or removes its expiry.',
    parse: parseGetEx,
    run(call, { request, expiry }, reply) {
      const key = keyOf(call, request, 1);
      const found = strings.get(key, call.nowMs);
      if (found === 'absent') return reply.nil();
      if (found === 'wrong-type' && records.meta.type !== typeId.bitmap) return reply.error(errors.wrongType);
      const currentMs = strings.expireMs;
      const expireMs = expiry === undefined ? currentMs : expireMsOf(expiry, call.nowMs, currentMs);
      if (expireMs === undefined) return reply.error(invalidExpire('getex').message);
      if (found === 'found') reply.bulk(strings.value.buffer, strings.value.start, strings.value.end);
      else if (!replyBitmap(types, key, reply)) return;
      else records.load(key, call.nowMs); // Its fragments were read since.
      if (expireMs !== currentMs) keyspace.setExpireMs(key, expireMs, call.nowMs);
      if (expiry !== undefined && isTimed(expiry)) notifyExpire(call, key, expireMs);
      else if (expireMs !== currentMs) notify(call, 'g', 'persist', key);
    },
  });
}

function getDel({ strings, keyspace }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'getdel',
    arity: 2,
    flags: ['write', 'fast', 'no-dbsize-check'],
    keys: firstKey,
    group: 'string',
    since: '6.2.0',
    complexity: 'O(1)',
    summary: 'Returns the string value of a key and deletes the key.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const found = strings.get(key, call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      if (found === 'absent') return reply.nil();
      reply.bulk(strings.value.buffer, strings.value.start, strings.value.end);
      keyspace.delete(key, call.nowMs);
      notify(call, 'g', 'del', key);
    },
  });
}

function strLen({ strings }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'strlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'string',
    since: '2.2.0',
    complexity: 'O(1)',
    summary: 'Returns the length of a string value in bytes.',
    parse: itself,
    run(call, request, reply) {
      const found = strings.get(keyOf(call, request, 1), call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      reply.integer(found === 'absent' ? 0 : strings.value.length);
    },
  });
}

interface RangeInput {
  readonly request: Request;
  readonly start: number;
  readonly end: number;
}

/** Indexes beyond what a string can have are as good as the nearest one that counts. */
function parseIndex(request: Request, index: number): number | undefined {
  const value = request.int64(index);
  return value === undefined ? undefined : Number(value);
}

/** GETRANGE, and SUBSTR, its name before Redis 2.0. Negative positions count from the end. */
function getRange({ strings }: DataTypes, name: string, since: string): CommandDefinition {
  return define<RangeInput>({
    name,
    arity: 4,
    flags: ['readonly'],
    keys: firstKey,
    group: 'string',
    since,
    complexity: 'O(N) where N is the length of the returned string.',
    summary: 'Returns a part of the string value of a key, both ends included.',
    parse(request) {
      const start = parseIndex(request, 2);
      const end = parseIndex(request, 3);
      if (start === undefined || end === undefined) return new Refusal(errors.notInteger);
      return { request, start, end };
    },
    run(call, { request, start, end }, reply) {
      const found = strings.get(keyOf(call, request, 1), call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      const length = found === 'absent' ? 0 : strings.value.length;
      const from = Math.max(0, start < 0 ? length + start : start);
      const to = Math.min(length - 1, Math.max(0, end < 0 ? length + end : end));
      if (length === 0 || from > to || (start < 0 && end < 0 && start > end)) return reply.bulkLatin1('');
      const { buffer, start: at } = strings.value;
      reply.bulk(buffer, at + from, at + to + 1);
    },
  });
}

function digest({ strings }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'digest',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'string',
    since: '8.4.0',
    complexity: 'O(N) where N is the length of the string value.',
    summary: 'Returns the XXH3 digest of a string value as 16 hexadecimal digits.',
    parse: itself,
    run(call, request, reply) {
      const found = strings.get(keyOf(call, request, 1), call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      if (found === 'absent') reply.nil();
      else reply.bulkLatin1(digestOf(strings.value));
    },
  });
}

export function getCommands(types: DataTypes): CommandDefinition[] {
  return [
    get(types),
    getEx(types),
    getDel(types),
    strLen(types),
    getRange(types, 'getrange', '2.4.0'),
    getRange(types, 'substr', '1.0.0'),
    digest(types),
  ];
}
