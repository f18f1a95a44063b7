/** Numbers, strings and booleans in documents: JSON.NUMINCRBY, NUMMULTBY, STRAPPEND, TOGGLE, CLEAR. */
import {
  JsonDouble,
  jsonInteger,
  isJsonObject,
  jsonNumber,
  printJson,
  type JsonDocuments,
  type JsonValue,
} from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { wrongArity } from '../data/arguments.ts';
import { missingPath, pathAt, runChange, valueAt, writeAnswers, type Answer, type Change } from './access.ts';
import type { Node, Path } from './path.ts';
import { parseKeyAndPath } from './read.ts';

const noNumber = 'ERR the input value should be a number';
const infinite = 'ERR result is an infinite number';
const uint64End = 2n ** 64n;
const int64Min = -(2n ** 63n);

type JsonNumber = number | bigint | JsonDouble;

interface NumberInput {
  readonly request: Request;
  readonly path: Path;
  readonly operand: JsonNumber;
}

function isNumber(value: JsonValue): value is JsonNumber {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof JsonDouble;
}

function isInt64(value: bigint): boolean {
  return value >= int64Min && value < uint64End;
}

function parseNumber(documents: JsonDocuments, request: Request): NumberInput | Refusal {
  const given = valueAt(documents, request, 3);
  if (given instanceof Refusal || !isNumber(given.value)) return new Refusal(noNumber);
  if (typeof given.value === 'bigint' && !isInt64(given.value)) return new Refusal(noNumber);
  const path = pathAt(request, 2);
  return path instanceof Refusal ? path : { request, path, operand: given.value };
}

/** Integers stay integers, exactly; one double makes a double. */
function computed(kind: 'add' | 'multiply', value: JsonNumber, operand: JsonNumber): JsonNumber | Refusal {
  if (value instanceof JsonDouble || operand instanceof JsonDouble) {
    const left = jsonNumber(value) as number;
    const right = jsonNumber(operand) as number;
    const result = kind === 'add' ? left + right : left * right;
    return Number.isFinite(result) ? new JsonDouble(result) : new Refusal(infinite);
  }
  const result = kind === 'add' ? BigInt(value) + BigInt(operand) : BigInt(value) * BigInt(operand);
  return isInt64(result) ? jsonInteger(result) : new Refusal(errors.overflow);
}

/** JSON text: an array of the results, null where there was no number; of an older path the result alone. */
function writeNumbers(path: Path, answers: readonly Answer[], nodes: readonly Node[], reply: ReplyWriter): void {
  if (!path.isLegacy) return reply.bulkLatin1(`[${answers.map((answer) => String(answer ?? 'null')).join(',')}]`);
  const last = answers.findLast((answer) => answer !== undefined);
  if (last !== undefined) return reply.bulkLatin1(String(last));
  writeAnswers(path, answers, nodes, { about: 'number' }, reply);
}

function numberCommand(documents: JsonDocuments, name: string, kind: 'add' | 'multiply'): CommandDefinition {
  const change: Change = {
    event: name,
    order: 'document',
    whenAbsent: 'error',
    change: () => undefined,
    write: writeNumbers,
  };
  return define<NumberInput>({
    name,
    arity: 4,
    flags: ['write'],
    keys: firstKey,
    group: 'json',
    since: 'Kvrocks 2.8.0',
    complexity: 'O(N) where N is the size of the document.',
    summary: `${kind === 'add' ? 'Adds a number to' : 'Multiplies'} the numbers a path selects and returns the results.`,
    parse: (request) => parseNumber(documents, request),
    run(call, input, reply) {
      const each: Change['change'] = (document, node) => {
        if (!isNumber(node.value)) return undefined;
        const result = computed(kind, node.value, input.operand);
        if (result instanceof Refusal) return result;
        document.put(node, result);
        return printJson(result) as string;
      };
      runChange(documents, call, input, { ...change, change: each }, reply);
    },
  });
}

interface AppendInput {
  readonly request: Request;
  readonly path: Path;
  readonly text: string;
}

