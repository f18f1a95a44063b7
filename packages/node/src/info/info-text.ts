/**
 * The text of INFO: Kvrocks' sections, fields and order (2.10), plus what is Holdfast's own. Pure.
 *
 * Lines end in CRLF, sections are separated by an empty line. Sections about the database are left out while a
 * checkpoint is being restored.
 */
import type { RowCacheFigures } from '@holdfast/engine';
import type {
  CommandFacts,
  InfoFacts,
  KeyspaceFacts,
  LatencyPercentiles,
  MemoryFacts,
  PersistenceFacts,
  RocksdbFacts,
  ServerFacts,
  StatsFacts,
} from './info-facts.ts';

interface Section {
  readonly title: string;
  /** Left out where nothing is asked for by name, as in Redis: a line per command. */
  readonly onlyIfAsked?: true;
  /** Undefined: nothing to say at the moment. */
  lines(facts: InfoFacts): readonly string[] | undefined;
}

const sections: readonly Section[] = [
  { title: 'Server', lines: ({ server }) => serverLines(server) },
  {
    title: 'Clients',
    lines: ({ clients }) => [
      `maxclients:${clients.max}`,
      `connected_clients:${clients.connected}`,
      `monitor_clients:${clients.monitoring}`,
      `blocked_clients:${clients.blocked}`,
      `pubsub_clients:${clients.pubsub}`,
      // Client-side caching is not supported.
      'tracking_clients:0',
      `total_blocking_keys:${clients.awaitedKeys}`,
      `total_blocking_keys_on_nokey:${clients.awaitedDeletions}`,
    ],
  },
  { title: 'Memory', lines: ({ memory, stats }) => memoryLines(memory, stats.rowCache.bytes) },
  { title: 'Persistence', lines: ({ persistence }) => persistenceLines(persistence) },
  { title: 'Stats', lines: ({ stats }) => statsLines(stats) },
  { title: 'Replication', lines: ({ replication }) => replication },
  {
    title: 'CPU',
    lines: ({ cpu }) => [`used_cpu_sys:${cpu.systemSeconds.toFixed(6)}`, `used_cpu_user:${cpu.userSeconds.toFixed(6)}`],
  },
  { title: 'Commandstats', onlyIfAsked: true, lines: ({ commands }) => commandLines(commands) },
  { title: 'Errorstats', lines: ({ errors }) => errors.map(([kind, count]) => `errorstat_${kind}:count=${count}`) },
  { title: 'Latencystats', onlyIfAsked: true, lines: ({ latencies }) => latencies.map(latencyLine) },
  { title: 'Cluster', lines: ({ clusterEnabled }) => [`cluster_enabled:${clusterEnabled ? 1 : 0}`] },
  { title: 'Keyspace', lines: ({ keyspace }) => (keyspace === undefined ? undefined : keyspaceLines(keyspace)) },
  {
    title: 'RocksDB',
    lines: ({ rocksdb, persistence }) =>
      rocksdb === undefined ? undefined : rocksdbLines(rocksdb, persistence.backup.inProgress),
  },
];

/** Words that mean every section, and the one that means those of no words. */
const everything: readonly string[] = ['all', 'everything'];
const unasked = 'default';

/**
 * The text of some sections, in their own order.
 * @param names lower case; empty, or `default`, means those that are not asked for by name only. A name that does not exist
 *   adds nothing.
 */
export function infoText(names: readonly string[], facts: InfoFacts): string {
  const isWhole = names.some((name) => everything.includes(name));
  const isDefault = names.length === 0 || names.includes(unasked);
  const texts: string[] = [];
  for (const section of sections) {
    const isAsked = isWhole || names.includes(section.title.toLowerCase());
    if (!isAsked && !(isDefault && section.onlyIfAsked !== true)) continue;
    const lines = section.lines(facts);
    if (lines !== undefined) texts.push([`# ${section.title}`, ...lines].map((line) => `${line}\r\n`).join(''));
  }
  return texts.join('\r\n');
}

