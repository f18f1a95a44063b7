/** What INFO says, as plain data: the node fills it in, `infoText` writes it. Counts since the start unless said. */
import type { RowCacheFigures } from '@holdfast/engine';
import type { ColdFigures } from '../execution/cold-commands.ts';
import type { BackupFacts } from '../upkeep/backup.ts';

/** How long a command takes: of its calls so many per cent took at most so many us. */
export interface LatencyPercentiles {
  readonly name: string;
  readonly percentiles: readonly (readonly [percent: number, us: number])[];
}

export interface InfoFacts {
  readonly server: ServerFacts;
  readonly clients: ClientsFacts;
  readonly memory: MemoryFacts;
  readonly persistence: PersistenceFacts;
  readonly stats: StatsFacts;
  /** Lines of the section; undefined while loading. */
  readonly replication: readonly string[] | undefined;
  /** CPU time of the process in seconds. */
  readonly cpu: { readonly systemSeconds: number; readonly userSeconds: number };
  readonly commands: readonly CommandFacts[];
  readonly latencies: readonly LatencyPercentiles[];
  /** Error replies by their first word. */
  readonly errors: readonly (readonly [kind: string, count: number])[];
  readonly clusterEnabled: boolean;
  /** Undefined while loading. */
  readonly keyspace: KeyspaceFacts | undefined;
  /** Undefined while loading. */
  readonly rocksdb: RocksdbFacts | undefined;
}

export interface ServerFacts {
  readonly kvrocksVersion: string;
  readonly holdfastVersion: string;
  readonly redisVersion: string;
  readonly nodeVersion: string;
  readonly rocksdbVersion: string;
  readonly mode: 'standalone' | 'cluster';
  /** As `uname -srm`: name, release, machine. */
  readonly os: string;
  readonly processId: number;
  /** Random per process start; the fencing protocol calls it the process id. */
  readonly runId: string;
  readonly port: number;
  readonly controlPort: number;
  readonly uptimeMs: number;
  /** Unix time in ms. */
  readonly nowMs: number;
  readonly executable: string;
  /** Empty without one. */
  readonly configFile: string;
}

export interface ClientsFacts {
  readonly max: number;
  readonly connected: number;
  readonly blocked: number;
  /** Keys that clients wait for, and those of them whose end is waited for, too. */
  readonly awaitedKeys: number;
  readonly awaitedDeletions: number;
  readonly monitoring: number;
  readonly pubsub: number;
}

export interface MemoryFacts {
  readonly scriptBytes: number;
  readonly cachedScripts: number;
  readonly functions: number;
  readonly libraries: number;
  readonly residentBytes: number;
  readonly residentBytesAtStart: number;
  readonly heapBytes: number;
  /** Outside the heap, the row cache included. */
  readonly bufferBytes: number;
  /** Replies that wait for their release; part of the buffers. */
  readonly heldReplyBytes: number;
  /** Memory of sent replies that later ones will have; part of the buffers. */
  readonly spareReplyBytes: number;
  readonly rocksdb: RocksdbMemory;
}

/** What RocksDB has allocated, outside the heap and the buffers. */
export interface RocksdbMemory {
  readonly memtableBytes: number;
  readonly blockCacheBytes: number;
  /** Indexes and filters that are not in the block cache. */
  readonly tableReaderBytes: number;
}

export interface PersistenceFacts {
  /** A checkpoint is being restored. */
  readonly loading: boolean;
  /** What the node gave up of its history and keeps until it is deleted (`ctl rollback`). */
  readonly rollbackBytes: number;
  readonly backup: BackupFacts;
  /** Records written since the last backup of this process, or since its start. */
  readonly changesSinceBackup: number;
}

export interface StatsFacts {
  readonly connections: number;
  readonly rejectedConnections: number;
  /** Clients cut because all together held too much. */
  readonly evictedClients: number;
  readonly commands: number;
  readonly commandsPerSecond: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly inputBytesPerSecond: number;
  readonly outputBytesPerSecond: number;
  readonly fullSyncs: number;
  readonly partialSyncs: number;
  readonly refusedPartialSyncs: number;
  /** Lookups of keys that found a living one, and that did not. */
  readonly hits: number;
  readonly misses: number;
  readonly rowCache: RowCacheFigures;
  readonly coldReads: ColdFigures;
  readonly errorReplies: number;
  /** Channels with subscribers, different patterns, shard channels with subscribers. */
  readonly pubsub: { readonly channels: number; readonly patterns: number; readonly shardChannels: number };
  /** Ticks that wrote something. */
  readonly commits: number;
  /** Commands executed in those ticks. */
  readonly committedCommands: number;
}

export interface CommandFacts {
  readonly name: string;
  readonly calls: number;
  readonly usec: number;
  readonly rejectedCalls: number;
  readonly failedCalls: number;
}

/** The caller's namespace, as last counted, and the disk. Sizes in bytes. */
export interface KeyspaceFacts {
  /** Unix time in ms of the last complete count; undefined when there was none. */
  readonly countedAtMs: number | undefined;
  readonly keys: number;
  readonly expires: number;
  /** Mean remaining time of keys with an expiry. */
  readonly averageTtlMs: number;
  /** Dead keys that are not compacted away yet. */
  readonly expired: number;
  readonly sequence: number;
  readonly databaseBytes: number;
  /** 0: no limit. */
  readonly databaseBytesMax: number;
  readonly diskBytes: number;
  readonly diskUsedBytes: number;
}

/** One figure of RocksDB under its name in INFO, e.g. `estimate_keys[metadata]`. */
export type RocksdbFigure = readonly [name: string, value: string];

export interface RocksdbFacts {
  readonly version: string;
  /** Whether the library was built with RocksDB's own assertions: about half the speed, and misuse aborts. */
  readonly assertions: boolean;
  readonly figures: readonly RocksdbFigure[];
  /** Records written, lookups, iterations begun and entries read by them. */
  readonly perSecond: Readonly<Record<'puts' | 'gets' | 'seeks' | 'nexts' | 'prevs', number>>;
  readonly isCompacting: boolean;
}
