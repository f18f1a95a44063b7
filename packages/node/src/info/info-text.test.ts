import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InfoFacts } from './info-facts.ts';
import { humanBytes, infoText } from './info-text.ts';
import { Rate } from './rate.ts';
import { rocksdbFigures } from './rocksdb-figures.ts';

const facts: InfoFacts = {
  server: {
    kvrocksVersion: '2.10.1',
    holdfastVersion: '0.1.0',
    redisVersion: '7.0.0',
    nodeVersion: '24.1.0',
    rocksdbVersion: '7.8.3',
    mode: 'cluster',
    os: 'Linux 6.1 x86_64',
    processId: 42,
    runId: 'abc',
    port: 6666,
    controlPort: 16666,
    uptimeMs: 90_061_500,
    nowMs: 1_700_000_000_123,
    executable: '/x/node',
    configFile: '',
  },
  clients: { max: 10240, connected: 2, blocked: 1, awaitedKeys: 3, awaitedDeletions: 1, monitoring: 1, pubsub: 2 },
  memory: {
    residentBytes: 23_859_200,
    residentBytesAtStart: 22_880_256,
    heapBytes: 1024,
    bufferBytes: 512,
    scriptBytes: 512,
    cachedScripts: 5,
    functions: 4,
    libraries: 3,
    heldReplyBytes: 7,
    spareReplyBytes: 6,
    rocksdb: { memtableBytes: 1000, blockCacheBytes: 20, tableReaderBytes: 4 },
  },
  persistence: {
    loading: false,
    rollbackBytes: 12,
    backup: { inProgress: true, lastSeconds: 1_700_000_000, lastOk: false, lastTookSeconds: 2, lastSequence: 200 },
    changesSinceBackup: 70,
  },
  stats: {
    connections: 3,
    rejectedConnections: 0,
    evictedClients: 1,
    errorReplies: 3,
    commands: 400,
    commandsPerSecond: 12.6,
    inputBytes: 5,
    outputBytes: 6,
    inputBytesPerSecond: 2048,
    outputBytesPerSecond: 0,
    fullSyncs: 1,
    partialSyncs: 2,
    refusedPartialSyncs: 3,
    hits: 4,
    misses: 5,
    rowCache: { hits: 3, misses: 1, entries: 2, bytes: 10_240, spareBytes: 55_296, bytesMax: 65_536 },
    coldReads: { commands: 4, records: 6, recordsInFlight: 2 },
    pubsub: { channels: 6, patterns: 7, shardChannels: 8 },
    commits: 3,
    committedCommands: 400,
  },
  replication: ['role:master', 'connected_slaves:0', 'master_repl_offset:270'],
  cpu: { systemSeconds: 0.25, userSeconds: 1.5 },
  commands: [
    { name: 'set', calls: 4, usec: 10.4, rejectedCalls: 0, failedCalls: 0 },
    { name: 'get', calls: 0, usec: 0, rejectedCalls: 1, failedCalls: 0 },
    { name: 'del', calls: 0, usec: 0, rejectedCalls: 0, failedCalls: 0 },
  ],
  latencies: [
    {
      name: 'get',
      percentiles: [
        [50, 7],
        [99.9, 1023],
      ],
    },
  ],
  errors: [
    ['ERR', 2],
    ['WRONGTYPE', 1],
  ],
  clusterEnabled: true,
  keyspace: {
    countedAtMs: undefined,
    keys: 0,
    expires: 0,
    averageTtlMs: 0,
    expired: 0,
    sequence: 270,
    databaseBytes: 0,
    databaseBytesMax: 0,
    diskBytes: 270_553_174_016,
    diskUsedBytes: 191_856_386_048,
  },
  rocksdb: {
    version: '7.8.3',
    assertions: true,
    figures: [['estimate_keys[metadata]', '93']],
    perSecond: { puts: 1.4, gets: 2.6, seeks: 3, nexts: 4, prevs: 5 },
    isCompacting: true,
  },
};

const text = (...names: string[]): string => infoText(names, facts);

