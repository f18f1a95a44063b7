/**
 * The node's side of the fence on the main loop: keeps the fence record (fsynced before it is acted upon), takes and
 * gives up the master role, and answers the gates. What is allowed is decided by the pure functions of
 * @holdfast/fencing; this class holds their inputs and performs their results.
 *
 * Order at a role change (one turn of the event loop): record fsynced, lease word replaced (which voids the deadline and
 * makes every renewal in flight miss), unreleased ticks dropped, links cut, then the role is the new one.
 */
import { assert, type Clock, type Logger, type Timer, type Timers } from '@holdfast/base';
import {
  acceptShard,
  actingRole,
  admit,
  closedWord,
  formatFenceConf,
  heldUntilMs,
  holdsLease,
  masteredWord,
  mayCommit,
  mayRelease,
  parseFenceConf,
  parseShardArguments,
  resign,
  unarmedRecord,
  unpackWord,
  type Admission,
  type CommandKind,
  type FenceRecord,
  type GateFacts,
  type LeaseMode,
} from '@holdfast/fencing';
import type { GateVerdict, TickGate } from '../execution/tick-loop.ts';
import type { SharedLease } from './shared-lease.ts';

/** fence.conf; both calls are synchronous, `save` returns after the fsync. */
export interface FenceFile {
  readonly path: string;
  load(): string | undefined;
  save(text: string): void;
}

export interface LeaseHost {
  /** The node stops being what it was: drop unreleased ticks, cut links, close clients. Synchronous. */
  roleChanging(reason: string): void;
  /** The role is the new one. */
  roleChanged(role: ActingRole): void;
  /** Held connections may be asked again. */
  resumeHeld(): void;
  /** The lapse lasted too long: close clients, paced. */
  lapsedTooLong(): void;
  /** A switchover's clients are to be answered MOVED and closed. */
  redirectClients(): void;
  /** The record, role or health changed: heartbeat replies show it. */
  reportChanged(): void;
}

export type ActingRole = 'master' | 'replica' | 'none';

export interface LeaseEnvironment {
  readonly file: FenceFile;
  readonly shared: SharedLease;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly host: LeaseHost;
  readonly processId: string;
  /** Used for the record of a node that has none yet. */
  readonly logId: string;
  readonly bootId: string;
  readonly mode: LeaseMode;
}

/** A reply to SHARD, RESIGN, HOLD: done with an optional integer, or refused with an error line. */
export type LeaseAnswer =
  { readonly kind: 'ok'; readonly sequence?: number } | { readonly kind: 'refused'; readonly error: string };

type Facts = { -readonly [K in keyof GateFacts]: GateFacts[K] };

/** How often a held node looks at the lease word again. */
const recheckMs = 10;

export class LeaseKeeper implements TickGate {
  readonly #env: LeaseEnvironment;
  readonly #facts: Facts;
  #record: FenceRecord;
  #nodeId = '';
  #topologyRole: ActingRole = 'none';
  #tickEpoch = 0;
  /** The command kinds admitted in the open tick, so that the clock is read once per tick. */
  #admittedRead = false;
  #admittedWrite = false;
  #heldByRequest: Timer | undefined;
  #recheck: Timer | undefined;

