/** All attached replicas of a node: a commit is framed once and handed to each of them. */
import type { Clock, Logger, Timer, Timers, Transport } from '@holdfast/base';
import type { Commit } from '@holdfast/engine';
import { Follower, type FollowerFacts, type FollowerIdentity } from './follower.ts';
import { frameBatches } from './framing.ts';
import { housekeepingMs } from './limits.ts';
import type { LogPlace } from './psync.ts';
import type { ReplicatedLog } from './replicated-log.ts';

export interface FollowerSetEnvironment {
  readonly log: ReplicatedLog;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly sendTimeoutMs: () => number;
  /** `handedOver` may answer otherwise than before. */
  onProgress(): void;
  /** A replica acknowledged more than before, or answered `probe` (0: none). */
  onAck(follower: Follower, probe: number): void;
  /** A replica is gone. @param isReset its own end went, as of a process that died; else it was cut here. */
  onDetached(follower: Follower, isReset: boolean): void;
}

/** Larger frames are not kept. */
const roomBytesMax = 1 << 20;

/** The memory in which `part` is. */
function whole({ buffer }: Buffer): Buffer {
  return Buffer.from(buffer);
}

export class FollowerSet {
  readonly #env: FollowerSetEnvironment;
  readonly #followers = new Set<Follower>();
  /**
   * Frames that every socket has taken: the next ones stand here. New memory for each commit has V8 look for garbage many
   * times a second.
   */
  #room: Buffer | undefined;
  #housekeeping: Timer | undefined;

  constructor(env: FollowerSetEnvironment) {
    this.#env = env;
  }

  get size(): number {
    return this.#followers.size;
  }

  /** Takes over the connection of a replica that was granted PSYNC at `place` (see `openPlace`). */
  attach(transport: Transport, identity: FollowerIdentity, place: LogPlace): Follower {
    const { log, clock, timers, logger, sendTimeoutMs } = this.#env;
    this.#closeFormer(identity.member?.nodeId);
    const follower = new Follower(
      {
        log,
        clock,
        timers,
        logger,
        sendTimeoutMs,
        onProgress: () => this.#env.onProgress(),
        onAck: (acked, probe) => this.#env.onAck(acked, probe),
        onClosed: (closed, isReset) => this.#remove(closed, isReset),
      },
      transport,
      identity,
      place,
    );
    logger.info('a replica is attached', {
      replica: transport.peer,
      host: identity.host,
      port: identity.port,
      nextSequence: place.nextSequence,
    });
    if (!follower.closed) this.#followers.add(follower);
    this.#housekeeping ??= timers.every(housekeepingMs, () => this.#housekeep());
    return follower;
  }

  /** A node follows over one link; an older one belongs to a connection that it has given up. */
  #closeFormer(nodeId: string | undefined): void {
    if (nodeId === undefined) return;
    for (const former of [...this.#followers])
      if (former.identity.member?.nodeId === nodeId) former.close('the replica attached anew');
  }

  /** Asks every follower that counts for the in-sync set to answer `probe`. */
  sendProbe(probe: number): void {
    for (const follower of this.#followers) if (follower.identity.member !== undefined) follower.sendProbe(probe);
  }

  /** Hands a commit to the sockets of all live followers. */
  feed(commit: Commit): void {
    let framed: Buffer | undefined;
    let isTaken = true;
    for (const follower of this.#followers) {
      if (!follower.takes(commit)) continue;
      framed ??= frameBatches(commit.packed, commit.lengths, commit.count, this.#room);
      follower.sendLive(framed, commit.lastSequence);
      isTaken &&= follower.unsentBytes() === 0;
    }
    if (framed !== undefined) this.#room = isTaken && framed.length <= roomBytesMax ? whole(framed) : undefined;
  }

  /**
   * Whether the operating system has accepted everything up to `sequence` for every follower worth waiting for: live,
   * and taking what it is sent.
   */
  handedOver(sequence: number): boolean {
    for (const follower of this.#followers) if (follower.delays(sequence)) return false;
    return true;
  }

  unsentBytes(): number {
    let bytes = 0;
    for (const follower of this.#followers) bytes += follower.unsentBytes();
    return bytes;
  }

  /** Number of replicas that acknowledged `sequence`. */
  countAcked(sequence: number): number {
    let count = 0;
    for (const follower of this.#followers) if (follower.ackedSequence >= sequence) count++;
    return count;
  }

  askAcks(sequence: number): void {
    for (const follower of this.#followers) if (follower.ackedSequence < sequence) follower.askAck();
  }

  facts(): FollowerFacts[] {
    return [...this.#followers].map((follower) => follower.facts());
  }

  /** Ends every link; the replicas connect again by themselves, and are then judged anew. */
  closeAll(reason: string): void {
    for (const follower of [...this.#followers]) follower.close(reason);
  }

  #remove(follower: Follower, isReset: boolean): void {
    if (!this.#followers.delete(follower)) return;
    if (this.#followers.size === 0) {
      this.#housekeeping?.cancel();
      this.#housekeeping = undefined;
    }
    this.#env.onDetached(follower, isReset);
    this.#env.onProgress();
  }

  #housekeep(): void {
    for (const follower of [...this.#followers]) follower.housekeep();
  }
}
