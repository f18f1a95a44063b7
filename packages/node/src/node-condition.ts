/**
 * What the node's condition forbids: kept as plain data that the dispatcher reads for each command, and brought up to
 * date when its causes change (disk, commits, role, link, configuration).
 */
import type { Timers } from '@holdfast/base';
import type { NodeHealth } from '@holdfast/fencing';
import type { Config } from './config/index.ts';
import type { NodeCondition } from './execution/refusals.ts';

export interface ConditionEnvironment {
  readonly config: Config;
  readonly timers: Timers;
  /** Size of the database directory. */
  databaseBytes(): number;
  isReplica(): boolean;
  /** The stream from the master flows. */
  isAttached(): boolean;
  /** Health or link changed: heartbeats report it. */
  changed(): void;
  /** The link to the master came or went. */
  attachedChanged(attached: boolean): void;
}

const writeFailedError =
  'MISCONF Errors writing to disk: the last commit failed. Look at the log and at the disk; writes are tried again.';
const diskFullError = 'MISCONF The disk is nearly full (min-free-mb). Free space, then writes are accepted again.';
/** After a failed commit writes are refused for so long, then one is tried. */
const retryWritesMs = 1000;

export class ConditionKeeper {
  readonly condition: NodeCondition = {
    loading: false,
    readOnly: false,
    stale: false,
    writesRefused: undefined,
    tooFewReplicas: false,
    sizeLimitReached: false,
  };
  readonly #env: ConditionEnvironment;
  #writeFailed = false;
  #writesFailing = false;
  #diskFull = false;
  #attached = false;
  #pretendsFull = false;

  constructor(env: ConditionEnvironment) {
    this.#env = env;
  }

  get health(): NodeHealth {
    if (this.condition.loading) return 'loading';
    // A master without room refuses writes for as long as it has none; a replica that has room can take them.
    return this.#writeFailed || this.#diskFull ? 'write-failed' : 'ok';
  }

  setLoading(loading: boolean): void {
    this.condition.loading = loading;
    this.#env.changed();
  }

  /** A commit failed. */
  writeFailed(): void {
    this.#writeFailed = true;
    this.#writesFailing = true;
    this.#refreshWritesRefused();
    this.#env.changed();
    this.#env.timers.after(retryWritesMs, () => {
      this.#writesFailing = false;
      this.#refreshWritesRefused();
    });
  }

  /** A commit succeeded: only that shows that the disk is well again. */
  writeSucceeded(): void {
    if (!this.#writeFailed) return;
    this.#writeFailed = false;
    this.#env.changed();
  }

  setDiskFull(full: boolean): void {
    this.#diskFull = full;
    this.#refreshWritesRefused();
    this.#env.changed();
  }

  /** DEBUG DBSIZE-LIMIT: as if `max-db-size` were reached. */
  pretendFull(full: boolean): void {
    this.#pretendsFull = full;
    this.refresh();
  }

  #refreshWritesRefused(): void {
    this.condition.writesRefused = this.#diskFull ? diskFullError : this.#writesFailing ? writeFailedError : undefined;
  }

  /** The role changed: an attachment of before does not count. */
  roleChanged(): void {
    this.#attached = false;
    this.refresh();
  }

  /** What follows from role, link and configuration; cheap, called when one of them may have changed. */
  refresh(): void {
    const { config } = this.#env;
    const isReplica = this.#env.isReplica();
    const attached = this.#env.isAttached();
    this.condition.readOnly = isReplica && config.get('slave-read-only');
    this.condition.stale = isReplica && !attached && !config.get('slave-serve-stale-data');
    const maxBytes = config.get('max-db-size') * 1024 ** 3;
    this.condition.sizeLimitReached = this.#pretendsFull || (maxBytes > 0 && this.#env.databaseBytes() >= maxBytes);
    if ((isReplica && attached) === this.#attached) return;
    this.#attached = isReplica && attached;
    this.#env.attachedChanged(this.#attached);
    this.#env.changed();
  }
}
