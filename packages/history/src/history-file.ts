/**
 * Histories as JSON lines: a header line, then one operation a line, in the order their ends were seen. The schema
 * version rises when a reader of the former version would misread a file; unknown fields are ignored.
 */
import { OperationError, messageOf } from '@holdfast/base';
import { phases, type Operation } from './operation.ts';

export const historySchema = 1;

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
  if (fields['schema'] !== historySchema) {
    throw refuse(1, `schema ${JSON.stringify(fields['schema'])}; this version reads schema ${historySchema}`);
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
  if (oneOf('op', ['read', 'write']) === 'write') return { op: 'write', ...common, value: text('value') };
  return { op: 'read', ...common, value: fields['value'] === null ? null : text('value') };
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
