import type { Random } from '@holdfast/base';
import type { Database } from '@holdfast/rocksdb';
import type { Commit } from './commit.ts';

/** How the database is opened. Sizes in bytes. */
export interface EngineOptions {
  /** Directory of the RocksDB database, `<dir>/db`. Its parent must exist. */
  readonly path: string;
  /** Whether stored keys carry the slot (cluster-enabled): nothing on disk says which form was used. */
  readonly slotPrefixed: boolean;
  /** Source of versions of new collections: Unix time in ms. */
  readonly clock: { wallMs(): number };
  readonly random: Random;
  /** fsync the WAL with every commit (`rocksdb.write_options.sync`). Default false. */
  readonly syncWal?: boolean;
  /** The open batch is closed and another begun once it is this large, outside MULTI. Default 1 MiB. */
  readonly batchBytesMax?: number;
}

/** Skeleton of the contract; the body follows. */
export class Engine {
  replicationId: string | undefined;

  static open(_options: EngineOptions): Promise<Engine> {
    throw new Error('not built yet');
  }

  get database(): Database {
    throw new Error('not built yet');
  }

  latestSequence(): number {
    throw new Error('not built yet');
  }

  visibleSequence(): number {
    throw new Error('not built yet');
  }

  beginCommand(): void {
    throw new Error('not built yet');
  }

  rollbackCommand(): void {
    throw new Error('not built yet');
  }

  beginAtomic(): void {
    throw new Error('not built yet');
  }

  endAtomic(): void {
    throw new Error('not built yet');
  }

  rollbackAtomic(): void {
    throw new Error('not built yet');
  }

  commit(): Commit | undefined {
    throw new Error('not built yet');
  }

  dropTick(): void {
    throw new Error('not built yet');
  }

  get openTickBytes(): number {
    throw new Error('not built yet');
  }

  applyReplicated(_packed: Buffer, _lengths: Uint32Array, _count: number): number {
    throw new Error('not built yet');
  }

  putPropagate(_key: Uint8Array, _value: Uint8Array): void {
    throw new Error('not built yet');
  }

  close(): Promise<void> {
    throw new Error('not built yet');
  }

  reopen(): Promise<void> {
    throw new Error('not built yet');
  }
}
