/** What the Replicator is given: the engine, the world, and what the node wants to be told. */
import type { Clock, Connector, Endpoint, Logger, Random, Timers } from '@holdfast/base';
import type { Commit, Engine } from '@holdfast/engine';
import type { AttachRequest, LogEnd } from '@holdfast/fencing';
import type {
  BatchSummary,
  ReplicatedLog,
  ReplicationFiles,
  ReplicationPaths,
  RewindOutcome,
} from '@holdfast/replication';
import type { HistoryEngine } from './own-history.ts';

/** Directives; read anew whenever one is needed, so that CONFIG SET holds at once. */
export interface ReplicationSettings {
  /** `masterauth`; undefined when empty. */
  readonly password: string | undefined;
  /** `db-name`. */
  readonly databaseName: string;
  /** `replica-announce-port` when above 0, else `port`. */
  readonly announcedPort: number;
  /** `replica-announce-ip`; undefined when empty. */
  readonly announcedHost: string | undefined;
  /** `use-rsid-psync`. */
  readonly useReplicationIds: boolean;
  /** `cluster-enabled`. */
  readonly clusterEnabled: boolean;
  /** `rocksdb.write_options.disable_wal`. */
  readonly walDisabled: boolean;
  /** `replication-connect-timeout-ms` (3100). */
  readonly connectTimeoutMs: number;
  /** `replication-recv-timeout-ms` (3200): an answer of the handshake. */
  readonly receiveTimeoutMs: number;
  /** A file transfer in which nothing moves for this long has failed. */
  readonly transferTimeoutMs: number;
  /** `replication-send-timeout-ms` (30000). */
  readonly sendTimeoutMs: number;
  /** `rocksdb.wal_ttl_seconds`, in ms. */
  readonly walTtlMs: number;
  /** `max-replication-mb`, in bytes per second; 0: unlimited. */
  readonly bytesPerSecondMax: number;
  /** `slave-empty-db-before-fullsync`. */
  readonly emptyDatabaseFirst: boolean;
}

export type ReplicatorEngine = ReplicatedLog & HistoryEngine & Pick<Engine, 'isOpen'>;

/** What followers do that counts for the in-sync set (lease/in-sync-keeper.ts). */
export interface InSyncEvents {
  attached(nodeId: string, logId: string, sequence: number): void;
  acked(nodeId: string, sequence: number, probe: number): void;
  detached(nodeId: string, isReset: boolean): void;
}

export interface ReplicatorEnvironment {
  readonly engine: ReplicatorEngine;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly files: ReplicationFiles;
  readonly paths: ReplicationPaths;
  readonly inSync: InSyncEvents;
  settings(): ReplicationSettings;
  /** Epoch, node id and log id of an armed node; undefined while it is not armed. */
  identity(): Omit<AttachRequest, 'outline'> | undefined;
  /** An address for a host name. Rejects when there is none. */
  resolveHost(host: string): Promise<string>;
  /** Whether an address is this node's own. */
  isSelf(endpoint: Endpoint): boolean;
  /** SLAVEOF changed whom the node follows; a CONFIG REWRITE then keeps it, so that a restart does not undo it. */
  masterChosen(master: Endpoint | undefined): void;
  /**
   * Ends the open tick, runs `run`, and ends the tick that `run` has written to (a new replication id), all in one turn
   * of the event loop: where the role may change. Later, if it cannot be now.
   */
  betweenTicks(run: () => void): void;
  /** `handedOver` may answer otherwise than before: the tick loop looks again. */
  onProgress(): void;
  /** The stream from the master flows: `attached` is true from here on. */
  readonly onAttached: () => void;
  /** Applied from the master, before it is acknowledged: pubsub messages, script flushes and so on react to it. */
  onApplied(commit: Commit, summaries: readonly BatchSummary[]): void;
  /** true: the database is about to be closed; commands get LOADING, none runs any more. false: a database is open. */
  onLoading(loading: boolean): void;
  /**
   * The database is about to be exchanged. From here on its former log id is void, on disk: a crash between exchange and
   * a new id must not leave a received database under the id of the old one.
   */
  beforeDatabaseReplaced(): void;
  /** The database is another one than before: caches. */
  onDatabaseReplaced(): void;
  /** As the link's `rewind`; between `onLoading`. When it rejects and the engine is closed, the process is about to end. */
  rewind(target: LogEnd | undefined, signal: AbortSignal): Promise<RewindOutcome>;
  /** No database can be opened: the process must end; the next start repairs what can be repaired. */
  onDatabaseLost(error: unknown): void;
}