function parseAppend(documents: JsonDocuments, request: Request): AppendInput | Refusal {
  if (request.count > 4) return wrongArity('json.strappend');
  const given = valueAt(documents, request, request.count - 1);
  if (given instanceof Refusal) return given;
  if (typeof given.value !== 'string') return new Refusal('ERR STRAPPEND need input a string to append');
  // Without a path the value stands where the path would.
  const path = pathAt(request, request.count === 4 ? 2 : request.count);
  return path instanceof Refusal ? path : { request, path, text: given.value };
}

function strAppend(documents: JsonDocuments): CommandDefinition {
  return define<AppendInput>({
    name: 'json.strappend',
    arity: -3,
    flags: ['write'],
    keys: firstKey,
    group: 'json',
    since: 'Kvrocks 2.8.0',
    complexity: 'O(N) where N is the size of the document.',
    summary: 'Appends a text to the strings a path selects and returns their new lengths in bytes.',
    parse: (request) => parseAppend(documents, request),
    run(call, input, reply) {
      const change: Change = {
        event: 'json.strappend',
        about: 'string',
        order: 'document',
        whenAbsent: 'error',
        change(document, node) {
          if (typeof node.value !== 'string') return undefined;
          document.put(node, node.value + input.text);
          // Of the parts: to count the whole would make one text of it, for each of very many.
          return Buffer.byteLength(node.value) + Buffer.byteLength(input.text);
        },
      };
      runChange(documents, call, input, change, reply);
    },
  });
}

/** To an older path, the new value as a word. */
function writeToggled(path: Path, answers: readonly Answer[], nodes: readonly Node[], reply: ReplyWriter): void {
  const last = answers.findLast((answer) => answer !== undefined);
  if (path.isLegacy && last !== undefined) return reply.bulkLatin1(last === 1 ? 'true' : 'false');
  writeAnswers(path, answers, nodes, { about: 'boolean' }, reply);
}

const toggling: Change = {
  event: 'json.toggle',
  about: 'boolean',
  order: 'document',
  whenAbsent: 'nil',
  change(document, node) {
    if (typeof node.value !== 'boolean') return undefined;
    document.put(node, !node.value);
    return node.value ? 0 : 1;
  },
  write: writeToggled,
};

/** Numbers become 0, containers empty; what is so already is not counted. */
const clearing: Change = {
  event: 'json.clear',
  order: 'document',
  whenAbsent: 'nil',
  change(document, { value, ...place }) {
    const node = { value, ...place };
    if (Array.isArray(value) && value.length > 0) document.put(node, []);
    else if (isJsonObject(value) && value.size > 0) document.put(node, new Map());
    else if ((jsonNumber(value) ?? 0) !== 0) document.put(node, 0);
    else return undefined;
    return 1;
  },
  write(path, answers, nodes, reply) {
    if (path.isLegacy && nodes.length === 0) return reply.error(missingPath(path));
    reply.integer(answers.filter((answer) => answer !== undefined).length);
  },
};

function changeCommand(
  documents: JsonDocuments,
  change: Change,
  about: Pick<CommandDefinition, 'flags' | 'since' | 'summary'>,
): CommandDefinition {
  const name = change.event;
  return define({
    name,
    arity: -2,
    keys: firstKey,
    group: 'json',
    complexity: 'O(N) where N is the size of the document.',
    ...about,
    parse: parseKeyAndPath(name),
    run: (call, input, reply) => runChange(documents, call, input, change, reply),
  });
}

export function jsonScalarCommands(documents: JsonDocuments): CommandDefinition[] {
  return [
    numberCommand(documents, 'json.numincrby', 'add'),
    numberCommand(documents, 'json.nummultby', 'multiply'),
    strAppend(documents),
    changeCommand(documents, toggling, {
      flags: ['write'],
      since: 'Kvrocks 2.7.0',
      summary: 'Turns the booleans a path selects around and returns them as 0 and 1.',
    }),
    changeCommand(documents, clearing, {
      flags: ['write', 'no-dbsize-check'],
      since: 'Kvrocks 2.7.0',
      summary: 'Empties the containers and zeroes the numbers a path selects; returns how many.',
    }),
  ];
}
