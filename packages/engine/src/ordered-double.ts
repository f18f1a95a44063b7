/** Doubles in keys: eight bytes whose unsigned order is the numeric order (Kvrocks common/encoding.h). */

/** Writes `value` to `into` at `at`. -0 and 0 are different positions, as in Kvrocks. */
export function writeOrderedDouble(into: Buffer, at: number, value: number): void {
  into.writeDoubleBE(value, at);
  if (((into[at] as number) & 0x80) === 0) into[at] = (into[at] as number) | 0x80;
  else for (let i = at; i < at + 8; i++) into[i] = ~(into[i] as number) & 0xff;
}

export function readOrderedDouble(from: Buffer, at: number): number {
  const bytes = Buffer.from(from.subarray(at, at + 8));
  if (((bytes[0] as number) & 0x80) !== 0) bytes[0] = (bytes[0] as number) & 0x7f;
  else for (let i = 0; i < 8; i++) bytes[i] = ~(bytes[i] as number) & 0xff;
  return bytes.readDoubleBE(0);
}
