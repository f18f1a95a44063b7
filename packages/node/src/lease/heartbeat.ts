/**
 * Answers CLUSTERX HEARTBEAT: renews the lease in the shared word and reports the node. Runs on the control thread for
 * an armed node, and on the main loop for heartbeats on the main port of an unarmed one; it holds nothing but the
 * deadlines of each controller, so that two of them do not disturb each other.
 */
import {
  closedWord,
  formatHeartbeatReply,
  formatToken,
  noLease,
  noUnarmedLease,
  packWord,
  parseHeartbeatArguments,
  renew,
  renewUnarmed,
  renewedWord,
  isLeaseValid,
  unpackWord,
  type FenceRecord,
  type Heartbeat,
  type LeaseMode,
  type LeaseState,
  type NodeHealth,
  type ReplicationMode,
  type UnarmedLease,
} from '@holdfast/fencing';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { SharedLease } from './shared-lease.ts';

/** What a heartbeat reply reports besides the shared words; posted by the main loop on every change. */
export interface NodeReport {
  readonly role: 'master' | 'slave';
  readonly record: FenceRecord;
  /** -1 before the first SETNODES. */
  readonly topologyVersion: number;
  /** Empty before SETNODEID. */
  readonly nodeId: string;
  readonly health: NodeHealth;
  readonly masterLinkStatus: 'up' | 'down';
  /** `<epoch>:<isr-version>:<+|-><node>:<log id>`, empty when nothing is asked. */
  readonly isrRequest: string;
  /** What an armed node does: the directive. */
  readonly replicationMode: ReplicationMode;
}

export interface HeartbeatEnvironment {
  readonly shared: SharedLease;
  readonly processId: string;
  readonly stallLimitMs: number;
  /** Lease clock. */
  nowMs(): number;
  /** A lease that had lapsed runs again. */
  renewed(): void;
  /** A heartbeat named a higher epoch: the word of a lower one is closed, the main loop steps down. */
  sawEpoch(epoch: number): void;
}

const unheard: Omit<NodeReport, 'record'> = {
  role: 'slave',
  topologyVersion: -1,
  nodeId: '',
  health: 'ok',
  masterLinkStatus: 'down',
  isrRequest: '',
  replicationMode: 'async',
};

/** The main loop says that it is alive about this often, so a smaller silence is no stall. */
export const beatPeriodMs = 50;

export class HeartbeatResponder {
  readonly #env: HeartbeatEnvironment;
  #report: NodeReport;
  #lease: LeaseState = noLease;
  #unarmed: UnarmedLease = noUnarmedLease;

  /** @param report the first one, or a record alone: the node is then nobody's master in no topology. */
  constructor(env: HeartbeatEnvironment, report: NodeReport | FenceRecord) {
    this.#env = env;
    this.#report = 'record' in report ? report : { ...unheard, record: report };
  }

  update(report: NodeReport): void {
    // Becoming a replica forgets what an unarmed master was granted, as upstream does.
    if (report.role !== 'master') this.#unarmed = noUnarmedLease;
    this.#report = report;
  }

  /** @param request the whole command, `clusterx heartbeat …`. */
  answer(request: Request, reply: ReplyWriter): void {
    const args: string[] = [];
    for (let i = 2; i < request.count; i++) args.push(request.latin1(i));
    this.answerArguments(args, reply);
  }

  /** @param args what follows `CLUSTERX HEARTBEAT`. */
  answerArguments(args: readonly string[], reply: ReplyWriter): void {
    const parsed = parseHeartbeatArguments(args);
    if (parsed.kind === 'refused') {
      reply.error(parsed.error);
      return;
    }
    const nowMs = this.#env.nowMs();
    const error = this.#report.record.armed
      ? this.#renewArmed(parsed.heartbeat, nowMs)
      : this.#renewUnarmed(parsed.heartbeat, nowMs);
    if (error !== undefined) reply.error(error);
    else reply.bulkText(this.#text(nowMs));
  }

  #loopStalledMs(nowMs: number): number {
    const silentMs = nowMs - this.#env.shared.beatMs();
    return silentMs > 2 * beatPeriodMs ? silentMs : 0;
  }

  #renewArmed(heartbeat: Heartbeat, nowMs: number): undefined {
    const { shared, processId, stallLimitMs } = this.#env;
    const { record, nodeId } = this.#report;
    if (heartbeat.epoch > record.epoch) this.#noteHigherEpoch(heartbeat.epoch);
    const loopStalledMs = this.#loopStalledMs(nowMs);
    const own = { nodeId, processId };
    const renewal = renew(this.#lease, heartbeat, { record, own, nowMs, loopStalledMs, stallLimitMs });
    if (renewal.kind !== 'renewed') return;
    this.#lease = renewal.state;
    for (;;) {
      const found = shared.load();
      const next = renewedWord(found, record.epoch, renewal.deadlineMs);
      if (next === undefined) return;
      if (!shared.swap(found, next)) continue;
      if (!isLeaseValid(unpackWord(found), record.epoch, nowMs)) this.#env.renewed();
      return;
    }
  }

  /**
   * Whoever is master of a lower epoch is deposed. The word may be that of a newer epoch than the report's, which is on
   * the way: then it stays.
   */
  #noteHigherEpoch(epoch: number): void {
    const { shared } = this.#env;
    for (let found = shared.load(); ; found = shared.load()) {
      const { epoch: held } = unpackWord(found);
      if (held >= epoch) return;
      if (held === 0 || shared.swap(found, closedWord)) break;
    }
    this.#env.sawEpoch(epoch);
  }

  #renewUnarmed(heartbeat: Heartbeat, nowMs: number): string | undefined {
    const { shared, processId } = this.#env;
    const own = { nodeId: this.#report.nodeId, processId };
    const renewal = renewUnarmed(this.#unarmed, heartbeat, { own, nowMs });
    if (renewal.kind === 'refused') return renewal.error;
    if (renewal.kind === 'unchanged') return undefined;
    this.#unarmed = renewal.lease;
    // Unarmed words carry no epoch: only their deadline counts.
    const next = packWord({ epoch: 0, deadlineMs: renewal.lease.deadlineMs });
    for (let found = shared.load(); unpackWord(found).epoch === 0; found = shared.load()) {
      if (shared.swap(found, next)) return undefined;
    }
    // The main loop has taken a mastership meanwhile, and its report is on the way: the word is that epoch's.
    return undefined;
  }

  #text(nowMs: number): string {
    const { shared, processId, stallLimitMs } = this.#env;
    const { role, record, topologyVersion, nodeId, health, masterLinkStatus, isrRequest } = this.#report;
    const { replicationMode } = this.#report;
    const word = unpackWord(shared.load());
    const loopStalledMs = this.#loopStalledMs(nowMs);
    const counts = word.deadlineMs > 0 && (!record.armed || word.epoch === record.epoch);
    return formatHeartbeatReply({
      role,
      sequence: shared.sequence(),
      lastEpoch: shared.lastEpoch(),
      epoch: record.epoch,
      isrVersion: record.isrVersion,
      version: topologyVersion,
      nodeId,
      processId,
      logId: record.logId,
      armed: record.armed,
      mode: record.mode satisfies LeaseMode,
      replicationMode,
      health,
      loopStalledMs,
      leaseRemainingMs: counts ? word.deadlineMs - nowMs : 0,
      masterLinkStatus,
      isrRequest,
      leaseToken: loopStalledMs > stallLimitMs ? '' : formatToken({ processId, clockMs: nowMs }),
    });
  }
}