function serverLines(server: ServerFacts): string[] {
  const uptimeSeconds = Math.floor(server.uptimeMs / 1000);
  return [
    `version:${server.kvrocksVersion}`,
    `kvrocks_version:${server.kvrocksVersion}`,
    `redis_version:${server.redisVersion}`,
    `holdfast_version:${server.holdfastVersion}`,
    `redis_mode:${server.mode}`,
    `kvrocks_mode:${server.mode}`,
    `os:${server.os}`,
    `node_version:${server.nodeVersion}`,
    `rocksdb_version:${server.rocksdbVersion}`,
    'arch_bits:64',
    `process_id:${server.processId}`,
    `run_id:${server.runId}`,
    `tcp_port:${server.port}`,
    `control_port:${server.controlPort}`,
    `server_time_usec:${server.nowMs * 1000}`,
    `uptime_in_seconds:${uptimeSeconds}`,
    `uptime_in_days:${Math.floor(uptimeSeconds / 86_400)}`,
    `executable:${server.executable}`,
    `config_file:${server.configFile}`,
  ];
}

/** The row cache, held replies and spare memory for replies are part of the buffers; everything else adds up to `used_memory`. */
function memoryLines(memory: MemoryFacts, rowCacheBytes: number): string[] {
  const { memtableBytes, blockCacheBytes, tableReaderBytes } = memory.rocksdb;
  const native = memory.scriptBytes + memtableBytes + blockCacheBytes + tableReaderBytes;
  const used = memory.heapBytes + memory.bufferBytes + native;
  return [
    `used_memory:${used}`,
    `used_memory_human:${humanBytes(used)}`,
    `used_memory_rss:${memory.residentBytes}`,
    `used_memory_rss_human:${humanBytes(memory.residentBytes)}`,
    `used_memory_heap:${memory.heapBytes}`,
    `used_memory_buffers:${memory.bufferBytes}`,
    `used_memory_row_cache:${rowCacheBytes}`,
    `used_memory_held_replies:${memory.heldReplyBytes}`,
    `used_memory_spare_replies:${memory.spareReplyBytes}`,
    `used_memory_memtables:${memtableBytes}`,
    `used_memory_block_cache:${blockCacheBytes}`,
    `used_memory_table_readers:${tableReaderBytes}`,
    `used_memory_lua:${memory.scriptBytes}`,
    `used_memory_lua_human:${humanBytes(memory.scriptBytes)}`,
    `number_of_cached_scripts:${memory.cachedScripts}`,
    `number_of_functions:${memory.functions}`,
    `number_of_libraries:${memory.libraries}`,
    `used_memory_startup:${memory.residentBytesAtStart}`,
    'mem_allocator:libc',
  ];
}

/** Kvrocks' names, and Redis' for what monitoring expects to find. */
function persistenceLines({ loading, backup, changesSinceBackup, rollbackBytes }: PersistenceFacts): string[] {
  const inProgress = backup.inProgress ? 1 : 0;
  const status = backup.lastOk ? 'ok' : 'err';
  return [
    `loading:${loading ? 1 : 0}`,
    `bgsave_in_progress:${inProgress}`,
    `last_bgsave_time:${backup.lastSeconds}`,
    `last_bgsave_status:${status}`,
    `last_bgsave_time_sec:${backup.lastTookSeconds}`,
    `rdb_changes_since_last_save:${changesSinceBackup}`,
    `rdb_bgsave_in_progress:${inProgress}`,
    `rdb_last_save_time:${backup.lastSeconds}`,
    `rdb_last_bgsave_status:${status}`,
    `rdb_last_bgsave_time_sec:${backup.lastTookSeconds}`,
    'aof_enabled:0',
    `rollback_bytes:${rollbackBytes}`,
  ];
}

function rocksdbLines(
  { version, assertions, figures, perSecond, isCompacting }: RocksdbFacts,
  isSaving: boolean,
): string[] {
  return [
    `rocksdb_version:${version}`,
    `rocksdb_assertions:${assertions ? 'on' : 'off'}`,
    ...figures.map(([name, value]) => `${name}:${value}`),
    `put_per_sec:${Math.round(perSecond.puts)}`,
    `get_per_sec:${Math.round(perSecond.gets)}`,
    `seek_per_sec:${Math.round(perSecond.seeks)}`,
    `next_per_sec:${Math.round(perSecond.nexts)}`,
    `prev_per_sec:${Math.round(perSecond.prevs)}`,
    `is_bgsaving:${isSaving ? 'yes' : 'no'}`,
    `is_compacting:${isCompacting ? 'yes' : 'no'}`,
  ];
}

/** `latency_percentiles_usec_get:p50=12,p99=40,p99.9=200` */
function latencyLine({ name, percentiles }: LatencyPercentiles): string {
  return `latency_percentiles_usec_${name}:${percentiles.map(([percent, us]) => `p${percent}=${us.toFixed(3)}`).join(',')}`;
}

