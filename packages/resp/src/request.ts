import './buffer-types.ts';
/**
 * One request as a window on the bytes it arrived in: no argument is copied or made an object unless somebody asks.
 * The decoder reuses one Request per connection; `copy` detaches one that must outlive the call (MULTI).
 */
export class Request {
  buffer: Buffer = Buffer.alloc(0);
  /** Number of arguments, the command's name included. */
  count = 0;
  /** Argument i is `buffer[bounds[2 i] .. bounds[2 i + 1])`. */
  bounds: Int32Array = new Int32Array(64);

  start(index: number): number {
    return this.bounds[2 * index] as number;
  }

  end(index: number): number {
    return this.bounds[2 * index + 1] as number;
  }

  /** Length of an argument in bytes. */
  size(index: number): number {
    return this.end(index) - this.start(index);
  }

  /** A view on an argument; valid only as long as the request. */
  bytes(index: number): Buffer {
    return this.buffer.subarray(this.start(index), this.end(index));
  }

  /** An argument as one character per byte: cheap, reversible, right for keys of maps and ASCII words. */
  latin1(index: number): string {
    return this.buffer.latin1Slice(this.start(index), this.end(index));
  }

  utf8(index: number): string {
    return this.buffer.utf8Slice(this.start(index), this.end(index));
  }

  /** Whether an argument is `word` (given in lower case ASCII), ignoring case. */
  is(index: number, word: string): boolean {
    const start = this.start(index);
    if (this.end(index) - start !== word.length) return false;
    for (let i = 0; i < word.length; i++) {
      const byte = this.buffer[start + i] as number;
      const lower = byte >= 65 && byte <= 90 ? byte | 32 : byte;
      if (lower !== word.charCodeAt(i)) return false;
    }
    return true;
  }

  /**
   * An argument as a whole number, by Redis' strict rule (string2ll: no blanks, no plus, no leading zeros).
   * @returns NaN when it is none or lies outside the safe range; `int64` has the full range.
   */
  integer(index: number): number {
    const start = this.start(index);
    const end = this.end(index);
    const negative = this.buffer[start] === 45;
    let at = negative ? start + 1 : start;
    const length = end - at;
    if (length <= 0 || length > 16) return NaN;
    if (this.buffer[at] === 48) return length === 1 && !negative ? 0 : NaN;
    let value = 0;
    for (; at < end; at++) {
      const digit = (this.buffer[at] as number) - 48;
      if (digit < 0 || digit > 9) return NaN;
      value = value * 10 + digit;
    }
    if (value > Number.MAX_SAFE_INTEGER) return NaN;
    return negative ? -value : value;
  }

  /** As `integer` over the whole int64 range; undefined when it is none. */
  int64(index: number): bigint | undefined {
    const small = this.integer(index);
    if (!Number.isNaN(small)) return BigInt(small);
    if (this.size(index) > 20) return undefined;
    const text = this.latin1(index);
    if (!/^-?[1-9][0-9]*$/.test(text)) return undefined;
    const value = BigInt(text);
    return value >= -(2n ** 63n) && value < 2n ** 63n ? value : undefined;
  }

  /** A request that owns its bytes. */
  copy(): Request {
    const copied = new Request();
    const from = this.count > 0 ? this.start(0) : 0;
    const to = this.count > 0 ? this.end(this.count - 1) : 0;
    copied.buffer = Buffer.from(this.buffer.subarray(from, to));
    copied.count = this.count;
    copied.bounds = this.bounds.slice(0, 2 * this.count);
    for (let i = 0; i < copied.bounds.length; i++) copied.bounds[i] = (copied.bounds[i] as number) - from;
    return copied;
  }

  /** A request made of given arguments, for tests and for replay. */
  static of(...args: readonly (string | Uint8Array)[]): Request {
    const parts = args.map((arg) => (typeof arg === 'string' ? Buffer.from(arg) : Buffer.from(arg)));
    const request = new Request();
    request.buffer = Buffer.concat(parts);
    request.count = parts.length;
    request.bounds = new Int32Array(2 * parts.length);
    let at = 0;
    parts.forEach((part, i) => {
      request.bounds[2 * i] = at;
      at += part.length;
      request.bounds[2 * i + 1] = at;
    });
    return request;
  }
}
