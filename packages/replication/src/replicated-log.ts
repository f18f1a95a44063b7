/**
 * What replication needs of the engine, and nothing more: `Engine` of @holdfast/engine fits as it is, and tests put a
 * log in memory in its place.
 */
import type { Database } from '@holdfast/rocksdb';

export type LogDatabase = Pick<Database, 'walTail' | 'checkpoint' | 'columnFamilies' | 'get'>;

export interface ReplicatedLog {
  /** A getter: another object after `reopen`. */
  readonly database: LogDatabase;
  /** Sequence of the last committed record; 0 in an empty log. */
  latestSequence(): number;
  /**
   * Writes a master's batches unchanged, in one call.
   * @returns the latest sequence afterwards.
   * @throws when a batch was refused or could not be written; those before it are written then.
   */
  applyReplicated(packed: Buffer, lengths: Uint32Array, count: number): number;
  close(): Promise<void>;
  reopen(): Promise<void>;
}
