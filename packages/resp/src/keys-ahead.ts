/**
 * The first two arguments of the requests that stand in a piece of received bytes, found without decoding it: so that what
 * belongs to them can be brought near before they are executed. A guess and no more: what looks unusual ends the search,
 * nothing is checked, and whoever is given a wrong window has lost a little time.
 */
import './buffer-types.ts';

const star = 42;
const dollar = 36;
const cr = 13;
/** Digits of a length that are read. */
const digitsMax = 4;

const noBytes = Buffer.alloc(0);

export class KeysAhead {
  buffer: Buffer = noBytes;
  count = 0;
  /** Four numbers for each: where its first argument begins and ends, and its second. */
  readonly #bounds: Int32Array;

  /** @param most requests that are looked through at once. */
  constructor(most: number) {
    this.#bounds = new Int32Array(4 * most);
  }

  start(index: number): number {
    return this.#bounds[4 * index] as number;
  }

  end(index: number): number {
    return this.#bounds[4 * index + 1] as number;
  }

  /** Where its second argument begins; -1: it has none. */
  elementStart(index: number): number {
    return this.#bounds[4 * index + 2] as number;
  }

  elementEnd(index: number): number {
    return this.#bounds[4 * index + 3] as number;
  }

  /** Holds on to nothing. */
  clear(): void {
    this.buffer = noBytes;
    this.count = 0;
  }

  /** Looks through whole requests from `start` on. */
  find(buffer: Buffer, start: number, end: number): void {
    const bounds = this.#bounds;
    this.buffer = buffer;
    this.count = 0;
    let at = start;
    for (let slot = 0; slot < bounds.length; slot = 4 * this.count) {
      const count = lengthAt(buffer, at, end, star);
      if (count < 0) return;
      at += widthOf(count);
      for (let i = 0; i < count; i++) {
        const length = lengthAt(buffer, at, end, dollar);
        if (length < 0) return;
        at += widthOf(length);
        const next = at + length + 2;
        if (next > end) return;
        if (i === 1 || i === 2) {
          bounds[slot + 2 * i - 2] = at;
          bounds[slot + 2 * i - 1] = at + length;
        }
        at = next;
      }
      if (count === 2) bounds[slot + 2] = -1;
      if (count > 1) this.count++;
    }
  }
}

/** The number of a line of this type; -1 for what is not looked through. */
function lengthAt(buffer: Buffer, start: number, end: number, type: number): number {
  const limit = Math.min(end, start + 2 + digitsMax);
  if (start >= limit || buffer[start] !== type) return -1;
  let value = 0;
  for (let at = start + 1; at < limit; at++) {
    const byte = buffer[at] as number;
    if (byte === cr) return at > start + 1 ? value : -1;
    if (byte < 48 || byte > 57) return -1;
    value = value * 10 + byte - 48;
  }
  return -1;
}

/** Bytes of a line with this number: its type, the digits and CRLF. */
function widthOf(value: number): number {
  return value < 10 ? 4 : value < 100 ? 5 : value < 1000 ? 6 : 7;
}
