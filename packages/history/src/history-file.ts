/**
 * Histories as JSON lines: a header line, then one operation a line, in the order their ends were seen. The schema
 * version rises when a reader of the former version would misread a file; unknown fields are ignored.
 */
import { OperationError, messageOf } from '@holdfast/base';
import { phases, type Entry, type Operation } from './operation.ts';

export const historySchema = 2;

/** Files of these are read. Schema 1 knew registers only. */
const readSchemas: readonly unknown[] = [1, historySchema];

export interface HistoryHeader {
  /** What made the history, as `drill hang`. */
  readonly source: string;
  /** Seed of the random choices of the run. */
  readonly seed: number;
  /** Wall time at which the run's clock stood at 0, ISO 8601. */
  readonly startedAt: string;
}

export interface History {
  readonly header: HistoryHeader;
  readonly operations: readonly Operation[];
}

/** The header line, with its line end. */
export function encodeHistoryHeader(header: HistoryHeader): string {
  return `${JSON.stringify({ schema: historySchema, ...header })}\n`;
}

/** One operation as one line, with its line end; times with microseconds. */
export function encodeOperation(operation: Operation): string {
  const completedMs = operation.completedMs === null ? null : roundMs(operation.completedMs);
  return `${JSON.stringify({ ...operation, invokedMs: roundMs(operation.invokedMs), completedMs })}\n`;
}

export function encodeHistory({ header, operations }: History): string {
  return encodeHistoryHeader(header) + operations.map(encodeOperation).join('');
}

function roundMs(timeMs: number): number {
  return Math.round(timeMs * 1000) / 1000;
}

/**
 * Reads a history back.
 * @throws OperationError HISTORY_FORMAT naming the line, the field and what it holds.
 */
export function decodeHistory(text: string): History {
  const lines = text.split('\n');
  const header = decodeHeader(decodeLine(lines[0] ?? '', 1));
  const operations: Operation[] = [];
  lines.forEach((line, at) => {
    if (at > 0 && line !== '') operations.push(decodeOperation(decodeLine(line, at + 1), at + 1));
  });
  return { header, operations };
}

type Fields = Readonly<Record<string, unknown>>;

function refuse(line: number, reason: string): OperationError {
  return new OperationError('HISTORY_FORMAT', `history line ${line}: ${reason}`, { outcome: 'not-applied' });
}

function decodeLine(text: string, line: number): Fields {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  } catch (error) {
    throw refuse(line, `not JSON: ${messageOf(error)}`);
  }
  throw refuse(line, 'not a JSON object');
}

function decodeHeader(fields: Fields): HistoryHeader {
  if (!readSchemas.includes(fields['schema'])) {
    const read = readSchemas.join(' and ');
    throw refuse(1, `schema ${JSON.stringify(fields['schema'])}; this version reads schema ${read}`);
  }
  const text = textField(fields, 1);
  return { source: text('source'), seed: numberField(fields, 'seed', 1), startedAt: text('startedAt') };
}

function decodeOperation(fields: Fields, line: number): Operation {
  const text = textField(fields, line);
  const oneOf = <T extends string>(name: string, allowed: readonly T[]): T => {
    const found = allowed.find((value) => value === fields[name]);
    if (found === undefined)
      throw refuse(line, `${name} is ${JSON.stringify(fields[name])}, not ${allowed.join(', ')}`);
    return found;
  };
  const common = {
    client: text('client'),
    phase: oneOf('phase', phases),
    key: text('key'),
    shard: numberField(fields, 'shard', line),
    invokedMs: numberField(fields, 'invokedMs', line),
    completedMs: fields['completedMs'] === null ? null : numberField(fields, 'completedMs', line),
    outcome: oneOf('outcome', ['ok', 'failed', 'unknown']),
    reason: fields['reason'] === null ? null : text('reason'),
    address: text('address'),
    node: fields['node'] === null ? null : text('node'),
  };
  if (common.outcome === 'ok' && common.completedMs === null) throw refuse(line, 'outcome ok without completedMs');
  return { ...common, ...decodeDeed(fields, line, oneOf('op', ops)) } as Operation;
}

const ops = ['write', 'read', 'push', 'pop', 'list', 'add', 'entries', 'deliver', 'increment', 'count'] as const;

/** The fields that an operation has beside those that all have. */
function decodeDeed(fields: Fields, line: number, op: (typeof ops)[number]): object {
  const text = textField(fields, line);
  const orNull = <T>(name: string, decode: (name: string) => T): T | null =>
    fields[name] === null ? null : decode(name);
  switch (op) {
    case 'write':
      return { op, value: text('value'), ...(fields['also'] === undefined ? {} : { also: text('also') }) };
    case 'read':
      return { op, value: orNull('value', text), ...(fields['also'] === undefined ? {} : decodeBeside(fields, line)) };
    case 'push':
      return { op, value: text('value') };
    case 'pop':
      return { op, value: orNull('value', text) };
    case 'list':
      return { op, values: arrayField(fields, 'values', line).map((value) => decodeText(value, 'values', line)) };
    case 'add':
      return { op, value: text('value'), entry: orNull('entry', text) };
    case 'entries':
      return { op, entries: decodeEntries(fields, line) };
    case 'deliver':
      return { op, entries: decodeEntries(fields, line), isAgain: fields['isAgain'] === true };
    case 'increment':
    case 'count':
      return { op, count: orNull('count', (name) => numberField(fields, name, line)) };
    default:
      return op satisfies never;
  }
}

function decodeBeside(fields: Fields, line: number): object {
  const also = fields['also'];
  if (typeof also !== 'object' || also === null) throw refuse(line, `also is ${JSON.stringify(also)}, not an object`);
  const beside = also as Fields;
  const text = textField(beside, line);
  return { also: { key: text('key'), value: beside['value'] === null ? null : text('value') } };
}

function decodeEntries(fields: Fields, line: number): Entry[] {
  return arrayField(fields, 'entries', line).map((entry): Entry => {
    if (!Array.isArray(entry)) throw refuse(line, `entries has ${JSON.stringify(entry)}, not an id and a value`);
    const [id, value]: readonly unknown[] = entry;
    return [decodeText(id, 'entries', line), decodeText(value, 'entries', line)];
  });
}

function arrayField(fields: Fields, name: string, line: number): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw refuse(line, `${name} is ${JSON.stringify(value)}, not an array`);
  return value;
}

function decodeText(value: unknown, name: string, line: number): string {
  if (typeof value !== 'string') throw refuse(line, `${name} has ${JSON.stringify(value)}, not a text`);
  return value;
}

function textField(fields: Fields, line: number): (name: string) => string {
  return (name) => {
    const value = fields[name];
    if (typeof value !== 'string') throw refuse(line, `${name} is ${JSON.stringify(value)}, not a text`);
    return value;
  };
}

function numberField(fields: Fields, name: string, line: number): number {
  const value = fields[name];
  if (typeof value !== 'number') throw refuse(line, `${name} is ${JSON.stringify(value)}, not a number`);
  return value;
}
