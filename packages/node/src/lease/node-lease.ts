/**
 * The lease in the node: what a role change does to ticks, links and clients, and the commands by which controllers
 * change it. Decisions are LeaseKeeper's; this is the order in which the rest of the node follows them.
 */
import { assert, type Endpoint, type Logger, type Timers } from '@holdfast/base';
import type { LeasePort, LeaseReply, PendingLeaseReply, Session } from '@holdfast/commands';
import {
  formatAttachReply,
  judgeAttach,
  parseAttachArguments,
  type NodeHealth,
  type ReplicationMode,
} from '@holdfast/fencing';
import type { ReplyWriter } from '@holdfast/resp';
import type { TopologyRole } from '../cluster/cluster-state.ts';
import type { TickLoop } from '../execution/tick-loop.ts';
import type { ClientListener } from '../net/client-listener.ts';
import type { Replicator } from '../replication/replicator.ts';
import type { HeartbeatResponder, NodeReport } from './heartbeat.ts';
import type { InSyncKeeper } from './in-sync-keeper.ts';
import type { ActingRole, LeaseHost } from './lease-host.ts';
import type { LeaseKeeper } from './lease-keeper.ts';

export interface NodeLeaseEnvironment {
  readonly logger: Logger;
  readonly loop: TickLoop;
  readonly listener: ClientListener;
  readonly replicator: Replicator;
  /** Answers heartbeats on the main port while the node is not armed. */
  readonly responder: HeartbeatResponder;
  readonly inSync: InSyncKeeper;
  readonly timers: Timers;
  /** Held connections, and those who wait for what was written, may be asked again. */
  resumeHeld(): void;
  /** A command that goes on over several turns is ended, without a trace in the log: the tick it holds has to end. */
  endLongRun(): void;
  readonly processId: string;
  /** The directive `replication-mode`. */
  replicationMode(): ReplicationMode;
  latestSequence(): number;
  topologyVersion(): number;
  nodeId(): string;
  health(): NodeHealth;
  useReplicationIds(): boolean;
  /** This process writes under no replication id yet, and should (`use-rsid-psync`). */
  needsReplicationId(): boolean;
  /** Sends a changed report to the control thread. */
  publish(report: NodeReport): void;
  /** Why SHARD cannot be obeyed: there is no control port to renew a lease on. */
  controlProblem(): string | undefined;
  /** The role decides what clients may do (read-only, stale). */
  roleChanged(role: ActingRole): void;
}

/** How long a resignation waits for in-sync replicas; clients are held meanwhile. */
const resignWaitMs = 200;

/** Clients that come back to one connection of a pool, each in its own time, are so far apart. */
const redirectPauseBoundsMs = { least: 20, most: 100 } as const;

/**
 * How long a client's commands must have paused before it is sent on. Where a switchover is quick little else is slow,
 * and a short pause tells. On a busy machine clients are as slow to come back; and a balancer that is late may be as late
 * with the commands it carries, while who came back earlier would only come here again.
 * @param sinceMs how long ago the epoch was resigned.
 */
export function redirectPauseMs(sinceMs: number): number {
  const { least, most } = redirectPauseBoundsMs;
  return Math.min(Math.max(sinceMs / 2, least), most);
}

export class NodeLease implements LeaseHost, LeasePort {
  #env: NodeLeaseEnvironment | undefined;
  #keeper: LeaseKeeper | undefined;
  #topologyRole: TopologyRole = { role: 'none' };
  #newOwner: Endpoint | undefined;
  #redirectPauseMs = redirectPauseMs(0);

  /** Keeper and host know each other, so they are joined after both exist. */
  join(env: NodeLeaseEnvironment, keeper: LeaseKeeper): void {
    this.#env = env;
    this.#keeper = keeper;
  }

  get #world(): NodeLeaseEnvironment {
    assert(this.#env !== undefined, 'the lease is attached before it is used');
    return this.#env;
  }

  /** Where the last RELEASE said that this node's shard is reached: of use to clients of a shard without LB address. */
  get newOwner(): Endpoint | undefined {
    return this.#newOwner;
  }

  /** So long nothing more must come from a client that is sent on before its answers leave with the end. */
  get redirectPauseMs(): number {
    return this.#redirectPauseMs;
  }

