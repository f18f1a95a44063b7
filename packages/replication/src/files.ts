/**
 * The file operations of a full sync, and nothing more. The node implements them on the file system
 * (packages/node/src/net/replication-files.ts); tests use memory, and stop it at any operation.
 *
 * Durability is part of the contract: when a promise resolves, a crash of the machine does not undo the operation.
 */

export interface FileReader {
  readonly sizeBytes: number;
  /** The next bytes, at most `into.length`; 0 at the end. */
  read(into: Buffer): Promise<number>;
  close(): Promise<void>;
}

export interface FileWriter {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the content durable and closes. */
  finish(): Promise<void>;
  /** Closes without promising anything about the content. */
  abandon(): Promise<void>;
}

export interface ReplicationFiles {
  exists(path: string): Promise<boolean>;
  /** Names of what is in a directory; empty when there is no such directory. */
  list(directory: string): Promise<readonly string[]>;
  /** With its parents; fine when it is there. */
  makeDirectory(path: string): Promise<void>;
  /** A file or a whole directory; fine when absent. Not atomic. */
  remove(path: string): Promise<void>;
  /** Atomic. `to` must not be a directory with anything in it. */
  rename(from: string, to: string): Promise<void>;
  openReader(path: string): Promise<FileReader>;
  /** Creates or empties. */
  openWriter(path: string): Promise<FileWriter>;
}

/** Where things are below a node's `dir`. */
export interface ReplicationPaths {
  /** The database in use. */
  readonly database: string;
  /** What was in use before a full sync, whole, until the new database has proved that it opens. */
  readonly former: string;
  /** About to be removed; whatever is there is of no use any more. */
  readonly discarded: string;
  /** What a full sync has fetched. */
  readonly received: string;
  /** What is served to replicas. */
  readonly checkpoint: string;
}

/** @param dir the directive `dir`, without a slash at its end. */
export function replicationPaths(dir: string): ReplicationPaths {
  return {
    database: `${dir}/db`,
    former: `${dir}/db.tmp`,
    discarded: `${dir}/db.discarded`,
    received: `${dir}/sync_checkpoint`,
    checkpoint: `${dir}/checkpoint`,
  };
}

const checkpointFile = /^(?:CURRENT|IDENTITY|MANIFEST-[0-9]+|OPTIONS-[0-9]+|[0-9]+\.(?:sst|blob|log))$/;

/** Whether a name is one RocksDB gives to a file of a checkpoint: no path, nothing hidden, nothing of our own. */
export function isCheckpointFile(name: string): boolean {
  return name.length <= 64 && checkpointFile.test(name);
}

/** Table and blob files never change once written; a manifest or a log of the same name may hold something else. */
export function isImmutableFile(name: string): boolean {
  return /\.(?:sst|blob)$/.test(name);
}
