/** Whole keys: DEL, UNLINK, EXISTS, TOUCH, TYPE, RENAME, RENAMENX, COPY, OBJECT. */
import { sameBytes, type DataTypes, type UserKey } from '@holdfast/engine';
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
      if (sameBytes(from, to)) return reply.error('ERR source and destination objects are the same');
      if (!replace && keyspace.exists(to, call.nowMs)) return reply.integer(0);
      const isCopied = keyspace.copy(from, to, call.nowMs, false);
      if (isCopied) notify(call, 'g', 'copy_to', to);
      reply.integer(isCopied ? 1 : 0);
    },
  });
}

/** Up to here Redis would keep a string in one piece with its header. */
const embeddedBytesMax = 44;
/** Redis' default hash-max-listpack-entries, zset-max-listpack-entries and set-max-listpack-entries. */
const listpackEntriesMax = 128;

/**
 * What OBJECT ENCODING answers: the name Redis would use for a value of this type and size. Nothing here is encoded
 * that way; tools ask to tell small values from large ones. Sizes of elements are not looked at.
 */
function encodingOf({ strings, records, keyspace }: DataTypes, key: UserKey, nowMs: number): string | undefined {
  const name = keyspace.type(key, nowMs);
  const isSmall = records.meta.size <= listpackEntriesMax;
  switch (name) {
    case 'none':
      return undefined;
    case 'string': {
      strings.get(key, nowMs);
      const { buffer, start, end } = strings.value;
      const isNumber = end - start <= 20 && /^(0|-?[1-9][0-9]{0,18})$/.test(buffer.latin1Slice(start, end));
      if (isNumber) return 'int';
      return end - start <= embeddedBytesMax ? 'embstr' : 'raw';
    }
    case 'list':
      return isSmall ? 'listpack' : 'quicklist';
    case 'hash':
    case 'set':
      return isSmall ? 'listpack' : 'hashtable';
    case 'zset':
      return isSmall ? 'listpack' : 'skiplist';
    case 'stream':
      return 'stream';
    default:
      return 'raw';
  }
}

const objectHelp = [
  'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'ENCODING <key>',
  '    Return the name of the encoding Redis would use for a value of this type and size.',
  'FREQ <key>',
  '    Access frequencies are not kept: always an error.',
  'HELP',
  '    Print this help.',
  'IDLETIME <key>',
  '    Return 0: access times are not kept.',
  'REFCOUNT <key>',
  '    Return 1.',
];

const noFrequency =
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between ' +
  'policies at runtime LRU and LFU data will take some time to adjust.';

type ObjectQuestion = 'encoding' | 'refcount' | 'idletime' | 'freq' | 'help';

interface ObjectInput {
  readonly request: Request;
  readonly question: ObjectQuestion;
}

const questions: readonly ObjectQuestion[] = ['encoding', 'refcount', 'idletime', 'freq'];

function parseObject(request: Request): ObjectInput | Refusal {
  if (request.count === 2 && request.is(1, 'help')) return { request, question: 'help' };
  const question = request.count === 3 ? questions.find((word) => request.is(1, word)) : undefined;
  if (question !== undefined) return { request, question };
  const name = request.latin1(1).slice(0, 128);
  return new Refusal(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try OBJECT HELP.`);
}

function object(types: DataTypes): CommandDefinition {
  return define<ObjectInput>({
    name: 'object',
    arity: -2,
    flags: ['readonly'],
    keys: { first: 2, last: 2, step: 1 },
    keyIndexes: (request) => (request.count > 2 ? [2] : []),
    group: 'generic',
    since: '2.2.3',
    complexity: 'O(1)',
    summary: 'Answers questions of tools about a key: ENCODING, REFCOUNT, IDLETIME, FREQ.',
    parse: parseObject,
    run(call, { request, question }, reply) {
      if (question === 'help') {
        reply.array(objectHelp.length);
        for (const line of objectHelp) reply.simple(line);
        return;
      }
      const key = keyOf(call, request, 2);
      const encoding = encodingOf(types, key, call.nowMs);
      if (encoding === undefined) reply.nil();
      else if (question === 'encoding') reply.bulkLatin1(encoding);
      else if (question === 'freq') reply.error(noFrequency);
      else reply.integer(question === 'refcount' ? 1 : 0);
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
    object(types),
  ];
}
