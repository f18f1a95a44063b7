/**
 * The node's side of the fence on the main loop: keeps the fence record (fsynced before it is acted upon), takes and
 * gives up the master role, and answers the gates. What is allowed is decided by the pure functions of
 * @holdfast/fencing; this class holds their inputs and performs their results.
 *
 * Order at a role change (one turn of the event loop): record fsynced, lease word replaced (which voids the deadline and
 * makes every renewal in flight miss), unreleased ticks dropped, links cut, then the role is the new one.
 */
import { assert, messageOf, type Clock, type Logger, type Timer, type Timers } from '@holdfast/base';
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
  stepDown,
  unarmedRecord,
  unpackWord,
  type Admission,
  type CommandKind,
  type FenceRecord,
  type GateFacts,
  type LeaseMode,
  type OwnIdentity,
  type ShardMessage,
} from '@holdfast/fencing';
import type { GateVerdict, TickGate } from '../execution/tick-loop.ts';
import type { ActingRole, FenceFile, LeaseHost } from './lease-host.ts';
import type { SharedLease } from './shared-lease.ts';

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

/**
 * How long after RESIGN new clients are still held and redirected without a RELEASE. A switchover lasts that long only
 * when its controller is gone; then they are told that there is no master.
 */
export const handoverLimitMs = 3000;

/**
 * What became of the shard's clients after RESIGN, until the node has another role: nothing to say, the balancer may
 * still lead them here, it leads them elsewhere, or nobody said so in time.
 */
