/**
 * Positions as 52-bit numbers, the scores of geographic sets: 26 bits of latitude and 26 of longitude, interleaved, so that
 * what is near has near numbers. A cell of step n is what shares the first n bits of each; its numbers are one range.
 *
 * Latitudes go as far as the square Mercator map does, 85.05112878 degrees. Bits of the latitude stand at even places,
 * counted from the lowest.
 */
export interface Position {
  readonly longitude: number;
  readonly latitude: number;
}

export const longitudeMax = 180;
export const latitudeMax = 85.05112878;

/** Bits for each of the two. */
export const stepMax = 26;
const halfBits = 13;
const halfRange = 2 ** stepMax;

/** Puts a 0 before each of 16 bits. */
function spread(bits: number): number {
  let x = bits & 0xffff;
  x = (x | (x << 8)) & 0x00ff00ff;
  x = (x | (x << 4)) & 0x0f0f0f0f;
  x = (x | (x << 2)) & 0x33333333;
  return (x | (x << 1)) & 0x55555555;
}

/** The other way: every second bit, from the lowest. */
function squeeze(bits: number): number {
  let x = bits & 0x55555555;
  x = (x | (x >>> 1)) & 0x33333333;
  x = (x | (x >>> 2)) & 0x0f0f0f0f;
  x = (x | (x >>> 4)) & 0x00ff00ff;
  return (x | (x >>> 8)) & 0x0000ffff;
}

/** Beyond 32 bits, so in two halves of which the lower one has 26 bits. */
function interleave(latitudeBits: number, longitudeBits: number): number {
  const mask = (1 << halfBits) - 1;
  const low = spread(latitudeBits & mask) + 2 * spread(longitudeBits & mask);
  const high = spread(latitudeBits >>> halfBits) + 2 * spread(longitudeBits >>> halfBits);
  return high * halfRange + low;
}

/** The part of a range, in 2^step parts. The last end of the range itself is one part further. */
function partOf(value: number, max: number, step: number): number {
  return Math.floor(((value + max) / (2 * max)) * 2 ** step);
}

/** The number of a position. @param ofLatitude where latitudes end; other than the default only for GEOHASH. */
export function encode({ longitude, latitude }: Position, ofLatitude: number = latitudeMax): number {
  return interleave(partOf(latitude, ofLatitude, stepMax), partOf(longitude, longitudeMax, stepMax));
}

/** The middle of the smallest cell with this number. */
export function decode(score: number): Position {
  const high = Math.floor(score / halfRange);
  const low = score - high * halfRange;
  const latitude = (squeeze(high) << halfBits) | squeeze(low);
  const longitude = (squeeze(high >>> 1) << halfBits) | squeeze(low >>> 1);
  return {
    longitude: middle(longitude, longitudeMax),
    latitude: middle(latitude, latitudeMax),
  };
}

function middle(part: number, max: number): number {
  const between = (edge(part, max, stepMax) + edge(part + 1, max, stepMax)) / 2;
  return Math.max(-max, Math.min(max, between));
}

/** Where a part begins. */
function edge(part: number, max: number, step: number): number {
  return -max + (part / 2 ** step) * (2 * max);
}

/** A cell, by the numbers of its row (south to north) and its column (west to east) among the 2^step of each. */
export interface Cell {
  readonly row: number;
  readonly column: number;
  readonly step: number;
}

export interface Bounds {
  readonly south: number;
  readonly north: number;
  readonly west: number;
  readonly east: number;
}

export function cellAt({ longitude, latitude }: Position, step: number): Cell {
  return { row: partOf(latitude, latitudeMax, step), column: partOf(longitude, longitudeMax, step), step };
}

/**
 * The cell so many rows north and columns east; at the edge of the map it goes on at the other side. Where nothing moves a row
 * or column stays what it is, also the one beyond the last, where the ends of the ranges themselves lie.
 */
export function neighbour({ row, column, step }: Cell, north: number, east: number): Cell {
  const mask = 2 ** step - 1;
  return {
    row: north === 0 ? row : (row + north) & mask,
    column: east === 0 ? column : (column + east) & mask,
    step,
  };
}

export function boundsOf({ row, column, step }: Cell): Bounds {
  return {
    south: edge(row, latitudeMax, step),
    north: edge(row + 1, latitudeMax, step),
    west: edge(column, longitudeMax, step),
    east: edge(column + 1, longitudeMax, step),
  };
}

/** The scores of a cell: from `min` to before `end`. */
export function scoresOf({ row, column, step }: Cell): { min: number; end: number } {
  const left = stepMax - step;
  const min = interleave(row * 2 ** left, column * 2 ** left);
  return { min, end: min + 4 ** left };
}

const alphabet = '0123456789bcdefghjkmnpqrstuvwxyz';
const textLength = 11;

/** The usual geohash text, whose latitudes go to 90 degrees. Eleven letters would be 55 bits: the last one is always 0. */
export function geohashText(position: Position): string {
  let bits = BigInt(encode(position, 90));
  // 52 bits are ten letters and two bits more, which the eleventh leaves out.
  bits >>= 2n;
  let text = '0';
  for (let i = 1; i < textLength; i++) {
    text = (alphabet[Number(bits & 31n)] as string) + text;
    bits >>= 5n;
  }
  return text;
}
