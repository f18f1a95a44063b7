/** Arrays in documents: JSON.ARRAPPEND, ARRINSERT, ARRPOP, ARRTRIM, ARRINDEX. */
import { JsonFailure, printJson, sameJson, type JsonArray, type JsonDocuments, type JsonValue } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition, type CommandFlag } from '../command.ts';
import { wrongArity } from '../data/arguments.ts';
import {
  pathAt,
  refusalOf,
  runChange,
  runReading,
  valueAt,
  type Answer,
  type Change,
  type Document,
} from './access.ts';
import type { Node, Path } from './path.ts';

interface ArrayInput {
  readonly request: Request;
  readonly path: Path;
  /** Values to add. */
  readonly values: JsonArray;
  readonly from: number;
  readonly to: number;
}

/** An index as Kvrocks reads it, with its texts. Beyond 2^53 all indexes are alike: outside. */
function parseIndex(request: Request, index: number): number | Refusal {
  const match = /^[-+]?[0-9]+/.exec(request.latin1(index).slice(0, 32));
  if (match === null) return new Refusal('ERR not started as an integer');
  if (match[0].length !== request.size(index)) return new Refusal('ERR encounter non-integer characters');
  return Number(match[0]);
}

function parseValues(documents: JsonDocuments, request: Request, first: number): JsonArray | Refusal {
  const values: JsonArray = [];
  for (let index = first; index < request.count; index++) {
    const given = valueAt(documents, request, index);
    if (given instanceof Refusal) return given;
    values.push(given.value);
  }
  return values;
}

/** Parses the path at 2 and whatever else is given as already read. */
function withPath(request: Request, rest: Partial<Omit<ArrayInput, 'request' | 'path'>>): ArrayInput | Refusal {
  const path = pathAt(request, 2);
  return path instanceof Refusal ? path : { request, path, values: [], from: 0, to: 0, ...rest };
}

/** A change to each array that a path selects; other matches are answered nil. */
interface ArrayCommand {
  readonly name: string;
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly order: Change['order'];
  readonly whenAbsent: Change['whenAbsent'];
  readonly summary: string;
  parse(documents: JsonDocuments, request: Request): ArrayInput | Refusal;
  change(array: JsonArray, input: ArrayInput, document: Document, node: Node): Answer | Refusal;
}

function arrayCommand(documents: JsonDocuments, command: ArrayCommand): CommandDefinition {
  const { name, arity, flags, order, whenAbsent, summary } = command;
  return define<ArrayInput>({
    name,
    arity,
    flags,
    keys: firstKey,
    group: 'json',
    since: name === 'json.arrappend' ? 'Kvrocks 2.7.0' : 'Kvrocks 2.8.0',
    complexity: 'O(N) where N is the size of the document.',
    summary,
    parse: (request) => command.parse(documents, request),
    run(call, input, reply) {
      const change: Change = {
        event: name,
        about: 'array',
        order,
        whenAbsent,
        change: (document, node) =>
          Array.isArray(node.value) ? command.change(node.value, input, document, node) : undefined,
      };
      runChange(documents, call, input, change, reply);
    },
  });
}

/** Inserts without spreading arguments, of which JavaScript takes only so many. */
function inserted(array: JsonArray, at: number, values: JsonArray): JsonArray {
  return array.slice(0, at).concat(values, array.slice(at));
}

const append: ArrayCommand = {
  name: 'json.arrappend',
  arity: -4,
  flags: ['write'],
  order: 'change',
  whenAbsent: 'error',
  summary: 'Appends values to the arrays a path selects and returns their new lengths.',
  parse(documents, request) {
    const values = parseValues(documents, request, 3);
    return values instanceof Refusal ? values : withPath(request, { values });
  },
  change(array, { values }) {
    for (const value of values) array.push(value);
    return array.length;
  },
};

