/** Reading documents: JSON.GET, JSON.MGET, JSON.TYPE, the lengths, JSON.OBJKEYS, JSON.INFO, JSON.RESP, JSON.DEBUG. */
import {
  JsonDouble,
  JsonFailure,
  encodeJson,
  isJsonObject,
  jsonObjectOf,
  printDouble,
  printJson,
  type JsonDocuments,
  type JsonLayout,
  type JsonValue,
} from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, wrongArity } from '../data/arguments.ts';
import {
  Document,
  missingPath,
  noDocument,
  pathAt,
  readDocument,
  refusalOf,
  runReading,
  tooMuch,
  typeNameOf,
  type Reading,
} from './access.ts';
import type { Path } from './path.ts';

interface PathInput {
  readonly request: Request;
  readonly path: Path;
  readonly hasPath: boolean;
}

/** `COMMAND key [path]`. */
export function parseKeyAndPath(name: string): (request: Request) => PathInput | Refusal {
  return (request) => {
    if (request.count > 3) return wrongArity(name);
    const path = pathAt(request, 2);
    return path instanceof Refusal ? path : { request, path, hasPath: request.count === 3 };
  };
}

const layoutCharactersMax = 64;

interface GetInput {
  readonly request: Request;
  readonly layout: JsonLayout | undefined;
  readonly paths: readonly Path[];
}

function parseGet(request: Request): GetInput | Refusal {
  const layout = { indent: '', newline: '', space: '' };
  let hasLayout = false;
  let index = 2;
  for (; index < request.count; index += 2) {
    if (request.is(index, 'noescape')) {
      index--;
      continue;
    }
    const word = (['indent', 'newline', 'space'] as const).find((each) => request.is(index, each));
    if (word === undefined) break;
    if (index + 1 === request.count) return new Refusal(errors.syntax);
    if (request.size(index + 1) > layoutCharactersMax) {
      return new Refusal(`ERR ${word.toUpperCase()} may have at most ${layoutCharactersMax} bytes`);
    }
    layout[word] = request.utf8(index + 1);
    hasLayout = true;
  }
  const paths: Path[] = [];
  for (; index < request.count; index++) {
    const path = pathAt(request, index);
    if (path instanceof Refusal) return path;
    paths.push(path);
  }
  return { request, layout: hasLayout ? layout : undefined, paths };
}

/** What a path shows of a document: the array of its matches, or the one value of an older path. */
function shown(document: Document, path: Path): { readonly value: JsonValue } | Refusal {
  const nodes = document.select(path);
  if (nodes === undefined) return new Refusal(tooMuch);
  if (!path.isLegacy) return { value: nodes.map(({ value }) => value) };
  const [first] = nodes;
  return first === undefined ? new Refusal(missingPath(path)) : { value: first.value };
}

/** What JSON.GET shows of several paths: an object, one member per path; all in one form. */
function shownTogether(document: Document, paths: readonly Path[]): { readonly value: JsonValue } | Refusal {
  const isLegacy = paths.every((path) => path.isLegacy);
  const values: JsonValue[] = [];
  for (const path of paths) {
    const one = shown(document, { ...path, isLegacy });
    if (one instanceof Refusal) return one;
    values.push(one.value);
  }
  return {
    value: jsonObjectOf(
      paths.map(({ text }) => text),
      values,
    ),
  };
}

function runGet(documents: JsonDocuments, call: Call, { request, layout, paths }: GetInput, reply: ReplyWriter): void {
  const document = readDocument(documents, keyOf(call, request, 1), call.nowMs);
  if (document === undefined) return reply.nil();
  if (document instanceof Refusal) return reply.error(document.message);
  const [path] = paths;
  let result: { readonly value: JsonValue } | Refusal = document;
  if (path !== undefined) result = paths.length === 1 ? shown(document, path) : shownTogether(document, paths);
  if (result instanceof Refusal) return reply.error(result.message);
  const text = printJson(result.value, layout);
  if (text instanceof JsonFailure) return reply.error(`ERR ${text.message}`);
  reply.bulkText(text);
}

function jsonGet(documents: JsonDocuments): CommandDefinition {
  return define<GetInput>({
    name: 'json.get',
    arity: -2,
    flags: ['readonly'],
    keys: firstKey,
    group: 'json',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(N) where N is the size of the document.',
    summary: 'Returns a document, or what paths select in it, as JSON text.',
    parse: parseGet,
    run: (call, input, reply) => runGet(documents, call, input, reply),
  });
}

