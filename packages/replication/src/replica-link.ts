/**
 * The replica's side of a link: the thin shell around `stepLink` that owns the connection, reads the stream and has the
 * engine apply it.
 *
 * Everything that arrived in one turn of the event loop is applied in one call, so that a replica that is behind pays
 * RocksDB's fixed cost per turn and not per batch. Each batch must begin exactly after the last one applied; RocksDB would
 * silently renumber it otherwise, and the two logs would differ under equal sequences. The replica writes nothing of its own.
 */
import {
  InvariantError,
  messageOf,
  type Clock,
  type Connector,
  type Endpoint,
  type Logger,
  type Timer,
  type Timers,
} from '@holdfast/base';
import { formatEndpoint, type Transport } from '@holdfast/base';
import type { Commit } from '@holdfast/engine';
import type { LogEnd } from '@holdfast/fencing';
import { encodeCommand } from '@holdfast/resp';
import { StreamDecoder, type StreamItem } from './framing.ts';
import {
  ackPeriodMs,
  applyBytesMax,
  drainMsMax,
  handshakeLineBytesMax,
  silentMasterMs,
  unsentAckBytesMax,
} from './limits.ts';
import {
  stepLink,
  stoppedLink,
  type LinkEffect,
  type LinkEvent,
  type LinkPhase,
  type LinkSettings,
  type LinkState,
  type LogPosition,
  type RewindOutcome,
} from './link-state.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import { summarizeBatch, type BatchSummary } from './write-batch.ts';

export interface LinkEnvironment {
  readonly master: Endpoint;
  readonly log: ReplicatedLog;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Read anew for each attempt: the password may have been changed. */
  settings(): LinkSettings;
  position(): LogPosition;
  /** `replication-connect-timeout-ms`. */
  connectTimeoutMs(): number;
  /** `replication-recv-timeout-ms`: each answer of the handshake. */
  receiveTimeoutMs(): number;
  /** The stream from the master flows: `up` is true from here on. */
  onStreaming(): void;
  /** What was applied in one turn; `commit.packed` is given up. One summary per batch. */
  onApplied(commit: Commit, summaries: readonly BatchSummary[]): void;
  /**
   * Copies the master's database in place of the own one. Once `signal` is aborted it ends as soon as that leaves a usable
   * database; it rejects then, as for any failure.
   */
  fullSync(signal: AbortSignal): Promise<void>;
  /**
   * Takes back everything after `target` in the own log, what is taken back being kept in a file. Without a target nobody
   * knows what the master lacks: the whole database is kept aside. Rejects when the node has to stay as it is for now
   * (disk full); once `signal` is aborted it ends as soon as that leaves a usable database.
   */
  rewind(target: LogEnd | undefined, signal: AbortSignal): Promise<RewindOutcome>;
}

export interface LinkFacts {
  readonly master: Endpoint;
  readonly phase: LinkPhase['kind'];
  /** Since the last byte from the master; undefined when none ever came. */
  readonly silentMs: number | undefined;
}

interface Connection {
  readonly transport: Transport;
  /** Bytes of a handshake line that is not complete; unused once streaming. */
  held: Buffer;
  readonly decoder: StreamDecoder;
  received: StreamItem[];
  receivedBytes: number;
  applyScheduled: boolean;
  /** Chunks read so far: whether something came in between. */
  chunks: number;
}

export class ReplicaLink {
  readonly #env: LinkEnvironment;
  #state: LinkState = stoppedLink;
  #settings: LinkSettings;
  #connection: Connection | undefined;
  #timer: Timer | undefined;
  #watch: Timer | undefined;
  /** A full sync or a rewind: the database belongs to it. */
  #exchange: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  #lastIoMs: number | undefined;
  #lastAckMs = -Infinity;
  /** Rises with every attempt: what belongs to an earlier one is ignored. */
  #attempt = 0;

  constructor(env: LinkEnvironment) {
    this.#env = env;
    this.#settings = env.settings();
  }

  get phase(): LinkPhase {
    return this.#state.phase;
  }

  /** Whether the stream flows: `master_link_status:up`. */
  get up(): boolean {
    return this.#state.phase.kind === 'streaming';
  }

