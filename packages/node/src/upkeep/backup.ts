/**
 * BGSAVE: a checkpoint of the database in `backup-dir`, as Kvrocks keeps it: one backup, which is a database directory itself.
 *
 * It is made under another name and takes the place of the former one by renaming, so that there is a whole backup at any
 * moment but the one between two renames; a crash in that moment is mended by the next backup, or deletion, or start.
 */
import { messageOf, type Clock, type Logger } from '@holdfast/base';
import type { ReplicationFiles } from '@holdfast/replication';

export interface BackupEnvironment {
  readonly files: Pick<ReplicationFiles, 'exists' | 'makeDirectory' | 'remove' | 'rename'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `backup-dir` */
  directory(): string;
  /** Makes a checkpoint in a directory that does not exist. Resolves to its sequence. */
  checkpoint(path: string): Promise<number>;
  /** The database is open, and not being exchanged. */
  mayRead(): boolean;
}

/** What INFO says of backups. Times are -1 when there was none. */
export interface BackupFacts {
  readonly inProgress: boolean;
  /** Unix time in s at which the last one began. */
  readonly lastSeconds: number;
  readonly lastOk: boolean;
  /** How long the last one took. */
  readonly lastTookSeconds: number;
  readonly lastSequence: number;
}

export class Backup {
  readonly #env: BackupEnvironment;
  #work: Promise<void> | undefined;
  #isSaving = false;
  #lastSeconds = -1;
  #lastOk = true;
  #lastTookSeconds = -1;
  #lastSequence = 0;

  constructor(env: BackupEnvironment) {
    this.#env = env;
  }

  get facts(): BackupFacts {
    return {
      inProgress: this.#isSaving,
      lastSeconds: this.#lastSeconds,
      lastOk: this.#lastOk,
      lastTookSeconds: this.#lastTookSeconds,
      lastSequence: this.#lastSequence,
    };
  }

  /** Begins a backup. @returns why it cannot, as an error line. */
  start(): string | undefined {
    if (!this.#env.mayRead()) return 'LOADING the database is being exchanged';
    if (this.#work !== undefined) return 'ERR bgsave in-progress';
    this.#isSaving = true;
    const beganAtMs = this.#env.clock.wallMs();
    this.#begin(async () => {
      const sequence = await this.#save();
      const tookMs = this.#env.clock.wallMs() - beganAtMs;
      this.#lastSequence = sequence;
      this.#lastTookSeconds = Math.max(0, Math.floor(tookMs / 1000));
      this.#env.logger.info('made a backup', { directory: this.#env.directory(), sequence, tookMs });
    });
    this.#lastSeconds = Math.floor(beganAtMs / 1000);
    return undefined;
  }

  /** Begins to delete the backup. @returns why it cannot, as an error line. */
  startDeletion(): string | undefined {
    if (this.#work !== undefined) return 'ERR bgsave in-progress';
    this.#begin(async () => {
      await this.#delete();
      this.#env.logger.info('deleted the backup', { directory: this.#env.directory() });
    });
    return undefined;
  }

  /** Deletes a backup that is too old, or more than are to be kept (none, or one). */
  prune({ keep, keepHours }: { readonly keep: number; readonly keepHours: number }): void {
    if (this.#work !== undefined || this.#lastSeconds < 0 || !this.#lastOk) return;
    const ageSeconds = this.#env.clock.wallMs() / 1000 - this.#lastSeconds;
    if (keep > 0 && (keepHours === 0 || ageSeconds < keepHours * 3600)) return;
    this.#begin(() => this.#delete());
  }

  /** What goes on has ended. */
  async idle(): Promise<void> {
    await this.#work;
  }

  #begin(work: () => Promise<void>): void {
    const { logger } = this.#env;
    const wasSaving = this.#isSaving;
    this.#work = work()
      .then(
        () => {
          if (wasSaving) this.#lastOk = true;
        },
        (error: unknown) => {
          if (wasSaving) this.#lastOk = false;
          logger.error('work on the backup failed', { directory: this.#env.directory(), error: messageOf(error) });
        },
      )
      .finally(() => {
        this.#isSaving = false;
        this.#work = undefined;
      });
  }

  async #save(): Promise<number> {
    const { files } = this.#env;
    const directory = this.#env.directory();
    const made = `${directory}.tmp`;
    const former = `${directory}.old`;
    await this.#mend(directory);
    await files.remove(made);
    await files.makeDirectory(parentOf(directory));
    const sequence = await this.#env.checkpoint(made);
    if (await files.exists(directory)) await files.rename(directory, former);
    await files.rename(made, directory);
    await files.remove(former);
    return sequence;
  }

  /** A crash between the two renames left the former backup under its other name. */
  async #mend(directory: string): Promise<void> {
    const { files } = this.#env;
    const former = `${directory}.old`;
    if (!(await files.exists(former))) return;
    if (await files.exists(directory)) await files.remove(former);
    else await files.rename(former, directory);
  }

  async #delete(): Promise<void> {
    const { files } = this.#env;
    const directory = this.#env.directory();
    await this.#mend(directory);
    // Under the other name first, so that no half of a backup ever stands in its place.
    if (await files.exists(directory)) await files.rename(directory, `${directory}.tmp`);
    await files.remove(`${directory}.tmp`);
    this.#lastSeconds = -1;
  }
}

function parentOf(path: string): string {
  const at = path.replace(/\/+$/, '').lastIndexOf('/');
  return at <= 0 ? (at === 0 ? '/' : '.') : path.slice(0, at);
}