interface MGetInput {
  readonly request: Request;
  readonly path: Path;
}

function jsonMGet(documents: JsonDocuments): CommandDefinition {
  return define<MGetInput>({
    name: 'json.mget',
    arity: -3,
    flags: ['readonly'],
    keys: { first: 1, last: -2, step: 1 },
    group: 'json',
    since: 'Kvrocks 2.9.0',
    complexity: 'O(N) where N is the size of the documents.',
    summary: 'Returns what a path selects in each of several documents; nil for a key that is no document.',
    parse(request) {
      const path = pathAt(request, request.count - 1);
      return path instanceof Refusal ? path : { request, path };
    },
    run(call, { request, path }, reply) {
      reply.array(request.count - 2);
      for (let index = 1; index < request.count - 1; index++) {
        const document = readDocument(documents, keyOf(call, request, index), call.nowMs);
        const result = document instanceof Document ? shown(document, path) : undefined;
        const text = result === undefined || result instanceof Refusal ? undefined : printJson(result.value);
        if (text === undefined || text instanceof JsonFailure) reply.nil();
        else reply.bulkText(text);
      }
    },
  });
}

interface ReadingCommand extends Reading {
  readonly name: string;
  readonly since: string;
  readonly summary: string;
}

/** A command that answers about each match. */
function reading(documents: JsonDocuments, command: ReadingCommand): CommandDefinition {
  const { name, since, summary } = command;
  return define<PathInput>({
    name,
    arity: -2,
    flags: ['readonly'],
    keys: firstKey,
    group: 'json',
    since,
    complexity: 'O(N) where N is the size of the document.',
    summary,
    parse: parseKeyAndPath(name),
    run(call, input, reply) {
      // As Kvrocks: a missing key is an error for some only when a path is given.
      const whenAbsent = input.hasPath ? command.whenAbsent : 'nil';
      runReading(documents, call, input, { ...command, whenAbsent }, reply);
    },
  });
}

const readings: readonly ReadingCommand[] = [
  {
    name: 'json.type',
    since: 'Kvrocks 2.7.0',
    summary: 'Returns the type of each value a path selects.',
    whenAbsent: 'nil',
    nilWhenMissing: true,
    answer: typeNameOf,
  },
  {
    name: 'json.arrlen',
    since: 'Kvrocks 2.8.0',
    summary: 'Returns the length of each array a path selects.',
    about: 'array',
    whenAbsent: 'nil',
    answer: (value) => (Array.isArray(value) ? value.length : undefined),
  },
  {
    name: 'json.strlen',
    since: 'Kvrocks 2.8.0',
    summary: 'Returns the length in bytes of each string a path selects.',
    about: 'string',
    whenAbsent: 'error',
    walks: true,
    answer: (value) => (typeof value === 'string' ? Buffer.byteLength(value) : undefined),
  },
  {
    name: 'json.objlen',
    since: 'Kvrocks 2.8.0',
    summary: 'Returns the number of members of each object a path selects.',
    about: 'object',
    whenAbsent: 'error',
    nilWhenMissing: true,
    answer: (value) => (isJsonObject(value) ? value.size : undefined),
  },
  {
    name: 'json.objkeys',
    since: 'Kvrocks 2.8.0',
    summary: 'Returns the keys of each object a path selects.',
    about: 'object',
    whenAbsent: 'nil',
    nilWhenMissing: true,
    walks: true,
    answer: (value) => (isJsonObject(value) ? [...value.keys()] : undefined),
  },
];

function jsonInfo(documents: JsonDocuments): CommandDefinition {
  return define<Request>({
    name: 'json.info',
    arity: 2,
    flags: ['readonly'],
    keys: firstKey,
    group: 'json',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(1)',
    summary: 'Tells in which form a document is stored.',
    parse: itself,
    run(call, request, reply) {
      const found = documents.find(keyOf(call, request, 1), call.nowMs);
      if (found === 'absent') return reply.error(noDocument);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      reply.array(2);
      reply.bulkLatin1('storage_format');
      reply.bulkLatin1(found === 'found' ? documents.format : 'unknown');
    },
  });
}

