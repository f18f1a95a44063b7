/**
 * The master's side of a full sync: one checkpoint of the database, shared by the replicas that ask while it is fresh.
 * Kvrocks `src/commands/cmd_replication.cc` (_fetch_meta, _fetch_file) and `src/storage/storage.cc` (ReplDataManager).
 *
 * A checkpoint is *fresh* while it is younger than half of the time the WAL reaches back (between 10 and 60 minutes) and
 * the WAL still holds what follows it: a replica that fetches it can then go on by partial sync. It is removed when nobody
 * has read from it for 30 s, or after 24 h; hard links cost disk space only as compaction replaces the originals.
 */
import {
  InvariantError,
  messageOf,
  OperationError,
  type Clock,
  type Logger,
  type Timer,
  type Timers,
  type Transport,
} from '@holdfast/base';
import { isCheckpointFile, type ReplicationFiles, type ReplicationPaths } from './files.ts';
import { checkpointAgeMsMax, checkpointIdleMs, fileChunkBytes } from './limits.ts';
import { PushedStream } from './pushed-stream.ts';
import type { ReplicatedLog } from './replicated-log.ts';

export interface CheckpointSourceEnvironment {
  readonly log: ReplicatedLog;
  readonly files: ReplicationFiles;
  readonly paths: ReplicationPaths;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** How far back the WAL reaches (`rocksdb.wal_ttl_seconds`). */
  walTtlMs(): number;
  /** `max-replication-mb`, over all transfers; 0: unlimited. */
  bytesPerSecondMax(): number;
  sendTimeoutMs(): number;
}

interface Checkpoint {
  readonly names: ReadonlySet<string>;
  /** The last sequence it holds. */
  readonly sequence: number;
  readonly createdMs: number;
  accessedMs: number;
}

const minuteMs = 60_000;
const reviewMs = 1000;
/** What timers that fired late and a slow reader have cost is made up for, to so much. */
const paceSlackMs = 20;
const refusal = Buffer.from("-can't create db checkpoint\r\n");

export class CheckpointSource {
  readonly #env: CheckpointSourceEnvironment;
  #checkpoint: Checkpoint | undefined;
  /** The last operation on the directory: they never run at the same time. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #transfers = new Set<PushedStream>();
  #review: Timer | undefined;
  /** What was sent is within the rate from then on. */
  #paidUntilMs = 0;

  constructor(env: CheckpointSourceEnvironment) {
    this.#env = env;
  }

  get transfers(): number {
    return this.#transfers.size;
  }

  /** Answers `_fetch_meta` on a connection that is ours now, and closes it. Never rejects. */
  async sendNames(transport: Transport): Promise<void> {
    const stream = this.#open(transport);
    try {
      const { names } = await this.#current();
      await stream.write(Buffer.from(`${[...names].join(',')}\r\n`));
    } catch (error) {
      this.#env.logger.error('no checkpoint for a full sync', { replica: transport.peer, error: messageOf(error) });
      await stream.write(refusal).catch(() => undefined);
    } finally {
      this.#transfers.delete(stream);
      stream.end();
    }
  }

  /**
   * Answers `_fetch_file`: per file its size as a line, then its bytes. At a name that is not of the checkpoint the
   * connection is closed, as for a missing file. Never rejects.
   */
  async sendFiles(transport: Transport, names: readonly string[]): Promise<void> {
    const stream = this.#open(transport);
    const { logger } = this.#env;
    try {
      for (const name of names) {
        const checkpoint = this.#checkpoint;
        if (checkpoint?.names.has(name) !== true) {
          logger.warn('a replica asks for a file that is not of the checkpoint', { replica: transport.peer, name });
          break;
        }
        checkpoint.accessedMs = this.#env.clock.leaseMs();
        await this.#sendFile(stream, name);
      }
      stream.end();
    } catch (error) {
      logger.warn('a file transfer ended early', { replica: transport.peer, error: messageOf(error) });
      stream.destroy();
    } finally {
      this.#transfers.delete(stream);
    }
  }

