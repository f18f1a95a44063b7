/**
 * Whether what was read from the database still holds. Others change it without our knowing: a master's batches on a replica,
 * a full sync, a tick of our own that is dropped. So whatever was read is compared again after each of these.
 */
export interface SequenceSource {
  latestSequence(): number;
  visibleSequence(): number;
}

export class Freshness {
  readonly #sequences: SequenceSource;
  #isStale = true;
  /** Where our own last change will be in the log. Until it is committed it may be dropped. */
  #changedAt = -1;

  constructor(sequences: SequenceSource) {
    this.#sequences = sequences;
  }

  /** Somebody else may have changed the database. */
  doubt(): void {
    this.#isStale = true;
  }

  /** We have changed it ourselves, in the open tick. */
  changed(): void {
    this.#isStale = true;
    this.#changedAt = this.#sequences.visibleSequence();
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  /** It was read again. */
  read(): void {
    if (this.#sequences.latestSequence() >= this.#changedAt) this.#isStale = false;
  }
}
