/** Whole hashes: HGETALL, HKEYS, HVALS, HRANGEBYLEX, HSCAN. Fields come in byte order, as Kvrocks stores them. */
import { spanOf, type DataTypes, type EntryIterator, type Span } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { parseScanOptions, type ScanOptions } from '../data/scan-options.ts';
import { openHash } from './fields.ts';

type Part = 'fields' | 'values' | 'both';

/** Writes one entry of a hash. */
export function replyEntry({ key, value }: EntryIterator, fieldOffset: number, part: Part, reply: ReplyWriter): void {
  if (part !== 'values') reply.bulk(key.buffer, key.start + fieldOffset, key.end);
  if (part !== 'fields') reply.bulk(value.buffer, value.start, value.end);
}

/**
 * Writes the open hash. The header is written from the size in its metadata; should fewer or more fields turn up, the
 * reply is cut off and written again with what there really is, so that the client never loses step.
 */
export function replyWhole({ hashes }: DataTypes, part: Part, reply: ReplyWriter): void {
  const mark = reply.mark();
  let announced = hashes.size;
  for (;;) {
    if (part === 'both') reply.map(announced);
    else reply.array(announced);
    const entries = hashes.iterate({ keysOnly: part === 'fields' });
    let count = 0;
    try {
      for (; entries.next(); count++) replyEntry(entries, hashes.fieldOffset, part, reply);
    } finally {
      entries.close();
    }
    if (count === announced) return;
    reply.truncate(mark);
    announced = count;
  }
}

function whole(types: DataTypes, name: string, part: Part, summary: string): CommandDefinition {
  return define<Request>({
    name,
    arity: 2,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'hash',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of fields.',
    summary,
    parse: itself,
    run(call, request, reply) {
      const opened = openHash(types.hashes, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'found') return replyWhole(types, part, reply);
      if (part === 'both') reply.map(0);
      else reply.array(0);
    },
  });
}

/** One end of a range of fields; `field` undefined for the open ends `-` and `+`. */
interface LexBound {
  readonly field: Span | undefined;
  readonly isExcluded: boolean;
  readonly sign: -1 | 0 | 1;
}

function parseBound(request: Request, index: number): LexBound | undefined {
  const text = spanOfArgument(request, index);
  const first = request.buffer[text.start];
  const length = text.end - text.start;
  if (length === 1 && first === 45) return { field: undefined, isExcluded: false, sign: -1 };
  if (length === 1 && first === 43) return { field: undefined, isExcluded: false, sign: 1 };
  if (length === 0 || (first !== 91 && first !== 40)) return undefined;
  return {
    field: { buffer: text.buffer, start: text.start + 1, end: text.end },
    isExcluded: first === 40,
    sign: 0,
  };
}

interface LexInput {
  readonly request: Request;
  readonly min: LexBound;
  readonly max: LexBound;
  readonly reverse: boolean;
  readonly offset: number;
  /** Negative: all. */
  readonly count: number;
}

function parseLex(request: Request): LexInput | Refusal {
  let reverse = false;
  let offset = 0;
  let count = -1;
  for (let index = 4; index < request.count;) {
    if (request.is(index, 'rev')) {
      reverse = true;
      index++;
    } else if (request.is(index, 'limit') && index + 2 < request.count) {
      offset = request.integer(index + 1);
      count = request.integer(index + 2);
      if (Number.isNaN(offset) || Number.isNaN(count)) return new Refusal(errors.notInteger);
      index += 3;
    } else return new Refusal(errors.syntax);
  }
  const min = parseBound(request, reverse ? 3 : 2);
  const max = parseBound(request, reverse ? 2 : 3);
  if (min === undefined || max === undefined) return new Refusal('ERR min or max not valid string range item');
  return { request, min, max, reverse, offset, count };
}

/** The first field at or after a bound, as an included start. */
function startOf({ field, isExcluded }: LexBound): Span | undefined {
  return field === undefined || !isExcluded ? field : successor(field);
}

/** The end of a range, not included. */
function endOf({ field, isExcluded }: LexBound): Span | undefined {
  return field === undefined || isExcluded ? field : successor(field);
}

/** The next byte string after a field. */
function successor({ buffer, start, end }: Span): Span {
  return spanOf(Buffer.concat([buffer.subarray(start, end), Buffer.of(0)]));
}

