/** The payload of DUMP and RESTORE: a value, two bytes of version, eight of checksum, all least significant byte first. */
import type { Span } from '@holdfast/engine';
import { crc64 } from './crc64.ts';
import { rdbVersion } from './rdb-format.ts';
import { RdbReader } from './rdb-reader.ts';

const footerBytes = 10;

/** A reader over the value of a payload; undefined when its version is not known or its checksum wrong. */
export function openPayload({ buffer, start, end }: Span): RdbReader | undefined {
  const footer = end - footerBytes;
  if (footer < start || buffer.readUInt16LE(footer) > rdbVersion.newest) return undefined;
  if (crc64(buffer, start, footer + 2).compare(buffer, footer + 2, end) !== 0) return undefined;
  return new RdbReader({ buffer, start, end: footer });
}
