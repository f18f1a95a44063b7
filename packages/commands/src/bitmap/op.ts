/**
 * BITOP. Values are combined block by block; where none of them has a block stored, the result of AND, OR and XOR has none
 * either, so that what is sparse stays so. The result is a bitmap whatever the sources were, as in Kvrocks.
 */
import { Bitmaps, blockBytes, type DataTypes } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { notify } from '../events.ts';

type Operator = 'and' | 'or' | 'xor' | 'not';
const operators: readonly Operator[] = ['and', 'or', 'xor', 'not'];

/** Objects that are kept for the next command; more are made for each. */
const keptMax = 32;

interface OpInput {
  readonly request: Request;
  readonly operator: Operator;
}

function parseOp(request: Request): OpInput | Refusal {
  const operator = operators.find((word) => request.is(1, word));
  if (operator === undefined) return new Refusal(errors.syntax);
  if (operator === 'not' && request.count !== 4) {
    return new Refusal('ERR BITOP NOT must be called with a single source key.');
  }
  return { request, operator };
}

/** Combines the block that `source` has read last into `result`. */
function combine(result: Buffer, { block, blockLength }: Bitmaps, operator: Operator): void {
  if (operator === 'and') {
    for (let i = 0; i < blockLength; i++) result[i] = (result[i] as number) & (block[i] as number);
    result.fill(0, blockLength);
  } else if (operator === 'or') {
    for (let i = 0; i < blockLength; i++) result[i] = (result[i] as number) | (block[i] as number);
  } else {
    for (let i = 0; i < blockLength; i++) result[i] = (result[i] as number) ^ (block[i] as number);
  }
}

/** One block of the result. @returns how many bytes of it must be stored; 0 when it is all zeros. */
function resultBlock(sources: readonly Bitmaps[], index: number, operator: Operator, result: Buffer): number {
  const [first, ...others] = sources as [Bitmaps, ...Bitmaps[]];
  result.fill(0);
  if (first.readBlock(index)) first.block.copy(result, 0, 0, first.blockLength);
  if (operator === 'not') {
    const length = Math.min(blockBytes, first.length - index * blockBytes);
    for (let i = 0; i < length; i++) result[i] = ~(result[i] as number) & 0xff;
    return length;
  }
  let length = first.blockLength;
  for (const source of others) {
    source.readBlock(index);
    combine(result, source, operator);
    length = Math.max(length, source.blockLength);
  }
  return result.every((byte) => byte === 0) ? 0 : length;
}

/** Blocks that a result can have, rising. */
function blocksOf(sources: readonly Bitmaps[], operator: Operator): number[] {
  const [first] = sources as [Bitmaps];
  if (operator === 'not') return Array.from({ length: first.blocks }, (_, index) => index);
  const indexes = new Set<number>();
  // What the first does not have stored is zero in an AND.
  for (const source of operator === 'and' ? [first] : sources) {
    for (const index of source.storedBlocks()) indexes.add(index);
  }
  return [...indexes].sort((a, b) => a - b);
}

function logTextOf(request: Request): string {
  const words = [];
  for (let index = 1; index < request.count; index++) if (index !== 2) words.push(request.latin1(index));
  return `6 10 ${words.join(' ')}`;
}

class BitOperation {
  readonly #types: DataTypes;
  readonly #target: Bitmaps;
  readonly #kept: Bitmaps[] = [];
  readonly #result: Buffer = Buffer.alloc(blockBytes);
  /** Stands for each source that does not exist, or is empty. */
  readonly #empty: Bitmaps;

  constructor(types: DataTypes) {
    this.#types = types;
    this.#target = new Bitmaps(types.records);
    this.#empty = new Bitmaps(types.records);
  }

  /** The sources, opened; undefined when one is neither bitmap nor string. */
  #open(call: Call, request: Request): Bitmaps[] | undefined {
    const sources: Bitmaps[] = [];
    let used = 0;
    for (let index = 3; index < request.count; index++) {
      const source = this.#kept[used] ?? new Bitmaps(this.#types.records);
      if (used < keptMax) this.#kept[used] = source;
      if (source.open(keyOf(call, request, index), call.nowMs) === 'wrong-type') return undefined;
      if (source.length === 0) sources.push(this.#empty);
      else {
        source.keepText();
        sources.push(source);
        used++;
      }
    }
    return sources;
  }

  run(call: Call, input: OpInput, reply: ReplyWriter): void {
    const sources = this.#open(call, input.request);
    if (sources === undefined) reply.error(errors.wrongType);
    else this.#combine(call, input, sources, reply);
    for (const source of this.#kept) source.letGo();
  }

  #combine(call: Call, { request, operator }: OpInput, sources: readonly Bitmaps[], reply: ReplyWriter): void {
    const key = keyOf(call, request, 2);
    const length = sources.reduce((longest, source) => Math.max(longest, source.length), 0);
    if (length === 0) {
      if (this.#types.keyspace.delete(key, call.nowMs)) notify(call, 'g', 'del', key);
      return reply.integer(0);
    }
    const target = this.#target;
    target.create(key);
    target.logText = logTextOf(request);
    for (const index of blocksOf(sources, operator)) {
      const stored = resultBlock(sources, index, operator, this.#result);
      if (stored > 0) target.writeBlock(index, this.#result, stored);
    }
    target.saveLength(key, length, true);
    notify(call, '$', 'set', key);
    reply.integer(length);
  }
}

export function bitOpCommands(types: DataTypes): CommandDefinition[] {
  const operation = new BitOperation(types);
  return [
    define<OpInput>({
      name: 'bitop',
      arity: -4,
      flags: ['write', 'slow'],
      keys: { first: 2, last: -1, step: 1 },
      group: 'bitmap',
      since: '2.6.0',
      complexity:
        'O(N) where N is the number of bytes of all sources; for NOT of the longest bitmap also those never written.',
      summary: 'Combines bitmaps or strings bit by bit (AND, OR, XOR, NOT) and stores the result as a bitmap.',
      parse: parseOp,
      run: (call, input, reply) => operation.run(call, input, reply),
    }),
  ];
}
