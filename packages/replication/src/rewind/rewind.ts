/**
 * Takes back the end of a node's history, or makes room for a full sync, keeping what is given up: the shell around
 * plan.ts. It owns the order of durable steps; the binding owns how a log is cut (`walStopAt`).
 *
 * The log id. A rewind keeps it, everything else replaces it. Being a member of the ISR by log id means: this log holds
 * every write that was acknowledged while it was a member. A rewind drops only entries that the master of the epoch does
 * not have, as that master itself has said on a link of that epoch. What was acknowledged in an earlier epoch is in that
 * master's log (S1), so it is before S. What is acknowledged in this epoch is acknowledged by this log first, on a link
 * that was attached after the rewind, since both ends close their links when the epoch changes. So nothing that was ever
 * acknowledged is dropped, and what stays is still a prefix of the same history. It is more durable than before, too: the
 * rewind leaves it in table files that were fsynced.
 * A log that is given up for a full sync is replaced by a copy that may be older than what this node acknowledged (a
 * checkpoint is shared for minutes), so its id is replaced before anything else happens, durably: a node that crashes in
 * between is then no candidate in the name of a log that it no longer has. A replaced id costs one re-addition.
 */
import { InvariantError, messageOf, OperationError, type Logger, type Timers } from '@holdfast/base';
import type { Database } from '@holdfast/rocksdb';
import type { ReplicationFiles } from '../files.ts';
import type { RewindOutcome } from '../link-state.ts';
import { readMarker, writeMarker, type RewindMarker } from './marker.ts';
import { nextRewindStep, type MarkedAttempt } from './plan.ts';
import { moveDatabase, type RollbackPaths } from './rollback-directory.ts';
import type { GivenUp } from './rollback-header.ts';
import { aborted, saveBatches } from './save-batches.ts';

/** What a rewind needs of the engine. */
export interface RewindLog {
  /** A getter: another object after `reopen`. */
  readonly database: Pick<Database, 'walTail' | 'largestFlushedSequence'>;
  readonly isOpen: boolean;
  latestSequence(): number;
  close(): Promise<void>;
  /**
   * Opens what stands in the directory; `walStopAt` as in OpenOptions of @holdfast/rocksdb.
   * @throws RocksError; ROCKS_WAL_STOP: the log cannot be stopped there.
   */
  reopen(walStopAt?: number): Promise<void>;
}

export interface RewindEnvironment {
  readonly files: ReplicationFiles;
  readonly paths: RollbackPaths;
  /** The database directory. */
  readonly database: string;
  readonly log: RewindLog;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Gives the log another id, durably. */
  replaceLogId(): void;
  /** Why nothing is to be written now: too little room. RocksDB may end the process on a disk that is really full. */
  obstacle(): string | undefined;
}

/** A hindrance (disk full, I/O error) is tried again after this. */
export const hinderedWaitMs: number = 1000;

/** Describes the sequences from `first` to `last` of the open log. */
export type Describe = (first: number, last: number) => GivenUp;

/**
 * Takes back everything after `keep`. The log must be open, nobody may use it, and it is open afterwards, with other
 * contents unless the outcome is 'full-sync' and the node's data stand as they were.
 * @param signal once aborted, nothing more is begun; what has begun (the marker stands) is finished, unless the disk is in
 *   the way.
 * @returns 'full-sync': it cannot be taken back; what the master lacks is kept, and the master's data may replace the rest.
 * @throws OperationError REWIND_ABORTED, REWIND_HINDERED: not done, the log is open and as it was; REWIND_UNFINISHED: the
 *   log is closed, and the next start of the node finishes it. Whenever the log is closed after an error, the process must
 *   end.
 */
export async function rewindLog(
  env: RewindEnvironment,
  describe: Describe,
  keep: number,
  signal: AbortSignal,
): Promise<RewindOutcome> {
  const latest = env.log.latestSequence();
  const found = { kind: 'open', keep, latest, flushedThrough: env.log.database.largestFlushedSequence() } as const;
  if (nextRewindStep({ ...found, batches: 'not-saved' }) === 'rewound') return 'rewound';
  env.logger.warn('this log holds what its master lacks: it is taken back', { keep, latest });
  const part = describe(keep + 1, latest);
  const whole = describe(1, latest);
  const file = await save(env, part, signal);
  const step = nextRewindStep({ ...found, batches: file === undefined ? 'not-in-the-log' : 'saved' });
  if (file === undefined || step === 'move-database') return await giveUpDatabase(env, whole);
  if (step === 'full-sync') {
    env.replaceLogId();
    return 'full-sync';
  }
  if (signal.aborted) throw aborted();
  const marker = { keep, file, whole };
  await unlessHindered(env, 'mark the database', () => mark(env, marker));
  return await finishMarked(env, marker, signal);
}

/**
 * Before a full sync that replaces this log: keeps what the master lacks of it. As for the log, see `rewindLog`.
 * @param common last sequence that the master has too; undefined when that cannot be told.
 */
export async function keepBeforeFullSync(
  env: RewindEnvironment,
  describe: Describe,
  common: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const latest = env.log.latestSequence();
  if (latest <= (common ?? 0)) return;
  const whole = describe(1, latest);
  const file = common === undefined ? undefined : await save(env, describe(common + 1, latest), signal);
  if (file === undefined) await giveUpDatabase(env, whole);
  else env.replaceLogId();
}

/**
 * At the start of a node, before its database is opened in any other way: finishes what a crash has left. The log must be
 * closed, and is closed afterwards.
 * @returns what was finished; undefined when no rewind was under way.
 * @throws OperationError REWIND_MARKER_DAMAGED, REWIND_UNFINISHED: the database must not be opened.
 */
