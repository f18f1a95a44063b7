/**
 * Memory of large replies, for all writers of this thread. Once a socket has taken a reply its memory serves the next one:
 * new memory for each has V8, which counts it as its own, look for garbage many times a second.
 *
 * Pieces have sizes that nothing else has; above all not that of the memory from which Node cuts small buffers.
 */
import { Buffer } from 'node:buffer';
import './buffer-types.ts';

const kibibyte = 1024;
const sizes: readonly number[] = [3, 6, 12, 24, 48, 96, 192, 384, 768].map((size) => size * kibibyte);
/** Smaller replies have ordinary buffers. */
export const smallestRoomBytes: number = 3 * kibibyte;
/** Of all pieces that wait for a reply. */
const keptBytesMax = 32 * kibibyte * kibibyte;

const spares: Buffer[][] = sizes.map(() => []);
let keptBytes = 0;

/** @returns a buffer of `bytes` or more, with anything in it. */
export function roomFor(bytes: number): Buffer {
  const index = bytes <= smallestRoomBytes / 2 ? -1 : sizes.findIndex((size) => size >= bytes);
  const size = sizes[index];
  if (size === undefined) return Buffer.allocUnsafeSlow(bytes);
  const spare = spares[index]?.pop();
  if (spare === undefined) return Buffer.allocUnsafeSlow(size);
  keptBytes -= size;
  return spare;
}

/** Pieces of other sizes, which may not be asked for any more, make room: the largest go first. */
function hasRoomFor(bytes: number, index: number): boolean {
  for (let other = sizes.length - 1; keptBytes + bytes > keptBytesMax && other >= 0; other--)
    while (other !== index && keptBytes + bytes > keptBytesMax && spares[other]?.pop() !== undefined)
      keptBytes -= sizes[other] as number;
  return keptBytes + bytes <= keptBytesMax;
}

/** Bytes that wait for a reply; at most 32 MiB. For INFO. */
export function spareReplyBytes(): number {
  return keptBytes;
}

/** Nobody reads or writes `bytes`, nor what it is a part of, any more. To be said once. */
export function giveBack({ buffer }: Buffer): void {
  const size = buffer.byteLength;
  const index = sizes.indexOf(size);
  if (index < 0 || !hasRoomFor(size, index)) return;
  keptBytes += size;
  spares[index]?.push(Buffer.from(buffer));
}
