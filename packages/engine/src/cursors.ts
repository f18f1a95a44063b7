/**
 * SCAN cursors. Clients keep a cursor as a 64-bit number, but where a scan stands in an ordered database is a key; so
 * the number stands for a key in a table of bounded size, as in Kvrocks (redis-cursor-compatible). A cursor that has
 * been pushed out of the table, or was given by another process, begins again: every key is still returned at least
 * once, which is all SCAN promises.
 */
import type { Random } from '@holdfast/base';

const cursorsMax = 16384;
const bytesMax = 16 << 20;

export class Cursors {
  readonly #positions = new Map<number, Buffer>();
  #bytes = 0;
  #next: number;

  constructor(random: Random) {
    // Another process' cursors must not be taken for ours: 21 random bits above a counter, below 2^53.
    this.#next = (random.u32() >>> 11) * 0x100000000 + 1;
  }

  /** A cursor, never 0, for what comes after `position`. */
  remember(position: Buffer): string {
    const cursor = this.#next++;
    this.#positions.set(cursor, Buffer.from(position));
    this.#bytes += position.length;
    for (const [oldest, bytes] of this.#positions) {
      if (this.#positions.size <= cursorsMax && this.#bytes <= bytesMax) break;
      if (oldest === cursor) break;
      this.#positions.delete(oldest);
      this.#bytes -= bytes.length;
    }
    return String(cursor);
  }

  /** The position a cursor stands for; undefined for 0 and for a cursor that is not known. */
  recall(cursor: string): Buffer | undefined {
    return this.#positions.get(Number(cursor));
  }
}
