/**
 * The few words that the main loop and the control thread share. The lease itself is one 64-bit word (epoch and
 * deadline together, so that a renewal can never join a deadline of one epoch to another epoch) and is changed only by
 * compare-and-swap. The other words have one writer each.
 */

/** Word indexes in the shared BigInt64Array. */
const leaseWord = 0;
const sequenceWord = 1;
const beatWord = 2;
const epochWord = 3;

export class SharedLease {
  readonly buffer: SharedArrayBuffer;
  readonly #words: BigInt64Array;

  /** @param buffer the other thread's; a new one when absent. */
  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer(8 * BigInt64Array.BYTES_PER_ELEMENT);
    this.#words = new BigInt64Array(this.buffer);
  }

  /** The packed (epoch, deadline); see fencing's `unpackWord`. */
  load(): bigint {
    return Atomics.load(this.#words, leaseWord);
  }

  /**
   * Replaces the packed word if it is still `expected`.
   * @returns whether it was.
   */
  swap(expected: bigint, next: bigint): boolean {
    return Atomics.compareExchange(this.#words, leaseWord, expected, next) === expected;
  }

  /**
   * Written by the main loop after each commit.
   * @param lastEpoch epoch in which the entry at `sequence` was written, 0 for before the first.
   */
  publishSequence(sequence: number, lastEpoch: number): void {
    Atomics.store(this.#words, epochWord, BigInt(lastEpoch));
    Atomics.store(this.#words, sequenceWord, BigInt(sequence));
  }

  lastEpoch(): number {
    return Number(Atomics.load(this.#words, epochWord));
  }

  sequence(): number {
    return Number(Atomics.load(this.#words, sequenceWord));
  }

  /** Written by the main loop: it made progress at this lease-clock reading (ms). */
  publishBeat(nowMs: number): void {
    Atomics.store(this.#words, beatWord, BigInt(Math.floor(nowMs)));
  }

  beatMs(): number {
    return Number(Atomics.load(this.#words, beatWord));
  }
}
