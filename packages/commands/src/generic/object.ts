/**
 * OBJECT: what tools ask of a key. ENCODING names what Redis would use for a value of this type and these elements, with its
 * default directives; nothing here is encoded that way, but tools ask to tell small values from large ones.
 */
import { Collection, typeId, type DataTypes, type EntryIterator, type UserKey } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { int64Of } from '../data/integers.ts';
import { replyMetadata } from './metadata.ts';

/** Up to here Redis would keep a string in one piece with its header. */
const embeddedBytesMax = 44;
/** Redis' {hash,set,zset}-max-listpack-entries and -value. */
const listpackEntriesMax = 128;
const listpackValueMax = 64;
/** Redis' set-max-intset-entries, and the 8 KiB that list-max-listpack-size -2 stands for. */
const intsetEntriesMax = 512;
const listBytesMax = 8192;

function stringEncoding({ strings }: DataTypes): string {
  if (int64Of(strings.value) !== undefined) return 'int';
  return strings.value.length > embeddedBytesMax ? 'raw' : 'embstr';
}

/** Whether all elements, of which there are at most a few hundred, are as `isSmall` says. */
function every(collection: Collection, isSmall: (entry: EntryIterator) => boolean): boolean {
  const entries = collection.iterate();
  try {
    while (entries.next()) if (!isSmall(entries)) return false;
    return true;
  } finally {
    entries.close();
  }
}

function isSmallList(list: Collection): boolean {
  let bytes = 0;
  if (list.size > listBytesMax) return false;
  return every(list, ({ value }) => (bytes += value.length + 2) <= listBytesMax);
}

function isListpack(collection: Collection): boolean {
  if (collection.size > listpackEntriesMax) return false;
  const keyBytesMax = collection.prefixLength + listpackValueMax;
  return every(collection, ({ key, value }) => key.length <= keyBytesMax && value.length <= listpackValueMax);
}

function isIntset(set: Collection): boolean {
  if (set.size > intsetEntriesMax) return false;
  const { prefixLength } = set;
  return every(
    set,
    ({ key: { buffer, start, end } }) => int64Of({ buffer, start: start + prefixLength, end }) !== undefined,
  );
}

/** Undefined when there is no such key. */
function encodingOf(types: DataTypes, key: UserKey, nowMs: number): string | undefined {
  const { strings, records } = types;
  if (!records.load(key, nowMs)) return undefined;
  const { type } = records.meta;
  if (type === typeId.string) {
    strings.get(key, nowMs);
    return stringEncoding(types);
  }
  const collection = new Collection(records, type);
  collection.open(key, nowMs);
  switch (type) {
    case typeId.list:
      return isSmallList(collection) ? 'listpack' : 'quicklist';
    case typeId.set:
      if (isIntset(collection)) return 'intset';
      return isListpack(collection) ? 'listpack' : 'hashtable';
    case typeId.hash:
      return isListpack(collection) ? 'listpack' : 'hashtable';
    case typeId.zset:
      return isListpack(collection) ? 'listpack' : 'skiplist';
    case typeId.stream:
      return 'stream';
    default:
      return 'raw';
  }
}

const objectHelp = [
  'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'DUMP <key>',
  '    Return what is stored of a key besides its elements, as KMETADATA.',
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

type ObjectQuestion = 'dump' | 'encoding' | 'refcount' | 'idletime' | 'freq' | 'help';

interface ObjectInput {
  readonly request: Request;
  readonly question: ObjectQuestion;
}

const questions: readonly ObjectQuestion[] = ['dump', 'encoding', 'refcount', 'idletime', 'freq'];

function parseObject(request: Request): ObjectInput | Refusal {
  if (request.count === 2 && request.is(1, 'help')) return { request, question: 'help' };
  const question = questions.find((word) => request.is(1, word));
  if (question === undefined && !request.is(1, 'help'))
    return new Refusal(`ERR unknown subcommand '${request.latin1(1).slice(0, 128)}'. Try OBJECT HELP.`);
  if (question !== undefined && request.count === 3) return { request, question };
  return new Refusal(`ERR wrong number of arguments for 'object|${question ?? 'help'}' command`);
}

export function objectCommand(types: DataTypes): CommandDefinition {
  return define<ObjectInput>({
    name: 'object',
    arity: -2,
    flags: ['readonly'],
    keys: { first: 2, last: 2, step: 1 },
    keyIndexes: (request) => (request.count > 2 ? [2] : []),
    group: 'generic',
    since: '2.2.3',
    complexity: 'O(1); ENCODING looks at up to some thousand elements of a small collection.',
    summary: 'Answers questions of tools about a key: ENCODING, REFCOUNT, IDLETIME, FREQ, DUMP.',
    parse: parseObject,
    run(call, { request, question }, reply) {
      if (question === 'help') {
        reply.array(objectHelp.length);
        for (const line of objectHelp) reply.simple(line);
        return;
      }
      const key = keyOf(call, request, 2);
      if (question === 'dump') return replyMetadata(types, key, call.nowMs, reply);
      const encoding = encodingOf(types, key, call.nowMs);
      if (encoding === undefined) reply.nil();
      else if (question === 'encoding') reply.bulkLatin1(encoding);
      else if (question === 'freq') reply.error(noFrequency);
      else reply.integer(question === 'refcount' ? 1 : 0);
    },
  });
}
