/**
 * LCS: the longest common subsequence of two strings, by the table of lengths of all pairs of prefixes. The table is
 * what limits it: its size is refused before anything is allocated.
 */
import type { DataTypes, UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';

/** Cells of four bytes. Redis allows proto-max-bulk-len (512 MiB); we stop the event loop for less. */
const cellsMax = (64 << 20) / 4;

interface LcsInput {
  readonly request: Request;
  onlyLength: boolean;
  indexes: boolean;
  withMatchLength: boolean;
  minMatchLength: number;
}

function parseLcs(request: Request): LcsInput | Refusal {
  const input: LcsInput = {
    request,
    onlyLength: false,
    indexes: false,
    withMatchLength: false,
    minMatchLength: 0,
  };
  for (let index = 3; index < request.count; index++) {
    if (request.is(index, 'len')) input.onlyLength = true;
    else if (request.is(index, 'idx')) input.indexes = true;
    else if (request.is(index, 'withmatchlen')) input.withMatchLength = true;
    else if (request.is(index, 'minmatchlen') && index + 1 < request.count) {
      const length = request.int64(++index);
      if (length === undefined) return new Refusal(errors.notInteger);
      input.minMatchLength = Math.max(0, Number(length));
    } else return new Refusal(errors.syntax);
  }
  if (input.onlyLength && input.indexes) {
    return new Refusal('ERR If you want both the length and indexes, please just use IDX.');
  }
  return input;
}

/** Lengths of the longest common subsequences of all prefixes, row by row. */
function lengthsOf(a: Buffer, b: Buffer): Uint32Array {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    const row = i * width;
    for (let j = 1; j <= b.length; j++) {
      if (a[i - 1] === b[j - 1]) lengths[row + j] = (lengths[row - width + j - 1] as number) + 1;
      else {
        const up = lengths[row - width + j] as number;
        const left = lengths[row + j - 1] as number;
        lengths[row + j] = up > left ? up : left;
      }
    }
  }
  return lengths;
}

/** A run of equal bytes that belongs to the subsequence; both ends included. */
interface Match {
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
}

/** Walks back through the table: the subsequence, and its runs from the last to the first. */
function walk(a: Buffer, b: Buffer, lengths: Uint32Array): { text: Buffer; matches: Match[] } {
  const width = b.length + 1;
  let i = a.length;
  let j = b.length;
  let left = lengths[i * width + j] as number;
  const text = Buffer.alloc(left);
  const matches: Match[] = [];
  let run: { a: [number, number]; b: [number, number] } | undefined;
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      text[--left] = a[i - 1] as number;
      if (run !== undefined && run.a[0] === i && run.b[0] === j) {
        run.a[0] = i - 1;
        run.b[0] = j - 1;
      } else {
        if (run !== undefined) matches.push(run);
        run = { a: [i - 1, i - 1], b: [j - 1, j - 1] };
      }
      i--;
      j--;
    } else if ((lengths[(i - 1) * width + j] as number) > (lengths[i * width + j - 1] as number)) i--;
    else j--;
  }
  if (run !== undefined) matches.push(run);
  return { text, matches };
}

function replyMatches(matches: readonly Match[], length: number, input: LcsInput, reply: ReplyWriter): void {
  const shown = matches.filter(({ a }) => a[1] - a[0] + 1 >= input.minMatchLength);
  reply.map(2);
  reply.bulkLatin1('matches');
  reply.array(shown.length);
  for (const { a, b } of shown) {
    reply.array(input.withMatchLength ? 3 : 2);
    for (const [from, to] of [a, b]) {
      reply.array(2);
      reply.integer(from);
      reply.integer(to);
    }
    if (input.withMatchLength) reply.integer(a[1] - a[0] + 1);
  }
  reply.bulkLatin1('len');
  reply.integer(length);
}

export function lcsCommands({ strings }: DataTypes): CommandDefinition[] {
  const read = (key: UserKey, nowMs: number): Buffer | undefined => {
    const found = strings.get(key, nowMs);
    if (found === 'wrong-type') return undefined;
    return found === 'absent' ? Buffer.alloc(0) : strings.value.copy();
  };
  return [
    define<LcsInput>({
      name: 'lcs',
      arity: -3,
      flags: ['readonly'],
      keys: { first: 1, last: 2, step: 1 },
      group: 'string',
      since: '7.0.0',
      complexity: 'O(N*M) where N and M are the lengths of the strings.',
      summary: 'Finds the longest common subsequence of two strings.',
      parse: parseLcs,
      run(call, input, reply) {
        const a = read(keyOf(call, input.request, 1), call.nowMs);
        const b = read(keyOf(call, input.request, 2), call.nowMs);
        if (a === undefined || b === undefined) return reply.error(errors.wrongType);
        if ((a.length + 1) * (b.length + 1) > cellsMax) {
          return reply.error('ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len');
        }
        const lengths = lengthsOf(a, b);
        const length = lengths.at(-1) as number;
        if (input.onlyLength) return reply.integer(length);
        const { text, matches } = walk(a, b, lengths);
        if (input.indexes) replyMatches(matches, length, input, reply);
        else reply.bulk(text);
      },
    }),
  ];
}