export async function resumeRewind(env: RewindEnvironment): Promise<RewindOutcome | undefined> {
  const marker = await readMarker(env.files, env.paths.marker);
  if (marker === undefined) return undefined;
  env.logger.warn('a rewind was broken off; it is repeated', { keep: marker.keep, file: marker.file });
  const outcome = await finishMarked(env, marker, AbortSignal.abort());
  await env.log.close();
  return outcome;
}

/** From the marker to its removal; each pass looks, decides and does one thing. */
async function finishMarked(env: RewindEnvironment, marker: RewindMarker, signal: AbortSignal): Promise<RewindOutcome> {
  const { files, log } = env;
  let attempt: MarkedAttempt = { kind: 'none' };
  let hindrance: unknown;
  for (;;) {
    const hasDatabase = await files.exists(env.database);
    const step = nextRewindStep({ kind: 'marked', marker, hasDatabase, attempt });
    if (step === 'wait') {
      attempt = await waitForRoom(env, hindrance, signal);
      continue;
    }
    try {
      if (step === 'unmark') {
        await files.remove(env.paths.marker);
        break;
      }
      if (step === 'move-database') {
        await putAway(env, marker.whole);
      } else {
        refuseObstacle(env);
        await log.close();
        await log.reopen(step === 'open-stopped' ? marker.keep : undefined);
        const latest = log.latestSequence();
        attempt = { kind: step === 'open-stopped' ? 'stopped' : 'as-it-is', latest };
        if (step === 'open-as-it-is') env.replaceLogId();
      }
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      hindrance = error;
      attempt = attemptOf(error);
      env.logger.warn('the rewind meets an obstacle', { step, attempt: attempt.kind, error: messageOf(error) });
    }
  }
  // Without the marker a start opens whatever stands there: so if this fails, the next start goes on from here.
  if (!log.isOpen) await log.reopen();
  const sequence = log.latestSequence();
  const outcome = sequence === marker.keep ? 'rewound' : 'full-sync';
  env.logger.info('rewind done', { outcome, sequence });
  return outcome;
}

/** What a failure says of the database. */
function attemptOf(error: unknown): MarkedAttempt {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined;
  if (code === 'ROCKS_WAL_STOP') return { kind: 'refused' };
  if (code === 'ROCKS_CORRUPTION') return { kind: 'damaged' };
  return { kind: 'hindered' };
}

/** The node stays out of service. @throws OperationError REWIND_UNFINISHED when it is not to wait any longer. */
async function waitForRoom(env: RewindEnvironment, hindrance: unknown, signal: AbortSignal): Promise<MarkedAttempt> {
  const reason = messageOf(hindrance);
  if (signal.aborted) {
    throw new OperationError(
      'REWIND_UNFINISHED',
      `the database is being rewound and ${reason}; make room, the next start goes on. Nothing was lost`,
      { outcome: 'not-applied', cause: hindrance },
    );
  }
  env.logger.error('out of service: the rewind cannot go on; trying again', { reason, retryInMs: hinderedWaitMs });
  await new Promise<void>((resolve) => {
    const go = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', go);
      resolve();
    };
    const timer = env.timers.after(hinderedWaitMs, go);
    signal.addEventListener('abort', go);
  });
  return { kind: 'none' };
}

/** The log cannot say what would go: the whole directory is kept, and the node begins with an empty one. */
async function giveUpDatabase(env: RewindEnvironment, whole: GivenUp): Promise<RewindOutcome> {
  try {
    await putAway(env, whole);
  } catch (error) {
    if (error instanceof InvariantError) throw error;
    // A rename that was done and could not be made durable is done: whichever of the two a crash leaves is whole.
    if (await env.files.exists(env.database)) {
      if (!env.log.isOpen) await env.log.reopen();
      throw hindered(env, 'move the database', error);
    }
  }
  await env.log.reopen();
  return 'full-sync';
}

async function putAway(env: RewindEnvironment, whole: GivenUp): Promise<void> {
  env.replaceLogId();
  await env.log.close();
  const name = await moveDatabase(env.files, env.paths.directory, env.database, whole);
  env.logger.warn('the whole database is kept aside', { name, last: whole.last, mode: whole.mode });
}

async function save(env: RewindEnvironment, part: GivenUp, signal: AbortSignal): Promise<string | undefined> {
  const { files, paths, log, logger } = env;
  const from = { files, directory: paths.directory, database: log.database };
  const file = await unlessHindered(env, 'save what is given up', () => saveBatches(from, part, signal));
  const { first, last, mode } = part;
  if (file !== undefined) logger.warn('what is given up is kept', { file, first, last, mode });
  return file;
}

/** A marker that stands is the mark, even if making it durable failed: what is marked must be finished. */
async function mark(env: RewindEnvironment, marker: RewindMarker): Promise<void> {
  try {
    await writeMarker(env.files, env.paths.marker, marker);
  } catch (error) {
    if (!(await env.files.exists(env.paths.marker))) throw error;
  }
}

async function unlessHindered<T>(env: RewindEnvironment, what: string, run: () => Promise<T>): Promise<T> {
  try {
    refuseObstacle(env);
    return await run();
  } catch (error) {
    if (error instanceof OperationError || error instanceof InvariantError) throw error;
    throw hindered(env, what, error);
  }
}

function refuseObstacle(env: RewindEnvironment): void {
  const obstacle = env.obstacle();
  if (obstacle !== undefined) throw new Error(obstacle);
}

function hindered(env: RewindEnvironment, what: string, cause: unknown): OperationError {
  const message = `this node cannot ${what}: ${messageOf(cause)}; it stays out of service and tries again`;
  env.logger.error('out of service', { reason: message });
  return new OperationError('REWIND_HINDERED', message, { outcome: 'not-applied', cause });
}
