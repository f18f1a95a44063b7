/**
 * One step of SSCAN and its like. What is walked through stands in byte order, so a cursor stands for the name that was
 * looked at last, and the next step begins right behind it: whatever is added or removed in between, a member that was
 * there all the time is returned exactly once.
 */
import { spanOf, type Cursors, type Span, type SubkeyRange } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { successor } from './lex-range.ts';
import type { ScanOptions } from './scan-options.ts';

/** COUNT is a hint: a step ends early when it has gathered this much. */
const stepBytesMax = 16 * 1024 * 1024;

/** What a step walks through: a collection that is open. */
export interface Scanned {
  readonly prefixLength: number;
  iterate(range: SubkeyRange): ScannedEntries;
}

/** Entries in byte order; names begin behind `prefixLength` bytes of `key`. */
interface ScannedEntries {
  readonly key: Span;
  readonly value: Span;
  next(): boolean;
  close(): void;
}

/**
 * Takes one step's entries into `rows`.
 * @param valueOf the value that follows a name in the reply; undefined for names alone.
 * @returns the name looked at last; undefined when none is left after it.
 */
function collect(
  entries: ScannedEntries,
  prefixLength: number,
  options: ScanOptions,
  rows: Buffer[],
  valueOf: ((value: Span) => Buffer) | undefined,
): Buffer | undefined {
  let last: Buffer | undefined;
  let bytes = 0;
  for (let looked = 0; entries.next(); looked++) {
    if (looked === options.count || bytes >= stepBytesMax) return last;
    const { key } = entries;
    const name = { buffer: key.buffer, start: key.start + prefixLength, end: key.end };
    last = Buffer.from(name.buffer.subarray(name.start, name.end));
    if (options.match !== undefined && !options.match.matches(name)) continue;
    rows.push(last);
    bytes += last.length;
    if (valueOf === undefined) continue;
    const value = valueOf(entries.value);
    rows.push(value);
    bytes += value.length;
  }
  return undefined;
}

/**
 * Answers one step over `scanned`, which is undefined for a key that does not exist.
 * @param valueOf as in `collect`; must own what it returns.
 */
export function replyScanStep(
  scanned: Scanned | undefined,
  cursors: Cursors,
  options: ScanOptions,
  reply: ReplyWriter,
  valueOf?: (value: Span) => Buffer,
): void {
  const rows: Buffer[] = [];
  let last: Buffer | undefined;
  if (scanned !== undefined) {
    const after = cursors.recall(options.cursor);
    const entries = scanned.iterate({
      ...(after === undefined ? {} : { from: successor(spanOf(after)) }),
      keysOnly: valueOf === undefined,
    });
    try {
      last = collect(entries, scanned.prefixLength, options, rows, valueOf);
    } finally {
      entries.close();
    }
  }
  reply.array(2);
  reply.bulkLatin1(last === undefined ? '0' : cursors.remember(last));
  reply.array(rows.length);
  for (const bytes of rows) reply.bulk(bytes);
}
