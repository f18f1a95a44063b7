/**
 * A rate per second from a growing count, smoothed as Redis smooths its `instantaneous_*` fields: the mean of the last
 * samples, each over the time that really passed between two of them.
 */
const samplesKept = 16;

export class Rate {
  readonly #samples: number[] = [];
  #next = 0;
  #lastTotal: number;
  #lastMs: number;

  /** @param nowMs of any clock that does not go back; the same one is given to `sample`. */
  constructor(total: number, nowMs: number) {
    this.#lastTotal = total;
    this.#lastMs = nowMs;
  }

  /** Takes the count as it stands; to be called about every 100 ms. A count that went back begins anew. */
  sample(total: number, nowMs: number): void {
    const passedMs = nowMs - this.#lastMs;
    if (passedMs <= 0) return;
    this.#samples[this.#next] = Math.max(0, ((total - this.#lastTotal) * 1000) / passedMs);
    this.#next = (this.#next + 1) % samplesKept;
    this.#lastTotal = total;
    this.#lastMs = nowMs;
  }

  perSecond(): number {
    if (this.#samples.length === 0) return 0;
    return this.#samples.reduce((sum, sample) => sum + sample, 0) / this.#samples.length;
  }
}
