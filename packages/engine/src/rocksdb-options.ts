/**
 * How Kvrocks' families are opened (Kvrocks storage/storage.cc, 2.10), so that the files either side writes suit the
 * other: family order, table format, level layout. What an operator may set keeps Kvrocks' directive names.
 */
import type { ColumnFamilyOptions, OpenOptions } from '@holdfast/rocksdb';

/** The `rocksdb.*` directives that are honoured, with Kvrocks' defaults. Sizes in bytes. */
export interface RocksdbSettings {
  readonly blockSizeBytes?: number;
  readonly blockCacheBytes?: number;
  readonly cacheIndexAndFilterBlocks?: boolean;
  readonly compression?: 'no' | 'snappy' | 'zlib' | 'lz4' | 'zstd';
  readonly writeBufferBytes?: number;
  readonly maxWriteBufferNumber?: number;
  readonly targetFileSizeBytes?: number;
  readonly maxBytesForLevelBase?: number;
  readonly level0FileNumCompactionTrigger?: number;
  readonly level0SlowdownWritesTrigger?: number;
  readonly level0StopWritesTrigger?: number;
  readonly disableAutoCompactions?: boolean;
  readonly maxOpenFiles?: number;
  readonly maxBackgroundJobs?: number;
  readonly maxTotalWalBytes?: number;
  /** `max-io-mb`: flushes and compactions write no faster; 0 for as fast as they can. */
  readonly ioBytesPerSecondMax?: number;
  readonly ioRateTuned?: boolean;
  readonly walTtlSeconds?: number;
  readonly walSizeLimitMb?: number;
}

const mib = 1 << 20;

const compressionNames = {
  no: 'kNoCompression',
  snappy: 'kSnappyCompression',
  zlib: 'kZlibCompression',
  lz4: 'kLZ4Compression',
  zstd: 'kZSTD',
} as const;

const levels = 7;
/** Levels 0 and 1 are rewritten so soon that compressing them costs more than it saves. */
const uncompressedLevels = 2;

/** What the directives call a memtable is filled as several of so many bytes, but no more than so many. */
interface Pieces {
  readonly bytes: number;
  readonly most: number;
}

const pieces: Pieces = { bytes: 8 * mib, most: 8 };
/** Of scores, of which each ZADD writes two in places far apart, and which are seldom looked up one by one. */
const piecesOfScores: Pieces = { bytes: 4 * mib, most: 16 };

/**
 * A write into a skip list costs a cache miss for every level that the processor's caches do not hold: in lists of 8 MiB it
 * takes half of what it takes in one of 64. So what the directives call a memtable is several, flushed together
 * into one file of the same size as ever: memory, files and compactions are as configured.
 */
function memtables(settings: RocksdbSettings, { bytes, most }: Pieces): Record<string, string> {
  const configured = settings.writeBufferBytes ?? 64 * mib;
  const count = Math.min(most, Math.max(1, Math.floor(configured / bytes)));
  return {
    write_buffer_size: String(Math.floor(configured / count)),
    max_write_buffer_number: String((settings.maxWriteBufferNumber ?? 4) * count),
    min_write_buffer_number_to_merge: String(count),
  };
}

function familyOptions(settings: RocksdbSettings): Record<string, string> {
  const compression = compressionNames[settings.compression ?? 'no'];
  const perLevel = Array.from({ length: levels }, (_, level) =>
    level < uncompressedLevels ? compressionNames.no : compression,
  );
  return {
    ...memtables(settings, pieces),
    target_file_size_base: String(settings.targetFileSizeBytes ?? 128 * mib),
    max_bytes_for_level_base: String(settings.maxBytesForLevelBase ?? 256 * mib),
    num_levels: String(levels),
    level_compaction_dynamic_level_bytes: 'false',
    level0_file_num_compaction_trigger: String(settings.level0FileNumCompactionTrigger ?? 4),
    level0_slowdown_writes_trigger: String(settings.level0SlowdownWritesTrigger ?? 20),
    level0_stop_writes_trigger: String(settings.level0StopWritesTrigger ?? 40),
    disable_auto_compactions: String(settings.disableAutoCompactions ?? false),
    compression_per_level: perLevel.join(':'),
  };
}

/**
 * Metadata is looked up key by key, and a string is whole in it: a lookup that misses reads a block, of which it needs a
 * hundred bytes, so blocks of metadata are a quarter of what is configured for all. Elements of collections are read in runs.
 */
const blocksOfMetadata = 4;
const smallestBlock = 1024;

function tableOptions(settings: RocksdbSettings): Record<string, string> {
  return {
    format_version: '5',
    block_size: String(settings.blockSizeBytes ?? 16384),
    index_type: 'kTwoLevelIndexSearch',
    filter_policy: 'bloomfilter:10:false',
    partition_filters: 'true',
    metadata_block_size: '4096',
    data_block_index_type: 'kDataBlockBinaryAndHash',
    data_block_hash_table_util_ratio: '0.75',
    cache_index_and_filter_blocks: String(settings.cacheIndexAndFilterBlocks ?? true),
    pin_l0_filter_and_index_blocks_in_cache: 'true',
  };
}

/** What the binding is to open: families in Kvrocks' order, with their compaction filters. */
export function openOptions(path: string, slotPrefixed: boolean, settings: RocksdbSettings): OpenOptions {
  const options = familyOptions(settings);
  const table = tableOptions(settings);
  const metadataBlock = Math.max(smallestBlock, Math.floor(Number(table['block_size']) / blocksOfMetadata));
  const familyOf = (
    name: string,
    filter: ColumnFamilyOptions['filter'],
    own: Partial<Pick<ColumnFamilyOptions, 'options' | 'table'>> = {},
  ): ColumnFamilyOptions => ({
    name,
    filter,
    options: { ...options, ...own.options },
    table: { ...table, ...own.table },
  });
  return {
    path,
    createIfMissing: true,
    columnFamilies: [
      familyOf('default', 'orphaned-subkeys'),
      familyOf('metadata', 'expired-metadata', {
        options: { memtable_whole_key_filtering: 'true', memtable_prefix_bloom_size_ratio: '0.1' },
        table: { block_size: String(metadataBlock) },
      }),
      familyOf('zset_score', 'orphaned-subkeys', { options: memtables(settings, piecesOfScores) }),
      familyOf('pubsub', 'drop-all'),
      familyOf('propagate', { dropKey: 'script' }),
      familyOf('stream', 'orphaned-subkeys'),
      familyOf('search', 'none'),
    ],
    options: {
      max_open_files: String(settings.maxOpenFiles ?? 8096),
      max_background_jobs: String(settings.maxBackgroundJobs ?? 4),
      max_subcompactions: '2',
      max_total_wal_size: String(settings.maxTotalWalBytes ?? 512 * mib),
      WAL_ttl_seconds: String(settings.walTtlSeconds ?? 10800),
      WAL_size_limit_MB: String(settings.walSizeLimitMb ?? 16384),
      max_manifest_file_size: String(64 * mib),
      max_log_file_size: String(256 * mib),
      keep_log_file_num: '12',
      // A node that has to take back the end of its history can do so only while it is in the WAL alone.
      avoid_flush_during_recovery: 'true',
      avoid_flush_during_shutdown: 'true',
      avoid_unnecessary_blocking_io: 'true',
    },
    blockCacheBytes: settings.blockCacheBytes ?? 0,
    ioBytesPerSecondMax: settings.ioBytesPerSecondMax ?? 0,
    ioRateTuned: settings.ioRateTuned ?? false,
    slotPrefixed,
  };
}
