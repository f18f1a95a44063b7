/** Whole values of documents: JSON.SET, JSON.MSET, JSON.MERGE, JSON.DEL and JSON.FORGET. */
import {
  JsonFailure,
  isJsonObject,
  putJsonMember,
  putJsonMembers,
  type JsonDocuments,
  type JsonObject,
  type JsonValue,
  type UserKey,
} from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, wrongArity } from '../data/arguments.ts';
import { notify } from '../events.ts';
import {
  Document,
  notAtRoot,
  pathAt,
  readDocument,
  refusalOf,
  removeNodes,
  storeDocument,
  tooMuch,
  valueAt,
  type Given,
} from './access.ts';
import { distinct, type Path } from './path.ts';

type Found = ReturnType<JsonDocuments['find']>;

/** `if-absent` and `if-present`: NX and XX. */
type Condition = 'always' | 'if-absent' | 'if-present';

interface SetInput {
  readonly request: Request;
  readonly path: Path;
  readonly given: Given;
  readonly condition: Condition;
}

function parseSet(documents: JsonDocuments, request: Request): SetInput | Refusal {
  let condition: Condition = 'always';
  if (request.count > 5) return new Refusal(errors.syntax);
  if (request.count === 5) {
    if (request.is(4, 'nx')) condition = 'if-absent';
    else if (request.is(4, 'xx')) condition = 'if-present';
    else return new Refusal(errors.syntax);
  }
  const path = pathAt(request, 2);
  if (path instanceof Refusal) return path;
  const given = valueAt(documents, request, 3);
  return given instanceof Refusal ? given : { request, path, given, condition };
}

/**
 * Puts a value where a path leads: in place of every match or, when there is none and the path ends with a name, as a
 * new member of every object that the rest of the path selects.
 * @returns whether anything was put.
 */
function putAt(document: Document, path: Path, { value }: Given, condition: Condition): boolean | Refusal {
  const nodes = document.select(path);
  if (nodes === undefined) return new Refusal(tooMuch);
  if (nodes.length > 0) {
    if (condition === 'if-absent') return false;
    for (const node of distinct(path, nodes).reverse()) document.put(node, value);
    return true;
  }
  return condition === 'if-present' ? false : addAt(document, path, value);
}

function addAt(document: Document, path: Path, value: JsonValue): boolean | Refusal {
  const last = path.steps.at(-1);
  const selector = last?.isDeep === false && last.selectors.length === 1 ? last.selectors[0] : undefined;
  if (selector?.kind === 'index') return new Refusal('ERR array index out of range');
  if (selector?.kind !== 'name') return false;
  const parents = document.select({ ...path, steps: path.steps.slice(0, -1) });
  if (parents === undefined) return new Refusal(tooMuch);
  let isAdded = false;
  for (const parent of parents) {
    if (!isJsonObject(parent.value)) continue;
    putJsonMember(parent.value, selector.name, value);
    isAdded = true;
  }
  return isAdded;
}

/** Whether the key, taken as a whole, allows the command: undefined, or what is answered instead (an error, or `nil`). */
function answerBeforeSet(found: Found, isWhole: boolean, condition: Condition): string | undefined {
  if (found === 'wrong-type') return errors.wrongType;
  if (found === 'absent') {
    if (condition === 'if-present') return 'nil';
    return isWhole ? undefined : notAtRoot;
  }
  return isWhole && condition === 'if-absent' ? 'nil' : undefined;
}

function runSet(documents: JsonDocuments, call: Call, input: SetInput, reply: ReplyWriter): void {
  const { path, given, condition } = input;
  const key = keyOf(call, input.request, 1);
  const isWhole = path.steps.length === 0;
  const answer = answerBeforeSet(documents.find(key, call.nowMs), isWhole, condition);
  if (answer !== undefined) return answer === 'nil' ? reply.nil() : reply.error(answer);
  let document = new Document(given.value);
  if (!isWhole) {
    const read = readDocument(documents, key, call.nowMs);
    if (!(read instanceof Document)) return reply.error(read?.message ?? notAtRoot);
    document = read;
    const isPut = putAt(document, path, given, condition);
    if (isPut instanceof Refusal) return reply.error(isPut.message);
    if (!isPut) return reply.nil();
  }
  const refusal = storeDocument(documents, key, document);
  if (refusal !== undefined) return reply.error(refusal.message);
  notify(call, 'd', 'json.set', key);
  reply.ok();
}

