/** What the commands on JSON documents share: opening, selecting, changing, and the forms of replies. */
import { JsonFailure, type JsonDocuments, type JsonValue, type UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, errors, type Call } from '../command.ts';
import { keyOf, spanOfArgument } from '../data/arguments.ts';
import { notify } from '../events.ts';
import { weightOf } from './filter.ts';
import { parsePath } from './path-parser.ts';
import {
  distinct,
  fromLastToFirst,
  newBudget,
  removeNode,
  replaceNode,
  rootNode,
  select,
  visitsMax,
  type Node,
  type Path,
} from './path.ts';

export const noDocument = "ERR could not perform this operation on a key that doesn't exist";
export const notAtRoot = 'ERR new objects must be created at the root';
const unreadable = 'ERR the document is stored in a form that is not known';
const tooMuch = 'ERR the path selects too much of the document for one command';

/** A document in memory, private to the command that read it. What paths may look at in it is bounded for them together. */
export class Document {
  value: JsonValue;
  readonly #budget = newBudget();

  constructor(value: JsonValue) {
    this.value = value;
  }

  put(node: Node, value: JsonValue): void {
    if (node.up === undefined) this.value = value;
    else replaceNode(node, value);
  }

  /** @returns undefined when the path asks for too much. */
  select(path: Path): Node[] | undefined {
    const root = rootNode(this.value);
    return select(path.steps, root, root, this.#budget);
  }

  /**
   * As `select`, for a command that goes through everything that the nodes hold. A path may select a value very many
   * times (`$[0,0,0]`), and what is in it with it (`$..*`).
   */
  selectToWalk(path: Path): Node[] | undefined {
    const nodes = this.select(path);
    return nodes !== undefined && this.#mayWalk(nodes) ? nodes : undefined;
  }

  #mayWalk(nodes: readonly Node[]): boolean {
    if (nodes.length < 2) return true;
    let left = Math.max(visitsMax, weightOf(this.value));
    for (let i = 0; i < nodes.length && left >= 0; i++) left -= weightOf((nodes[i] as Node).value);
    return left >= 0;
  }
}

export function refusalOf(failure: JsonFailure): Refusal {
  return new Refusal(`ERR ${failure.message}`);
}

/** The path that is argument `index`; without one, the whole document. */
export function pathAt(request: Request, index: number): Path | Refusal {
  if (index >= request.count) return wholeDocument;
  const path = parsePath(request.bytes(index));
  return path instanceof JsonFailure ? refusalOf(path) : path;
}

/** The value that is argument `index`. */
export function valueAt(documents: JsonDocuments, request: Request, index: number): Given | Refusal {
  const value = documents.parse(spanOfArgument(request, index));
  return value instanceof JsonFailure ? refusalOf(value) : { value };
}

/** A value in a box, so that null is not taken for none. */
export interface Given {
  readonly value: JsonValue;
}

/** `$`, which is what commands of Kvrocks take when no path is given. */
export const wholeDocument: Path = { text: '$', isLegacy: false, steps: [] };

/** Reads the document of a key; undefined when there is none. */
export function readDocument(documents: JsonDocuments, key: UserKey, nowMs: number): Document | Refusal | undefined {
  const found = documents.find(key, nowMs);
  if (found === 'absent') return undefined;
  if (found === 'wrong-type') return new Refusal(errors.wrongType);
  if (found === 'unreadable') return new Refusal(unreadable);
  const value = documents.read();
  return value instanceof JsonFailure ? refusalOf(value) : new Document(value);
}

/** Stores a changed document. @returns why not. */
export function storeDocument(documents: JsonDocuments, key: UserKey, { value }: Given): Refusal | undefined {
  const bytes = documents.encode(value);
  if (bytes instanceof JsonFailure) return refusalOf(bytes);
  documents.store(key, bytes);
  return undefined;
}

/** What a command answers about one match: a number, a text, texts, or undefined where it does not fit. */
export type Answer = number | string | readonly string[] | undefined;

function writeAnswer(answer: Answer, reply: ReplyWriter): void {
  if (answer === undefined) reply.nil();
  else if (typeof answer === 'number') reply.integer(answer);
  else if (typeof answer === 'string') reply.bulkText(answer);
  else {
    reply.array(answer.length);
    for (const text of answer) reply.bulkText(text);
  }
}

/** How a command answers. */
export interface AnswerForm {
  /** The type it is about, for the refusal of the older paths; undefined: any. */
  readonly about?: string;
  /** An older path that selects nothing is answered by nil instead of an error. */
  readonly nilWhenMissing?: boolean;
}

export function missingPath(path: Path): string {
  return `ERR Path '${path.text}' does not exist`;
}

export function typeNameOf(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (value instanceof Map) return 'object';
  if (typeof value === 'boolean' || typeof value === 'string') return typeof value;
  return typeof value === 'object' ? 'number' : 'integer';
}

