/**
 * The text of INFO: Kvrocks' sections, fields and order (2.10), plus what is Holdfast's own. Pure.
 *
 * Lines end in CRLF, sections are separated by an empty line. Sections about the database are left out while a
 * checkpoint is being restored.
 */
import type { CommandFacts, InfoFacts, KeyspaceFacts, ServerFacts, StatsFacts } from './info-facts.ts';

interface Section {
  readonly title: string;
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
      'monitor_clients:0',
      `blocked_clients:${clients.blocked}`,
    ],
  },
  {
    title: 'Memory',
    lines: ({ memory }) => [
      `used_memory_rss:${memory.residentBytes}`,
      `used_memory_rss_human:${humanBytes(memory.residentBytes)}`,
      `used_memory_heap:${memory.heapBytes}`,
      `used_memory_buffers:${memory.bufferBytes}`,
      `used_memory_startup:${memory.residentBytesAtStart}`,
    ],
  },
  {
    title: 'Persistence',
    // No backup is ever taken by this node itself; the fields are what monitoring expects to find.
    lines: ({ persistence }) => [
      `loading:${persistence.loading ? 1 : 0}`,
      'bgsave_in_progress:0',
      'last_bgsave_time:-1',
      'last_bgsave_status:ok',
      'last_bgsave_time_sec:-1',
      `rollback_bytes:${persistence.rollbackBytes}`,
    ],
  },
  { title: 'Stats', lines: ({ stats }) => statsLines(stats) },
  { title: 'Replication', lines: ({ replication }) => replication },
  {
    title: 'CPU',
    lines: ({ cpu }) => [`used_cpu_sys:${cpu.systemSeconds.toFixed(6)}`, `used_cpu_user:${cpu.userSeconds.toFixed(6)}`],
  },
  { title: 'Commandstats', lines: ({ commands }) => commandLines(commands) },
  { title: 'Cluster', lines: ({ clusterEnabled }) => [`cluster_enabled:${clusterEnabled ? 1 : 0}`] },
  { title: 'Keyspace', lines: ({ keyspace }) => (keyspace === undefined ? undefined : keyspaceLines(keyspace)) },
  {
    title: 'RocksDB',
    lines: ({ rocksdb }) =>
      rocksdb === undefined
        ? undefined
        : [
            `rocksdb_version:${rocksdb.version}`,
            `rocksdb_assertions:${rocksdb.assertions ? 'on' : 'off'}`,
            ...rocksdb.figures.map(([name, value]) => `${name}:${value}`),
          ],
  },
];

/** Words that mean every section. */
const everything: readonly string[] = ['all', 'default', 'everything'];

/**
 * The text of some sections, in their own order.
 * @param names lower case; empty means every section. A name that does not exist adds nothing.
 */
export function infoText(names: readonly string[], facts: InfoFacts): string {
  const whole = names.length === 0 || names.some((name) => everything.includes(name));
  const texts: string[] = [];
  for (const section of sections) {
    if (!whole && !names.includes(section.title.toLowerCase())) continue;
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
    `pubsub_channels:${stats.pubsub.channels}`,
    `pubsub_patterns:${stats.pubsub.patterns}`,
    `pubsubshard_channels:${stats.pubsub.shardChannels}`,
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
