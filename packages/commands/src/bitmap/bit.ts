/** Single bits: SETBIT, GETBIT. */
import type { Bitmaps } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { notify } from '../events.ts';

/** The highest offset of a bit: what a string of 512 MiB holds. */
export const bitOffsetMax: number = 2 ** 32 - 1;
export const badOffset = 'ERR bit offset is not an integer or out of range';
const badBit = 'ERR bit is not an integer or out of range';

interface BitInput {
  readonly request: Request;
  readonly offset: number;
  readonly bit: 0 | 1;
}

function parseBit(request: Request): BitInput | Refusal {
  const offset = request.integer(2);
  if (!(offset >= 0 && offset <= bitOffsetMax)) return new Refusal(badOffset);
  const bit = request.count > 3 ? request.integer(3) : 0;
  return bit === 0 || bit === 1 ? { request, offset, bit } : new Refusal(badBit);
}

function setBit(bitmaps: Bitmaps): CommandDefinition {
  return define<BitInput>({
    name: 'setbit',
    arity: 4,
    flags: ['write', 'slow'],
    keys: firstKey,
    group: 'bitmap',
    since: '2.2.0',
    complexity: 'O(1); O(N) on a string, where N is its length.',
    summary: 'Sets or clears the bit at an offset and returns what it was. The bitmap grows to hold it.',
    parse: parseBit,
    run(call, { request, offset, bit }, reply) {
      const key = keyOf(call, request, 1);
      if (bitmaps.openOrCreate(key, call.nowMs) === 'wrong-type') return reply.error(errors.wrongType);
      const lengthBefore = bitmaps.length;
      bitmaps.logText = `6 9 ${offset}`;
      const was = bitmaps.setBit(key, offset, bit);
      if (was !== bit || offset >= lengthBefore * 8) notify(call, '$', 'setbit', key);
      reply.integer(was);
    },
  });
}

function getBit(bitmaps: Bitmaps): CommandDefinition {
  return define<BitInput>({
    name: 'getbit',
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'bitmap',
    since: '2.2.0',
    complexity: 'O(1)',
    summary: 'Returns the bit at an offset; behind the end it is 0.',
    parse: parseBit,
    run(call, { request, offset }, reply) {
      const found = bitmaps.open(keyOf(call, request, 1), call.nowMs);
      if (found === 'wrong-type') return reply.error(errors.wrongType);
      reply.integer(found === 'found' ? bitmaps.bit(offset) : 0);
    },
  });
}

export function bitCommands(bitmaps: Bitmaps): CommandDefinition[] {
  return [setBit(bitmaps), getBit(bitmaps)];
}
