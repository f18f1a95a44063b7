/** Whole hashes: HGETALL, HKEYS, HVALS, HRANGEBYLEX, HSCAN. Fields come in byte order, as Kvrocks stores them. */
import type { DataTypes, HashWalk, Hashes, Span } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf } from '../data/arguments.ts';
import { isEmptyLexRange, lexEnd, lexStart, parseLexBound, type LexBound } from '../data/lex-range.ts';
import { EntrySlices } from '../data/entry-slices.ts';
import { parseScanOptions, type ScanOptions } from '../data/scan-options.ts';
import { slicedAbove } from '../sliced.ts';
import { replyScanStep, type Scanned } from '../data/scan-step.ts';
import { openHash } from './fields.ts';

type Part = 'fields' | 'values' | 'both';

/** Writes the current field of a walk. */
function replyField({ field, value }: HashWalk, part: Part, reply: ReplyWriter): void {
  if (part !== 'values') reply.bulk(field.buffer, field.start, field.end);
  if (part !== 'fields') reply.bulk(value.buffer, value.start, value.end);
}

function replyHeader(count: number, part: Part, reply: ReplyWriter): void {
  if (part === 'both') reply.map(count);
  else reply.array(count);
}

/**
 * Writes the open hash. The header is written from what its metadata says; should fewer or more fields turn up, the
 * reply is cut off and written again with what there really is, so that the client never loses step. A long one is
 * handed over in slices, where that may be.
 */
function replyWhole({ hashes }: DataTypes, call: Call, part: Part, reply: ReplyWriter): void {
  const mark = reply.mark();
  let announced = hashes.livingFields();
  const keysOnly = part === 'fields';
  if (announced > slicedAbove && call.slices !== undefined) {
    replyHeader(announced, part, reply);
    const walk = hashes.walk({ keysOnly, detached: true });
    return call.slices.begin(new EntrySlices(walk, announced, (at, into) => replyField(at, part, into)));
  }
  for (;;) {
    replyHeader(announced, part, reply);
    const walk = hashes.walk({ keysOnly, passing: announced });
    let count = 0;
    try {
      for (; walk.next(); count++) replyField(walk, part, reply);
    } finally {
      walk.close();
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
      if (opened === 'found') replyWhole(types, call, part, reply);
      else replyHeader(0, part, reply);
    },
  });
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
    } else if (request.is(index, 'limit')) {
      if (index + 2 >= request.count) return new Refusal('ERR no more item to parse');
      offset = request.integer(index + 1);
      count = request.integer(index + 2);
      if (Number.isNaN(offset) || Number.isNaN(count)) return new Refusal(errors.notInteger);
      index += 3;
    } else return new Refusal(errors.syntax);
  }
  const min = parseLexBound(request, reverse ? 3 : 2);
  const max = parseLexBound(request, reverse ? 2 : 3);
  if (min === undefined || max === undefined) {
    const which = min === undefined ? 'min' : 'max';
    return new Refusal(`ERR min or max not valid string range item: the ${which} is illegal`);
  }
  return { request, min, max, reverse, offset, count };
}

function runLex({ hashes }: DataTypes, call: Call, input: LexInput, reply: ReplyWriter): void {
  const opened = openHash(hashes, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  const isEmpty = opened === 'absent' || isEmptyLexRange(input.min, input.max);
  if (isEmpty || input.offset < 0 || input.count === 0) return reply.array(0);
  const from = lexStart(input.min);
  const to = lexEnd(input.max);
  const range = {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    reverse: input.reverse,
  };
  const rows = reply.body();
  let count = 0;
  const walk = hashes.walk(range);
  try {
    for (let at = 0; (input.count < 0 || count < input.count) && walk.next(); at++) {
      if (at < input.offset) continue;
      replyField(walk, 'both', rows);
      count++;
    }
  } finally {
    walk.close();
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

interface HScanInput {
  readonly request: Request;
  readonly options: ScanOptions;
}

/** The open hash as a scan step walks through it: dead fields are passed over, and do not count. */
function scannedHash(hashes: Hashes): Scanned {
  return {
    prefixLength: 0,
    iterate(range) {
      const walk = hashes.walk(range);
      return { key: walk.field, value: walk.value, next: () => walk.next(), close: () => walk.close() };
    },
  };
}

function copyOf({ buffer, start, end }: Span): Buffer {
  return Buffer.from(buffer.subarray(start, end));
}

function runHScan({ hashes, cursors }: DataTypes, call: Call, input: HScanInput, reply: ReplyWriter): void {
  const { options } = input;
  const opened = openHash(hashes, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  const scanned = opened === 'found' ? scannedHash(hashes) : undefined;
  replyScanStep(scanned, cursors, options, reply, options.noValues ? undefined : copyOf);
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