/** One answer per match; to a path of the older form, the answer that counts, or an error when there is none. */
export function writeAnswers(
  path: Path,
  answers: readonly Answer[],
  nodes: readonly Node[],
  form: AnswerForm,
  reply: ReplyWriter,
): void {
  if (!path.isLegacy) {
    reply.array(answers.length);
    for (const answer of answers) writeAnswer(answer, reply);
    return;
  }
  const index = answers.findLastIndex((answer) => answer !== undefined);
  if (index >= 0) return writeAnswer(answers[index], reply);
  const [node] = nodes;
  if (node === undefined) return form.nilWhenMissing === true ? reply.nil() : reply.error(missingPath(path));
  if (form.about === undefined || form.about === typeNameOf(node.value)) return reply.nil();
  const found = typeNameOf(node.value);
  reply.error(`WRONGTYPE wrong type of path value - expected ${form.about} but found ${found}`);
}

/** A command that answers about each match and changes nothing. */
export interface Reading extends AnswerForm {
  answer(value: JsonValue): Answer;
  /** What is answered when there is no key. */
  readonly whenAbsent: 'nil' | 'error';
  /** The answer is not at hand: it goes through the value. */
  readonly walks?: boolean;
}

export function runReading(
  documents: JsonDocuments,
  call: Call,
  input: { readonly request: Request; readonly path: Path },
  reading: Reading,
  reply: ReplyWriter,
): void {
  const document = readDocument(documents, keyOf(call, input.request, 1), call.nowMs);
  if (document === undefined) return reading.whenAbsent === 'nil' ? reply.nil() : reply.error(noDocument);
  if (document instanceof Refusal) return reply.error(document.message);
  const nodes = reading.walks === true ? document.selectToWalk(input.path) : document.select(input.path);
  if (nodes === undefined) return reply.error(tooMuch);
  const answers = nodes.map(({ value }) => reading.answer(value));
  writeAnswers(input.path, answers, nodes, reading, reply);
}

/** A command that may change each match. */
export interface Change extends AnswerForm {
  /** The event it is known by. */
  readonly event: string;
  /** In which order matches are answered: that of the document, or, as Kvrocks does for some, that in which they change. */
  readonly order: 'document' | 'change';
  readonly whenAbsent: 'nil' | 'error';
  /** Changes one match; undefined says that it does not fit and stays. A refusal takes everything back. */
  change(document: Document, node: Node): Answer | Refusal;
  /** Writes the reply in another form. */
  write?(path: Path, answers: readonly Answer[], nodes: readonly Node[], reply: ReplyWriter): void;
}

/** Reads the document, changes it, stores it if anything changed, and answers. */
export function runChange(
  documents: JsonDocuments,
  call: Call,
  input: { readonly request: Request; readonly path: Path },
  change: Change,
  reply: ReplyWriter,
): void {
  const key = keyOf(call, input.request, 1);
  const document = readDocument(documents, key, call.nowMs);
  if (document === undefined) return change.whenAbsent === 'nil' ? reply.nil() : reply.error(noDocument);
  if (document instanceof Refusal) return reply.error(document.message);
  const selected = document.select(input.path);
  if (selected === undefined) return reply.error(tooMuch);
  const nodes = change.order === 'document' ? distinct(input.path, selected) : fromLastToFirst(selected);
  if (nodes === undefined) return reply.error(tooMuch);
  // What is in a container changes before the container.
  const changing = change.order === 'document' ? nodes.toReversed() : nodes;
  const answerOf = new Map<Node, Answer>();
  let isChanged = false;
  for (const node of changing) {
    const answer = change.change(document, node);
    if (answer instanceof Refusal) return reply.error(answer.message);
    answerOf.set(node, answer);
    isChanged ||= answer !== undefined;
  }
  const refusal = isChanged ? storeDocument(documents, key, document) : undefined;
  if (refusal !== undefined) return reply.error(refusal.message);
  if (isChanged) notify(call, 'd', change.event, key);
  const answers = nodes.map((node) => answerOf.get(node));
  if (change.write === undefined) writeAnswers(input.path, answers, nodes, change, reply);
  else change.write(input.path, answers, nodes, reply);
}

/** Takes nodes out of their containers, all at once: one by one would shift a long array again and again. */
export function removeNodes(nodes: readonly Node[]): void {
  const indexes = new Map<JsonValue[], Set<number>>();
  for (const node of nodes) {
    const container = node.up?.value;
    if (!Array.isArray(container)) removeNode(node);
    else {
      const of = indexes.get(container) ?? new Set();
      of.add(node.key as number);
      indexes.set(container, of);
    }
  }
  for (const [array, removed] of indexes) {
    let kept = 0;
    for (let i = 0; i < array.length; i++) if (!removed.has(i)) array[kept++] = array[i] as JsonValue;
    array.length = kept;
  }
}

export { tooMuch };
