/**
 * The node's replication: who it follows, who follows it, and under which id it writes. It owns the link to a master and
 * the followers, and answers the commands' port (SLAVEOF, PSYNC, WAIT ...) and the tick loop (`onCommit`, `handedOver`).
 *
 * Role changes are one turn of the event loop and idempotent: following the same master again, or being master again,
 * changes nothing. Whoever changes the role of an armed node calls `applyAllReceived` first, so that a promoted replica
 * has everything it ever received, and `stopFollowing` in the turn in which it raises the epoch. At every change of role
 * or master the own followers are cut: they come back within a moment and are judged against the new history.
 *
 * Followers are fed with what was committed here, whether by the own ticks or by the link (chained replicas).
 *
 * On an armed node links belong to an epoch: `cutLinks` ends both kinds at its end, and a replica attaches anew with its
 * epoch, log id and outline (CLUSTERX ATTACH) before it is streamed to.
 */
import { formatEndpoint, messageOf, OperationError, type Endpoint } from '@holdfast/base';
import type { Announcement, ReplicationPort, RoleFacts, Session } from '@holdfast/commands';
import type { Commit } from '@holdfast/engine';
import type { LogOutline } from '@holdfast/fencing';
import {
  AcknowledgementWaits,
  CheckpointSource,
  FollowerSet,
  ReplicaLink,
  type BatchSummary,
  type LinkSettings,
  type LogPosition,
} from '@holdfast/replication';
import { DatabaseExchange } from './database-exchange.ts';
import type { ReplicatorEnvironment } from './environment.ts';
import { FollowerAdmission, type Attachment } from './follower-admission.ts';
import { replicationInfo, type LinkStatus, type ReplicationInfo } from './info.ts';
import { OwnHistory } from './own-history.ts';

/** A promotion follows `applyAllReceived` at once; a link that was cut for one that did not come waits this long. */
const takenUpAgainMs = 1000;

type Role =
  | { readonly kind: 'master' }
  | {
      readonly kind: 'replica';
      readonly master: Endpoint;
      /** Named by the topology, not by SLAVEOF. */
      readonly fromTopology: boolean;
      readonly link: ReplicaLink;
    };

export class Replicator implements ReplicationPort {
  readonly stats: { syncFull: number; syncPartialOk: number; syncPartialErr: number } = {
    syncFull: 0,
    syncPartialOk: 0,
    syncPartialErr: 0,
  };
  readonly #env: ReplicatorEnvironment;
  readonly #followers: FollowerSet;
  readonly #waits: AcknowledgementWaits;
  readonly #checkpoints: CheckpointSource;
  readonly #admission = new FollowerAdmission();
  #role: Role = { kind: 'master' };
  readonly #history: OwnHistory;
  readonly #exchange: DatabaseExchange;
  /** The end of the last link's full sync: the next link waits for it. */
  #ending: Promise<void> = Promise.resolve();
  #closed = false;

