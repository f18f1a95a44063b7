/** What each part of the node reads from the configuration, in the units that part uses. */
import type { DataTypes, EngineOptions, RocksdbSettings } from '@holdfast/engine';
import type { Config } from './config/index.ts';
import type { ReplicationSettings } from './replication/environment.ts';

const mib = 1024 * 1024;

/** Bytes per second. The directive takes more than any disk does. */
function ioRate(mebibytes: number): number {
  return Math.min(mebibytes * mib, 2 ** 42);
}

/** The `rocksdb.*` directives as the engine takes them. */
function rocksdbSettings(config: Config): RocksdbSettings {
  const blockCacheMib =
    config.get('rocksdb.block_cache_size') ||
    config.get('rocksdb.metadata_block_cache_size') + config.get('rocksdb.subkey_block_cache_size');
  return {
    blockSizeBytes: config.get('rocksdb.block_size'),
    blockCacheBytes: blockCacheMib * mib,
    cacheIndexAndFilterBlocks: config.get('rocksdb.cache_index_and_filter_blocks'),
    compression: config.get('rocksdb.compression'),
    writeBufferBytes: config.get('rocksdb.write_buffer_size') * mib,
    maxWriteBufferNumber: config.get('rocksdb.max_write_buffer_number'),
    targetFileSizeBytes: config.get('rocksdb.target_file_size_base') * mib,
    maxBytesForLevelBase: config.get('rocksdb.max_bytes_for_level_base'),
    level0FileNumCompactionTrigger: config.get('rocksdb.level0_file_num_compaction_trigger'),
    level0SlowdownWritesTrigger: config.get('rocksdb.level0_slowdown_writes_trigger'),
    level0StopWritesTrigger: config.get('rocksdb.level0_stop_writes_trigger'),
    disableAutoCompactions: config.get('rocksdb.disable_auto_compactions'),
    maxOpenFiles: config.get('rocksdb.max_open_files'),
    maxBackgroundJobs: config.get('rocksdb.max_background_jobs'),
    maxTotalWalBytes: config.get('rocksdb.max_total_wal_size') * mib,
    ioBytesPerSecondMax: ioRate(config.get('max-io-mb')),
    ioRateTuned: config.get('rocksdb.rate_limiter_auto_tuned'),
    walTtlSeconds: config.get('rocksdb.wal_ttl_seconds'),
    walSizeLimitMb: config.get('rocksdb.wal_size_limit_mb'),
  };
}

/** A file transfer of a full sync in which nothing moves for this long has failed. */
const transferTimeoutMs = 30_000;

/** The port by which other nodes know this one, as topologies name it: where the links of replication come in. */
export function nodePort(config: Config): number {
  const tlsPort = config.get('tls-port');
  const isTls = tlsPort !== 0 && (config.get('tls-replication') || config.get('port') === 0);
  return isTls ? tlsPort : config.get('port');
}

/** Replication directives, read anew at each call. */
export function replicationSettings(config: Config): ReplicationSettings {
  return {
    password: config.get('masterauth') || undefined,
    databaseName: config.get('db-name'),
    announcedPort: config.get('replica-announce-port') || nodePort(config),
    announcedHost: config.get('replica-announce-ip') || undefined,
    useReplicationIds: config.get('use-rsid-psync'),
    clusterEnabled: config.get('cluster-enabled'),
    walDisabled: config.get('rocksdb.write_options.disable_wal'),
    connectTimeoutMs: config.get('replication-connect-timeout-ms'),
    receiveTimeoutMs: config.get('replication-recv-timeout-ms'),
    transferTimeoutMs,
    sendTimeoutMs: config.get('replication-send-timeout-ms'),
    walTtlMs: config.get('rocksdb.wal_ttl_seconds') * 1000,
    bytesPerSecondMax: config.get('max-replication-mb') * mib,
    emptyDatabaseFirst: config.get('slave-empty-db-before-fullsync'),
  };
}

/** Free space below which writes are refused, in bytes. */
export function minFreeBytes(config: Config): number {
  const set = config.get('min-free-mb');
  return (set > 0 ? set : Math.max(512, 2 * config.get('rocksdb.write_buffer_size'))) * mib;
}

/** What the engine takes of the configuration when it is opened. */
export function engineSettings(
  config: Config,
): Pick<EngineOptions, 'rocksdb' | 'rowCacheBytes' | 'syncWal' | 'noSlowdown'> {
  return {
    rocksdb: rocksdbSettings(config),
    rowCacheBytes: config.get('row-cache-size'),
    syncWal: config.get('rocksdb.write_options.sync'),
    noSlowdown: config.get('rocksdb.write_options.no_slowdown'),
  };
}

/** Limits of data types, of the row cache and of background writes, and who reads from disk: as configured, now and whenever they are set. */
export function keepDataLimits(config: Config, { strings, records }: DataTypes): void {
  const { engine } = records;
  const { rowCache, cold } = engine;
  config.onChange('row-cache-size', (bytes) => rowCache.resize(bytes));
  config.onChange('max-io-mb', (mebibytes) => engine.setIoRate(ioRate(mebibytes)));
  cold.isEnabled = config.get('cold-reads') === 'worker';
  config.onChange('cold-reads', (who) => void (cold.isEnabled = who === 'worker'));
  const limit = (bitmapMib: number): void => {
    strings.bitmapBytesMax = bitmapMib * mib;
  };
  limit(config.get('max-bitmap-to-string-mb'));
  config.onChange('max-bitmap-to-string-mb', limit);
}