type Handover = 'none' | 'awaited' | 'done' | 'overdue';

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
  /** When the word of the present mastership was first found closed. */
  #closedAtMs: number | undefined;
  #heldByRequest: Timer | undefined;
  #recheck: Timer | undefined;
  #handover: Handover = 'none';
  /** Lease clock at which RESIGN was obeyed. */
  #resignedMs = 0;

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
    const { role, armed, word, epoch, nowMs, resignedAtMs } = this.#facts;
    if (!armed || role !== 'master' || resignedAtMs !== undefined || word.epoch !== 0) return;
    // The control thread has closed the word, and why is on its way here (`sawEpoch`): a lapse that has just begun.
    this.#closedAtMs ??= nowMs;
    this.#facts.word = { epoch, deadlineMs: this.#closedAtMs };
  }

  /**
   * To be called now and then: clients that wait or listen ask nothing, so that no gate would notice for them that the
   * lease of this master has lapsed.
   * @param isAwaited whether there are such clients; asked only when the lease has lapsed.
   */
  noticeLapse(isAwaited: () => boolean): void {
    if (!this.#record.armed || this.#facts.role !== 'master' || this.holdsLease()) return;
    if (isAwaited()) this.#watchHold();
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
      if (this.#facts.armed && this.#facts.role === 'master') this.#env.host.workAdmitted();
    } else if (decision === 'hold' || decision === 'await-master') this.#watchHold();
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
    const attaching = facts.armed && facts.role === 'replica' && !facts.isAttached;
    if ((resigned || lapsed || attaching) && facts.nowMs < heldUntilMs(facts)) return;
    if (!resigned && !lapsed && facts.isHeld) return;
    this.#recheck.cancel();
    this.#recheck = undefined;
    if (resigned) this.#redirect();
    else if (lapsed) this.#env.host.lapsedTooLong();
    else this.#env.host.resumeHeld();
  }

  /**
   * Clients held by a resignation get their answer: from here on each connection carries that itself. As long as this
   * node has no other role, new ones are led here only by a balancer that is late, or by one whose repoint they crossed:
   * they are redirected too, and as long as nobody said that the address has moved, held first, or clients that come
   * back to the same address at once would go round in circles until they give up.
   */
  #redirect(): void {
    const facts = this.#facts;
    this.#redirectClients();
    facts.resignedAtMs = undefined;
    this.#applyRole('the resigned epoch is over');
    const nowMs = this.#env.clock.leaseMs();
    if (this.#handover === 'awaited' && nowMs >= this.#resignedMs + handoverLimitMs) this.#handover = 'overdue';
    if (facts.role !== 'none') this.#handover = 'none';
    if (this.#handover === 'done') facts.resignedAtMs = -Infinity;
    if (this.#handover !== 'awaited') return;
    facts.resignedAtMs = nowMs;
    this.#watchHold();
  }

  #redirectClients(): void {
    this.#env.host.redirectClients(this.#env.clock.leaseMs() - this.#resignedMs);
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

  /** The link to the master flows. It counts until the next role change: a replica cut off later may be read. */
  noteAttached(): void {
    this.#facts.isAttached = true;
    this.recheckHeld();
  }

  /** Whether a replica has attached since its last role change or start. */
  get hasAttached(): boolean {
    return this.#facts.isAttached;
  }

  /**
   * Somebody is in a higher epoch than this node: its own mastership is over, as if it had resigned. The deadline is void
   * at once and no token of the epoch renews it; the new epoch itself is learned by SHARD only.
   */
  sawEpoch(epoch: number): void {
    const next = stepDown(this.#record, epoch);
    if (next === undefined || this.#facts.role !== 'master') return;
    this.#env.logger.warn('a higher epoch was seen: this one is over', { epoch: this.#record.epoch, seen: epoch });
    this.#voidDeadline();
    try {
      this.#save(next);
    } catch (error) {
      // It may be forgotten with this process: one that is started later is no master of that epoch.
      this.#env.logger.error('fence.conf does not say that the epoch is over', { error: messageOf(error) });
      this.#record = next;
    }
    this.#giveUp();
  }

  #voidDeadline(): void {
    const { shared } = this.#env;
    for (let found = shared.load(); !shared.swap(found, closedWord); found = shared.load());
  }

  /** The epoch was resigned: clients are held until they are redirected. */
  #giveUp(): void {
    this.#facts.resignedAtMs = this.#env.clock.leaseMs();
    this.#facts.isHeld = false;
    this.#heldByRequest?.cancel();
    this.#admittedRead = false;
    this.#admittedWrite = false;
    this.#watchHold();
    this.#env.host.reportChanged();
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
    const next = actingRole(this.#record, this.#own(), this.#topologyRole);
    const facts = this.#facts;
    const sameEpoch = facts.epoch === this.#record.epoch && facts.armed === this.#record.armed;
    if (next === facts.role && sameEpoch) {
      host.reportChanged();
      return;
    }
    const word = this.#record.armed && next === 'master' ? masteredWord(this.#record.epoch) : closedWord;
    for (let found = shared.load(); !shared.swap(found, word); found = shared.load());
    this.#endHandover(next);
    host.roleChanging(reason);
    facts.role = next;
    facts.armed = this.#record.armed;
    facts.mode = this.#record.mode;
    facts.epoch = this.#record.epoch;
    facts.roleSinceMs = clock.leaseMs();
    this.#closedAtMs = undefined;
    facts.isAttached = false;
    facts.isHeld = false;
    this.#heldByRequest?.cancel();
    this.#admittedRead = false;
    this.#admittedWrite = false;
    this.#env.logger.info('role taken', { role: next, epoch: this.#record.epoch, reason });
    host.roleChanged(next);
    host.reportChanged();
  }

  /** Another role: what is open and was not redirected yet must not take it for an end without an answer. */
  #endHandover(next: ActingRole): void {
    if (this.#handover === 'none' || this.#handover === 'awaited') return;
    const facts = this.#facts;
    if (facts.resignedAtMs !== undefined) this.#redirectClients();
    if (next === 'none') return;
    this.#handover = 'none';
    facts.resignedAtMs = undefined;
  }

  /**
   * CLUSTERX SHARD, in two phases: judged, then (for a master-to-be after `beforeMaster`) judged again and obeyed in one
   * turn.
   * @param args what follows SHARD.
   * @param beforeMaster called before the master role is taken; calls `done` when all that was received is applied.
   * @param answer called once, now or after `done`. Nothing is called when fence.conf cannot be written: that throws.
   */
  acceptShard(
    args: readonly string[],
    beforeMaster: (done: () => void) => void,
    answer: (answer: LeaseAnswer) => void,
  ): void {
    const parsed = parseShardArguments(args);
    if (parsed.kind === 'refused') {
      answer(parsed);
      return;
    }
    const { message } = parsed;
    const first = acceptShard(this.#record, message, this.#own());
    if (first.kind === 'refused') answer(first);
    else if (first.effect !== 'become-master') answer(this.#obeyShard(message));
    // The world may have moved on while received batches were applied.
    else beforeMaster(() => answer(this.#obeyShard(message)));
  }

  #obeyShard(message: ShardMessage): LeaseAnswer {
    const before = this.#record;
    const accepted = acceptShard(before, message, this.#own());
    if (accepted.kind === 'refused') return accepted;
    if (formatFenceConf(accepted.record) !== formatFenceConf(before)) this.#save(accepted.record);
    this.#applyRole(`epoch ${accepted.record.epoch}`);
    const { record } = accepted;
    if (record.epoch === before.epoch && record.isrVersion !== before.isrVersion) this.#env.host.isrChanged();
    return { kind: 'ok' };
  }

  #own(): OwnIdentity {
    return { nodeId: this.#nodeId, processId: this.#env.processId };
  }

  /**
   * CLUSTERX RESIGN: everything admitted is committed and released first (`settle`), then the epoch is given up.
   * @returns the final sequence; refused, with nothing changed, when it cannot be written down.
   */
  resign(epoch: number, settle: () => number): LeaseAnswer {
    const judged = resign(this.#record, epoch);
    if (judged.kind === 'refused') return judged;
    const again = this.#record.resignedEpoch === epoch;
    const sequence = settle();
    if (again) {
      // It stepped down by itself a moment ago: now the clients' new place is being prepared.
      if (this.#facts.resignedAtMs !== undefined && this.#handover === 'none') this.#awaitHandover();
      return { kind: 'ok', sequence };
    }
    try {
      this.#save(judged.record);
    } catch (error) {
      return { kind: 'refused', error: `ERR the resignation is not in fence.conf: ${messageOf(error)}` };
    }
    this.#voidDeadline();
    this.#awaitHandover();
    this.#giveUp();
    this.#env.logger.info('epoch resigned', { epoch, sequence });
    return { kind: 'ok', sequence };
  }

  #awaitHandover(): void {
    this.#resignedMs = this.#env.clock.leaseMs();
    this.#handover = 'awaited';
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

  /**
   * CLUSTERX RELEASE: the balancer points elsewhere; clients held by a resignation are redirected now.
   * @returns false when there is nothing to release (the epoch was not resigned, or the node has another role by now).
   */
  releaseResigned(epoch: number): boolean {
    if (epoch !== this.#record.resignedEpoch) return false;
    if (this.#handover !== 'awaited' && this.#handover !== 'overdue') return false;
    this.#handover = 'done';
    this.#recheck?.cancel();
    this.#recheck = undefined;
    this.#redirect();
    return true;
  }

  /** Clients of a resigned epoch are led elsewhere, not closed. */
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
