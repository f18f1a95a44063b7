/**
 * The replica's side of a full sync: fetches the files of the master's checkpoint beside the own database, then exchanges
 * the two (directory-swap.ts). Until the exchange the own data stay in service, unless the operator asked for the disk
 * space (`slave-empty-db-before-fullsync`).
 *
 * Nothing of the transfer is checksummed in Kvrocks' protocol; RocksDB's own checksums speak when the files are read.
 * Table and blob files that were fetched whole earlier in the life of the same link are not fetched again; a manifest or a
 * log is, since one of the same name may have grown.
 */
import { OperationError, type Clock, type Connector, type Endpoint, type Logger, type Timers } from '@holdfast/base';
import { encodeCommand } from '@holdfast/resp';
import { discardDirectory, swapDirectories } from './directory-swap.ts';
import { isCheckpointFile, isImmutableFile, type ReplicationFiles, type ReplicationPaths } from './files.ts';
import {
  fileChunkBytes,
  fileConnections,
  fileListBytesMax,
  handshakeLineBytesMax,
  singleConnectionFiles,
  sizeLineBytesMax,
} from './limits.ts';
import { PulledStream } from './pulled-stream.ts';
import type { ReplicatedLog } from './replicated-log.ts';

export interface FullSyncEnvironment {
  readonly master: Endpoint;
  readonly log: ReplicatedLog;
  readonly connector: Connector;
  readonly files: ReplicationFiles;
  readonly paths: ReplicationPaths;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly password: string | undefined;
  readonly connectTimeoutMs: number;
  /** A transfer in which nothing comes for this long has failed. */
  readonly silenceMs: number;
  /** `slave-empty-db-before-fullsync`. */
  readonly emptyDatabaseFirst: boolean;
  /** Names of immutable files that are complete in `paths.received`, of this master; kept between attempts. */
  readonly fetched: Set<string>;
  /** The database is about to be closed: commands get LOADING from now on, own replicas are detached. */
  beforeClose(): Promise<void>;
  /** A database is open again; `replaced` when it is not the one from before. */
  afterOpen(replaced: boolean): void;
  /** No database can be opened: the process must end, the next start repairs what can be repaired. */
  onDatabaseLost(error: unknown): void;
}

/**
 * @param signal once aborted the sync ends, unless the databases are being exchanged: that is completed.
 * @throws OperationError FULL_SYNC_* when it ended without the master's data: the own database is in use then, or an
 *   empty one when `emptyDatabaseFirst` has removed it.
 */
export async function runFullSync(env: FullSyncEnvironment, signal: AbortSignal): Promise<void> {
  const startMs = env.clock.leaseMs();
  const names = await fetchNames(env, signal);
  env.logger.info('full sync begins', { files: names.length });
  await prepareDirectory(env, names);
  if (env.emptyDatabaseFirst) await makeRoomAndFetch(env, names, signal);
  else {
    await fetchAll(env, names, signal);
    await env.beforeClose();
    await orLost(env, () => env.log.close());
  }
  await exchange(env);
  env.logger.info('full sync done', { sequence: env.log.latestSequence(), tookMs: env.clock.leaseMs() - startMs });
}

async function fetchAll(env: FullSyncEnvironment, names: readonly string[], signal: AbortSignal): Promise<void> {
  const missing = names.filter((name) => !env.fetched.has(name));
  const width = missing.length > singleConnectionFiles ? fileConnections : 1;
  const shares = Array.from({ length: width }, (_, i) => missing.filter((_name, at) => at % width === i));
  // The first that fails ends the others: nothing is won by their going on.
  const stop = new AbortController();
  const forward = (): void => stop.abort();
  signal.addEventListener('abort', forward);
  if (signal.aborted) stop.abort();
  const results = await Promise.allSettled(
    shares
      .filter((share) => share.length > 0)
      .map((share) =>
        fetchFiles(env, share, stop.signal).catch((error: unknown) => {
          stop.abort();
          throw error;
        }),
      ),
  );
  signal.removeEventListener('abort', forward);
  if (signal.aborted) throw aborted();
  const failures = results.filter((result) => result.status === 'rejected');
  const cause = failures.find(({ reason }) => !isAborted(reason)) ?? failures[0];
  if (cause !== undefined) throw cause.reason;
}

/** The own database makes room first; if the fetch fails, an empty one takes its place. */
async function makeRoomAndFetch(
  env: FullSyncEnvironment,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await env.beforeClose();
  await orLost(env, async () => {
    await env.log.close();
    await discardDirectory(env.files, env.paths, env.paths.database);
  });
  try {
    await fetchAll(env, names, signal);
  } catch (error) {
    await orLost(env, () => env.log.reopen());
    env.afterOpen(true);
    throw error;
  }
}

