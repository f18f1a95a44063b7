/**
 * The marker of a rewind under way: `<dir>/rewind.marker`. While it stands, the database directory may be neither what it
 * was nor what it is to be, and is opened only to be rewound. docs/formats/rollback-file.md.
 */
import { crc32 } from 'node:zlib';
import { OperationError } from '@holdfast/base';
import type { ReplicationFiles } from '../files.ts';
import { replaceFile } from './replace-file.ts';
import { formatGivenUp, parseGivenUp, type GivenUp } from './rollback-header.ts';

/** Longest marker that is read: its history is bounded. */
const markerBytesMax = 64 * 1024;

export interface RewindMarker {
  /** Last sequence that is to stay. */
  readonly keep: number;
  /** Name of the rollback file in the rollback directory. */
  readonly file: string;
  /** The whole log as it was: what is kept if it has to be given up after all. */
  readonly whole: GivenUp;
}

export function formatMarker({ keep, file, whole }: RewindMarker): string {
  const body = `holdfast-rewind 1\nkeep ${keep}\nfile ${file}\nwhole ${formatGivenUp(whole)}\n`;
  return `${body}crc32 ${checksum(body)}\n`;
}

const pattern = /^(holdfast-rewind 1\nkeep ([0-9]{1,16})\nfile (\S{1,200})\nwhole (.+)\n)crc32 ([0-9a-f]{8})\n$/;

/** @returns undefined for anything but a whole marker. */
export function parseMarker(text: string): RewindMarker | undefined {
  const [, body, keep, file, json, sum] = pattern.exec(text) ?? [];
  if (body === undefined || file === undefined || json === undefined || sum !== checksum(body)) return undefined;
  const whole = parseGivenUp(json);
  return whole === undefined ? undefined : { keep: Number(keep), file, whole };
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}

/**
 * @returns undefined when no rewind is under way.
 * @throws OperationError REWIND_MARKER_DAMAGED: it is renamed into place whole, so somebody else has changed it.
 */
export async function readMarker(files: ReplicationFiles, path: string): Promise<RewindMarker | undefined> {
  if (!(await files.exists(path))) return undefined;
  const reader = await files.openReader(path);
  try {
    const bytes = Buffer.alloc(Math.min(reader.sizeBytes, markerBytesMax));
    const length = await reader.read(bytes);
    const marker = parseMarker(bytes.toString('utf8', 0, length));
    if (marker !== undefined) return marker;
  } finally {
    await reader.close();
  }
  throw new OperationError(
    'REWIND_MARKER_DAMAGED',
    `${path} is damaged: how far the database was to be rewound is not known. Keep a copy of the database directory, ` +
      'then remove that directory and the marker: the node copies the data of its master anew',
    { outcome: 'not-applied' },
  );
}

export function writeMarker(files: ReplicationFiles, path: string, marker: RewindMarker): Promise<void> {
  return replaceFile(files, path, Buffer.from(formatMarker(marker)));
}