  /** The database is about to be replaced or closed: ends all transfers and removes the checkpoint. */
  async discard(): Promise<void> {
    for (const stream of [...this.#transfers]) stream.destroy();
    await this.#inTurn(() => this.#remove());
  }

  #open(transport: Transport): PushedStream {
    const stream = new PushedStream(transport, this.#env.timers, this.#env.sendTimeoutMs());
    this.#transfers.add(stream);
    return stream;
  }

  async #sendFile(stream: PushedStream, name: string): Promise<void> {
    const { files, paths, clock } = this.#env;
    const file = await files.openReader(`${paths.checkpoint}/${name}`);
    try {
      await stream.write(Buffer.from(`${file.sizeBytes}\r\n`));
      // One for all pieces: thousands of them a second had V8 look for garbage all the time, 5 to 15 ms each.
      let piece = Buffer.alloc(0);
      for (let sent = 0; sent < file.sizeBytes;) {
        const isFree = piece.length > 0 && stream.pendingBytes === 0;
        if (!isFree) piece = Buffer.allocUnsafe(Math.min(fileChunkBytes, file.sizeBytes - sent));
        const length = await file.read(piece.subarray(0, file.sizeBytes - sent));
        if (length === 0) throw new Error(`${name} became shorter while it was read`);
        sent += length;
        await stream.write(piece.subarray(0, length));
        await this.#pace(length);
        if (this.#checkpoint !== undefined) this.#checkpoint.accessedMs = clock.leaseMs();
      }
    } finally {
      await file.close();
    }
  }

  /**
   * Rests until what was sent, by all transfers together, is within the rate. After each piece: Kvrocks rests after each file,
   * so that a file of 128 MiB leaves as fast as it can whatever the rate is, and clients wait meanwhile.
   */
  async #pace(bytes: number): Promise<void> {
    const rate = this.#env.bytesPerSecondMax();
    if (rate <= 0) return;
    const nowMs = this.#env.clock.leaseMs();
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs - paceSlackMs) + (bytes * 1000) / rate;
    // A rate that was raised meanwhile holds from the next piece: none takes long.
    const restMs = this.#paidUntilMs - nowMs;
    if (restMs > 0) await new Promise<void>((resolve) => void this.#env.timers.after(restMs, resolve));
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #current(): Promise<Checkpoint> {
    return this.#inTurn(async () => {
      const { clock, log, files, paths, logger } = this.#env;
      const nowMs = clock.leaseMs();
      if (this.#checkpoint !== undefined && this.#isFresh(this.#checkpoint, nowMs)) {
        this.#checkpoint.accessedMs = nowMs;
        // In Kvrocks' words: its suite, and who watches its log, look for them.
        logger.info('Using current existing checkpoint', { sequence: this.#checkpoint.sequence });
        return this.#checkpoint;
      }
      // The one who asks counts as a transfer itself.
      if (this.#checkpoint !== undefined && this.#transfers.size > 1)
        throw new OperationError('FULL_SYNC_CHECKPOINT', 'an old checkpoint is still being read', {
          outcome: 'not-applied',
        });
      await this.#remove();
      const sequence = await log.database.checkpoint(paths.checkpoint);
      const names = new Set((await files.list(paths.checkpoint)).filter(isCheckpointFile));
      this.#checkpoint = { names, sequence, createdMs: nowMs, accessedMs: clock.leaseMs() };
      this.#review ??= this.#env.timers.every(reviewMs, () => this.#reviewAge());
      logger.info('a checkpoint for full syncs was made', { sequence, files: names.size });
      return this.#checkpoint;
    });
  }

  #isFresh({ createdMs, sequence }: Checkpoint, nowMs: number): boolean {
    const freshMs = Math.min(Math.max(this.#env.walTtlMs() / 2, 10 * minuteMs), 60 * minuteMs);
    if (nowMs - createdMs >= freshMs) return false;
    try {
      this.#env.log.database.walTail(sequence + 1).close();
      return true;
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      return false; // what follows is no longer in the WAL: a copy of it could not be continued
    }
  }

  #reviewAge(): void {
    const checkpoint = this.#checkpoint;
    if (checkpoint === undefined) return;
    const nowMs = this.#env.clock.leaseMs();
    const idle = this.#transfers.size === 0 && nowMs - checkpoint.accessedMs >= checkpointIdleMs;
    if (!idle && nowMs - checkpoint.createdMs < checkpointAgeMsMax) return;
    this.#inTurn(() => (this.#checkpoint === checkpoint ? this.#remove() : Promise.resolve())).catch((error: unknown) =>
      this.#env.logger.warn('the checkpoint cannot be removed', { error: messageOf(error) }),
    );
  }

  async #remove(): Promise<void> {
    this.#checkpoint = undefined;
    this.#review?.cancel();
    this.#review = undefined;
    await this.#env.files.remove(this.#env.paths.checkpoint);
  }
}
