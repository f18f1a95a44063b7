/**
 * Bits within a range: BITCOUNT and BITPOS. Ranges are given in bytes or bits and may count from the end; here they become
 * the first and last bit, and blocks of 1024 bytes are looked at one by one.
 */
import { blockBytes, onesIn, type Bitmaps } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';

const blockBits = blockBytes * 8;

/** As the client gave it. */
interface GivenRange {
  readonly start: number;
  readonly end: number;
  readonly isEndGiven: boolean;
  readonly isInBits: boolean;
}

const everything: GivenRange = { start: 0, end: -1, isEndGiven: false, isInBits: false };

/** `[start [end [BYTE | BIT]]]` from argument `first` on. */
function parseRange(request: Request, first: number, mayEndMiss: boolean): GivenRange | Refusal {
  const given = request.count - first;
  if (given === 0) return everything;
  if (given > 3 || (given === 1 && !mayEndMiss)) return new Refusal(errors.syntax);
  const isInBits = given === 3 && request.is(first + 2, 'bit');
  if (given === 3 && !isInBits && !request.is(first + 2, 'byte')) return new Refusal(errors.syntax);
  const start = request.int64(first);
  const end = given > 1 ? request.int64(first + 1) : -1n;
  if (start === undefined || end === undefined) return new Refusal(errors.notInteger);
  return { start: Number(start), end: Number(end), isEndGiven: given > 1, isInBits };
}

/** First and last bit of a range over a value of `length` bytes; undefined when it is empty. */
function bitsOf(range: GivenRange, length: number): { first: number; last: number } | undefined {
  const total = range.isInBits ? length * 8 : length;
  const start = range.start < 0 ? Math.max(0, total + range.start) : range.start;
  // An end before the beginning counts as the beginning.
  const end = Math.min(range.end < 0 ? Math.max(0, total + range.end) : range.end, total - 1);
  if (start > end) return undefined;
  return range.isInBits ? { first: start, last: end } : { first: start * 8, last: end * 8 + 7 };
}

/** The part of the block read last that lies in a range: first and last bit within the block. */
function within(index: number, { first, last }: { first: number; last: number }): { from: number; to: number } {
  const start = index * blockBits;
  return { from: Math.max(0, first - start), to: Math.min(blockBits - 1, last - start) };
}

/** A byte of the block read last with what lies outside of `from` to `to` (bits within the block) cut off. */
function byteAt({ block, blockLength }: Bitmaps, at: number, from: number, to: number, flip: number): number {
  let byte = (at < blockLength ? (block[at] as number) : 0) ^ flip;
  if (at === from >> 3) byte &= 0xff >> (from & 7);
  if (at === to >> 3) byte &= 0xff << (7 - (to & 7));
  return byte & 0xff;
}

/** How many bits are 1 between two bits of the block read last. Only the bytes at the ends may have to be cut. */
function countIn(bitmaps: Bitmaps, from: number, to: number): number {
  const { block, blockLength } = bitmaps;
  const first = from >> 3;
  const last = to >> 3;
  let ones = onesIn[byteAt(bitmaps, first, from, to, 0)] as number;
  if (last > first) ones += onesIn[byteAt(bitmaps, last, from, to, 0)] as number;
  const end = Math.min(last, blockLength);
  for (let at = first + 1; at < end; at++) ones += onesIn[block[at] as number] as number;
  return ones;
}

/** Where within the block read last the first such bit is; -1: nowhere. */
function findIn(bitmaps: Bitmaps, bit: 0 | 1, from: number, to: number): number {
  const { block, blockLength } = bitmaps;
  const flip = bit === 1 ? 0 : 0xff;
  const last = to >> 3;
  for (let at = from >> 3; at <= last; at++) {
    // Most bytes have no such bit, which shows before anything is cut off.
    if (at < blockLength && block[at] === flip) continue;
    const byte = byteAt(bitmaps, at, from, to, flip);
    if (byte !== 0) return at * 8 + Math.clz32(byte) - 24;
  }
  return -1;
}