/** A value as RESP: containers as arrays that begin with their bracket. Recursion is bounded by `nestingLimit`. */
function writeResp(value: JsonValue, reply: ReplyWriter): void {
  if (value === null) reply.nil();
  else if (typeof value === 'boolean') reply.simple(String(value));
  else if (typeof value === 'string') reply.bulkText(value);
  else if (value instanceof JsonDouble) reply.bulkLatin1(printDouble(value.value));
  else if (Array.isArray(value)) {
    reply.array(value.length + 1);
    reply.simple('[');
    for (const item of value) writeResp(item, reply);
  } else if (isJsonObject(value)) {
    reply.array(2 * value.size + 1);
    reply.simple('{');
    for (const [key, member] of value) {
      reply.bulkText(key);
      writeResp(member, reply);
    }
  } else if (fitsInt64(value)) reply.integer(value);
  else reply.bulkLatin1(String(value));
}

function fitsInt64(value: number | bigint): boolean {
  return typeof value === 'number' || BigInt.asIntN(64, value) === value;
}

function jsonResp(documents: JsonDocuments): CommandDefinition {
  return define<PathInput>({
    name: 'json.resp',
    arity: -2,
    flags: ['readonly'],
    keys: firstKey,
    group: 'json',
    since: 'Kvrocks 2.10.0',
    complexity: 'O(N) where N is the size of the document.',
    summary: 'Returns what a path selects in RESP: objects and arrays as arrays that begin with { and [.',
    parse: parseKeyAndPath('json.resp'),
    run(call, { request, path, hasPath }, reply) {
      const document = readDocument(documents, keyOf(call, request, 1), call.nowMs);
      if (document === undefined) return reply.nil();
      if (document instanceof Refusal) return reply.error(document.message);
      const nodes = document.selectToWalk(path);
      if (nodes === undefined) return reply.error(tooMuch);
      if (hasPath && !path.isLegacy) {
        reply.array(nodes.length);
        for (const { value } of nodes) writeResp(value, reply);
        return;
      }
      const [first] = nodes;
      if (first === undefined) reply.error(missingPath(path));
      else writeResp(first.value, reply);
    },
  });
}

function parseDebug(request: Request): PathInput | Refusal {
  if (!request.is(1, 'memory')) return new Refusal("ERR unknown subcommand, 'MEMORY' is the only one of JSON.DEBUG");
  if (request.count > 4) return wrongArity('json.debug');
  const path = pathAt(request, 3);
  return path instanceof Refusal ? path : { request, path, hasPath: request.count === 4 };
}

/** Bytes of a value in the form its document is stored in. */
function runDebug(documents: JsonDocuments, call: Call, input: PathInput, reply: ReplyWriter): void {
  const { path } = input;
  const isArray = input.hasPath && !path.isLegacy;
  const found = documents.find(keyOf(call, input.request, 2), call.nowMs);
  if (found === 'wrong-type') return reply.error(errors.wrongType);
  if (found !== 'found') return isArray ? reply.array(0) : reply.integer(0);
  if (path.steps.length === 0) {
    if (isArray) reply.array(1);
    return reply.integer(documents.size);
  }
  const value = documents.read();
  if (value instanceof JsonFailure) return reply.error(refusalOf(value).message);
  const nodes = new Document(value).selectToWalk(path);
  if (nodes === undefined) return reply.error(tooMuch);
  if (!isArray && nodes.length === 0) return reply.integer(0);
  if (isArray) reply.array(nodes.length);
  for (const node of isArray ? nodes : nodes.slice(0, 1)) {
    const bytes = encodeJson(node.value, documents.format);
    reply.integer(bytes instanceof JsonFailure ? 0 : bytes.length);
  }
}

function jsonDebug(documents: JsonDocuments): CommandDefinition {
  return define<PathInput>({
    name: 'json.debug',
    arity: -3,
    flags: ['readonly'],
    keys: { first: 2, last: 2, step: 1 },
    group: 'json',
    since: 'Kvrocks 2.10.0',
    complexity: 'O(N) where N is the size of the document.',
    summary: 'JSON.DEBUG MEMORY tells the bytes that what a path selects takes in storage.',
    parse: parseDebug,
    run: (call, input, reply) => runDebug(documents, call, input, reply),
  });
}

export function jsonReadCommands(documents: JsonDocuments): CommandDefinition[] {
  return [
    jsonGet(documents),
    jsonMGet(documents),
    ...readings.map((command) => reading(documents, command)),
    jsonInfo(documents),
    jsonResp(documents),
    jsonDebug(documents),
  ];
}
