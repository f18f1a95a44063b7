/**
 * Which files are worth a compaction of their own. RocksDB compacts what grows; a file that nobody writes near keeps what
 * died in it for ever, and its room on the disk. So at the times of the directives those with many dead entries are taken,
 * few at a time, since a compaction rewrites whatever lies below them too.
 *
 * The rules are Kvrocks' (src/storage/compaction_checker.cc), but that the file with the most dead entries goes first.
 */

/** A file as the binding counts it. */
export interface CheckedFile {
  readonly name: string;
  /** Unix time; 0 when nobody knows. */
  readonly createdAtSeconds: number;
  readonly entries: number;
  readonly deadEntries: number;
  readonly smallestKey: Buffer;
  readonly largestKey: Buffer;
}

export interface CheckSettings {
  /** `force-compact-file-age` */
  readonly forceAgeSeconds: number;
  /** `force-compact-file-min-deleted-percentage` */
  readonly forceDeadPercent: number;
}

/** One file is compacted at a time, and more when a day of minutes would not get round. */
const filesPerCompaction = 360;
/** What was written only now is about to be compacted anyway, or was just now. */
const youngSeconds = 3600;
/** Below this share of dead entries a file that is not old is left alone. */
const deadShareMin = 0.1;

/**
 * The files to compact now, in this order: old ones with enough dead entries; with none of those, the one with the largest
 * dead share.
 */
export function filesToCompact(
  files: readonly CheckedFile[],
  { forceAgeSeconds, forceDeadPercent }: CheckSettings,
  nowMs: number,
): readonly CheckedFile[] {
  if (files.length < 2) return [];
  // What has no known age is never old enough.
  const ageSeconds = ({ createdAtSeconds }: CheckedFile): number =>
    createdAtSeconds === 0 ? 0 : nowMs / 1000 - createdAtSeconds;
  const byShare = files
    .filter((file) => file.entries > 0 && file.deadEntries > 0)
    .sort((a, b) => deadShare(b) - deadShare(a));
  const forced = byShare.filter(
    (file) => ageSeconds(file) > forceAgeSeconds && deadShare(file) * 100 >= forceDeadPercent,
  );
  if (forced.length > 0) return forced.slice(0, Math.max(1, Math.floor(files.length / filesPerCompaction)));
  return byShare.filter((file) => ageSeconds(file) >= youngSeconds && deadShare(file) > deadShareMin).slice(0, 1);
}

function deadShare({ entries, deadEntries }: CheckedFile): number {
  return deadEntries / entries;
}

/**
 * Whether an hour of the day is within `compaction-checker-range`, both ends included, also across midnight (`22-4`). Empty
 * text has no hours.
 */
export function isHourWithin(range: string, hour: number): boolean {
  if (range === '') return false;
  const [from, to] = range.split('-').map(Number) as [number, number];
  return from <= to ? hour >= from && hour <= to : hour >= from || hour <= to;
}
