/**
 * The text of ids that follow each other: those of one tick share their milliseconds, whose digits are kept, and the
 * sequence is written behind them. XADD answers with one each time.
 */
import type { StreamId } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';

const zero = 48;
/** Two u64 in decimal, and what stands between them. */
const longest = 41;
const millionth = 1_000_000;

export class IdText {
  readonly #bytes = Buffer.alloc(longest);
  #msHigh = -1;
  #msLow = -1;
  /** Where the sequence begins. */
  #seqStart = 0;

  /** Writes an id as a bulk string. */
  reply(id: StreamId, reply: ReplyWriter): void {
    if (id.seqHigh !== 0 || id.seqLow >= millionth) return reply.bulkLatin1(id.toString());
    if (id.msHigh !== this.#msHigh || id.msLow !== this.#msLow) this.#keep(id);
    const bytes = this.#bytes;
    let end = this.#seqStart + 1;
    for (let rest = id.seqLow; rest >= 10; rest = (rest / 10) | 0) end++;
    let left = id.seqLow;
    for (let at = end - 1; at >= this.#seqStart; at--) {
      const tens = (left / 10) | 0;
      bytes[at] = zero + left - tens * 10;
      left = tens;
    }
    reply.bulk(bytes, 0, end);
  }

  #keep(id: StreamId): void {
    const text = id.toString();
    this.#seqStart = this.#bytes.latin1Write(text.slice(0, text.indexOf('-') + 1), 0);
    this.#msHigh = id.msHigh;
    this.#msLow = id.msLow;
  }
}
