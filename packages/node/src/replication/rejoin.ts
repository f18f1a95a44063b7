/**
 * How a node that holds what its master lacks comes back: it takes the end of its log back, or keeps aside what a full
 * sync is about to replace. The order of steps is packages/replication/src/rewind; here is what of the node it needs.
 */
import type { Clock, Logger, Timers } from '@holdfast/base';
import type { LogEnd, LogOutline } from '@holdfast/fencing';
import {
  epochsWithin,
  keepBeforeFullSync,
  replicationPaths,
  resumeRewind,
  rewindLog,
  rollbackPaths,
  type GivenUp,
  type ReplicationFiles,
  type RewindEnvironment,
  type RewindLog,
  type RewindOutcome,
} from '@holdfast/replication';

/** What is needed to finish a rewind at the start as well. */
export interface RejoinRim {
  readonly files: ReplicationFiles;
  /** The directive `dir`. */
  readonly dir: string;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Gives the log another id, durably, before it is given up. */
  replaceLogId(): void;
  /** Why nothing is to be written now; undefined while there is room. */
  obstacle(): string | undefined;
}

export interface RejoinEnvironment extends RejoinRim {
  readonly clock: Clock;
  /** Open, and nobody uses it while a promise of `Rejoin` is pending. */
  readonly log: RewindLog;
  readonly slotPrefixed: boolean;
  /** `replication-mode`: whether what is given up may have been acknowledged. */
  mode(): 'sync' | 'async';
  identity(): { readonly nodeId: string; readonly logId: string };
  outline(): LogOutline;
}

/**
 * @param target last entry that the master has too; undefined when that cannot be told.
 * @returns 'full-sync': what the master lacks is kept aside, and its data may replace the database.
 * @throws OperationError REWIND_*, see `rewindLog`; when the log is closed then, the process must end.
 */
export async function rejoin(
  env: RejoinEnvironment,
  target: LogEnd | undefined,
  signal: AbortSignal,
): Promise<RewindOutcome> {
  const rewind = rewindEnvironment(env, env.log);
  const describe = (first: number, last: number): GivenUp => describePart(env, first, last);
  if (target !== undefined) return await rewindLog(rewind, describe, target.sequence, signal);
  await keepBeforeFullSync(rewind, describe, undefined, signal);
  return 'full-sync';
}

/**
 * To be called at the start before the database is opened in any other way. Does nothing unless a rewind was broken off.
 * @param log closed; closed afterwards.
 * @throws OperationError REWIND_MARKER_DAMAGED, REWIND_UNFINISHED: the database must not be opened.
 */
export async function finishRejoin(rim: RejoinRim, log: RewindLog): Promise<void> {
  await resumeRewind(rewindEnvironment(rim, log));
}

function rewindEnvironment(rim: RejoinRim, log: RewindLog): RewindEnvironment {
  return {
    files: rim.files,
    paths: rollbackPaths(rim.dir),
    database: replicationPaths(rim.dir).database,
    log,
    timers: rim.timers,
    logger: rim.logger,
    replaceLogId: () => rim.replaceLogId(),
    obstacle: () => rim.obstacle(),
  };
}

function describePart(env: RejoinEnvironment, first: number, last: number): GivenUp {
  return {
    ...env.identity(),
    first,
    last,
    epochs: epochsWithin(env.outline().history, first, last),
    mode: env.mode(),
    slotPrefixed: env.slotPrefixed,
    atMs: env.clock.wallMs(),
  };
}
