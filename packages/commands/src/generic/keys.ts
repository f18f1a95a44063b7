/** Whole keys: DEL, UNLINK, EXISTS, TOUCH, TYPE, RENAME, RENAMENX, COPY. */
import { sameBytes, type DataTypes } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition, type KeySpec } from '../command.ts';
import { itself, keyOf } from '../data/arguments.ts';
import { notify } from '../events.ts';

const allKeys: KeySpec = { first: 1, last: -1, step: 1 };
const twoKeys: KeySpec = { first: 1, last: 2, step: 1 };

/** DEL, and UNLINK, which is the same here: a collection's elements always go in the background. */
function del({ keyspace }: DataTypes, name: string, since: string): CommandDefinition {
  return define<Request>({
    name,
    arity: -2,
    flags: ['write', 'no-dbsize-check', ...(name === 'unlink' ? (['fast'] as const) : [])],
    keys: allKeys,
    group: 'generic',
    since,
    complexity: 'O(N) where N is the number of keys.',
    summary: 'Deletes keys and answers how many there were.',
    parse: itself,
    run(call, request, reply) {
      let deleted = 0;
      for (let index = 1; index < request.count; index++) {
        const key = keyOf(call, request, index);
        if (!keyspace.delete(key, call.nowMs, deleted === 0)) continue;
        deleted++;
        notify(call, 'g', 'del', key);
      }
      reply.integer(deleted);
    },
  });
}

/** EXISTS, and TOUCH, which has no access time to change here. A key given twice counts twice. */
function exists({ keyspace }: DataTypes, name: string, since: string): CommandDefinition {
  return define<Request>({
    name,
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: allKeys,
    group: 'generic',
    since,
    complexity: 'O(N) where N is the number of keys.',
    summary: 'Answers how many of the given keys exist.',
    parse: itself,
    run(call, request, reply) {
      let count = 0;
      for (let index = 1; index < request.count; index++) {
        if (keyspace.exists(keyOf(call, request, index), call.nowMs)) count++;
      }
      reply.integer(count);
    },
  });
}

function type({ keyspace }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Returns the type of the value of a key.',
    parse: itself,
    run: (call, request, reply) => reply.simple(keyspace.type(keyOf(call, request, 1), call.nowMs)),
  });
}

function rename({ keyspace }: DataTypes, name: 'rename' | 'renamenx'): CommandDefinition {
  return define<Request>({
    name,
    arity: 3,
    flags: ['write', ...(name === 'renamenx' ? (['fast'] as const) : [])],
    keys: twoKeys,
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of elements: they are written under the new name.',
    summary: name === 'rename' ? 'Renames a key.' : 'Renames a key only when the new name does not exist.',
    parse: itself,
    run(call, request, reply) {
      const from = keyOf(call, request, 1);
      const to = keyOf(call, request, 2);
      if (!keyspace.exists(from, call.nowMs)) return reply.error(errors.noSuchKey);
      const isSame = sameBytes(from, to);
      if (name === 'renamenx' && (isSame || keyspace.exists(to, call.nowMs))) return reply.integer(0);
      if (!isSame) {
        keyspace.copy(from, to, call.nowMs, true);
        notify(call, 'g', 'rename_from', from);
        notify(call, 'g', 'rename_to', to);
      }
      if (name === 'rename') reply.ok();
      else reply.integer(1);
    },
  });
}

interface CopyInput {
  readonly request: Request;
  readonly replace: boolean;
}

function parseCopy(request: Request): CopyInput | Refusal {
  let replace = false;
  for (let index = 3; index < request.count;) {
    if (request.is(index, 'replace')) {
      replace = true;
      index++;
    } else if (request.is(index, 'db') && index + 1 < request.count) {
      const db = request.integer(index + 1);
      if (Number.isNaN(db)) return new Refusal(errors.notInteger);
      if (db !== 0) return new Refusal('ERR DB index is out of range');
      index += 2;
    } else return new Refusal(errors.syntax);
  }
  return { request, replace };
}

function copy({ keyspace }: DataTypes): CommandDefinition {
  return define<CopyInput>({
    name: 'copy',
    arity: -3,
    flags: ['write'],
    keys: twoKeys,
    group: 'generic',
    since: '6.2.0',
    complexity: 'O(N) where N is the number of elements.',
    summary: 'Copies a key with its expiry.',
    parse: parseCopy,
    run(call, { request, replace }, reply) {
      const from = keyOf(call, request, 1);
      const to = keyOf(call, request, 2);
      // As in Kvrocks a key is its own copy already; Redis refuses.
      if (sameBytes(from, to)) return reply.integer(replace && keyspace.exists(from, call.nowMs) ? 1 : 0);
      if (!replace && keyspace.exists(to, call.nowMs)) return reply.integer(0);
      const isCopied = keyspace.copy(from, to, call.nowMs, false);
      if (isCopied) notify(call, 'g', 'copy_to', to);
      reply.integer(isCopied ? 1 : 0);
    },
  });
}

export function keyCommands(types: DataTypes): CommandDefinition[] {
  return [
    del(types, 'del', '1.0.0'),
    del(types, 'unlink', '4.0.0'),
    exists(types, 'exists', '1.0.0'),
    exists(types, 'touch', '3.2.1'),
    type(types),
    rename(types, 'rename'),
    rename(types, 'renamenx'),
    copy(types),
  ];
}