const insert: ArrayCommand = {
  name: 'json.arrinsert',
  arity: -5,
  flags: ['write'],
  order: 'change',
  whenAbsent: 'nil',
  summary: 'Inserts values into the arrays a path selects, in front of an index, and returns their new lengths.',
  parse(documents, request) {
    const from = request.int64(3);
    if (from === undefined) return new Refusal(errors.notInteger);
    const values = parseValues(documents, request, 4);
    return values instanceof Refusal ? values : withPath(request, { values, from: Number(from) });
  },
  change(array, { values, from }, document, node) {
    // An index outside is answered nil, as Kvrocks does; the end itself is a place.
    if (from > array.length || from < -array.length) return undefined;
    const longer = inserted(array, from < 0 ? array.length + from : from, values);
    document.put(node, longer);
    return longer.length;
  },
};

const pop: ArrayCommand = {
  name: 'json.arrpop',
  arity: -2,
  flags: ['write'],
  order: 'change',
  whenAbsent: 'error',
  summary: 'Removes an element from each array a path selects, the last one by default, and returns them as JSON text.',
  parse(_documents, request) {
    if (request.count > 4) return wrongArity('json.arrpop');
    const from = request.count === 4 ? parseIndex(request, 3) : -1;
    return from instanceof Refusal ? from : withPath(request, { from });
  },
  change(array, { from }) {
    if (array.length === 0) return undefined;
    const at = from < 0 ? Math.max(0, array.length + from) : Math.min(array.length - 1, from);
    const [popped] = array.splice(at, 1);
    const text = printJson(popped as JsonValue);
    return text instanceof JsonFailure ? refusalOf(text) : text;
  },
};

const trim: ArrayCommand = {
  name: 'json.arrtrim',
  arity: 5,
  flags: ['write', 'no-dbsize-check'],
  order: 'document',
  whenAbsent: 'error',
  summary: 'Keeps only a range of the arrays a path selects, both ends included, and returns their new lengths.',
  parse(_documents, request) {
    const from = parseIndex(request, 3);
    if (from instanceof Refusal) return from;
    const to = parseIndex(request, 4);
    return to instanceof Refusal ? to : withPath(request, { from, to });
  },
  change(array, { from, to }, document, node) {
    const first = from < 0 ? Math.max(0, array.length + from) : from;
    const last = to < 0 ? Math.max(0, array.length + to) : to;
    const kept = array.slice(first, last + 1);
    document.put(node, kept);
    return kept.length;
  },
};

/** Where `needle` stands between `from` and before `to` (0: the end); -1 when it does not. */
function indexIn(array: JsonArray, needle: JsonValue, from: number, to: number): number {
  const first = from < 0 ? Math.max(0, array.length + from) : Math.min(from, array.length - 1);
  const end = to === 0 ? array.length : to < 0 ? Math.max(0, array.length + to) : Math.min(to, array.length);
  for (let i = Math.max(0, first); i < end; i++) if (sameJson(array[i] as JsonValue, needle)) return i;
  return -1;
}

function parseArrIndex(documents: JsonDocuments, request: Request): ArrayInput | Refusal {
  if (request.count > 6) return wrongArity('json.arrindex');
  const given = valueAt(documents, request, 3);
  if (given instanceof Refusal) return given;
  const from = request.count > 4 ? parseIndex(request, 4) : 0;
  if (from instanceof Refusal) return from;
  const to = request.count > 5 ? parseIndex(request, 5) : 0;
  return to instanceof Refusal ? to : withPath(request, { values: [given.value], from, to });
}

function arrIndex(documents: JsonDocuments): CommandDefinition {
  return define<ArrayInput>({
    name: 'json.arrindex',
    arity: -4,
    flags: ['readonly'],
    keys: firstKey,
    group: 'json',
    since: 'Kvrocks 2.8.0',
    complexity: 'O(N) where N is the size of the document.',
    summary: 'Returns where a value stands in the arrays a path selects; -1 when it does not.',
    parse: (request) => parseArrIndex(documents, request),
    run(call, input, reply) {
      const needle = input.values[0] as JsonValue;
      const answer = (value: JsonValue): Answer =>
        Array.isArray(value) ? indexIn(value, needle, input.from, input.to) : undefined;
      runReading(documents, call, input, { about: 'array', whenAbsent: 'nil', walks: true, answer }, reply);
    },
  });
}

export function jsonArrayCommands(documents: JsonDocuments): CommandDefinition[] {
  return [...[append, insert, pop, trim].map((command) => arrayCommand(documents, command)), arrIndex(documents)];
}
