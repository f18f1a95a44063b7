/**
 * How many different members left the marks that stand in the registers of a HyperLogLog: the improved raw estimator of
 * Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284), which Redis and Kvrocks
 * use too. It needs neither tables nor corrections for small and large numbers.
 */

/** Registers of a HyperLogLog: one for every value of the low 14 bits of a hash. */
export const registerCount: number = 1 << 14;
/** Bits of a hash that are left for a register's value: it is at most this plus one. */
const valueBits = 50;
/** 1 / (2 ln 2), the constant of infinitely many registers. */
const alpha = 0.72134752044448170368;

/** The part of the sum for registers that are zero; `x` is their share. */
function sigma(x: number): number {
  if (x === 1) return Infinity;
  let weight = 1;
  let sum = x;
  for (let before = NaN; before !== sum;) {
    x *= x;
    before = sum;
    sum += x * weight;
    weight += weight;
  }
  return sum;
}

/** The part of the sum for registers that are full; `x` is the share of the others. */
function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let weight = 1;
  let sum = 1 - x;
  for (let before = NaN; before !== sum;) {
    x = Math.sqrt(x);
    before = sum;
    weight *= 0.5;
    sum -= (1 - x) ** 2 * weight;
  }
  return sum / 3;
}

/** Estimates the number of members behind `registers`, of which there are `registerCount`. */
export function estimate(registers: Uint8Array): number {
  const histogram = new Uint32Array(64);
  for (let i = 0; i < registerCount; i++) {
    const value = registers[i] as number;
    histogram[value] = (histogram[value] as number) + 1;
  }
  const full = histogram[valueBits + 1] as number;
  let sum = registerCount * tau((registerCount - full) / registerCount);
  for (let value = valueBits; value >= 1; value--) sum = (sum + (histogram[value] as number)) * 0.5;
  sum += registerCount * sigma((histogram[0] as number) / registerCount);
  return Math.round((alpha * registerCount * registerCount) / sum);
}