function jsonSet(documents: JsonDocuments): CommandDefinition {
  return define<SetInput>({
    name: 'json.set',
    arity: -4,
    flags: ['write'],
    keys: firstKey,
    group: 'json',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(N) where N is the size of the document and of the value.',
    summary: 'Sets a document, or what a path selects in it; with NX or XX only what does not exist, or does.',
    parse: (request) => parseSet(documents, request),
    run: (call, input, reply) => runSet(documents, call, input, reply),
  });
}

interface Entry {
  readonly key: number;
  readonly path: Path;
  readonly given: Given;
}

interface MSetInput {
  readonly request: Request;
  readonly entries: readonly Entry[];
}

function parseMSet(documents: JsonDocuments, request: Request): MSetInput | Refusal {
  if (request.count % 3 !== 1) return wrongArity('json.mset');
  const entries: Entry[] = [];
  for (let key = 1; key < request.count; key += 3) {
    const path = pathAt(request, key + 1);
    if (path instanceof Refusal) return path;
    const given = valueAt(documents, request, key + 2);
    if (given instanceof Refusal) return given;
    entries.push({ key, path, given });
  }
  return { request, entries };
}

/** A document being changed by JSON.MSET: its key, and its bytes once they are known. */
interface Draft {
  readonly key: UserKey;
  readonly bytes: Buffer;
}

/** What one entry makes of the document its key has by then. */
function drafted(
  documents: JsonDocuments,
  before: Document | undefined,
  { path, given }: Entry,
): Buffer | Refusal | undefined {
  let document = before;
  if (path.steps.length === 0) document = new Document(given.value);
  else if (document === undefined) return new Refusal(notAtRoot);
  else {
    const isPut = putAt(document, path, given, 'always');
    if (isPut instanceof Refusal) return isPut;
    if (!isPut) return undefined;
  }
  const bytes = documents.encode(document.value);
  return bytes instanceof JsonFailure ? refusalOf(bytes) : bytes;
}

/** Bytes of documents that one JSON.MSET reads several times, since it names their keys several times. */
const readAgainBytesMax = 256 << 20;

/** Every document is drafted before the first is stored, so that all are set or none. */
function runMSet(documents: JsonDocuments, call: Call, { request, entries }: MSetInput, reply: ReplyWriter): void {
  const drafts = new Map<string, Draft>();
  let readAgainBytes = 0;
  for (const entry of entries) {
    const key = keyOf(call, request, entry.key);
    const name = request.latin1(entry.key);
    const draft = drafts.get(name);
    // An earlier entry of the same key is read back, so that no two places share one value.
    readAgainBytes += draft?.bytes.length ?? 0;
    if (readAgainBytes > readAgainBytesMax) return reply.error(tooMuch);
    const before = draft === undefined ? readDocument(documents, key, call.nowMs) : readBack(documents, draft.bytes);
    if (before instanceof Refusal) return reply.error(before.message);
    const bytes = drafted(documents, before, entry);
    if (bytes instanceof Refusal) return reply.error(bytes.message);
    if (bytes !== undefined) drafts.set(name, { key, bytes });
  }
  let isFirst = true;
  for (const { key, bytes } of drafts.values()) {
    documents.find(key, call.nowMs);
    documents.store(key, bytes, isFirst);
    notify(call, 'd', 'json.mset', key);
    isFirst = false;
  }
  reply.ok();
}

function readBack(documents: JsonDocuments, bytes: Buffer): Document | Refusal {
  const value = documents.decode(bytes);
  return value instanceof JsonFailure ? refusalOf(value) : new Document(value);
}

function jsonMSet(documents: JsonDocuments): CommandDefinition {
  return define<MSetInput>({
    name: 'json.mset',
    arity: -4,
    flags: ['write'],
    keys: { first: 1, last: -3, step: 3 },
    group: 'json',
    since: 'Kvrocks 2.9.0',
    complexity: 'O(N) where N is the size of the documents and of the values.',
    summary: 'Sets several documents, or what paths select in them: all or none.',
    parse: (request) => parseMSet(documents, request),
    run: (call, input, reply) => runMSet(documents, call, input, reply),
  });
}