  get keeper(): LeaseKeeper {
    assert(this.#keeper !== undefined, 'the lease is attached before it is used');
    return this.#keeper;
  }

  // What the keeper asks of the node.

  roleChanging(reason: string): void {
    const { loop, listener } = this.#world;
    this.#world.endLongRun();
    if (this.keeper.armed) loop.dropAll(reason);
    // The log stands still while the role changes.
    loop.settle();
    if (!this.keeper.armed) return;
    this.#world.replicator.cutLinks(reason);
    if (!this.keeper.redirecting) listener.forEachPaced((client) => client.closeGracefully());
  }

  roleChanged(role: ActingRole): void {
    const { inSync } = this.#world;
    if (this.keeper.armed && role === 'master') inSync.begin(this.keeper.record, this.#world.nodeId());
    else inSync.end();
    this.#followRole();
    // The clients of an armed node were closed, or are told where to go.
    if (!this.keeper.armed && role === 'replica') this.#world.listener.forEachPaced((client) => client.endWaiting());
    this.#world.roleChanged(role);
  }

  isrChanged(): void {
    this.#world.inSync.recordChanged(this.keeper.record);
  }

  workAdmitted(): void {
    this.#world.replicator.writeHistory();
  }

  /** The lease runs again: what was held goes on, and the record of the epoch is written if it is not yet. */
  renewed(): void {
    this.keeper.recheckHeld();
    if (this.keeper.armed && this.#world.replicator.historyDue) this.#world.loop.open();
  }

  resumeHeld(): void {
    this.#world.loop.resume();
    this.#world.resumeHeld();
  }

  lapsedTooLong(): void {
    this.#world.logger.warn('the lease lapsed; clients are closed', { epoch: this.keeper.record.epoch });
    this.#world.loop.dropAll('the lease lapsed');
    // Who waits is owed no outcome: nothing of its command was executed.
    this.#world.listener.forEachPaced((client) => (client.blocked ? client.closeGracefully() : client.destroy()));
  }

  redirectClients(sinceMs: number): void {
    this.#redirectPauseMs = redirectPauseMs(sinceMs);
    // Answers that may leave, leave first.
    this.#world.loop.resume();
    this.#world.listener.forEachPaced((client) => client.startMoving());
  }

  reportChanged(): void {
    if (this.#env === undefined || this.#keeper === undefined) return;
    const report = this.report();
    this.#env.responder.update(report);
    this.#env.publish(report);
  }

  report(): NodeReport {
    const { replicator } = this.#world;
    return {
      role: this.keeper.role === 'master' ? 'master' : 'slave',
      record: this.keeper.record,
      topologyVersion: this.#world.topologyVersion(),
      nodeId: this.#world.nodeId(),
      health: this.#world.health(),
      masterLinkStatus: replicator.attached ? 'up' : 'down',
      isrRequest: this.#world.inSync.isrRequest,
      replicationMode: this.#world.replicationMode(),
    };
  }

  // The topology.

  /** The topology changed (or is in force from the start): the role first, then whom to follow. */
  topologyChanged(role: TopologyRole): void {
    this.#topologyRole = role;
    this.keeper.setTopologyRole(this.#world.nodeId(), role.role);
    this.#followRole();
    // Whether the link is up depends on whom the node follows now.
    this.reportChanged();
  }

  /**
   * Makes replication follow the role. A master follows nobody; a replica follows the master that its topology names;
   * an armed node that is master in its topology alone follows nobody and serves nobody.
   */
  #followRole(): void {
    const { replicator, loop } = this.#world;
    const acting = this.keeper.role;
    const named = this.#topologyRole;
    if (acting === 'master' && this.keeper.armed) this.#beginEpoch();
    else if (acting === 'master' || (named.role === 'none' && !this.keeper.armed)) {
      if (replicator.isReplica) replicator.stopFollowing({ newReplicationId: this.#world.useReplicationIds() });
      else if (acting === 'master' && this.#world.needsReplicationId()) replicator.beginHistory();
      else return;
      loop.open();
    } else if (named.role === 'replica' && named.masterEndpoint !== undefined) {
      replicator.follow(named.masterEndpoint, { fromTopology: true });
    }
  }

  /** The record of the epoch, and with it a new replication id, is the first that this master writes. */
  #beginEpoch(): void {
    const { replicator, loop } = this.#world;
    const wasReplica = replicator.isReplica;
    if (wasReplica) replicator.stopFollowing({ newReplicationId: false });
    replicator.beginEpoch(this.keeper.record.epoch, {
      newReplicationId: this.#world.useReplicationIds() && (wasReplica || this.#world.needsReplicationId()),
    });
    if (replicator.historyDue) loop.open();
  }

  // The commands.

  heartbeat(args: readonly string[], reply: ReplyWriter): void {
    if (this.keeper.armed) reply.error('ERR this node is armed: its heartbeats go to the control port');
    else this.#world.responder.answerArguments(args, reply);
  }

  shard(args: readonly string[]): PendingLeaseReply {
    const problem = this.#world.controlProblem();
    if (problem !== undefined) return { kind: 'refused', error: `ERR control port ${problem}` };
    const { replicator } = this.#world;
    return new Promise((resolve, reject) => {
      // A record that cannot be written down is not obeyed, and its outcome is unknown to who sent it.
      const beforeMaster = (done: () => void): void =>
        void replicator
          .applyAllReceived()
          .then(done)
          .catch((error: unknown) => reject(error as Error));
      this.keeper.acceptShard(args, beforeMaster, resolve);
    });
  }

  attach(session: Session, args: readonly string[]): string {
    const parsed = parseAttachArguments(args);
    if (parsed.kind === 'refused') return `-${parsed.error}`;
    const { request } = parsed;
    const { record } = this.keeper;
    const { replicator, processId, nodeId } = this.#world;
    const verdict = judgeAttach(record, { nodeId: nodeId(), processId }, replicator.outline, request);
    if (verdict.kind === 'step-down') this.keeper.sawEpoch(verdict.epoch);
    if (verdict.kind === 'attached') {
      const { common, counts } = verdict;
      const member = { nodeId: request.nodeId, logId: request.logId };
      replicator.noteAttach(session, { epoch: record.epoch, member, common, counts });
    }
    return formatAttachReply(verdict);
  }

  /**
   * What was admitted is committed and, as far as the in-sync replicas allow it soon, released. What they keep waiting is
   * unknown to its clients: it is in the final sequence, and nothing is answered after a resignation.
   */
  resign(epoch: number): PendingLeaseReply {
    const { loop, timers } = this.#world;
    this.#settle();
    if (loop.waitingTicks === 0) return this.#resignNow(epoch);
    const held = this.keeper.hold(epoch, 2 * resignWaitMs, () => this.#settle());
    if (held.kind === 'refused') return this.#resignNow(epoch);
    return new Promise((resolve, reject) => {
      let isDone = false;
      const finish = (): void => {
        if (isDone) return;
        isDone = true;
        late.cancel();
        try {
          resolve(this.#resignNow(epoch));
        } catch (error) {
          reject(error as Error);
        }
      };
      const late = timers.after(resignWaitMs, finish);
      loop.whenReleased(finish);
    });
  }

  #resignNow(epoch: number): LeaseReply {
    const answer = this.keeper.resign(epoch, () => this.#settle());
    if (answer.kind === 'ok') this.#world.loop.dropWaiting('the epoch is resigned');
    return answer;
  }

  hold(epoch: number, holdMs: number): PendingLeaseReply {
    return this.keeper.hold(epoch, holdMs, () => this.#settle());
  }

  unhold(epoch: number): LeaseReply {
    if (epoch === this.keeper.record.epoch) this.keeper.unhold();
    return { kind: 'ok' };
  }

  release(epoch: number, owner: Endpoint): LeaseReply {
    this.#newOwner = owner;
    const released = this.keeper.releaseResigned(epoch);
    this.#world.logger.info('clients are redirected', { epoch, released, host: owner.host, port: owner.port });
    return { kind: 'ok' };
  }

  /** Commits and releases what was admitted. @returns the sequence at which the node stands. */
  #settle(): number {
    this.#world.endLongRun();
    this.#world.loop.end();
    this.#world.loop.releaseReady();
    return this.#world.latestSequence();
  }
}
