/** Positions, lengths and units in arguments, with Redis' refusals. */
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { doubleOf } from '../data/doubles.ts';
import { latitudeMax, longitudeMax, type Position } from './geohash.ts';

/** Metres of each unit. */
const units: readonly (readonly [string, number])[] = [
  ['m', 1],
  ['km', 1000],
  ['ft', 0.3048],
  ['mi', 1609.34],
];

/** How many metres the unit that is argument `index` has. */
export function parseUnit(request: Request, index: number): number | Refusal {
  for (const [name, metres] of units) if (request.is(index, name)) return metres;
  return new Refusal('ERR unsupported unit provided. please use M, KM, FT, MI');
}

/** Longitude and latitude, arguments `index` and the one behind it. */
export function parsePosition(request: Request, index: number): Position | Refusal {
  const longitude = doubleOf(request, index);
  const latitude = doubleOf(request, index + 1);
  if (Number.isNaN(longitude) || Number.isNaN(latitude)) return new Refusal(errors.notFloat);
  if (Math.abs(longitude) > longitudeMax || Math.abs(latitude) > latitudeMax) {
    return new Refusal(`ERR invalid longitude,latitude pair ${sixDecimals(longitude)},${sixDecimals(latitude)}`);
  }
  return { longitude, latitude };
}

function sixDecimals(value: number): string {
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

export interface Length {
  readonly metres: number;
  /** Metres of the unit that was given. */
  readonly unit: number;
}

/** A radius and its unit. */
export function parseRadius(request: Request, index: number): Length | Refusal {
  const radius = doubleOf(request, index);
  if (Number.isNaN(radius)) return new Refusal('ERR need numeric radius');
  if (radius < 0) return new Refusal('ERR radius cannot be negative');
  const unit = parseUnit(request, index + 1);
  return unit instanceof Refusal ? unit : { metres: radius * unit, unit };
}

/** Width, height and their unit. */
export function parseBox(request: Request, index: number): { width: Length; height: Length } | Refusal {
  const width = doubleOf(request, index);
  if (Number.isNaN(width)) return new Refusal('ERR need numeric width');
  const height = doubleOf(request, index + 1);
  if (Number.isNaN(height)) return new Refusal('ERR need numeric height');
  if (width < 0 || height < 0) return new Refusal('ERR height or width cannot be negative');
  const unit = parseUnit(request, index + 2);
  if (unit instanceof Refusal) return unit;
  return { width: { metres: width * unit, unit }, height: { metres: height * unit, unit } };
}
