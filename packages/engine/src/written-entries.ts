/**
 * A tick's overlay as iterators see it: entries by index, where they stand in the tick's batch, or copied out for an
 * iteration that outlives the tick.
 */
import { copyBytes } from './bytes.ts';
import type { DeletedRange, Overlay } from './overlay.ts';

/** What a tick has written, by index; read by iterators. */
export interface WrittenEntries {
  readonly buffer: Buffer;
  readonly rangeCount: number;
  keyStart(index: number): number;
  keyEnd(index: number): number;
  /** -1 for a delete. */
  valueStart(index: number): number;
  valueEnd(index: number): number;
  /** Whether a committed entry with this key was deleted by a range of this tick. */
  coversCommitted(family: number, key: Buffer): boolean;
}

/** A copy of some entries, which outlives the tick. The copy numbers them anew, from 0 in the order given. */
export class FrozenEntries implements WrittenEntries {
  readonly buffer: Buffer;
  readonly rangeCount: number;
  readonly #bounds: Int32Array;
  readonly #ranges: readonly DeletedRange[];

  constructor(from: OverlayEntries, indexes: readonly number[], family: number) {
    this.#ranges = from.overlay.rangesOf(family);
    this.rangeCount = this.#ranges.length;
    this.#bounds = new Int32Array(indexes.length * 4);
    let bytes = 0;
    for (const index of indexes) {
      bytes += from.keyEnd(index) - from.keyStart(index) + Math.max(0, from.valueEnd(index) - from.valueStart(index));
    }
    this.buffer = Buffer.allocUnsafeSlow(bytes);
    let end = 0;
    const copy = (start: number, stop: number): number => {
      copyBytes(from.buffer, start, stop, this.buffer, end);
      return (end += stop - start);
    };
    indexes.forEach((index, at) => {
      this.#bounds[at * 4] = end;
      this.#bounds[at * 4 + 1] = copy(from.keyStart(index), from.keyEnd(index));
      const isDelete = from.valueStart(index) < 0;
      this.#bounds[at * 4 + 2] = isDelete ? -1 : end;
      this.#bounds[at * 4 + 3] = isDelete ? -1 : copy(from.valueStart(index), from.valueEnd(index));
    });
  }

  keyStart(index: number): number {
    return this.#bounds[index * 4] as number;
  }

  keyEnd(index: number): number {
    return this.#bounds[index * 4 + 1] as number;
  }

  valueStart(index: number): number {
    return this.#bounds[index * 4 + 2] as number;
  }

  valueEnd(index: number): number {
    return this.#bounds[index * 4 + 3] as number;
  }

  coversCommitted(_family: number, key: Buffer): boolean {
    return this.#ranges.some(({ begin, end }) => begin.compare(key) <= 0 && key.compare(end) < 0);
  }
}

/** The entries of the open tick where they stand. */
export class OverlayEntries implements WrittenEntries {
  readonly #tick: { readonly overlay: Overlay };
  readonly #builder: { readonly buffer: Buffer };

  /** @param tick whose overlay is another one in every tick. */
  constructor(tick: { readonly overlay: Overlay }, builder: { readonly buffer: Buffer }) {
    this.#tick = tick;
    this.#builder = builder;
  }

  get overlay(): Overlay {
    return this.#tick.overlay;
  }

  get buffer(): Buffer {
    return this.#builder.buffer;
  }

  get rangeCount(): number {
    return this.overlay.rangeCount;
  }

  keyStart(index: number): number {
    return this.overlay.keyStart(index);
  }

  keyEnd(index: number): number {
    return this.overlay.keyEnd(index);
  }

  valueStart(index: number): number {
    return this.overlay.valueStart(index);
  }

  valueEnd(index: number): number {
    return this.overlay.valueEnd(index);
  }

  coversCommitted(family: number, key: Buffer): boolean {
    return this.overlay.coversCommitted(family, key);
  }
}