/** The database is closed, the received one whole. */
async function exchange(env: FullSyncEnvironment): Promise<void> {
  env.fetched.clear();
  try {
    await orLost(env, () => swapDirectories(env.files, env.paths, () => env.log.reopen()));
  } catch (error) {
    if (isOpenAgain(error)) env.afterOpen(false);
    throw error;
  }
  env.afterOpen(true);
}

function isOpenAgain(error: unknown): boolean {
  return error instanceof OperationError && error.code === 'FULL_SYNC_OPEN';
}

async function orLost(env: FullSyncEnvironment, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!isOpenAgain(error)) env.onDatabaseLost(error);
    throw error;
  }
}

async function connect(env: FullSyncEnvironment, signal: AbortSignal): Promise<PulledStream> {
  if (signal.aborted) throw aborted();
  const transport = await env.connector.connect(env.master, { timeoutMs: env.connectTimeoutMs });
  const stream = new PulledStream(transport, env.timers, env.silenceMs);
  signal.addEventListener('abort', () => stream.destroy(), { once: true });
  if (signal.aborted) stream.destroy();
  if (env.password === undefined) return stream;
  try {
    stream.send(encodeCommand(['AUTH', env.password]));
    const answer = await stream.readLine(handshakeLineBytesMax);
    if (answer !== '+OK') throw refused(`AUTH: ${answer}`);
    return stream;
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

async function fetchNames(env: FullSyncEnvironment, signal: AbortSignal): Promise<readonly string[]> {
  const stream = await connect(env, signal);
  try {
    stream.send(encodeCommand(['_fetch_meta']));
    const line = await stream.readLine(fileListBytesMax);
    if (line.startsWith('-')) throw refused(`_fetch_meta: ${line}`);
    const names = line.split(',').filter((name) => name.length > 0);
    for (const name of names)
      if (!isCheckpointFile(name)) throw refused(`${JSON.stringify(name)} is not the name of a checkpoint's file`);
    if (!names.includes('CURRENT')) throw refused('the checkpoint has no file CURRENT');
    return [...new Set(names)];
  } finally {
    stream.destroy();
  }
}

/** Leaves in the directory only what need not be fetched again. */
async function prepareDirectory(
  { files, paths, fetched, logger }: FullSyncEnvironment,
  names: readonly string[],
): Promise<void> {
  await files.makeDirectory(paths.received);
  const wanted = new Set(names);
  const present = new Set(await files.list(paths.received));
  for (const name of fetched) if (!wanted.has(name) || !present.has(name)) fetched.delete(name);
  for (const name of present) if (!fetched.has(name)) await files.remove(`${paths.received}/${name}`);
  // As Kvrocks counts them in its log, where its suite looks for it.
  let kept = 0;
  for (const file of fetched)
    logger.info('a file is here from an earlier attempt', { file, note: `skip count: ${++kept}` });
}

async function fetchFiles(env: FullSyncEnvironment, names: readonly string[], signal: AbortSignal): Promise<void> {
  const stream = await connect(env, signal);
  try {
    stream.send(encodeCommand(['_fetch_file', names.join(',')]));
    for (const name of names) {
      const line = await stream.readLine(sizeLineBytesMax);
      if (!/^[0-9]{1,15}$/.test(line)) throw refused(`${JSON.stringify(line)} instead of the size of ${name}`);
      await receiveFile(env, stream, name, Number(line));
      if (isImmutableFile(name)) env.fetched.add(name);
    }
  } finally {
    stream.destroy();
  }
}

/** Under its own name a file is always whole. */
async function receiveFile(env: FullSyncEnvironment, stream: PulledStream, name: string, bytes: number): Promise<void> {
  const path = `${env.paths.received}/${name}`;
  const writer = await env.files.openWriter(`${path}.tmp`);
  try {
    for (let left = bytes; left > 0;) {
      const piece = await stream.readSome(Math.min(left, fileChunkBytes));
      left -= piece.length;
      await writer.write(piece);
    }
  } catch (error) {
    await writer.abandon();
    throw error;
  }
  await writer.finish();
  await env.files.rename(`${path}.tmp`, path);
}

function refused(reason: string): OperationError {
  return new OperationError('FULL_SYNC_REFUSED', `full sync failed: ${reason}`, { outcome: 'not-applied' });
}

function aborted(): OperationError {
  return new OperationError('FULL_SYNC_ABORTED', 'the full sync was ended: another master or another role', {
    outcome: 'not-applied',
  });
}

function isAborted(error: unknown): boolean {
  return error instanceof OperationError && error.code === 'FULL_SYNC_ABORTED';
}
