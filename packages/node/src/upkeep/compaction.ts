/**
 * COMPACT, and the files with many dead entries that `compaction-check.ts` picks: families one after the other on RocksDB's
 * own threads; dead records go where the compaction filters find them.
 */
import { messageOf, type Logger } from '@holdfast/base';
import { keyAfterPrefix, type Namespace } from '@holdfast/engine';
import type { Database } from '@holdfast/rocksdb';
import { filesToCompact, type CheckSettings } from './compaction-check.ts';

export interface CompactionEnvironment {
  readonly logger: Logger;
  /** Undefined while the database is closed or being exchanged. */
  database(): Pick<Database, 'columnFamilies' | 'compact' | 'flush' | 'fileStatistics'> | undefined;
}

export class Compaction {
  readonly #env: CompactionEnvironment;
  #work: Promise<void> | undefined;
  #check: Promise<void> | undefined;
  #isStopped = false;

  constructor(env: CompactionEnvironment) {
    this.#env = env;
  }

  get inProgress(): boolean {
    return this.#work !== undefined;
  }

  /** Begins to compact what belongs to a namespace, or everything. @returns why it cannot, as an error line. */
  start(namespace: Namespace | undefined): string | undefined {
    if (this.#work !== undefined) return 'ERR compact in-progress';
    const database = this.#env.database();
    if (database === undefined) return 'LOADING the database is being exchanged';
    const { logger } = this.#env;
    this.#work = this.#compact(database, namespace)
      .then(
        () => logger.info('compacted the database', { namespace: namespace?.name ?? 'all' }),
        (error: unknown) => {
          if (!this.#isStopped) logger.error('a compaction failed', { error: messageOf(error) });
        },
      )
      .finally(() => (this.#work = undefined));
    return undefined;
  }

  /** Compacts files with many dead entries. Does nothing while that, or COMPACT, goes on. */
  check(settings: CheckSettings, nowMs: number): void {
    if (this.#work !== undefined || this.#check !== undefined) return;
    const database = this.#env.database();
    if (database === undefined) return;
    this.#check = this.#compactFiles(database, settings, nowMs)
      .catch((error: unknown) => {
        if (!this.#isStopped) this.#env.logger.error('a compaction failed', { error: messageOf(error) });
      })
      .finally(() => (this.#check = undefined));
  }

  /** Writes memtables to files. Answers an error line, or undefined when it is done. */
  flush(answer: (refusal: string | undefined) => void): void {
    const database = this.#env.database();
    if (database === undefined) {
      answer('LOADING the database is being exchanged');
      return;
    }
    database.flush().then(
      () => answer(undefined),
      (error: unknown) => answer(`ERR ${messageOf(error)}`),
    );
  }

  /** What goes on has ended. */
  async idle(): Promise<void> {
    await this.#work;
    await this.#check;
  }

  /** No further family is begun: the database is about to be closed. */
  stop(): void {
    this.#isStopped = true;
  }

  async #compact(database: CompactedDatabase, namespace: Namespace | undefined): Promise<void> {
    const gte = namespace?.prefix;
    const lt = gte === undefined ? undefined : keyAfterPrefix(gte);
    const range = { ...(gte === undefined ? {} : { gte }), ...(lt === undefined ? {} : { lt }) };
    for (const family of database.columnFamilies.keys()) if (!this.#isStopped) await database.compact(family, range);
  }

  async #compactFiles(database: CheckedDatabase, settings: CheckSettings, nowMs: number): Promise<void> {
    for (const family of database.columnFamilies.keys()) {
      if (this.#isStopped) return;
      const files = await database.fileStatistics(family);
      for (const { name, smallestKey, largestKey, ...file } of filesToCompact(files, settings, nowMs)) {
        if (this.#isStopped) return;
        this.#env.logger.info('compacting a file with dead entries', { name, ...file });
        // The least key behind the last.
        await database.compact(family, { gte: smallestKey, lt: Buffer.concat([largestKey, Buffer.alloc(1)]) });
      }
    }
  }
}

type CheckedDatabase = Pick<Database, 'columnFamilies' | 'compact' | 'fileStatistics'>;
type CompactedDatabase = Pick<Database, 'columnFamilies' | 'compact'>;
