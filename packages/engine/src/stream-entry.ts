/**
 * The value of a stream entry: fields and values in the order given, each as its length (varint of 7-bit groups, least
 * significant first) and its bytes (Kvrocks types/redis_stream_base.cc).
 */
import { OperationError } from '@holdfast/base';
import { Window, type Scratch, type Span } from './bytes.ts';

/** Appends a field or a value to the entry in the making. */
export function writeEntryPart(into: Scratch, { buffer, start, end }: Span): void {
  let length = end - start;
  while (length > 127) {
    into.u8((length & 127) | 128);
    length >>>= 7;
  }
  into.u8(length);
  into.bytes(buffer, start, end);
}

/** Walks over fields and values of an entry where they stand: the part that `next` found is this window. */
export class EntryParts extends Window {
  #at = 0;
  #end = 0;

  /** Begins at the first field of an entry. */
  enter({ buffer, start, end }: Span): void {
    this.buffer = buffer;
    this.#at = start;
    this.#end = end;
  }

  /**
   * Moves to the next field or value. @returns false at the end.
   * @throws OperationError ENGINE_RECORD_CORRUPT when the entry ends within a part.
   */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#at < this.#end && shift < 35 ? (this.buffer[this.#at++] as number) : -1;
      if (byte < 0) throw corrupt();
      length += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    this.start = this.#at;
    this.end = this.#at + length;
    if (this.end > this.#end) throw corrupt();
    this.#at = this.end;
    return true;
  }

  /** Number of fields and values of an entry. */
  count(entry: Span): number {
    this.enter(entry);
    let count = 0;
    while (this.next()) count++;
    return count;
  }
}

function corrupt(): OperationError {
  return new OperationError('ENGINE_RECORD_CORRUPT', 'an entry of a stream ends within one of its fields', {
    outcome: 'not-applied',
  });
}