  facts(): LinkFacts {
    const { master, clock } = this.#env;
    const silentMs = this.#lastIoMs === undefined ? undefined : clock.leaseMs() - this.#lastIoMs;
    return { master, phase: this.#state.phase.kind, silentMs };
  }

  start(): void {
    this.#dispatch({ kind: 'start' });
  }

  /** Cuts the link at once; what was received and not applied is dropped. A full sync ends as soon as it safely can. */
  stop(): void {
    this.#exchange?.abort.abort();
    this.#dispatch({ kind: 'stop' });
  }

  /**
   * As `stop`.
   * @returns when a full sync that was under way has left the databases alone. Never rejects.
   */
  async applyNothingMore(): Promise<void> {
    const exchange = this.#exchange;
    this.stop();
    await exchange?.done;
  }

  /**
   * For promotion: reads and applies until the kernel has no more bytes of the master (two turns of the event loop
   * without any, or the bound of `drainMsMax` for a master that still sends), then cuts the link. A full sync under way is
   * ended first, or waited for when the database is just being exchanged. Never rejects.
   */
  async applyAllReceived(): Promise<void> {
    if (this.#connection !== undefined && this.up) await this.#untilIdle(this.#connection, drainMsMax);
    if (this.#connection !== undefined && this.up) this.#applyReceived(this.#connection);
    await this.applyNothingMore();
  }

  #dispatch(event: LinkEvent): void {
    const before = this.#state.phase.kind;
    const { state, effects } = stepLink(this.#settings, this.#state, event, this.#env.clock.leaseMs());
    this.#state = state;
    const after = state.phase.kind;
    if (before !== after)
      this.#env.logger.debug('replication link', { master: formatEndpoint(this.#env.master), from: before, to: after });
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: LinkEffect): void {
    switch (effect.kind) {
      case 'connect':
        this.#connect();
        return;
      case 'send':
        this.#connection?.transport.write(encodeCommand(effect.command));
        this.#armStepTimeout();
        return;
      case 'close':
        this.#close();
        return;
      case 'stream':
        this.#beginStream();
        return;
      case 'full-sync':
        this.#beginFullSync();
        return;
      case 'rewind':
        this.#beginRewind(effect.target);
        return;
      case 'wait':
        this.#wait(effect.delayMs, effect.reason);
        return;
      default:
        effect satisfies never;
    }
  }

  #connect(): void {
    const attempt = ++this.#attempt;
    this.#settings = this.#env.settings();
    const { connector, master } = this.#env;
    connector.connect(master, { timeoutMs: this.#env.connectTimeoutMs() }).then(
      (transport) => {
        if (attempt !== this.#attempt) transport.destroy();
        else this.#connected(transport, attempt);
      },
      (error: unknown) => {
        if (attempt === this.#attempt) this.#dispatch({ kind: 'lost', reason: messageOf(error) });
      },
    );
  }

  #connected(transport: Transport, attempt: number): void {
    const connection: Connection = {
      transport,
      held: Buffer.alloc(0),
      decoder: new StreamDecoder(),
      received: [],
      receivedBytes: 0,
      applyScheduled: false,
      chunks: 0,
    };
    this.#connection = connection;
    const lost = (reason: string): void => {
      if (attempt !== this.#attempt) return;
      if (this.up) this.#applyReceived(connection);
      if (attempt === this.#attempt) this.#dispatch({ kind: 'lost', reason });
    };
    transport.listen({
      onData: (chunk) => {
        if (attempt === this.#attempt) this.#onData(connection, chunk);
      },
      onEnd: () => lost('the master closed the link'),
      onClose: (error) => lost(error === undefined ? 'the link was closed' : messageOf(error)),
    });
    this.#dispatch({ kind: 'connected' });
  }

  /** Also ends what an attempt left behind: timers and a connection that is still being opened. */
  #close(): void {
    this.#attempt++;
    this.#timer?.cancel();
    this.#watch?.cancel();
    this.#timer = undefined;
    this.#watch = undefined;
    this.#connection?.transport.destroy();
    this.#connection = undefined;
  }

  #wait(delayMs: number, reason: string): void {
    const fields = { master: formatEndpoint(this.#env.master), reason, retryInMs: delayMs };
    this.#env.logger.warn('not replicating; trying again', fields);
    this.#timer = this.#env.timers.after(delayMs, () => this.#dispatch({ kind: 'retry-due' }));
  }

  #armStepTimeout(): void {
    this.#timer?.cancel();
    const timeoutMs = this.#env.receiveTimeoutMs();
    this.#timer = this.#env.timers.after(timeoutMs, () =>
      this.#dispatch({ kind: 'lost', reason: `no answer within ${timeoutMs} ms (${this.#state.phase.kind})` }),
    );
  }

  #onData(connection: Connection, chunk: Buffer): void {
    this.#lastIoMs = this.#env.clock.leaseMs();
    connection.chunks++;
    if (this.up) this.#onStream(connection, chunk);
    else this.#onHandshake(connection, chunk);
  }

  #onHandshake(connection: Connection, chunk: Buffer): void {
    connection.held = connection.held.length === 0 ? chunk : Buffer.concat([connection.held, chunk]);
    while (connection === this.#connection && !this.up) {
      const end = connection.held.indexOf(10);
      if (end < 0) {
        if (connection.held.length > handshakeLineBytesMax)
          this.#dispatch({ kind: 'broken', reason: `an answer longer than ${handshakeLineBytesMax} bytes` });
        return;
      }
      const text = connection.held.latin1Slice(0, end).replace(/\r$/, '');
      connection.held = connection.held.subarray(end + 1);
      this.#timer?.cancel();
      this.#dispatch({ kind: 'line', text, position: this.#env.position() });
    }
    if (connection !== this.#connection || connection.held.length === 0) return;
    const rest = connection.held;
    connection.held = Buffer.alloc(0);
    this.#onStream(connection, rest);
  }

  #beginStream(): void {
    const { master, log, logger, timers } = this.#env;
    this.#timer?.cancel();
    this.#lastAckMs = -Infinity;
    logger.info('replicating', { master: formatEndpoint(master), fromSequence: log.latestSequence() + 1 });
    const attempt = this.#attempt;
    this.#watch = timers.every(silentMasterMs / 4, () => {
      if (attempt === this.#attempt) this.#watchSilence();
    });
    this.#env.onStreaming();
  }

  /** A process that was stopped finds its timers due before its sockets read: only real silence counts. */
  #watchSilence(): void {
    const connection = this.#connection;
    const isSilent = (): boolean => this.#env.clock.leaseMs() - (this.#lastIoMs ?? 0) >= silentMasterMs;
    if (connection === undefined || !isSilent()) return;
    void this.#untilIdle(connection, silentMasterMs).then(() => {
      if (connection !== this.#connection || !this.up || !isSilent()) return;
      this.#applyReceived(connection);
      if (connection === this.#connection)
        this.#dispatch({ kind: 'lost', reason: `the master sent nothing for ${silentMasterMs} ms` });
    });
  }

  #onStream(connection: Connection, chunk: Buffer): void {
    let failure: string | undefined;
    try {
      connection.decoder.push(chunk, connection.received);
    } catch (error) {
      failure = messageOf(error);
    }
    connection.receivedBytes += chunk.length;
    if (failure !== undefined || connection.receivedBytes >= applyBytesMax) this.#applyReceived(connection);
    else if (!connection.applyScheduled && connection.received.length > 0) {
      connection.applyScheduled = true;
      this.#env.timers.soon(() => {
        connection.applyScheduled = false;
        if (connection === this.#connection && this.up) this.#applyReceived(connection);
      });
    }
    if (failure !== undefined && connection === this.#connection) this.#dispatch({ kind: 'broken', reason: failure });
  }

