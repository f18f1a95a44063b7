/** What one ended tick wrote: raw batches as they stand in the WAL, for the replicas' sockets. The receiver has it until it gives it to `Engine.recycle`. */
export interface Commit {
  /** Sequence of the first counted record. */
  readonly firstSequence: number;
  /** Sequence of the last counted record: `latestSequence()` after the commit. */
  readonly lastSequence: number;
  /** The batches one after the other; their headers carry the real sequences. */
  readonly packed: Buffer;
  /** Bytes of each batch in `packed`. */
  readonly lengths: Uint32Array;
  /** Number of batches. */
  readonly count: number;
}