/** The value that a merge patch makes of another (RFC 7396). The patch stays as it is. Bounded by `nestingLimit`. */
function merged(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const object: JsonObject = target !== undefined && isJsonObject(target) ? target : new Map();
  const put: JsonObject = new Map();
  for (const [key, value] of patch) {
    if (value === null) object.delete(key);
    else put.set(key, merged(object.get(key), value));
  }
  putJsonMembers(object, put);
  return object;
}

/** @returns whether anything was merged. */
function mergeAt(document: Document, path: Path, patch: JsonValue): boolean | Refusal {
  const nodes = document.select(path);
  if (nodes === undefined) return new Refusal(tooMuch);
  const isRemoval = patch === null && path.steps.length > 0;
  if (nodes.length === 0) return isRemoval ? false : addAt(document, path, merged(undefined, patch));
  if (isRemoval) removeNodes(nodes);
  else for (const node of distinct(path, nodes).reverse()) document.put(node, merged(node.value, patch));
  return true;
}

function runMerge(documents: JsonDocuments, call: Call, { request, path, given }: SetInput, reply: ReplyWriter): void {
  const key = keyOf(call, request, 1);
  let document = readDocument(documents, key, call.nowMs);
  if (document instanceof Refusal) return reply.error(document.message);
  if (document === undefined) {
    if (path.steps.length > 0) return reply.error(notAtRoot);
    document = new Document(given.value);
  } else {
    const isMerged = mergeAt(document, path, given.value);
    if (isMerged instanceof Refusal) return reply.error(isMerged.message);
    if (!isMerged) return reply.nil();
  }
  const refusal = storeDocument(documents, key, document);
  if (refusal !== undefined) return reply.error(refusal.message);
  notify(call, 'd', 'json.merge', key);
  reply.ok();
}

function jsonMerge(documents: JsonDocuments): CommandDefinition {
  return define<SetInput>({
    name: 'json.merge',
    arity: 4,
    flags: ['write'],
    keys: firstKey,
    group: 'json',
    since: 'Kvrocks 2.8.0',
    complexity: 'O(N) where N is the size of the document and of the patch.',
    summary: 'Merges a value into what a path selects (RFC 7396): null deletes, objects merge, all else replaces.',
    parse: (request) => parseSet(documents, request),
    run: (call, input, reply) => runMerge(documents, call, input, reply),
  });
}

interface DelInput {
  readonly request: Request;
  readonly path: Path;
}

function runDel(documents: JsonDocuments, call: Call, { request, path }: DelInput, reply: ReplyWriter): void {
  const key = keyOf(call, request, 1);
  if (path.steps.length === 0) {
    const found = documents.find(key, call.nowMs);
    if (found === 'wrong-type') return reply.error(errors.wrongType);
    if (found === 'absent') return reply.integer(0);
    documents.delete(key);
    notify(call, 'd', 'json.del', key);
    return reply.integer(1);
  }
  const document = readDocument(documents, key, call.nowMs);
  if (document === undefined) return reply.integer(0);
  if (document instanceof Refusal) return reply.error(document.message);
  const selected = document.select(path);
  if (selected === undefined) return reply.error(tooMuch);
  const nodes = distinct(path, selected);
  removeNodes(nodes);
  const refusal = nodes.length > 0 ? storeDocument(documents, key, document) : undefined;
  if (refusal !== undefined) return reply.error(refusal.message);
  if (nodes.length > 0) notify(call, 'd', 'json.del', key);
  reply.integer(nodes.length);
}

function jsonDel(documents: JsonDocuments, name: 'json.del' | 'json.forget'): CommandDefinition {
  return define<DelInput>({
    name,
    arity: -2,
    flags: name === 'json.del' ? ['write', 'no-dbsize-check'] : ['write'],
    keys: firstKey,
    group: 'json',
    since: 'Kvrocks 2.8.0',
    complexity: 'O(N) where N is the size of the document.',
    summary: 'Deletes a document, or what a path selects in it, and returns how many values went.',
    parse(request) {
      if (request.count > 3) return wrongArity(name);
      const path = pathAt(request, 2);
      return path instanceof Refusal ? path : { request, path };
    },
    run: (call, input, reply) => runDel(documents, call, input, reply),
  });
}

export function jsonWriteCommands(documents: JsonDocuments): CommandDefinition[] {
  return [
    jsonSet(documents),
    jsonMSet(documents),
    jsonMerge(documents),
    jsonDel(documents, 'json.del'),
    jsonDel(documents, 'json.forget'),
  ];
}
