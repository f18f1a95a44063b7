/**
 * The node's replication: who it follows, who follows it, and under which id it writes. It owns the link to a master and
 * the followers, and puts the commands' port (SLAVEOF, PSYNC, WAIT ...) and the tick loop's (`onCommit`, `handedOver`) on
 * them.
 *
 * Role changes are one turn of the event loop and idempotent: following the same master again, or being master again,
 * changes nothing. Whoever changes the role of an armed node calls `applyAllReceived` first, so that a promoted replica
 * has everything it ever received, and `stopFollowing` in the turn in which it raises the epoch. At every change of role
 * or master the own followers are cut: they come back within a moment and are judged against the new history.
 *
 * Followers are fed with what was committed here, whether by the own ticks or by the link (chained replicas).
 */
import { assert, formatEndpoint, messageOf, OperationError, type Endpoint } from '@holdfast/base';
import type { Announcement, Deferred, ReplicationPort, RoleFacts, Session } from '@holdfast/commands';
import type { Commit } from '@holdfast/engine';
import {
  AcknowledgementWaits,
  CheckpointSource,
  drawReplicationId,
  FollowerSet,
  IdHistory,
  promptAckCapability,
  openPlace,
  ReplicaLink,
  replicationIdKey,
  runFullSync,
  storedReplicationId,
  type BatchSummary,
  type LinkSettings,
  type LogPosition,
  type ReplicationPaths,
} from '@holdfast/replication';
import type { ReplicatorEnvironment } from './environment.ts';
import { replicationInfo, type LinkStatus, type ReplicationInfo } from './info.ts';

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
  readonly #paths: ReplicationPaths;
  readonly #followers: FollowerSet;
  readonly #waits: AcknowledgementWaits;
  readonly #checkpoints: CheckpointSource;
  readonly #announcements = new WeakMap<Session, Announcement>();
  #role: Role = { kind: 'master' };
  #ids: IdHistory;
  /** The new id is not known to be committed: it is written again when its tick was dropped. */
  #idPending = false;
  /** The database is closed or being exchanged. */
  #loading = false;
  /** The end of the last link's full sync: the next link waits for it. */
  #ending: Promise<void> = Promise.resolve();
  #closed = false;

  /** The engine must be open. Nothing is followed and nothing written until told so. */
  constructor(env: ReplicatorEnvironment) {
    this.#env = env;
    this.#paths = env.paths;
    const { engine: log, clock, timers, logger, files, paths, settings } = env;
    this.#ids = new IdHistory(log.latestSequence(), storedReplicationId(log.database));
    this.#followers = new FollowerSet({
      log,
      clock,
      timers,
      logger,
      sendTimeoutMs: () => settings().sendTimeoutMs,
      onProgress: () => env.onProgress(),
      onAck: () => this.#waits.onAck(),
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
  }

  get isReplica(): boolean {
    return this.#role.kind === 'replica';
  }

  /** The database is being exchanged: every command but those flagged `loading` is refused. */
  get loading(): boolean {
    return this.#loading;
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
    const openRecords = engine.visibleSequence() - engine.latestSequence();
    // A master of a moment (at start, before `slaveof` is read) has written nothing but its id: that is taken back.
    if (this.#idPending && openRecords === 1) engine.dropTick();
    else assert(openRecords === 0, 'a node with an open tick cannot become a replica');
    this.#endLink();
    this.#followers.closeAll('the node follows another master now');
    engine.replicationId = undefined;
    this.#idPending = false;
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
    if (this.#loading)
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
    this.#env.engine.replicationId = drawReplicationId(this.#env.random);
    this.#writeId();
  }

  #writeId(): void {
    const { engine } = this.#env;
    if (engine.replicationId === undefined) return;
    this.#idPending = true;
    engine.putPropagate(Buffer.from(replicationIdKey), Buffer.from(engine.replicationId));
  }

  #endLink(): void {
    if (this.#role.kind !== 'replica') return;
    const { link } = this.#role;
    this.#ending = Promise.all([this.#ending, link.applyNothingMore()]).then(() => undefined);
  }

  #newLink(master: Endpoint, fromTopology: boolean): ReplicaLink {
    const { engine: log, connector, clock, timers, logger, settings } = this.#env;
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
      connectTimeoutMs: () => settings().connectTimeoutMs,
      receiveTimeoutMs: () => settings().receiveTimeoutMs,
      onApplied: (commit, summaries) => this.#onApplied(commit, summaries),
      fullSync: (signal) => this.#fullSync(master, fetched, signal),
    });
  }

  #linkSettings(fromTopology: boolean): LinkSettings {
    const { password, databaseName, announcedPort, announcedHost } = this.#env.settings();
    return { password, databaseName, announcedPort, announcedHost, topologyMaster: fromTopology };
  }

  #position(): LogPosition {
    const nextSequence = this.#env.engine.latestSequence() + 1;
    return { nextSequence, replicationId: this.#env.settings().useReplicationIds ? this.#ids.lastId : undefined };
  }

  /** Ends the links of all own replicas: they come back and are judged anew. */
  cutFollowers(reason: string): void {
    this.#followers.closeAll(reason);
  }

  // The log.

  /** The tick loop committed: to be called in the same turn, before replies are released. */
  onCommit(commit: Commit): void {
    this.#idPending = false;
    this.#ids.note(commit.firstSequence, this.#env.engine.replicationId);
    this.#followers.feed(commit);
  }

  /** The open tick was dropped: an id that was in it goes into the next one. */
  onTickDropped(): void {
    if (this.#idPending) this.#writeId();
  }

  /**
   * Whether replies that depend on `sequence` may leave: the operating system has accepted it for every replica that is
   * live and takes what it is sent. A stopped replica delays nobody for longer than 100 ms, a slow one 300 ms.
   */
  handedOver(sequence: number): boolean {
    return this.#followers.handedOver(sequence);
  }

  #onApplied(commit: Commit, summaries: readonly BatchSummary[]): void {
    for (const summary of summaries) this.#ids.note(summary.sequence, summary.replicationId);
    this.#followers.feed(commit);
    this.#env.onApplied(commit, summaries);
  }

  async #fullSync(master: Endpoint, fetched: Set<string>, signal: AbortSignal): Promise<void> {
    const { engine: log, connector, files, clock, timers, logger, settings } = this.#env;
    const { password, connectTimeoutMs, transferTimeoutMs, emptyDatabaseFirst } = settings();
    await runFullSync(
      {
        master,
        log,
        connector,
        files,
        paths: this.#paths,
        clock,
        timers,
        logger,
        password,
        connectTimeoutMs,
        silenceMs: transferTimeoutMs,
        emptyDatabaseFirst,
        fetched,
        beforeClose: () => this.#beforeClose(),
        afterOpen: (replaced) => this.#afterOpen(replaced),
        onDatabaseLost: (error) => this.#env.onDatabaseLost(error),
      },
      signal,
    );
  }

  async #beforeClose(): Promise<void> {
    this.#loading = true;
    this.#followers.closeAll('the database is being replaced');
    this.#env.onLoading(true);
    await this.#checkpoints.discard();
  }

  #afterOpen(replaced: boolean): void {
    const { engine } = this.#env;
    this.#ids = new IdHistory(engine.latestSequence(), storedReplicationId(engine.database));
    if (replaced) this.#env.onDatabaseReplaced();
    this.#loading = false;
    this.#env.onLoading(false);
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
    this.#announcements.set(session, { ...this.#announcements.get(session), ...announcement });
  }

  attach(
    session: Session,
    request: { readonly nextSequence: number; readonly replicationId: string | undefined },
  ): string | undefined {
    const { engine, logger } = this.#env;
    const place = openPlace(engine, this.#ids, request);
    if (typeof place === 'string') {
      this.stats.syncPartialErr++;
      logger.info('a partial sync is refused', {
        replica: session.peer,
        nextSequence: request.nextSequence,
        ownSequence: engine.latestSequence(),
        reason: place,
      });
      return place;
    }
    this.stats.syncPartialOk++;
    const said = this.#announcements.get(session);
    const identity = {
      host: said?.host ?? hostOf(session.peer),
      port: said?.listeningPort ?? 0,
      acksPromptly: said?.capability === promptAckCapability,
    };
    this.#followers.attach(session.detach(), identity, place);
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
        if (!this.#loading) {
          this.stopFollowing({ newReplicationId: this.#env.settings().useReplicationIds });
          this.#env.masterChosen(undefined);
        }
        answer(undefined);
      }),
    );
  }

  waitForAcks(replicas: number, timeoutMs: number, deferred: Deferred): void {
    this.#waits.add({
      sequence: this.#env.engine.visibleSequence(),
      replicas,
      timeoutMs,
      complete: (acked) => deferred.complete((reply) => reply.integer(acked)),
      isGone: () => deferred.settled,
    });
  }
}

/** `host:port` or `[host]:port` -> host. */
function hostOf(peer: string): string {
  return peer.slice(0, peer.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}