test('every section appears in order, Server first, lines ended by CRLF, sections divided by an empty line', () => {
  const whole = text('everything');
  assert.ok(whole.startsWith('# Server\r\nversion:2.10.1\r\nkvrocks_version:2.10.1\r\nredis_version:7.0.0\r\n'));
  assert.deepEqual(whole.match(/^# [A-Z][A-Za-z]+(?=\r$)/gm), [
    '# Server',
    '# Clients',
    '# Memory',
    '# Persistence',
    '# Stats',
    '# Replication',
    '# CPU',
    '# Commandstats',
    '# Errorstats',
    '# Latencystats',
    '# Cluster',
    '# Keyspace',
    '# RocksDB',
  ]);
  assert.doesNotMatch(whole, /[^\r]\n/);
  assert.match(whole, /uptime_in_days:1\r\nexecutable:\/x\/node\r\nconfig_file:\r\n\r\n# Clients\r\n/);
  assert.equal(text('all'), whole);
  assert.equal(text('cpu', 'all'), whole, 'nothing comes twice');
});

test('what has a line per command is there only when it is asked for, as in Redis', () => {
  const unasked = text();
  assert.doesNotMatch(unasked, /Commandstats|Latencystats/);
  assert.match(unasked, /# Errorstats\r\nerrorstat_ERR:count=2\r\nerrorstat_WRONGTYPE:count=1\r\n/);
  assert.equal(text('default'), unasked);
  assert.match(text('default', 'latencystats'), /# Server.*# Latencystats/s);
  assert.equal(text('latencystats'), '# Latencystats\r\nlatency_percentiles_usec_get:p50=7.000,p99.9=1023.000\r\n');
});

test('sections are chosen by name; one that does not exist adds nothing', () => {
  assert.equal(text('cluster'), '# Cluster\r\ncluster_enabled:1\r\n');
  assert.equal(text('nothing'), '');
  assert.equal(
    text('replication', 'nothing', 'cluster'),
    '# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:270\r\n\r\n# Cluster\r\ncluster_enabled:1\r\n',
  );
});

test('figures are written as Kvrocks writes them', () => {
  assert.match(text('stats'), /\r\ncommits:3\r\ncommands_per_commit:133.33\r\n/);
  assert.match(text('stats'), /instantaneous_ops_per_sec:13\r\n.*instantaneous_input_kbps:2\r\n/s);
  assert.match(text('memory'), /used_memory_rss_human:22.75M\r\n/);
  assert.equal(
    text('commandstats'),
    '# Commandstats\r\n' +
      'cmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\r\n' +
      'cmdstat_set:calls=4,usec=10,usec_per_call=2.60,rejected_calls=0,failed_calls=0\r\n',
  );
  assert.match(
    text('keyspace'),
    /# WARN: DBSIZE SCAN never performed yet\r\ndb0:keys=0,expires=0,avg_ttl=0,expired=0\r\n/,
  );
  assert.match(text('keyspace'), /used_percent: 0%\r\n.*used_disk_percent: 70.9126%\r\n/s);
  assert.match(
    text('rocksdb'),
    /rocksdb_version:7.8.3\r\nrocksdb_assertions:on\r\nestimate_keys\[metadata\]:93\r\nput_per_sec:1\r\nget_per_sec:3\r\n/,
  );
  assert.match(text('rocksdb'), /next_per_sec:4\r\nprev_per_sec:5\r\n/);
  assert.match(text('rocksdb'), /is_bgsaving:yes\r\nis_compacting:yes\r\n$/);
  assert.match(
    text('persistence'),
    /bgsave_in_progress:1\r\nlast_bgsave_time:1700000000\r\nlast_bgsave_status:err\r\nlast_bgsave_time_sec:2\r\nrdb_changes_since_last_save:70\r\n/,
  );
  assert.match(
    text('clients'),
    /monitor_clients:1\r\nblocked_clients:1\r\npubsub_clients:2\r\ntracking_clients:0\r\ntotal_blocking_keys:3\r\ntotal_blocking_keys_on_nokey:1\r\n$/,
  );
  assert.match(text('memory'), /^# Memory\r\nused_memory:3072\r\nused_memory_human:3.00K\r\n/);
  assert.match(
    text('memory'),
    /used_memory_row_cache:10240\r\nused_memory_held_replies:7\r\nused_memory_spare_replies:6\r\nused_memory_memtables:1000\r\nused_memory_block_cache:20\r\nused_memory_table_readers:4\r\n/,
  );
  assert.match(text('memory'), /number_of_cached_scripts:5\r\nnumber_of_functions:4\r\nnumber_of_libraries:3\r\n/);
  assert.match(text('stats'), /evicted_clients:1\r\n/);
  assert.deepEqual([0, 1023, 1024, 1536, 3 * 2 ** 30].map(humanBytes), ['0B', '1023B', '1.00K', '1.50K', '3.00G']);
});

test('what commands missed in memory is counted, and what is being read for them', () => {
  assert.match(text('stats'), /cold_commands:4\r\ncold_reads:6\r\ncold_reads_in_flight:2\r\n/);
});

test('the row cache says how often it answered and what it takes', () => {
  assert.match(
    text('stats'),
    /row_cache_hits:3\r\nrow_cache_misses:1\r\nrow_cache_hit_ratio:0.7500\r\nrow_cache_entries:2\r\nrow_cache_bytes:10240\r\nrow_cache_size:65536\r\n/,
  );
});

test('pub/sub is counted', () => {
  assert.match(
    text('stats'),
    /pubsub_channels:6\r\npubsub_patterns:7\r\npubsubshard_channels:8\r\ntotal_error_replies:3\r\n/,
  );
});

test('while a checkpoint is being restored nothing is said of the database', () => {
  const loading = infoText([], { ...facts, replication: undefined, keyspace: undefined, rocksdb: undefined });
  assert.doesNotMatch(loading, /# (Replication|Keyspace|RocksDB)/);
  assert.match(loading, /# Server/);
});

test('figures of RocksDB are summed, listed by family, and left out when unknown', () => {
  const database = {
    columnFamilies: ['default', 'metadata'],
    property: (family: number, name: string) => {
      if (name === 'rocksdb.estimate-num-keys') return String(10 + family);
      if (name === 'rocksdb.num-live-versions') return '1';
      return name === 'rocksdb.num-snapshots' ? '5' : undefined;
    },
    mapProperty: (family: number) => (family === 1 ? { 'io_stalls.level0_numfiles': '3', other: '1' } : undefined),
    endedWork: () => ({ flushes: 6, compactions: 7 }),
  };
  assert.deepEqual(rocksdbFigures(database, undefined), [
    ['snapshots', '5'],
    ['estimate_keys[default]', '10'],
    ['estimate_keys[metadata]', '11'],
    ['level0_file_limit_stop[metadata]', '3'],
    ['num_live_versions', '2'],
    ['flush_count', '6'],
    ['compaction_count', '7'],
  ]);
  const reads = { hits: 10, indexHits: 3, filterHits: 2, misses: 6, indexMisses: 1, filterMisses: 2 };
  assert.deepEqual(
    rocksdbFigures(database, reads)
      .filter(([name]) => name.startsWith('block_cache_'))
      .map((figure) => figure.join(':')),
    [
      'block_cache_hit:10',
      'block_cache_index_hit:3',
      'block_cache_filter_hit:2',
      'block_cache_data_hit:5',
      'block_cache_miss:6',
      'block_cache_index_miss:1',
      'block_cache_filter_miss:2',
      'block_cache_data_miss:3',
    ],
  );
});

test('a rate is the mean of recent samples over the time that passed', () => {
  const rate = new Rate(0, 1000);
  assert.equal(rate.perSecond(), 0);
  rate.sample(10, 1100);
  assert.equal(rate.perSecond(), 100);
  rate.sample(10, 1100);
  rate.sample(40, 1200);
  assert.equal(rate.perSecond(), 200);
  rate.sample(0, 1300); // CONFIG RESETSTAT
  assert.ok(rate.perSecond() >= 0);
  for (let i = 1; i <= 16; i++) rate.sample(i, 1300 + i * 1000);
  assert.equal(rate.perSecond(), 1);
});