  private constructor(env: LeaseEnvironment, record: FenceRecord) {
    this.#env = env;
    this.#record = record;
    const nowMs = env.clock.leaseMs();
    this.#facts = {
      armed: record.armed,
      mode: record.mode,
      role: 'none',
      epoch: record.epoch,
      word: unpackWord(closedWord),
      nowMs,
      roleSinceMs: nowMs,
      resignedAtMs: undefined,
      isHeld: false,
      isAttached: false,
    };
  }

  /**
   * Reads fence.conf. A restarted armed node is closed before it has heard anyone.
   * @returns the keeper, or the sentence that refuses the start (file and line named).
   */
  static open(env: LeaseEnvironment): LeaseKeeper | string {
    const text = env.file.load();
    if (text === undefined)
      return new LeaseKeeper(env, unarmedRecord({ logId: env.logId, bootId: env.bootId, mode: env.mode }));
    const parsed = parseFenceConf(text);
    if (parsed.kind === 'refused') return `${env.file.path}: line ${parsed.line}: ${parsed.error}`;
    const mode = parsed.record.armed ? parsed.record.mode : env.mode;
    return new LeaseKeeper(env, { ...parsed.record, mode, logId: env.logId, bootId: env.bootId });
  }

  get record(): FenceRecord {
    return this.#record;
  }

  get role(): ActingRole {
    return this.#facts.role;
  }

  get armed(): boolean {
    return this.#record.armed;
  }

  /** Whether the lease is running now (clock read anew). An unarmed node needs none. */
  holdsLease(): boolean {
    if (!this.#record.armed) return this.#facts.role === 'master';
    this.#refresh();
    return holdsLease(this.#facts);
  }

  #refresh(): void {
    this.#facts.nowMs = this.#env.clock.leaseMs();
    this.#facts.word = unpackWord(this.#env.shared.load());
  }

  tickOpened(): void {
    this.#admittedRead = false;
    this.#admittedWrite = false;
    this.#tickEpoch = this.#record.epoch;
  }

  /** The admission gate for one command; the clock is read at the first of each kind in a tick. */
  admit(kind: CommandKind, isFresh: boolean): Admission {
    if (kind === 'control' || (kind === 'read' ? this.#admittedRead : this.#admittedWrite)) return 'execute';
    if (!this.#record.armed && this.#facts.mode === 'disabled' && !this.#facts.isHeld) return 'execute';
    this.#refresh();
    const decision = admit(this.#facts, kind, isFresh);
    if (decision === 'execute') {
      if (kind === 'read') this.#admittedRead = true;
      else this.#admittedWrite = true;
    } else if (decision === 'hold') this.#watchHold();
    return decision;
  }

  mayCommit(): GateVerdict {
    if (!this.#record.armed) return 'pass';
    this.#refresh();
    const decision = mayCommit(this.#facts, this.#tickEpoch);
    if (decision === 'hold') this.#watchHold();
    return decision === 'commit' ? 'pass' : decision;
  }

  mayRelease(): GateVerdict {
    if (!this.#record.armed) return 'pass';
    this.#refresh();
    const decision = mayRelease(this.#facts, this.#tickEpoch);
    if (decision === 'hold') this.#watchHold();
    return decision === 'release' ? 'pass' : decision === 'hold' ? 'hold' : 'drop';
  }

  /** While something is held: look again, until it may go on or the lapse has lasted too long. */
  #watchHold(): void {
    this.#recheck ??= this.#env.timers.every(recheckMs, () => this.recheckHeld());
  }

  /** Looks at the lease again; called by the timer and when the control thread says that it was renewed. */
  recheckHeld(): void {
    if (this.#recheck === undefined) return;
    this.#refresh();
    const facts = this.#facts;
    const resigned = facts.resignedAtMs !== undefined;
    const lapsed = facts.armed && facts.role !== 'replica' && !holdsLease(facts);
    if ((resigned || lapsed) && facts.nowMs < heldUntilMs(facts)) return;
    if (!resigned && !lapsed && facts.isHeld) return;
    this.#recheck.cancel();
    this.#recheck = undefined;
    if (resigned) this.#redirect();
    else if (lapsed) this.#env.host.lapsedTooLong();
    else this.#env.host.resumeHeld();
  }

  /**
   * Clients held by a resignation get their answer: from here on each connection carries that itself, and new ones
   * meet what the node is by then.
   */
  #redirect(): void {
    this.#env.host.redirectClients();
    this.#facts.resignedAtMs = undefined;
    this.#applyRole('the resigned epoch is over');
  }

  /** The topology's word on this node; on an armed node the fence record overrules it. */
  setTopologyRole(nodeId: string, role: ActingRole): void {
    this.#nodeId = nodeId;
    this.#topologyRole = role;
    this.#applyRole('the topology changed');
  }

  /** A full sync replaced the history under the node. */
  replaceLogId(logId: string): void {
    this.#save({ ...this.#record, logId });
    this.#env.host.reportChanged();
  }

  setAttached(attached: boolean): void {
    this.#facts.isAttached = attached;
  }

  setUnarmedMode(mode: LeaseMode): void {
    if (this.#record.armed) return;
    this.#record = { ...this.#record, mode };
    this.#facts.mode = mode;
    this.#env.host.reportChanged();
  }

  /** Makes the acting role follow record and topology; a no-op when it does already. */
  #applyRole(reason: string): void {
    const { host, clock, shared } = this.#env;
    const own = { nodeId: this.#nodeId, processId: this.#env.processId };
    const next = actingRole(this.#record, own, this.#topologyRole);
    const facts = this.#facts;
    const sameEpoch = facts.epoch === this.#record.epoch && facts.armed === this.#record.armed;
    if (next === facts.role && sameEpoch) {
      host.reportChanged();
      return;
    }
    const word = this.#record.armed && next === 'master' ? masteredWord(this.#record.epoch) : closedWord;
    for (let found = shared.load(); !shared.swap(found, word); found = shared.load());
    host.roleChanging(reason);
    facts.role = next;
    facts.armed = this.#record.armed;
    facts.mode = this.#record.mode;
    facts.epoch = this.#record.epoch;
    facts.roleSinceMs = clock.leaseMs();
    facts.isAttached = false;
    facts.isHeld = false;
    this.#heldByRequest?.cancel();
    this.#admittedRead = false;
    this.#admittedWrite = false;
    this.#env.logger.info('role taken', { role: next, epoch: this.#record.epoch, reason });
    host.roleChanged(next);
    host.reportChanged();
  }

  /**
   * CLUSTERX SHARD.
   * @param args what follows SHARD.
   * @param beforeMaster called before the master role is taken: resolves when all that was received is applied.
   */
  async acceptShard(args: readonly string[], beforeMaster: () => Promise<void>): Promise<LeaseAnswer> {
    const parsed = parseShardArguments(args);
    if (parsed.kind === 'refused') return parsed;
    const own = { nodeId: this.#nodeId, processId: this.#env.processId };
    const first = acceptShard(this.#record, parsed.message, own);
    if (first.kind === 'refused') return first;
    if (first.effect === 'become-master') await beforeMaster();
    // The world may have moved on while received batches were applied: judge again, then act in one turn.
    const accepted = acceptShard(this.#record, parsed.message, own);
    if (accepted.kind === 'refused') return accepted;
    if (formatFenceConf(accepted.record) !== formatFenceConf(this.#record)) this.#save(accepted.record);
    this.#applyRole(`epoch ${accepted.record.epoch}`);
    return { kind: 'ok' };
  }

  /**
   * CLUSTERX RESIGN: everything admitted is committed and released first (`settle`), then the epoch is given up.
   * @returns the final sequence.
   */
  resign(epoch: number, settle: () => number): LeaseAnswer {
    const judged = resign(this.#record, epoch);
    if (judged.kind === 'refused') return judged;
    const again = this.#record.resignedEpoch === epoch;
    const sequence = settle();
    if (again) return { kind: 'ok', sequence };
    this.#save(judged.record);
    const { shared, clock } = this.#env;
    for (let found = shared.load(); !shared.swap(found, closedWord); found = shared.load());
    this.#facts.resignedAtMs = clock.leaseMs();
    this.#facts.isHeld = false;
    this.#heldByRequest?.cancel();
    this.#watchHold();
    this.#env.logger.info('epoch resigned', { epoch, sequence });
    this.#env.host.reportChanged();
    return { kind: 'ok', sequence };
  }

  /** CLUSTERX HOLD: admits nothing for at most `holdMs`; what was admitted is committed and released (`settle`). */
  hold(epoch: number, holdMs: number, settle: () => number): LeaseAnswer {
    if (epoch !== this.#record.epoch || this.#facts.role !== 'master') {
      return { kind: 'refused', error: `ERR stale epoch: hold ${epoch}, the node is in ${this.#record.epoch}` };
    }
    const sequence = settle();
    this.#facts.isHeld = true;
    this.#admittedRead = false;
    this.#admittedWrite = false;
    this.#heldByRequest?.cancel();
    this.#heldByRequest = this.#env.timers.after(holdMs, () => this.unhold());
    return { kind: 'ok', sequence };
  }

  unhold(): void {
    this.#heldByRequest?.cancel();
    if (!this.#facts.isHeld) return;
    this.#facts.isHeld = false;
    this.#watchHold();
    this.recheckHeld();
  }

  /** CLUSTERX RELEASE: the balancer points elsewhere; clients held by a resignation are redirected now. */
  releaseResigned(): boolean {
    if (this.#facts.resignedAtMs === undefined) return false;
    this.#recheck?.cancel();
    this.#recheck = undefined;
    this.#redirect();
    return true;
  }

  /** Clients of a resigned epoch still wait for their answer. */
  get redirecting(): boolean {
    return this.#facts.resignedAtMs !== undefined;
  }

  #save(record: FenceRecord): void {
    assert(record.epoch >= this.#record.epoch, 'epochs only rise');
    // A node that was never armed keeps no file: it behaves as stock Kvrocks.
    if (record.epoch > 0) this.#env.file.save(formatFenceConf(record));
    this.#record = record;
  }

  stop(): void {
    this.#recheck?.cancel();
    this.#heldByRequest?.cancel();
  }
}