  /** The engine must be open. Nothing is followed and nothing written until told so. */
  constructor(env: ReplicatorEnvironment) {
    this.#env = env;
    const { engine: log, clock, timers, logger, files, paths, settings } = env;
    this.#history = new OwnHistory(log);
    this.#followers = new FollowerSet({
      log,
      clock,
      timers,
      logger,
      sendTimeoutMs: () => settings().sendTimeoutMs,
      onProgress: () => env.onProgress(),
      onAck: ({ identity: { member }, ackedSequence }, probe): void => {
        this.#waits.onAck();
        if (member !== undefined) env.inSync.acked(member.nodeId, ackedSequence, probe);
      },
      onDetached: ({ identity: { member } }, isReset): void => {
        this.#waits.onAck();
        if (member !== undefined) env.inSync.detached(member.nodeId, isReset);
      },
    });
    this.#waits = new AcknowledgementWaits(this.#followers, timers);
    this.#checkpoints = new CheckpointSource({
      log,
      files,
      paths,
      clock,
      timers,
      logger,
      walTtlMs: () => settings().walTtlMs,
      bytesPerSecondMax: () => settings().bytesPerSecondMax,
      sendTimeoutMs: () => settings().sendTimeoutMs,
    });
    this.#exchange = new DatabaseExchange(env, {
      begins: async (): Promise<void> => {
        this.#followers.closeAll('the database is being replaced');
        await this.#checkpoints.discard();
      },
      opened: () => this.#history.reload(),
    });
  }

  get isReplica(): boolean {
    return this.#role.kind === 'replica';
  }

  /** The database is being exchanged: every command but those flagged `loading` is refused. */
  get loading(): boolean {
    return this.#exchange.loading;
  }

  /** Whether the stream from the master flows; true on a master. For `slave-serve-stale-data` and READONLY reads. */
  get attached(): boolean {
    return this.#role.kind === 'master' || this.#role.link.up;
  }

  get followerCount(): number {
    return this.#followers.size;
  }

  /** Bytes of the log that replicas' sockets have not accepted. */
  unsentBytes(): number {
    return this.#followers.unsentBytes();
  }

  // Role.

  /**
   * Becomes a replica of `master`, in this turn. Does nothing when it follows that address already. Setting up never
   * fails: whatever stands in the way is tried again by the link. The open tick must be empty (committed or dropped).
   */
  follow(master: Endpoint, { fromTopology }: { fromTopology: boolean }): void {
    if (this.#closed) return;
    const { engine } = this.#env;
    const role = this.#role;
    if (role.kind === 'replica' && role.master.host === master.host && role.master.port === master.port) {
      this.#startWhenFree(role.link);
      return;
    }
    // A master of a moment (at start, before `slaveof` is read) has written nothing but its id: that is taken back.
    this.#history.end();
    this.#endLink();
    this.#followers.closeAll('the node follows another master now');
    const link = this.#newLink(master, fromTopology);
    this.#role = { kind: 'replica', master, fromTopology, link };
    this.#env.logger.info('following a master', { master: formatEndpoint(master), sequence: engine.latestSequence() });
    this.#startWhenFree(link);
  }

  /**
   * A database that is just being exchanged belongs to the former link until that is done. Does nothing when the link
   * runs, or is no longer the node's by then.
   */
  #startWhenFree(link: ReplicaLink): void {
    void this.#ending.then(() => {
      if (this.#role.kind === 'replica' && this.#role.link === link && !this.#closed) link.start();
    });
  }

  /**
   * Everything received from the master is applied and the link is cut, before `stopFollowing`. Ends within a bounded time
   * whatever the master does. Does nothing on a master. A promotion that does not come after all leaves a replica
   * behind: its link is taken up again.
   */
  async applyAllReceived(): Promise<void> {
    if (this.#role.kind === 'replica') {
      const { link } = this.#role;
      await link.applyAllReceived();
      this.#env.timers.after(takenUpAgainMs, () => this.#startWhenFree(link));
    }
    await this.#ending;
  }

  /**
   * Becomes master, in this turn; what was received and not applied is dropped (see `applyAllReceived`). With
   * `newReplicationId` (the directive `use-rsid-psync`) a new id is put into the open tick; the caller commits it. Does
   * nothing on a master.
   * @throws OperationError REPLICATION_LOADING (not-applied) while the database is being exchanged; `applyAllReceived`
   *   waits for that.
   */
  stopFollowing({ newReplicationId }: { newReplicationId: boolean }): void {
    if (this.#role.kind === 'master') return;
    if (this.loading)
      throw new OperationError('REPLICATION_LOADING', 'the database is being exchanged: wait for applyAllReceived', {
        outcome: 'not-applied',
      });
    this.#endLink();
    this.#followers.closeAll('the node is master now');
    this.#role = { kind: 'master' };
    this.#env.logger.info('following nobody: master', { sequence: this.#env.engine.latestSequence() });
    if (newReplicationId) this.beginHistory();
  }

  /** Draws and writes a new replication id: when a process starts as master, with `use-rsid-psync`. */
  beginHistory(): void {
    this.#history.beginId(this.#env.random);
    this.#history.write();
  }

  /**
   * This process is the master of `epoch`: its record is put into the open tick, which must be empty, together with a new
   * replication id when one is wanted. The caller ends the tick.
   */
  beginEpoch(epoch: number, { newReplicationId }: { newReplicationId: boolean }): void {
    this.#history.beginEpoch(epoch);
    if (newReplicationId) this.#history.beginId(this.#env.random);
    this.#history.write();
  }

  /** What this process must write before anything else is not in the log yet. */
  get historyDue(): boolean {
    return this.#history.due;
  }

  /** It is in the open tick. */
  get historyInTick(): boolean {
    return this.#history.isInTick;
  }

  /** Puts it into the open tick, between two commands, unless it is there. */
  writeHistory(): void {
    this.#history.write();
  }

  /** To be called before each commit of the own tick. */
  checkBeforeCommit(): void {
    this.#history.checkBeforeCommit();
  }

  #endLink(): void {
    if (this.#role.kind !== 'replica') return;
    const { link } = this.#role;
    this.#ending = Promise.all([this.#ending, link.applyNothingMore()]).then(() => undefined);
  }

  #newLink(master: Endpoint, fromTopology: boolean): ReplicaLink {
    const { engine: log, connector, clock, timers, logger, settings, onAttached } = this.#env;
    const fetched = new Set<string>();
    return new ReplicaLink({
      master,
      log,
      connector,
      clock,
      timers,
      logger,
      settings: () => this.#linkSettings(fromTopology),
      position: () => this.#position(),
      rewind: (target, signal) => this.#exchange.rewind(target, signal),
      connectTimeoutMs: () => settings().connectTimeoutMs,
      receiveTimeoutMs: () => settings().receiveTimeoutMs,
      onStreaming: onAttached,
      onApplied: (commit, summaries) => this.#onApplied(commit, summaries),
      fullSync: (signal) => this.#exchange.fullSync(master, fetched, signal),
    });
  }

  #linkSettings(fromTopology: boolean): LinkSettings {
    const { password, databaseName, announcedPort, announcedHost } = this.#env.settings();
    return { password, databaseName, announcedPort, announcedHost, topologyMaster: fromTopology };
  }

  #position(): LogPosition {
    const nextSequence = this.#env.engine.latestSequence() + 1;
    const replicationId = this.#env.settings().useReplicationIds ? this.#history.ids.lastId : undefined;
    const own = this.#env.identity();
    return { nextSequence, replicationId, attach: own && { ...own, outline: this.#history.outline } };
  }

  /**
   * Ends the links of all own replicas, and the own one to a master: what was received and not applied is dropped, and
   * `follow` takes it up again. Both sides are judged anew then. Only one kind of them when it is named.
   */
  cutLinks(reason: string, only?: 'master' | 'replica'): void {
    if (only !== 'master') this.#followers.closeAll(reason);
    if (only !== 'replica') this.#endLink();
  }

  /** The master that is followed, and whether the topology says so; undefined on a master. */
  get followed(): { readonly master: Endpoint; readonly fromTopology: boolean } | undefined {
    return this.#role.kind === 'replica' ? this.#role : undefined;
  }

  /** The own log as it is compared with a master's or a replica's. */
  get outline(): LogOutline {
    return this.#history.outline;
  }

  /** Epoch of the last entry of the log. */
  get lastEpoch(): number {
    return this.#history.lastEpoch;
  }

  // The log.

  /** The tick loop committed: to be called in the same turn, before replies are released. */
  onCommit(commit: Commit): void {
    this.#history.committed(commit);
    this.#followers.feed(commit);
  }

  /** The open tick was dropped: what it said of the history is due again. */
  onTickDropped(): void {
    this.#history.tickDropped();
  }

  /** A commit failed; what it held may be in the log or not. */
  onCommitFailed(): void {
    this.#history.commitFailed();
  }

  /** Asks the followers that count to answer `probe`. */
  sendProbe(probe: number): void {
    this.#followers.sendProbe(probe);
  }

  /**
   * Whether replies that depend on `sequence` may leave: the operating system has accepted it for every replica that is
   * live and takes what it is sent. A stopped replica delays nobody for longer than 100 ms, a slow one 300 ms.
   */
  handedOver(sequence: number): boolean {
    return this.#followers.handedOver(sequence);
  }

  #onApplied(commit: Commit, summaries: readonly BatchSummary[]): void {
    this.#history.applied(summaries);
    this.#followers.feed(commit);
    this.#env.onApplied(commit, summaries);
  }

  /** Ends links and transfers; the engine may be closed afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#endLink();
    this.#followers.closeAll('the node shuts down');
    await this.#checkpoints.discard();
    await this.#ending;
  }

  // Facts.

  info(): ReplicationInfo {
    return replicationInfo(this.#env.engine.latestSequence(), this.#linkStatus(), this.#followers.facts());
  }

  #linkStatus(): LinkStatus | undefined {
    return this.#role.kind === 'replica' ? this.#role.link.facts() : undefined;
  }

  role(): RoleFacts {
    const sequence = this.#env.engine.latestSequence();
    if (this.#role.kind === 'master') return { role: 'master', sequence, replicas: this.#followers.facts() };
    const { master, link } = this.#role;
    const phase = link.phase.kind;
    const state = phase === 'streaming' ? 'connected' : phase === 'full-syncing' ? 'sync' : 'connecting';
    return { role: 'replica', host: master.host, port: master.port, state, sequence };
  }

  // The commands' port.

  databaseName(): string {
    return this.#env.settings().databaseName;
  }

  clusterEnabled(): boolean {
    return this.#env.settings().clusterEnabled;
  }

  walDisabled(): boolean {
    return this.#env.settings().walDisabled;
  }

  announce(session: Session, announcement: Announcement): void {
    this.#admission.announce(session, announcement);
  }

  /** CLUSTERX ATTACH was granted on this connection. */
  noteAttach(session: Session, attachment: Attachment): void {
    this.#admission.noteAttach(session, attachment);
  }

  attach(
    session: Session,
    request: { readonly nextSequence: number; readonly replicationId: string | undefined },
  ): string | undefined {
    const { engine: log, logger, inSync } = this.#env;
    const epoch = this.#env.identity()?.epoch;
    const admitted = this.#admission.admit(session, request, { log, ids: this.#history.ids, epoch });
    if (typeof admitted === 'string') {
      this.stats.syncPartialErr++;
      logger.info('a partial sync is refused', {
        replica: session.peer,
        nextSequence: request.nextSequence,
        ownSequence: log.latestSequence(),
        reason: admitted,
      });
      return admitted;
    }
    this.stats.syncPartialOk++;
    const { identity, place } = admitted;
    const { member } = identity;
    const follower = this.#followers.attach(session.detach(), identity, place);
    if (member !== undefined && !follower.closed)
      inSync.attached(member.nodeId, member.logId, request.nextSequence - 1);
    return undefined;
  }

  sendCheckpointNames(session: Session): void {
    this.stats.syncFull++;
    void this.#checkpoints.sendNames(session.detach());
  }

  sendCheckpointFiles(session: Session, names: readonly string[]): void {
    void this.#checkpoints.sendFiles(session.detach(), names);
  }

  followNamed(host: string, port: number, answer: (refusal: string | undefined) => void): void {
    this.#env.resolveHost(host).then(
      (address) =>
        this.#env.betweenTicks(() => {
          const refusal = this.#followResolved({ host: address, port });
          if (refusal === undefined) this.#env.masterChosen({ host, port });
          answer(refusal);
        }),
      (error: unknown) => {
        this.#env.logger.warn('SLAVEOF names an unknown host', { host, error: messageOf(error) });
        answer(`ERR Can not resolve hostname: ${host}`);
      },
    );
  }

  #followResolved(master: Endpoint): string | undefined {
    if (this.#env.isSelf(master)) return "ERR can't replicate itself";
    if (this.#followers.facts().some(({ host, port }) => host === master.host && port === master.port))
      return "ERR can't replicate your own replicas";
    this.follow(master, { fromTopology: false });
    return undefined;
  }

  followNobody(answer: (refusal: string | undefined) => void): void {
    void this.applyAllReceived().then(() =>
      this.#env.betweenTicks(() => {
        // A database that is exchanged again by now: another SLAVEOF came in between, and that one holds.
        if (!this.loading) {
          this.stopFollowing({ newReplicationId: this.#env.settings().useReplicationIds });
          this.#env.masterChosen(undefined);
        }
        answer(undefined);
      }),
    );
  }

  ackedReplicas(): number {
    return this.#followers.countAcked(this.#env.engine.visibleSequence());
  }

  waitForAcks(replicas: number, timeoutMs: number, session: Session): void {
    const sequence = this.#env.engine.visibleSequence();
    const deferred = session.defer({ expire: (reply) => reply.integer(this.#followers.countAcked(sequence)) });
    const complete = (acked: number): void => deferred.complete((reply) => reply.integer(acked));
    this.#waits.add({ sequence, replicas, timeoutMs, complete, isGone: () => deferred.settled });
  }
}