function runLex({ hashes }: DataTypes, call: Call, input: LexInput, reply: ReplyWriter): void {
  const opened = openHash(hashes, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  const isEmpty = opened === 'absent' || input.min.sign === 1 || input.max.sign === -1;
  if (isEmpty || input.offset < 0 || input.count === 0) return reply.array(0);
  const from = startOf(input.min);
  const to = endOf(input.max);
  const range = {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    reverse: input.reverse,
  };
  const rows = reply.body();
  let count = 0;
  const entries = hashes.iterate(range);
  try {
    for (let at = 0; (input.count < 0 || count < input.count) && entries.next(); at++) {
      if (at < input.offset) continue;
      replyEntry(entries, hashes.fieldOffset, 'both', rows);
      count++;
    }
  } finally {
    entries.close();
  }
  // A flat array in RESP3 too, as Kvrocks has it.
  reply.array(2 * count);
  reply.raw(rows.take());
}

function hRangeByLex(types: DataTypes): CommandDefinition {
  return define<LexInput>({
    name: 'hrangebylex',
    arity: -4,
    flags: ['readonly'],
    keys: firstKey,
    group: 'hash',
    since: 'Kvrocks 2.0.0',
    complexity: 'O(N) where N is the number of fields up to the last one returned.',
    summary: 'Returns fields within a range of names, with their values.',
    parse: parseLex,
    run: (call, input, reply) => runLex(types, call, input, reply),
  });
}

/** COUNT is a hint: a step ends early when it has gathered this much. */
const stepBytesMax = 16 * 1024 * 1024;

interface HScanInput {
  readonly request: Request;
  readonly options: ScanOptions;
}

/**
 * Takes one step's entries into `rows`.
 * @returns the last field that was looked at; undefined when none is left after it.
 */
function collect(
  entries: EntryIterator,
  fieldOffset: number,
  options: ScanOptions,
  rows: Buffer[],
): Buffer | undefined {
  let last: Buffer | undefined;
  let bytes = 0;
  for (let looked = 0; entries.next(); looked++) {
    if (looked === options.count || bytes >= stepBytesMax) return last;
    const { key, value } = entries;
    const field = { buffer: key.buffer, start: key.start + fieldOffset, end: key.end };
    last = Buffer.from(field.buffer.subarray(field.start, field.end));
    if (options.match !== undefined && !options.match.matches(field)) continue;
    rows.push(last);
    if (!options.noValues) rows.push(value.copy());
    bytes += last.length + (options.noValues ? 0 : value.end - value.start);
  }
  return undefined;
}

function runHScan({ hashes, cursors }: DataTypes, call: Call, input: HScanInput, reply: ReplyWriter): void {
  const { options } = input;
  const opened = openHash(hashes, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  const after = cursors.recall(options.cursor);
  const rows: Buffer[] = [];
  let last: Buffer | undefined;
  if (opened === 'found') {
    const entries = hashes.iterate({
      ...(after === undefined ? {} : { from: successor(spanOf(after)) }),
      keysOnly: options.noValues,
    });
    try {
      last = collect(entries, hashes.fieldOffset, options, rows);
    } finally {
      entries.close();
    }
  }
  reply.array(2);
  reply.bulkLatin1(last === undefined ? '0' : cursors.remember(last));
  reply.array(rows.length);
  for (const bytes of rows) reply.bulk(bytes);
}

function hScan(types: DataTypes): CommandDefinition {
  return define<HScanInput>({
    name: 'hscan',
    arity: -3,
    flags: ['readonly'],
    keys: firstKey,
    group: 'hash',
    since: '2.8.0',
    complexity: 'O(1) for every call, O(N) for a whole iteration, N being the number of fields.',
    summary: 'Iterates over the fields and values of a hash.',
    parse(request) {
      const options = parseScanOptions(request, 2, { noValues: true });
      return options instanceof Refusal ? options : { request, options };
    },
    run: (call, input, reply) => runHScan(types, call, input, reply),
  });
}

export function hashWalkCommands(types: DataTypes): CommandDefinition[] {
  return [
    whole(types, 'hgetall', 'both', 'Returns all fields and values of a hash.'),
    whole(types, 'hkeys', 'fields', 'Returns all fields of a hash.'),
    whole(types, 'hvals', 'values', 'Returns all values of a hash.'),
    hRangeByLex(types),
    hScan(types),
  ];
}
