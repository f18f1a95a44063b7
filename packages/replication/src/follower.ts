/**
 * The master's side of one attached replica: sends it the log from where it asked on, forever.
 *
 * A follower that is behind *catches up* from the WAL in pieces, one per turn of the event loop, and only while its
 * socket takes them. Once it has everything that is committed it is *live*: each commit is handed to its socket
 * directly, without reading the WAL again and before the commit's replies are released. A live follower whose socket
 * fills beyond a bound falls back to catching up, so that a slow or stopped replica costs bounded memory; one that takes
 * nothing at all for the send timeout is cut, and comes back by itself.
 *
 * Invariant: the bytes given to the socket are whole frames of contiguous batches up to `nextSequence - 1`.
 *
 * Kvrocks replicas of any version can follow: batches go one per bulk, acks are optional, and `_getack` is sent only to
 * those known to answer it, since releases before 2.14 break on it.
 */
import { messageOf, type Clock, type Logger, type Timers, type Transport } from '@holdfast/base';
import type { Commit } from '@holdfast/engine';
import type { IsrMember } from '@holdfast/fencing';
import { defaultRequestLimits, RequestDecoder } from '@holdfast/resp';
import type { WalBlock, WalTail } from '@holdfast/rocksdb';
import { frameWalBlock, getAckFrame, pingFrame, probeFrame } from './framing.ts';
import {
  ackBytesMax,
  catchUpPieceBytes,
  catchUpUnsentBytesMax,
  handOverMsMax,
  housekeepingMs,
  liveUnsentBytesMax,
  pingIdleMs,
  progressPollMs,
  stalledFollowerMs,
} from './limits.ts';
import type { LogPlace } from './psync.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import { readBatchHeader } from './write-batch.ts';

/** Who the replica says it is (REPLCONF), and what it can do. */
export interface FollowerIdentity {
  /** Address for INFO and ROLE: announced, else where the connection came from. */
  readonly host: string;
  /** Its client port; 0 when it did not say. */
  readonly port: number;
  /** It acks every turn in which it applied something, and answers `_getack`. */
  readonly acksPromptly: boolean;
  /** Attached in the master's present epoch by CLUSTERX ATTACH: its acks count for the in-sync set. */
  readonly member: IsrMember | undefined;
}

export interface FollowerEnvironment {
  readonly log: ReplicatedLog;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Cut a follower that takes nothing for this long; read anew each time. */
  readonly sendTimeoutMs: () => number;
  /** The follower's socket took more, or the follower no longer delays replies. */
  onProgress(): void;
  /** It acknowledged more than before, or answered `probe` (0: none). */
  onAck(follower: Follower, probe: number): void;
  /** @param isReset the replica's end is gone. */
  onClosed(follower: Follower, isReset: boolean): void;
}

/** What INFO and ROLE show. */
export interface FollowerFacts {
  readonly host: string;
  readonly port: number;
  /** Last sequence acknowledged, if the replica acks; else the last one sent. */
  readonly offset: number;
  readonly state: 'catching-up' | 'live';
  readonly unsentBytes: number;
}

type Mode =
  | { readonly kind: 'catching-up'; tail: WalTail | undefined; scheduled: boolean; missedBytes: number }
  | { readonly kind: 'live' }
  | { readonly kind: 'closed' };

/** Up to byte `offset` of what was written, everything up to `sequence` is contained. */
interface Marker {
  readonly offset: number;
  readonly sequence: number;
  readonly writtenMs: number;
}

export class Follower {
  readonly identity: FollowerIdentity;
  readonly #env: FollowerEnvironment;
  readonly #transport: Transport;
  readonly #decoder: RequestDecoder;
  #mode: Mode;
  #nextSequence: number;
  #writtenBytes = 0;
  #acceptedBytes = 0;
  #markers: Marker[] = [];
  #handedOverSequence: number;
  #ackedSequence: number;
  #acks = false;
  #lastWriteMs: number;
  /** Since when something is unsent and nothing moved; undefined while all is sent. */
  #unsentSinceMs: number | undefined;
  #polling = false;