  /** Applies what was received, in one call, and acknowledges it. */
  #applyReceived(connection: Connection): void {
    const items = connection.received;
    if (items.length === 0) return;
    connection.received = [];
    connection.receivedBytes = 0;
    const batches: Buffer[] = [];
    let asked = false;
    let probe = 0;
    for (const item of items) {
      if (item.kind === 'batch') batches.push(item.bytes);
      else asked = true;
      if (item.kind === 'probe') probe = item.probe;
    }
    const failure = batches.length === 0 ? undefined : this.#apply(batches);
    if (failure !== undefined) {
      this.#env.logger.error('received data cannot be applied', { master: formatEndpoint(this.#env.master), failure });
      this.#dispatch({ kind: 'broken', reason: failure });
    } else this.#acknowledge(connection, asked, probe);
  }

  /** @returns why not all of it was applied; undefined when it was. */
  #apply(batches: readonly Buffer[]): string | undefined {
    const { log } = this.#env;
    const firstSequence = log.latestSequence() + 1;
    const lengths = new Uint32Array(batches.length);
    const summaries: BatchSummary[] = [];
    let next = firstSequence;
    let failure: string | undefined;
    try {
      for (const batch of batches) {
        const summary = summarizeBatch(batch);
        if (summary.sequence !== next)
          throw new Error(`a batch begins at ${summary.sequence} where ${next} must follow`);
        lengths[summaries.length] = batch.length;
        summaries.push(summary);
        next += summary.count;
      }
    } catch (error) {
      failure = messageOf(error);
    }
    const packed = Buffer.concat(batches.slice(0, summaries.length));
    try {
      if (summaries.length > 0) log.applyReplicated(packed, lengths, summaries.length);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      failure = messageOf(error);
    }
    this.#report(firstSequence, packed, lengths, summaries);
    return failure;
  }

  /** Passes on what the log really took: the batches before the first that failed. */
  #report(firstSequence: number, packed: Buffer, lengths: Uint32Array, summaries: readonly BatchSummary[]): void {
    const lastSequence = this.#env.log.latestSequence();
    let count = 0;
    let bytes = 0;
    for (const summary of summaries) {
      if (summary.sequence + summary.count - 1 > lastSequence) break;
      bytes += lengths[count] as number;
      count++;
    }
    if (lastSequence < firstSequence) return;
    this.#env.onApplied(
      { firstSequence, lastSequence, packed: packed.subarray(0, bytes), lengths: lengths.subarray(0, count), count },
      summaries.slice(0, count),
    );
  }

  /** @param probe the newest probe among what was received; it comes behind every batch sent before it. 0: none. */
  #acknowledge(connection: Connection, asked: boolean, probe: number): void {
    const nowMs = this.#env.clock.leaseMs();
    if (connection !== this.#connection) return;
    if (!asked && !this.#state.acksPromptly && nowMs - this.#lastAckMs < ackPeriodMs) return;
    if (connection.transport.pendingBytes > unsentAckBytesMax) return;
    this.#lastAckMs = nowMs;
    const sequence = this.#env.log.latestSequence();
    connection.transport.write(encodeCommand(['replconf', 'ack', sequence, ...(probe > 0 ? [probe] : [])]));
  }

  /** Two turns of the event loop in which nothing came, or `limitMs`. */
  #untilIdle(connection: Connection, limitMs: number): Promise<void> {
    const { timers, clock } = this.#env;
    const endMs = clock.leaseMs() + limitMs;
    return new Promise((resolve) => {
      let seen = connection.chunks;
      let idle = 0;
      const look = (): void => {
        idle = connection.chunks === seen ? idle + 1 : 0;
        seen = connection.chunks;
        if (idle >= 2 || connection !== this.#connection || clock.leaseMs() >= endMs) resolve();
        else timers.soon(look);
      };
      timers.soon(look);
    });
  }

  #beginFullSync(): void {
    this.#beginExchange((signal) =>
      this.#env.fullSync(signal).then(
        () => ({ kind: 'full-sync-done' }),
        (error: unknown) => ({ kind: 'full-sync-failed', reason: messageOf(error) }),
      ),
    );
  }

  #beginRewind(target: LogEnd | undefined): void {
    this.#env.logger.warn('the own log has, or may have, entries that the master does not have: rewinding', {
      master: formatEndpoint(this.#env.master),
      sequence: this.#env.log.latestSequence(),
      toSequence: target?.sequence,
      toEpoch: target?.epoch,
    });
    this.#beginExchange((signal) =>
      this.#env.rewind(target, signal).then(
        (outcome) => ({ kind: 'rewind-done', outcome }),
        (error: unknown) => ({ kind: 'rewind-failed', reason: messageOf(error) }),
      ),
    );
  }

  /** @param run never rejects; what it resolves to is of no interest any more when the link was stopped meanwhile. */
  #beginExchange(run: (signal: AbortSignal) => Promise<LinkEvent>): void {
    const abort = new AbortController();
    const attempt = this.#attempt;
    const done = run(abort.signal).then((event) => {
      this.#exchange = undefined;
      if (attempt === this.#attempt) this.#dispatch(event);
    });
    this.#exchange = { abort, done };
  }
}
