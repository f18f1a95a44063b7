/**
 * Versions: what ties sub keys to one incarnation of their key. A key that is created anew (also after it expired
 * lazily) gets a new version, which orphans every sub key written before, without touching one of them.
 *
 * Kvrocks: (Unix time in us << 11) + (counter mod 2048), the counter starting at a random value. Our clock counts ms;
 * more than 2048 collections created in one microsecond's place move on to the next microsecond, so that no version is
 * given out twice by one process.
 */
import { randomBelow, type Random } from '@holdfast/base';

/** 64 bits as two unsigned halves. */
export interface Version {
  readonly high: number;
  readonly low: number;
}

const counterRange = 2048;

/** (micros << 11) + counter. */
export function versionOf(micros: number, counter: number): Version {
  const high = Math.floor(micros / 0x200000);
  const low = ((micros % 0x200000) * counterRange + (counter % counterRange)) >>> 0;
  return { high, low };
}

export class VersionSource {
  readonly #clock: { wallMs(): number };
  #micros = 0;
  #given = 0;
  #counter: number;

  constructor(clock: { wallMs(): number }, random: Random) {
    this.#clock = clock;
    this.#counter = randomBelow(random, counterRange);
  }

  /** A version no earlier call returned. */
  next(): Version {
    const micros = this.#clock.wallMs() * 1000;
    if (micros > this.#micros) {
      this.#micros = micros;
      this.#given = 0;
    } else if (this.#given === counterRange) {
      this.#micros++;
      this.#given = 0;
    }
    this.#given++;
    this.#counter = (this.#counter + 1) % counterRange;
    return versionOf(this.#micros, this.#counter);
  }
}
