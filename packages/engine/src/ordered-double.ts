/** Doubles in keys: eight bytes whose unsigned order is the numeric order (Kvrocks common/encoding.h). */

/** Writes `value` to `into` at `at`. -0 and 0 are different positions, as in Kvrocks. */
export function writeOrderedDouble(into: Buffer, at: number, value: number): void {
  into.writeDoubleBE(value, at);
  if (((into[at] as number) & 0x80) === 0) into[at] = (into[at] as number) | 0x80;
  else for (let i = at; i < at + 8; i++) into[i] = ~(into[i] as number) & 0xff;
}

const read = Buffer.alloc(8);

export function readOrderedDouble(from: Buffer, at: number): number {
  const flip = ((from[at] as number) & 0x80) !== 0 ? 0 : 0xff;
  for (let i = 0; i < 8; i++) read[i] = (from[at + i] as number) ^ flip;
  if (flip === 0) read[0] = (read[0] as number) & 0x7f;
  return read.readDoubleBE(0);
}
