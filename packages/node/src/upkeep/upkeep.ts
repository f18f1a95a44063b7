/** Backup, compaction and counting: when somebody asks for them, and at the minutes of the cron directives. */
import { Backup, type BackupEnvironment } from './backup.ts';
import { Compaction, type CompactionEnvironment } from './compaction.ts';
import { isHourWithin, type CheckSettings } from './compaction-check.ts';
import { cronTimeOf, isCronDue, type CronTime } from './cron.ts';

/** Directives, read at each use. */
export interface UpkeepSettings {
  readonly backupCron: string;
  readonly compactionCron: string;
  readonly countCron: string;
  readonly checkCron: string;
  /** Hours, in each minute of which files are looked at; only without `checkCron`. */
  readonly checkHours: string;
  readonly check: CheckSettings;
  readonly backupsKept: number;
  readonly backupKeptHours: number;
}

export interface UpkeepEnvironment {
  readonly backup: BackupEnvironment;
  readonly compaction: CompactionEnvironment;
  readonly settings: UpkeepSettings;
  /** Begins to count the keys of every namespace. */
  countKeys(): void;
}

const minuteMs = 60_000;

export class Upkeep {
  readonly backup: Backup;
  readonly compaction: Compaction;
  readonly #env: UpkeepEnvironment;
  /** The minute that was looked at last; that of the start is not. */
  #minute: number;

  constructor(env: UpkeepEnvironment) {
    this.#env = env;
    this.backup = new Backup(env.backup);
    this.compaction = new Compaction(env.compaction);
    this.#minute = Math.floor(env.backup.clock.wallMs() / minuteMs);
  }

  /** Begins what is due; to be called at least once a minute. A minute that was slept through is not made up for. */
  sweep(wallMs: number): void {
    const minute = Math.floor(wallMs / minuteMs);
    if (minute === this.#minute) return;
    this.#minute = minute;
    const { settings } = this.#env;
    const time = cronTimeOf(wallMs);
    this.backup.prune({ keep: settings.backupsKept, keepHours: settings.backupKeptHours });
    if (isCronDue(settings.compactionCron, time)) this.compaction.start(undefined);
    else if (isCheckDue(settings, time)) this.compaction.check(settings.check, wallMs);
    if (isCronDue(settings.backupCron, time)) this.backup.start();
    if (isCronDue(settings.countCron, time)) this.#env.countKeys();
  }

  /** What goes on ends, as soon as it can be left. */
  async stop(): Promise<void> {
    this.compaction.stop();
    await this.backup.idle();
  }
}

function isCheckDue({ checkCron, checkHours }: UpkeepSettings, time: CronTime): boolean {
  return checkCron === '' ? isHourWithin(checkHours, time.hour) : isCronDue(checkCron, time);
}