interface CountInput {
  readonly request: Request;
  readonly range: GivenRange;
}

function bitCount(bitmaps: Bitmaps): CommandDefinition {
  return define<CountInput>({
    name: 'bitcount',
    arity: -2,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'bitmap',
    since: '2.6.0',
    complexity:
      'O(N) where N is the number of bytes in the range; parts of a bitmap that were never written cost nothing.',
    summary: 'Counts the bits that are 1, in a range of bytes or bits.',
    parse(request) {
      const range = parseRange(request, 2, false);
      return range instanceof Refusal ? range : { request, range };
    },
    run(call, { request, range }, reply) {
      const found = bitmaps.open(keyOf(call, request, 1), call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      // Unlike BITPOS, for which what lies before the beginning is the beginning whatever the order.
      const isReversed = range.start < 0 && range.end < 0 && range.start > range.end;
      const bits = found === 'found' && !isReversed ? bitsOf(range, bitmaps.length) : undefined;
      if (bits === undefined) return reply.integer(0);
      let count = 0;
      bitmaps.visitBlocks(Math.floor(bits.first / blockBits), Math.floor(bits.last / blockBits), (index) => {
        const { from, to } = within(index, bits);
        count += countIn(bitmaps, from, to);
        return true;
      });
      reply.integer(count);
    },
  });
}

/** The first one is in a block that is stored. */
function firstOne(bitmaps: Bitmaps, bits: { first: number; last: number }): number {
  let position = -1;
  bitmaps.visitBlocks(Math.floor(bits.first / blockBits), Math.floor(bits.last / blockBits), (index) => {
    const { from, to } = within(index, bits);
    const found = findIn(bitmaps, 1, from, to);
    if (found >= 0) position = index * blockBits + found;
    return found < 0;
  });
  return position;
}

/** A block that is not stored ends the search. */
function firstZero(bitmaps: Bitmaps, bits: { first: number; last: number }): number {
  const lastBlock = Math.floor(bits.last / blockBits);
  for (let index = Math.floor(bits.first / blockBits); index <= lastBlock; index++) {
    bitmaps.readBlock(index);
    const { from, to } = within(index, bits);
    const found = findIn(bitmaps, 0, from, to);
    if (found >= 0) return index * blockBits + found;
  }
  return -1;
}

interface PositionInput extends CountInput {
  readonly bit: 0 | 1;
}

function bitPos(bitmaps: Bitmaps): CommandDefinition {
  return define<PositionInput>({
    name: 'bitpos',
    arity: -3,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'bitmap',
    since: '2.8.7',
    complexity: 'O(N) where N is the number of bytes up to the bit found.',
    summary: 'Finds the first bit that is 0 or 1, in a range of bytes or bits.',
    parse(request) {
      const bit = request.integer(2);
      if (Number.isNaN(bit)) return new Refusal(errors.notInteger);
      if (bit !== 0 && bit !== 1) return new Refusal('ERR The bit argument must be 1 or 0.');
      const range = parseRange(request, 3, true);
      return range instanceof Refusal ? range : { request, range, bit };
    },
    run(call, { request, range, bit }, reply) {
      const found = bitmaps.open(keyOf(call, request, 1), call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      if (found === 'absent') return reply.integer(bit === 1 ? -1 : 0);
      const bits = bitsOf(range, bitmaps.length);
      if (bits === undefined) return reply.integer(-1);
      const position = bit === 1 ? firstOne(bitmaps, bits) : firstZero(bitmaps, bits);
      // Without an end the value counts as followed by zeros.
      reply.integer(position < 0 && bit === 0 && !range.isEndGiven ? bitmaps.length * 8 : position);
    },
  });
}

export function bitCountCommands(bitmaps: Bitmaps): CommandDefinition[] {
  return [bitCount(bitmaps), bitPos(bitmaps)];
}