function statsLines(stats: StatsFacts): string[] {
  const perCommit = stats.commits === 0 ? 0 : stats.committedCommands / stats.commits;
  return [
    `total_connections_received:${stats.connections}`,
    `rejected_connections:${stats.rejectedConnections}`,
    `total_commands_processed:${stats.commands}`,
    `instantaneous_ops_per_sec:${Math.round(stats.commandsPerSecond)}`,
    `total_net_input_bytes:${stats.inputBytes}`,
    `total_net_output_bytes:${stats.outputBytes}`,
    `instantaneous_input_kbps:${Math.round(stats.inputBytesPerSecond / 1024)}`,
    `instantaneous_output_kbps:${Math.round(stats.outputBytesPerSecond / 1024)}`,
    `commits:${stats.commits}`,
    `commands_per_commit:${perCommit.toFixed(2)}`,
    `sync_full:${stats.fullSyncs}`,
    `sync_partial_ok:${stats.partialSyncs}`,
    `sync_partial_err:${stats.refusedPartialSyncs}`,
    `keyspace_hits:${stats.hits}`,
    `keyspace_misses:${stats.misses}`,
    ...rowCacheLines(stats.rowCache),
    `cold_commands:${stats.coldReads.commands}`,
    `cold_reads:${stats.coldReads.records}`,
    `cold_reads_in_flight:${stats.coldReads.recordsInFlight}`,
    `pubsub_channels:${stats.pubsub.channels}`,
    `pubsub_patterns:${stats.pubsub.patterns}`,
    `pubsubshard_channels:${stats.pubsub.shardChannels}`,
    `total_error_replies:${stats.errorReplies}`,
    // Nothing is evicted, and dead keys go by compaction, uncounted.
    'expired_keys:0',
    'evicted_keys:0',
    `evicted_clients:${stats.evictedClients}`,
    'tracking_total_keys:0',
    'tracking_total_items:0',
    'tracking_total_prefixes:0',
  ];
}

/** Lookups of records, several per command, and what the cache takes. */
function rowCacheLines({ hits, misses, entries, bytes, bytesMax }: RowCacheFigures): string[] {
  const lookups = hits + misses;
  return [
    `row_cache_hits:${hits}`,
    `row_cache_misses:${misses}`,
    `row_cache_hit_ratio:${(lookups === 0 ? 0 : hits / lookups).toFixed(4)}`,
    `row_cache_entries:${entries}`,
    `row_cache_bytes:${bytes}`,
    `row_cache_size:${bytesMax}`,
  ];
}

/** Commands that were called or refused, by name. */
function commandLines(commands: readonly CommandFacts[]): string[] {
  return commands
    .filter(({ calls, rejectedCalls }) => calls > 0 || rejectedCalls > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, calls, usec, rejectedCalls, failedCalls }) => {
      const each = calls === 0 ? 0 : usec / calls;
      const times = `calls=${calls},usec=${Math.round(usec)},usec_per_call=${each.toFixed(2)}`;
      return `cmdstat_${name}:${times},rejected_calls=${rejectedCalls},failed_calls=${failedCalls}`;
    });
}

function keyspaceLines(keyspace: KeyspaceFacts): string[] {
  const { countedAtMs, keys, expires, averageTtlMs, expired } = keyspace;
  const counted =
    countedAtMs === undefined
      ? '# WARN: DBSIZE SCAN never performed yet'
      : `# Last DBSIZE SCAN time: ${new Date(countedAtMs).toUTCString()}`;
  return [
    counted,
    `db0:keys=${keys},expires=${expires},avg_ttl=${Math.round(averageTtlMs)},expired=${expired}`,
    `sequence:${keyspace.sequence}`,
    `used_db_size:${keyspace.databaseBytes}`,
    `max_db_size:${keyspace.databaseBytesMax}`,
    `used_percent: ${percent(keyspace.databaseBytes, keyspace.databaseBytesMax)}%`,
    `disk_capacity:${keyspace.diskBytes}`,
    `used_disk_size:${keyspace.diskUsedBytes}`,
    `used_disk_percent: ${percent(keyspace.diskUsedBytes, keyspace.diskBytes)}%`,
  ];
}

/** Six digits at most, as Kvrocks prints it. */
function percent(part: number, whole: number): string {
  return whole === 0 ? '0' : String(Number(((part / whole) * 100).toPrecision(6)));
}

/** Bytes as Redis shows them to people: `22.75M`. */
export function humanBytes(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T', 'P'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes}B` : `${value.toFixed(2)}${units[unit] ?? ''}`;
}
