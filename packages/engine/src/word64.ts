/**
 * Arithmetic modulo 2^64 on two halves of 32 bits, for hashes: BigInt would allocate on every step of every member of a
 * command. An object is a register that is worked on in place.
 */

/** The upper half of the product of two unsigned 32-bit numbers. */
export function upperProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (other >>> 16)) | 0;
}

export class Word64 {
  /** The halves hold 32 bits each; their sign means nothing. */
  high = 0;
  low = 0;

  set(high: number, low: number): void {
    this.high = high | 0;
    this.low = low | 0;
  }

  copy({ high, low }: Word64): void {
    this.high = high;
    this.low = low;
  }

  /** Eight bytes of a buffer, the least significant first. */
  read(buffer: Buffer, at: number): void {
    this.low = buffer.readInt32LE(at);
    this.high = buffer.readInt32LE(at + 4);
  }

  add(high: number, low: number): void {
    const sum = (this.low >>> 0) + (low >>> 0);
    this.high = (this.high + high + (sum > 0xffffffff ? 1 : 0)) | 0;
    this.low = sum | 0;
  }

  subtract(high: number, low: number): void {
    const difference = (this.low >>> 0) - (low >>> 0);
    this.high = (this.high - high - (difference < 0 ? 1 : 0)) | 0;
    this.low = difference | 0;
  }

  multiply(high: number, low: number): void {
    this.high = (upperProduct(this.low, low) + Math.imul(this.high, low) + Math.imul(this.low, high)) | 0;
    this.low = Math.imul(this.low, low);
  }

  xor(high: number, low: number): void {
    this.high ^= high;
    this.low ^= low;
  }

  /** @param bits 1 to 31. */
  rotateLeft(bits: number): void {
    const { high, low } = this;
    this.high = (high << bits) | (low >>> (32 - bits));
    this.low = (low << bits) | (high >>> (32 - bits));
  }

  /** Exclusive or with itself shifted right. @param bits 1 to 63. */
  xorShiftRight(bits: number): void {
    if (bits >= 32) this.low ^= this.high >>> (bits - 32);
    else {
      this.low ^= (this.low >>> bits) | (this.high << (32 - bits));
      this.high ^= this.high >>> bits;
    }
  }
}
