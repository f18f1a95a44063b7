/**
 * How often one command took how long, in microseconds. Eight buckets to each power of two, so that a percentile is off by an
 * eighth at most; recording is an increment. The buckets are made when the command is first called.
 */
const bucketsPerOctave = 8;
const bucketCount = 32 * bucketsPerOctave;
const maxUs = 0xffff_ffff;

export class LatencyCounts {
  #buckets: Uint32Array | undefined;

  record(durationUs: number): void {
    const buckets = (this.#buckets ??= new Uint32Array(bucketCount));
    const index = bucketOf(durationUs);
    buckets[index] = (buckets[index] as number) + 1;
  }

  get calls(): number {
    return this.#buckets?.reduce((sum, count) => sum + count, 0) ?? 0;
  }

  /** Calls of at most each power of two, where their number rises. */
  cumulative(): (readonly [upToUs: number, calls: number])[] {
    const buckets = this.#buckets;
    const found: (readonly [number, number])[] = [];
    if (buckets === undefined) return found;
    let calls = 0;
    for (let octave = 0, at = 0; at < bucketCount; octave++) {
      const before = calls;
      // Durations below the next power of two are counted as of at most that.
      const end = octave < 3 ? 2 ** octave : (octave - 2) * bucketsPerOctave;
      for (; at < end && at < bucketCount; at++) calls += buckets[at] as number;
      if (calls > before) found.push([2 ** octave, calls]);
    }
    return found;
  }

  /** The duration that a share of the calls did not exceed, e.g. 0.99; 0 without calls. */
  percentile(share: number): number {
    const buckets = this.#buckets;
    const wanted = Math.ceil(this.calls * share);
    if (buckets === undefined || wanted === 0) return 0;
    let calls = 0;
    for (let at = 0; at < bucketCount; at++) {
      calls += buckets[at] as number;
      if (calls >= wanted) return lastOf(at);
    }
    return maxUs;
  }

  clear(): void {
    this.#buckets = undefined;
  }
}

/** Whole microseconds below eight have a bucket each; above, the three bits behind the highest one choose. */
function bucketOf(durationUs: number): number {
  const us = durationUs < maxUs ? durationUs >>> 0 : maxUs;
  if (us < bucketsPerOctave) return us;
  const exponent = 31 - Math.clz32(us);
  return (exponent - 2) * bucketsPerOctave + ((us >>> (exponent - 3)) & (bucketsPerOctave - 1));
}

/** The longest duration of a bucket. */
function lastOf(bucket: number): number {
  if (bucket < bucketsPerOctave) return bucket;
  const exponent = Math.floor(bucket / bucketsPerOctave) + 2;
  const width = 2 ** (exponent - 3);
  return 2 ** exponent + ((bucket % bucketsPerOctave) + 1) * width - 1;
}
