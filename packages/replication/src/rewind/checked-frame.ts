/**
 * Frames of a rollback file: kind, length, checksum, payload. The checksum covers kind and length too, so that no changed
 * byte of a file goes unnoticed. docs/formats/rollback-file.md.
 */
import { crc32 } from 'node:zlib';
import { OperationError } from '@holdfast/base';

/** u8 kind, u32 length, u32 checksum (little-endian). */
export const frameHeadBytes = 9;
const checkedHeadBytes = 5;

/** What stands before a payload. */
export function frameHead(kind: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head[0] = kind;
  head.writeUInt32LE(payload.length, 1);
  head.writeUInt32LE(frameChecksum(head, payload), checkedHeadBytes);
  return head;
}

/** CRC-32 (IEEE 802.3) of kind, length and payload. */
export function frameChecksum(head: Buffer, payload: Uint8Array): number {
  return crc32(payload, crc32(head.subarray(0, checkedHeadBytes)));
}

export function damaged(path: string, what: string): OperationError {
  return new OperationError('ROLLBACK_FILE_DAMAGED', `${path} is damaged: ${what}`, { outcome: 'not-applied' });
}
