/** Where GEOSEARCH looks: a circle or a box around a position, on a sphere. Lengths here are in metres. */
import { boundsOf, cellAt, neighbour, scoresOf, stepMax, type Bounds, type Cell, type Position } from './geohash.ts';

/** Redis' earth. */
const earthRadius = 6372797.560856;
/** Half the length of the equator on the Mercator map. */
const mercatorMax = 20037726.37;

export type Shape =
  | { readonly kind: 'circle'; readonly radius: number }
  | { readonly kind: 'box'; readonly width: number; readonly height: number };

function radians(degrees: number): number {
  return degrees * (Math.PI / 180);
}

function degrees(ofRadians: number): number {
  return ofRadians / (Math.PI / 180);
}

/** Along a meridian. */
function latitudeDistance(a: number, b: number): number {
  return earthRadius * Math.abs(radians(b) - radians(a));
}

/** Along a great circle (haversine). */
export function distance(a: Position, b: Position): number {
  const v = Math.sin((radians(b.longitude) - radians(a.longitude)) / 2);
  if (v === 0) return latitudeDistance(a.latitude, b.latitude);
  const u = Math.sin((radians(b.latitude) - radians(a.latitude)) / 2);
  const root = u * u + Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * v * v;
  return 2 * earthRadius * Math.asin(Math.sqrt(root));
}

/** The distance from the middle of a shape; undefined outside of it. */
export function distanceWithin(shape: Shape, center: Position, position: Position): number | undefined {
  if (shape.kind === 'circle') {
    const found = distance(center, position);
    return found > shape.radius ? undefined : found;
  }
  if (latitudeDistance(position.latitude, center.latitude) > shape.height / 2) return undefined;
  const across = distance(position, { longitude: center.longitude, latitude: position.latitude });
  return across > shape.width / 2 ? undefined : distance(center, position);
}

/** The degrees a shape covers. East and west are where it is widest, which is its side nearer to a pole. */
function boundsOfShape(shape: Shape, { longitude, latitude }: Position): Bounds {
  const high = shape.kind === 'circle' ? shape.radius : shape.height / 2;
  const wide = shape.kind === 'circle' ? shape.radius : shape.width / 2;
  const up = degrees(high / earthRadius);
  const widest = latitude < 0 ? latitude - up : latitude + up;
  const across = degrees(wide / earthRadius / Math.cos(radians(widest)));
  return { south: latitude - up, north: latitude + up, west: longitude - across, east: longitude + across };
}

/** The step whose cells are about as large as what is reached from the middle; cells shrink towards the poles. */
function stepFor(reach: number, latitude: number): number {
  if (reach === 0) return stepMax;
  let step = 1;
  for (let range = reach; range < mercatorMax; range *= 2) step++;
  step -= 2;
  if (Math.abs(latitude) > 66) step--;
  if (Math.abs(latitude) > 80) step--;
  return Math.max(1, Math.min(stepMax, step));
}

/** Whether the cells next to the middle one end before the shape does. */
function isTooSmall(center: Cell, shape: Bounds): boolean {
  return (
    boundsOf(neighbour(center, 1, 0)).north < shape.north ||
    boundsOf(neighbour(center, -1, 0)).south > shape.south ||
    boundsOf(neighbour(center, 0, 1)).east < shape.east ||
    boundsOf(neighbour(center, 0, -1)).west > shape.west
  );
}

/** North and east of the middle cell, in the order in which Redis looks: it shows where results are not sorted. */
const around: readonly (readonly [north: number, east: number])[] = [
  [0, 0],
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
  [1, 1],
  [1, -1],
  [-1, 1],
  [-1, -1],
];

/** Ranges of scores that hold everything within a shape, none of them twice. */
export function searchRanges(shape: Shape, center: Position): { min: number; end: number }[] {
  const wanted = boundsOfShape(shape, center);
  const reach = shape.kind === 'circle' ? shape.radius : Math.sqrt((shape.width / 2) ** 2 + (shape.height / 2) ** 2);
  let step = stepFor(reach, center.latitude);
  let middle = cellAt(center, step);
  if (step > 1 && isTooSmall(middle, wanted)) middle = cellAt(center, --step);
  const ranges = new Map<number, { min: number; end: number }>();
  for (const [north, east] of around) {
    if (step >= 2 && !isReached(boundsOf(middle), wanted, north, east)) continue;
    const range = scoresOf(neighbour(middle, north, east));
    // In two rows or columns a cell has the same neighbour on both sides.
    if (!ranges.has(range.min)) ranges.set(range.min, range);
  }
  return [...ranges.values()];
}

/** Whether a shape goes beyond the middle cell in a direction, and so into the cell that lies there. */
function isReached(middle: Bounds, wanted: Bounds, north: number, east: number): boolean {
  if (north < 0 && middle.south < wanted.south) return false;
  if (north > 0 && middle.north > wanted.north) return false;
  if (east < 0 && middle.west < wanted.west) return false;
  return !(east > 0 && middle.east > wanted.east);
}
