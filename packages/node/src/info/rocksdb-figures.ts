/**
 * The `# RocksDB` section from RocksDB's properties and counters: what is shown under which of Kvrocks' names. Hits of the
 * block cache are those of commands: RocksDB's statistics object, which has those of compactions too, costs on every
 * operation and is not kept.
 */
import type { BlockReads, Database } from '@holdfast/rocksdb';
import type { RocksdbFigure, RocksdbMemory } from './info-facts.ts';

/** Shown for each family, `name[family]`. */
const perFamily: readonly (readonly [string, string])[] = [
  ['estimate_keys', 'rocksdb.estimate-num-keys'],
  ['index_and_filter_cache_usage', 'rocksdb.estimate-table-readers-mem'],
];

/** Stalled writes of each family, `name[family]`, in `rocksdb.cfstats`: RocksDB's name for a stop is that of its reason. */
const stalls: readonly (readonly [string, string])[] = [
  ['level0_file_limit_slowdown', 'io_stalls.level0_slowdown'],
  ['level0_file_limit_stop', 'io_stalls.level0_numfiles'],
  ['pending_compaction_bytes_slowdown', 'io_stalls.slowdown_for_pending_compaction_bytes'],
  ['pending_compaction_bytes_stop', 'io_stalls.stop_for_pending_compaction_bytes'],
  ['level0_file_limit_slowdown_with_ongoing_compaction', 'io_stalls.level0_slowdown_with_compaction'],
  ['level0_file_limit_stop_with_ongoing_compaction', 'io_stalls.level0_numfiles_with_compaction'],
  ['memtable_count_limit_slowdown', 'io_stalls.memtable_slowdown'],
  ['memtable_count_limit_stop', 'io_stalls.memtable_compaction'],
];

/** One value for the whole database, asked of the first family. */
const whole: readonly (readonly [string, string])[] = [
  ['block_cache_usage', 'rocksdb.block-cache-usage'],
  ['block_cache_pinned_usage', 'rocksdb.block-cache-pinned-usage'],
  ['snapshots', 'rocksdb.num-snapshots'],
  ['num_running_flushes', 'rocksdb.num-running-flushes'],
  ['num_running_compactions', 'rocksdb.num-running-compactions'],
  ['num_background_errors', 'rocksdb.background-errors'],
  ['is_write_stopped', 'rocksdb.is-write-stopped'],
  ['actual_delayed_write_rate', 'rocksdb.actual-delayed-write-rate'],
];

/** Sums over all families. */
const sums: readonly (readonly [string, string])[] = [
  ['all_mem_tables', 'rocksdb.size-all-mem-tables'],
  ['cur_mem_tables', 'rocksdb.cur-size-all-mem-tables'],
  ['num_immutable_tables', 'rocksdb.num-immutable-mem-table'],
  ['memtable_flush_pending', 'rocksdb.mem-table-flush-pending'],
  ['compaction_pending', 'rocksdb.compaction-pending'],
  ['estimate_pending_compaction_bytes', 'rocksdb.estimate-pending-compaction-bytes'],
  ['num_live_versions', 'rocksdb.num-live-versions'],
  ['num_super_version', 'rocksdb.current-super-version-number'],
  ['total_sst_files_size', 'rocksdb.total-sst-files-size'],
];

type Source = Pick<Database, 'columnFamilies' | 'property' | 'mapProperty' | 'endedWork'>;

/**
 * Reads the figures of an open database. A property this RocksDB does not know is left out.
 * @param reads undefined when this RocksDB does not count them.
 */
export function rocksdbFigures(database: Source, reads: BlockReads | undefined): RocksdbFigure[] {
  const figures: RocksdbFigure[] = [];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined) figures.push([name, value]);
  };
  for (const [name, property] of whole) add(name, database.property(0, property));
  database.columnFamilies.forEach((family, index) => {
    for (const [name, property] of perFamily) add(`${name}[${family}]`, database.property(index, property));
    const counts = database.mapProperty(index, 'rocksdb.cfstats') ?? {};
    for (const [name, entry] of stalls) add(`${name}[${family}]`, counts[entry]);
  });
  if (reads !== undefined) figures.push(...blockFigures(reads));
  for (const [name, property] of sums) {
    const values = database.columnFamilies.map((_, index) => database.property(index, property));
    if (values.every((value) => value !== undefined))
      add(name, String(values.reduce((sum, value) => sum + Number(value), 0)));
  }
  const { flushes, compactions } = database.endedWork();
  return [...figures, ['flush_count', String(flushes)], ['compaction_count', String(compactions)]];
}

function blockFigures(reads: BlockReads): RocksdbFigure[] {
  const figures: readonly (readonly [string, number])[] = [
    ['block_cache_hit', reads.hits],
    ['block_cache_index_hit', reads.indexHits],
    ['block_cache_filter_hit', reads.filterHits],
    ['block_cache_data_hit', reads.hits - reads.indexHits - reads.filterHits],
    ['block_cache_miss', reads.misses],
    ['block_cache_index_miss', reads.indexMisses],
    ['block_cache_filter_miss', reads.filterMisses],
    ['block_cache_data_miss', reads.misses - reads.indexMisses - reads.filterMisses],
  ];
  return figures.map(([name, count]) => [name, String(count)]);
}

/** What RocksDB has allocated, as far as it tells. */
export function rocksdbMemory(database: Pick<Database, 'columnFamilies' | 'property'>): RocksdbMemory {
  const sum = (name: string): number =>
    database.columnFamilies.reduce((bytes, _, index) => bytes + Number(database.property(index, name) ?? 0), 0);
  return {
    memtableBytes: sum('rocksdb.size-all-mem-tables'),
    // One cache for all families.
    blockCacheBytes: Number(database.property(0, 'rocksdb.block-cache-usage') ?? 0),
    tableReaderBytes: sum('rocksdb.estimate-table-readers-mem'),
  };
}
