/**
 * Changes to many places of a bitmap or string within one command (BITFIELD): blocks are read once, changed in memory, and
 * written once at the end, so that a later step of the command sees what an earlier one did.
 */
import { blockBytes, type Bitmaps } from './bitmaps.ts';
import type { UserKey } from './stored-key.ts';

interface EditedBlock {
  readonly bytes: Buffer;
  /** Bytes that must be stored; 0 as long as nothing was changed. */
  writtenLength: number;
}

export class BitEditor {
  readonly #bitmaps: Bitmaps;
  readonly #blocks = new Map<number, EditedBlock>();
  /** The whole value, when it is a string. */
  #text: Buffer | undefined;

  /** @param length what the open value of `bitmaps` is to be at least as long as, in bytes, when it is written. */
  constructor(bitmaps: Bitmaps, length: number) {
    this.#bitmaps = bitmaps;
    if (bitmaps.form === 'string') this.#text = bitmaps.changeableText(length);
  }

  /** A field of up to 64 bits that begins at bit `offset`, the most significant first; bits behind the end are 0. */
  field(offset: number, bits: number): bigint {
    const first = Math.floor(offset / 8);
    const last = Math.floor((offset + bits - 1) / 8);
    let value = 0n;
    for (let at = first; at <= last; at++) value = (value << 8n) | BigInt(this.#byte(at));
    return BigInt.asUintN(bits, value >> BigInt((last + 1) * 8 - offset - bits));
  }

  /** Puts the low `bits` bits of `value` at bit `offset`. */
  setField(offset: number, bits: number, value: bigint): void {
    const first = Math.floor(offset / 8);
    const last = Math.floor((offset + bits - 1) / 8);
    const behind = BigInt((last + 1) * 8 - offset - bits);
    const mask = ((1n << BigInt(bits)) - 1n) << behind;
    let old = 0n;
    for (let at = first; at <= last; at++) old = (old << 8n) | BigInt(this.#byte(at));
    let next = (old & ~mask) | ((value << behind) & mask);
    for (let at = last; at >= first; at--) {
      this.#setByte(at, Number(next & 0xffn));
      next >>= 8n;
    }
  }

  /** Writes what was changed; the value becomes at least `length` bytes long. */
  save(key: UserKey, length: number): void {
    if (this.#text !== undefined) return this.#bitmaps.saveText(key, this.#text);
    for (const index of [...this.#blocks.keys()].sort((a, b) => a - b)) {
      const { bytes, writtenLength } = this.#blocks.get(index) as EditedBlock;
      if (writtenLength > 0) this.#bitmaps.writeBlock(index, bytes, writtenLength);
    }
    this.#bitmaps.saveLength(key, length);
  }

  #byte(at: number): number {
    if (this.#text !== undefined) return this.#text[at] ?? 0;
    return this.#block(at).bytes[at % blockBytes] as number;
  }

  #setByte(at: number, byte: number): void {
    if (this.#text !== undefined) {
      this.#text[at] = byte;
      return;
    }
    const block = this.#block(at);
    block.bytes[at % blockBytes] = byte;
    block.writtenLength = Math.max(block.writtenLength, (at % blockBytes) + 1);
  }

  #block(at: number): EditedBlock {
    const index = Math.floor(at / blockBytes);
    let block = this.#blocks.get(index);
    if (block === undefined) {
      block = { bytes: Buffer.alloc(blockBytes), writtenLength: 0 };
      const bitmaps = this.#bitmaps;
      if (bitmaps.readBlock(index)) bitmaps.block.copy(block.bytes, 0, 0, bitmaps.blockLength);
      this.#blocks.set(index, block);
    }
    return block;
  }
}

/** The bytes a value must have to hold a field. */
export function bytesForField(offset: number, bits: number): number {
  return Math.floor((offset + bits - 1) / 8) + 1;
}
