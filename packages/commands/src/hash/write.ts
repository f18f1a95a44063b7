/** Changing fields: HSET, HMSET, HSETNX, HSETEXPIRE, HDEL. */
import { sameBytes, type DataTypes } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument, wrongArity } from '../data/arguments.ts';
import { expireMsMax } from '../data/expiry-option.ts';
import { notify } from '../events.ts';
import { notifyDeleted, openHash, openHashForWrite } from './fields.ts';

/**
 * Puts the fields and values from argument `first` on into the open hash. From the last pair to the first, so that of a
 * field given twice the later value counts, and the records are those Kvrocks writes. A single field that has its value
 * already is not written; of several each is, for what was written is how a field given twice is known again.
 * @returns how many fields are new.
 */
function putFields({ hashes }: DataTypes, request: Request, first: number): number {
  const before = hashes.size;
  const isSingle = request.count === first + 2;
  let added = 0;
  for (let index = request.count - 2; index >= first; index -= 2) {
    const field = spanOfArgument(request, index);
    const value = spanOfArgument(request, index + 1);
    if (!isSingle && hashes.isPutByCommand(field)) continue;
    const exists = before > 0 && hashes.get(field);
    if (isSingle && exists && hashes.fieldExpireMs === 0 && sameBytes(hashes.value, value)) continue;
    hashes.put(field, value, !exists);
    if (!exists) added++;
  }
  return added;
}

/** HSET answers how many fields are new, HMSET just OK. */
function hSet(types: DataTypes, name: 'hset' | 'hmset'): CommandDefinition {
  return define<Request>({
    name,
    arity: -4,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of fields.',
    summary: 'Sets fields of a hash. The hash is created if it does not exist.',
    parse: (request) => (request.count % 2 === 0 ? request : wrongArity(name)),
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      if (openHashForWrite(types.hashes, key, call.nowMs, reply) === undefined) return;
      const added = putFields(types, request, 2);
      types.hashes.save(key);
      notify(call, 'h', 'hset', key);
      if (name === 'hset') reply.integer(added);
      else reply.ok();
    },
  });
}

interface SetExpireInput {
  readonly request: Request;
  readonly ttlMs: number;
}

function hSetExpire(types: DataTypes): CommandDefinition {
  return define<SetExpireInput>({
    name: 'hsetexpire',
    arity: -5,
    flags: ['write'],
    keys: firstKey,
    group: 'hash',
    since: 'Kvrocks 2.12.0',
    complexity: 'O(N) where N is the number of fields.',
    summary: 'Sets fields of a hash and its time to live in seconds.',
    parse(request) {
      const seconds = request.int64(2);
      if (seconds === undefined || seconds < 0n) return new Refusal(errors.notInteger);
      if (request.count % 2 === 0) {
        return new Refusal('ERR Invalid number of arguments: field-value pairs must be complete');
      }
      return { request, ttlMs: Number(seconds) * 1000 };
    },
    run(call, { request, ttlMs }, reply) {
      const expireMs = call.nowMs + ttlMs;
      if (expireMs > expireMsMax) return reply.error("ERR invalid expire time in 'hsetexpire' command");
      const key = keyOf(call, request, 1);
      if (openHashForWrite(types.hashes, key, call.nowMs, reply) === undefined) return;
      putFields(types, request, 3);
      types.hashes.expireMs = expireMs;
      types.hashes.save(key, true);
      notify(call, 'h', 'hset', key);
      notify(call, 'g', 'expire', key);
      reply.ok();
    },
  });
}

function hSetNx({ hashes }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'hsetnx',
    arity: -4,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of fields.',
    summary: 'Sets those fields of a hash that do not exist, one or, as in Kvrocks, several.',
    parse: (request) => (request.count % 2 === 0 ? request : wrongArity('hsetnx')),
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      if (openHashForWrite(hashes, key, call.nowMs, reply) === undefined) return;
      let added = 0;
      for (let index = 2; index < request.count; index += 2) {
        const field = spanOfArgument(request, index);
        if (hashes.get(field)) continue;
        hashes.put(field, spanOfArgument(request, index + 1), true);
        added++;
      }
      if (added > 0) {
        hashes.save(key);
        notify(call, 'h', 'hset', key);
      }
      reply.integer(added);
    },
  });
}

function hDel({ hashes }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'hdel',
    arity: -3,
    flags: ['write', 'fast', 'no-dbsize-check'],
    keys: firstKey,
    group: 'hash',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of fields.',
    summary: 'Deletes fields of a hash. A hash without fields does not exist any more.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const opened = openHash(hashes, key, call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'absent') return reply.integer(0);
      let deleted = 0;
      for (let index = 2; index < request.count; index++) {
        const field = spanOfArgument(request, index);
        if (hashes.remove(field)) deleted++;
      }
      hashes.save(key);
      if (deleted > 0) notifyDeleted(call, hashes, key);
      reply.integer(deleted);
    },
  });
}

export function hashWriteCommands(types: DataTypes): CommandDefinition[] {
  return [hSet(types, 'hset'), hSet(types, 'hmset'), hSetExpire(types), hSetNx(types), hDel(types)];
}