  /** Takes the transport over, accepts the replica (`+OK`) and begins to send at `place`, whose tail is given up. */
  constructor(env: FollowerEnvironment, transport: Transport, identity: FollowerIdentity, place: LogPlace) {
    const { nextSequence, opened } = place;
    this.#env = env;
    this.#transport = transport;
    this.identity = identity;
    this.#acks = identity.acksPromptly;
    this.#nextSequence = nextSequence;
    this.#handedOverSequence = nextSequence - 1;
    this.#ackedSequence = nextSequence - 1; // asking for the next one says that all before it are there
    this.#lastWriteMs = env.clock.leaseMs();
    this.#decoder = new RequestDecoder({
      ...defaultRequestLimits(),
      maxArguments: 8,
      maxBulkBytes: 64,
      maxInlineBytes: 64,
      maxRequestBytes: ackBytesMax,
    });
    this.#mode = { kind: 'live' };
    transport.listen({
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => this.close('the replica closed the link', true),
      onDrain: () => this.#noteProgress(),
      onClose: (error) => this.close(error === undefined ? 'the link was closed' : messageOf(error), true),
    });
    this.#write(Buffer.from('+OK\r\n'), nextSequence - 1);
    if (opened !== undefined) {
      this.#catchUp(opened.tail);
      this.#sendBlock(opened.first);
    } else if (nextSequence <= env.log.latestSequence()) this.#catchUp();
  }

  get closed(): boolean {
    return this.#mode.kind === 'closed';
  }

  get live(): boolean {
    return this.#mode.kind === 'live';
  }

  /** Largest sequence the replica acknowledged, by its PSYNC or by an ack. */
  get ackedSequence(): number {
    return this.#ackedSequence;
  }

  /** Last sequence whose bytes the operating system has accepted. */
  get handedOverSequence(): number {
    return this.#handedOverSequence;
  }

  /** Bytes written to the socket that the operating system has not accepted. */
  unsentBytes(): number {
    return this.#transport.pendingBytes;
  }

  facts(): FollowerFacts {
    return {
      host: this.identity.host,
      port: this.identity.port,
      offset: this.#acks ? this.#ackedSequence : this.#nextSequence - 1,
      state: this.live ? 'live' : 'catching-up',
      unsentBytes: this.unsentBytes(),
    };
  }

  /**
   * Whether `sendLive` is to be called with this commit. A follower that cannot take it (behind, or its socket is full)
   * finds it in the WAL later.
   */
  takes(commit: Commit): boolean {
    if (this.#mode.kind === 'catching-up') {
      this.#mode.missedBytes += commit.packed.length;
      return false;
    }
    if (this.#mode.kind === 'closed' || commit.lastSequence < this.#nextSequence) return false;
    if (commit.firstSequence === this.#nextSequence && this.unsentBytes() <= liveUnsentBytesMax) return true;
    this.#catchUp();
    return false;
  }

  /** Hands over a commit that `takes` accepted. `framed` may be shared between followers. */
  sendLive(framed: Buffer, lastSequence: number): void {
    this.#nextSequence = lastSequence + 1;
    this.#write(framed, lastSequence);
  }

  /** Whether replies that depend on `sequence` should still wait for this follower's socket. */
  delays(sequence: number): boolean {
    if (this.#handedOverSequence >= sequence || !this.live) return false;
    return this.#isMoving();
  }

  #isMoving(): boolean {
    const oldest = this.#markers[0];
    if (oldest === undefined || this.#unsentSinceMs === undefined) return true;
    const nowMs = this.#env.clock.leaseMs();
    return nowMs - this.#unsentSinceMs < stalledFollowerMs && nowMs - oldest.writtenMs < handOverMsMax;
  }

  /** Asks for an ack at once, if the replica is known to answer. */
  askAck(): void {
    if (this.#acks && this.live && this.unsentBytes() < ackBytesMax) this.#write(getAckFrame, this.#nextSequence - 1);
  }

  /** Asks for an answer to `probe`, in order behind everything sent before. It does not count as data. */
  sendProbe(probe: number): void {
    if (!this.closed) this.#write(probeFrame(probe), this.#nextSequence - 1);
  }

  /** To be called every `housekeepingMs`: heartbeat and send timeout. */
  housekeep(): void {
    if (this.closed) return;
    this.#noteProgress();
    const nowMs = this.#env.clock.leaseMs();
    const timeoutMs = this.#env.sendTimeoutMs();
    if (this.#unsentSinceMs !== undefined) {
      if (timeoutMs > 0 && nowMs - this.#unsentSinceMs >= timeoutMs) this.close(`took nothing for ${timeoutMs} ms`);
    } else if (nowMs - this.#lastWriteMs >= pingIdleMs) this.#write(pingFrame, this.#nextSequence - 1);
  }

  /** Ends the link; the replica connects again by itself. Safe to call twice. */
  close(reason: string, isReset = false): void {
    if (this.#mode.kind === 'closed') return;
    if (this.#mode.kind === 'catching-up') this.#mode.tail?.close();
    this.#mode = { kind: 'closed' };
    this.#env.logger.info('a replica is detached', {
      replica: this.#transport.peer,
      sequence: this.#nextSequence - 1,
      reason,
    });
    this.#transport.destroy();
    this.#env.onClosed(this, isReset);
  }

  #write(bytes: Buffer, sequence: number): void {
    const nowMs = this.#env.clock.leaseMs();
    this.#writtenBytes += bytes.length;
    this.#lastWriteMs = nowMs;
    this.#transport.write(bytes);
    if (this.#transport.pendingBytes === 0) {
      this.#acceptedBytes = this.#writtenBytes;
      this.#handedOverSequence = sequence;
      this.#markers = [];
      this.#unsentSinceMs = undefined;
      return;
    }
    this.#markers.push({ offset: this.#writtenBytes, sequence, writtenMs: nowMs });
    this.#unsentSinceMs ??= nowMs;
    this.#poll(progressPollMs);
  }

  /** Not every acceptance is announced by `onDrain`, so that it is asked for as long as something is unsent. */
  #poll(delayMs: number): void {
    if (this.#polling) return;
    this.#polling = true;
    this.#env.timers.after(delayMs, () => {
      this.#polling = false;
      this.#noteProgress();
    });
  }

  #noteProgress(): void {
    if (this.closed) return;
    const accepted = this.#writtenBytes - this.#transport.pendingBytes;
    const moved = accepted > this.#acceptedBytes;
    this.#acceptedBytes = accepted;
    if (moved) this.#unsentSinceMs = this.#env.clock.leaseMs();
    let passed = 0;
    while (passed < this.#markers.length && (this.#markers[passed] as Marker).offset <= accepted) {
      this.#handedOverSequence = (this.#markers[passed] as Marker).sequence;
      passed++;
    }
    this.#markers.splice(0, passed);
    const allSent = accepted === this.#writtenBytes;
    if (allSent) this.#unsentSinceMs = undefined;
    if (this.#mode.kind === 'catching-up') this.#schedulePiece();
    const moving = allSent || this.#isMoving();
    if (passed > 0 || !moving) this.#env.onProgress();
    if (!allSent) this.#poll(moving ? progressPollMs : housekeepingMs);
  }

  #catchUp(tail?: WalTail): void {
    this.#mode = { kind: 'catching-up', tail, scheduled: false, missedBytes: 0 };
    this.#schedulePiece();
  }

  #schedulePiece(): void {
    const mode = this.#mode;
    if (mode.kind !== 'catching-up' || mode.scheduled || this.unsentBytes() > catchUpUnsentBytesMax) return;
    mode.scheduled = true;
    this.#env.timers.soon(() => {
      mode.scheduled = false;
      if (this.#mode === mode) this.#sendPiece(mode);
    });
  }

  #sendPiece(mode: Mode & { kind: 'catching-up' }): void {
    try {
      if (this.#nextSequence > this.#env.log.latestSequence()) {
        mode.tail?.close();
        this.#mode = { kind: 'live' };
        return;
      }
      mode.tail ??= this.#env.log.database.walTail(this.#nextSequence);
      // A piece is at least twice what was committed meanwhile, else a busy master would never be caught up with.
      const block = mode.tail.next(Math.max(catchUpPieceBytes, 2 * mode.missedBytes));
      mode.missedBytes = 0;
      if (block.count === 0) {
        this.close(`the WAL holds nothing at ${this.#nextSequence} although more was committed`);
        return;
      }
      this.#sendBlock(block);
    } catch (error) {
      this.close(`the WAL cannot be followed from ${this.#nextSequence}: ${messageOf(error)}`);
      return;
    }
    this.#schedulePiece();
  }

  #sendBlock({ bytes, count }: WalBlock): void {
    this.#nextSequence = endOfBlock(bytes, count, this.#nextSequence);
    this.#write(frameWalBlock(bytes, count), this.#nextSequence - 1);
  }

  #onData(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk);
      while (!this.closed && this.#decoder.next()) this.#onRequest();
    } catch (error) {
      this.close(`not an ack: ${messageOf(error)}`);
    }
  }

  #onRequest(): void {
    const { request } = this.#decoder;
    const isAck = (request.count === 3 || request.count === 4) && request.is(0, 'replconf') && request.is(1, 'ack');
    const sequence = isAck ? request.integer(2) : NaN;
    const probe = isAck && request.count === 4 ? request.integer(3) : 0;
    if (Number.isNaN(sequence) || Number.isNaN(probe)) {
      this.#env.logger.debug('a replica sent something other than an ack', { replica: this.#transport.peer });
    } else if (sequence >= this.#nextSequence) {
      this.close(`acknowledged ${sequence}, but only ${this.#nextSequence - 1} was sent: it holds another history`);
    } else {
      this.#acks = true;
      if (sequence <= this.#ackedSequence && probe === 0) return;
      this.#ackedSequence = Math.max(this.#ackedSequence, sequence);
      this.#env.onAck(this, probe);
    }
  }
}

/** Checks that the batches of a WAL block follow each other from `sequence` on. Returns the sequence after the last. */
function endOfBlock(bytes: Buffer, count: number, sequence: number): number {
  let at = 0;
  let next = sequence;
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32LE(at);
    const header = readBatchHeader(bytes, at + 4, at + 4 + length);
    if (header.sequence !== next) throw new Error(`the WAL skips from ${next} to ${header.sequence}`);
    next += header.count;
    at += 4 + length;
  }
  return next;
}
