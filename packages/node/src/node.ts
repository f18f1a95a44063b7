/** The data node: who knows whom, the order of the start and of the end. What it does is decided in its parts. */
import {
  FatalError,
  messageOf,
  type Clock,
  type Connector,
  type Logger,
  type Random,
  type Timer,
  type Timers,
} from '@holdfast/base';
import { CommandTable } from '@holdfast/commands';
import { dataTypes, defaultNamespace, Engine, type DataTypes, type EngineOptions } from '@holdfast/engine';
import { makeRandomId } from '@holdfast/fencing';
import { openRepaired, replicationPaths } from '@holdfast/replication';
import { defaultRequestLimits, type RequestLimits } from '@holdfast/resp';
import { ClusterState } from './cluster/cluster-state.ts';
import { SlotRouter } from './cluster/slot-router.ts';
import type { Config } from './config/index.ts';
import { outputLimitsOf, type OutputLimits } from './config/output-limits.ts';
import { ControlSession } from './execution/control-session.ts';
import { Dispatcher } from './execution/dispatcher.ts';
import { TickLoop } from './execution/tick-loop.ts';
import { WatchedKeys } from './execution/watched-keys.ts';
import { HeartbeatResponder, beatPeriodMs } from './lease/heartbeat.ts';
import { InfoCollector } from './info/collect.ts';
import { KeyCounts } from './info/key-counts.ts';
import { InSyncKeeper } from './lease/in-sync-keeper.ts';
import { LeaseKeeper } from './lease/lease-keeper.ts';
import { NodeLease } from './lease/node-lease.ts';
import { SharedLease } from './lease/shared-lease.ts';
import type { ClientConnection } from './net/client-connection.ts';
import type { ConnectionHost } from './net/connection-host.ts';
import { ClientListener } from './net/client-listener.ts';
import { ControlPort } from './net/control-port.ts';
import type { NodeRim } from './net/node-rim.ts';
import type { TlsCredentials } from './net/tls-credentials.ts';
import { commandFamilies } from './node-commands.ts';
import { ConditionKeeper } from './node-condition.ts';
import type { Namespaces } from './namespaces.ts';
import { newNamespaces } from './node-namespaces.ts';
import { newObservation, startObservation } from './node-observation.ts';
import { listenForClients, listenerEnvironment, openTls } from './node-network.ts';
import { endForeignShardChannels, newPubSub } from './node-pubsub.ts';
import { redirectRequest } from './node-redirect.ts';
import { nodeHosts, replicatorEnvironment } from './node-replication.ts';
import { newScripting } from './node-scripting.ts';
import { inSyncEnvironment, tickLoopEnvironment } from './node-ticks.ts';
import { newUpkeep } from './node-upkeep.ts';
import type { Observation } from './observation/observation.ts';
import type { PubSub } from './pubsub/pubsub.ts';
import { withMessages } from './pubsub/savepoints.ts';
import { finishRejoinAtStart } from './replication/rejoin-node.ts';
import { Replicator } from './replication/replicator.ts';
import type { Scripting } from './scripting/scripting.ts';
import { engineSettings, keepDataLimits, minFreeBytes, nodePort } from './settings.ts';
import type { Upkeep } from './upkeep/upkeep.ts';

export interface NodeEnvironment {
  readonly config: Config;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly connector: Connector;
  readonly rim: NodeRim;
  /** Path of kvrocks.conf; undefined without one. */
  readonly configFile: string | undefined;
  /** CONFIG REWRITE: writes what holds now into the file. Answers the error line, or undefined. */
  rewriteConfiguration(answer: (refusal: string | undefined) => void): void;
  /** SHUTDOWN, or a condition under which the process must end. */
  exit(status: number, reason: string): void;
}

export class Node {
  readonly env: NodeEnvironment;
  readonly startedAtMs: number;
  readonly processId: string;
  readonly tls: TlsCredentials;
  readonly conditions: ConditionKeeper;
  readonly controlPort: ControlPort = new ControlPort();
  /** Counters for INFO. */
  readonly network: { inputBytes: number; outputBytes: number } = { inputBytes: 0, outputBytes: 0 };
  readonly watched: WatchedKeys<ClientConnection> = new WatchedKeys();
  readonly pubsub: PubSub<ClientConnection>;
  readonly scripting: Scripting;
  readonly lease: NodeLease = new NodeLease();
  readonly shared: SharedLease = new SharedLease();
  readonly commands: CommandTable = new CommandTable();
  readonly engine: Engine;
  readonly data: DataTypes;
  readonly loop: TickLoop;
  readonly inSync: InSyncKeeper;
  readonly listener: ClientListener;
  readonly replicator: Replicator;
  readonly cluster: ClusterState | undefined;
  readonly router: SlotRouter | undefined;
  readonly dispatcher: Dispatcher;
  readonly keyCounts: KeyCounts;
  readonly namespaces: Namespaces;
  readonly observation: Observation;
  readonly upkeep: Upkeep;
  /** By kind of client. */
  outputLimits: OutputLimits;
  readonly info: InfoCollector;
  #beat: Timer | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(env: NodeEnvironment, engine: Engine, processId: string, tls: TlsCredentials) {
    const { config, clock } = env;
    this.env = env;
    this.engine = engine;
    this.processId = processId;
    this.tls = tls;
    this.startedAtMs = clock.wallMs();
    this.data = dataTypes(engine);
    keepDataLimits(config, this.data);
    this.conditions = this.#newConditions();
    this.loop = new TickLoop(tickLoopEnvironment(this));
    this.inSync = new InSyncKeeper(inSyncEnvironment(this));
    this.pubsub = newPubSub(this);
    this.scripting = newScripting(this);
    this.listener = new ClientListener(listenerEnvironment(this, this.#connectionHost()));
    this.replicator = new Replicator(replicatorEnvironment(this));
    this.cluster = config.get('cluster-enabled') ? this.#openCluster() : undefined;
    this.router = this.cluster === undefined ? undefined : this.#newRouter(this.cluster);
    this.outputLimits = outputLimitsOf(config.get('client-output-buffer-limit'));
    config.onChange('client-output-buffer-limit', (value): void => {
      this.outputLimits = outputLimitsOf(value);
    });
    const keeper = this.#openLease();
    this.keyCounts = new KeyCounts({
      clock,
      timers: env.timers,
      counter: (namespace) => this.data.scan.counter(namespace),
      mayRead: () => engine.isOpen && !this.conditions.condition.loading,
    });
    this.namespaces = newNamespaces(this);
    this.observation = newObservation(this);
    this.upkeep = newUpkeep(this);
    this.commands.add(commandFamilies(this));
    for (const { from, to } of config.get('rename-command')) this.commands.rename(from, to);
    this.dispatcher = new Dispatcher({
      commands: this.commands,
      engine: withMessages(engine, this.pubsub.outbox),
      loop: this.loop,
      lease: keeper,
      clock,
      logger: env.logger,
      watched: this.watched,
      condition: this.conditions.condition,
      router: this.router,
      timers: env.timers,
      coldReads: { engine, lookups: this.data.records },
      askHeldAgain: (): void => {
        // A script that took long has ended, perhaps.
        this.pubsub.settle();
        this.listener.resumeHeld();
      },
    });
    startObservation(this);
    const passOnEvents = (): void => void (this.dispatcher.runs.events = this.pubsub.events);
    passOnEvents();
    config.onChange('notify-keyspace-events', passOnEvents);
    this.info = new InfoCollector(this);
  }

  /**
   * Opens the data, takes the role that topology and fence record give, and listens.
   * @throws FatalError naming what stands in the way.
   */
  static async start(env: NodeEnvironment): Promise<Node> {
    const { config, random, logger, rim, clock } = env;
    const processId = makeRandomId(random);
    const tls = openTls(env);
    const paths = replicationPaths(config.get('dir'));
    await finishRejoinAtStart(env, Engine.closed(Node.#engineOptions(env)));
    const open = (): Promise<Engine> => Engine.open(Node.#engineOptions(env));
    const engine = await openRepaired(rim.replicationFiles, paths, open, isLocked).catch((error: unknown) => {
      throw new FatalError(`cannot open the database ${paths.database}: ${messageOf(error)}`, 1, error);
    });
    const node = new Node(env, engine, processId, tls);
    try {
      await node.#begin();
    } catch (error) {
      await node.stop();
      throw error;
    }
    const { version, assertions } = env.rim.rocksdb();
    logger.info('ready', {
      port: config.get('port'),
      rocksdb: assertions ? `${version} with assertions` : version,
      sequence: engine.latestSequence(),
      startMs: clock.wallMs() - node.startedAtMs,
    });
    return node;
  }

  static #engineOptions({ config, clock, random }: NodeEnvironment): EngineOptions {
    return {
      path: replicationPaths(config.get('dir')).database,
      slotPrefixed: config.get('cluster-enabled'),
      clock,
      random,
      ...engineSettings(config),
    };
  }

  async #begin(): Promise<void> {
    const { config, timers, clock, rim } = this.env;
    this.namespaces.checkAtStart();
    this.shared.publishSequence(this.engine.latestSequence(), this.replicator.lastEpoch);
    this.shared.publishBeat(clock.leaseMs());
    this.#beat = timers.every(beatPeriodMs, () => this.#publishBeat());
    rim.guardDisk(
      () => minFreeBytes(config),
      (full) => this.#diskFull(full),
    );
    if (this.cluster !== undefined) await this.#openControlPort();
    this.#takeRole();
    await listenForClients(this);
  }

  #diskFull(full: boolean): void {
    this.env.logger.warn(full ? 'writes are refused: the disk is nearly full' : 'writes are accepted again');
    this.conditions.setDiskFull(full);
  }

  /** A commit that does not end is a stall, although the loop goes on: nothing is written. */
  #publishBeat(): void {
    this.shared.publishBeat(this.loop.committingSinceMs ?? this.env.clock.leaseMs());
    this.shared.publishSequence(this.engine.latestSequence(), this.replicator.lastEpoch);
    this.conditions.refresh();
    this.loop.checkWaiting();
    this.lease.keeper.noticeLapse(() => this.listener.isAwaited);
    this.info.sample();
    this.pubsub.sweep();
    this.upkeep.sweep(this.env.clock.wallMs());
    this.listener.sweep(this.env.clock.wallMs());
  }

  /** What was held may be admitted again: those who wait first, since their commands are older. */
  resumeHeld(): void {
    this.dispatcher.waits.serve();
    this.pubsub.settle();
    this.listener.resumeHeld();
  }

  /** Nothing of what waits here can come any more, since another node is the master: it ends with an error. */
  endWaits(): void {
    this.listener.forEachPaced((client) => client.endWaiting());
  }

  /** CONFIG RESETSTAT. */
  resetStatistics(): void {
    Object.assign(this.network, { inputBytes: 0, outputBytes: 0 });
    Object.assign(this.loop.stats, { commits: 0, commandsCommitted: 0, commitFailures: 0 });
    this.dispatcher.resetStatistics();
    Object.assign(this.data.records, { hits: 0, misses: 0 });
    this.engine.rowCache.resetFigures();
    Object.assign(this.listener, { accepted: 0, rejected: 0 });
  }

  /** The role of the start: the topology's on a cluster node, `slaveof` otherwise. */
  #takeRole(): void {
    const { config } = this.env;
    if (this.cluster !== undefined) {
      this.cluster.onTopologyChange((role) => {
        this.lease.topologyChanged(role);
        endForeignShardChannels(this);
      });
      const failure = this.cluster.announce();
      if (failure !== undefined) this.env.logger.error('the role of the topology was not taken', { error: failure });
      return;
    }
    this.lease.keeper.setTopologyRole('', 'master');
    const master = config.get('slaveof');
    if (master !== undefined) this.replicator.follow(master, { fromTopology: false });
    else if (config.get('use-rsid-psync')) {
      this.replicator.beginHistory();
      this.loop.open();
    }
    this.conditions.refresh();
  }

  #openControlPort(): Promise<void> {
    const { config, logger, clock } = this.env;
    return this.controlPort.open({
      config,
      shared: this.shared,
      processId: this.processId,
      report: () => this.lease.report(),
      armed: () => this.lease.keeper.armed,
      host: {
        logger,
        run: (args, peer, answer) => {
          this.loop.end();
          const nowMs = clock.wallMs();
          new ControlSession({ peer, namespace: defaultNamespace, nowMs, answer }).execute(this.commands, args, nowMs);
        },
        renewed: () => this.lease.renewed(),
        sawEpoch: (epoch) => this.lease.keeper.sawEpoch(epoch),
      },
    });
  }

  #newConditions(): ConditionKeeper {
    return new ConditionKeeper({
      config: this.env.config,
      timers: this.env.timers,
      databaseBytes: () => this.env.rim.databaseBytes(),
      isReplica: () => this.replicator.isReplica,
      isAttached: () => this.replicator.attached,
      changed: () => this.lease.reportChanged(),
      attachedChanged: (attached): void => {
        if (attached) this.lease.keeper.noteAttached();
      },
    });
  }

  #connectionHost(): ConnectionHost {
    const { env, network } = this;
    return {
      loop: this.loop,
      clock: env.clock,
      timers: env.timers,
      requestLimits: (): RequestLimits => ({
        ...defaultRequestLimits(),
        maxBulkBytes: env.config.get('proto-max-bulk-len'),
        unauthenticated: env.config.get('requirepass') !== '',
      }),
      requestsBegin: (connection) => this.dispatcher.requestsBegin(connection),
      execute: (connection, request): boolean => {
        const isDone = this.dispatcher.execute(connection, request);
        this.pubsub.settle();
        return isDone;
      },
      executePinned: (connection, request) => this.dispatcher.executePinned(connection, request),
      redirect: (connection, request) => redirectRequest(this, connection, request),
      redirectPauseMs: () => this.lease.redirectPauseMs,
      outputLimit: (kind) => this.outputLimits[kind],
      cutSlowReader: (connection, bytes): void => {
        env.logger.warn('cut a client that does not read what it is sent', { peer: connection.peer, bytes });
        connection.destroy();
      },
      countInput: (bytes) => void (network.inputBytes += bytes),
      countOutput: (bytes) => void (network.outputBytes += bytes),
      closed: (connection): void => {
        this.watched.unwatch(connection);
        this.pubsub.forget(connection);
        this.observation.forget(connection);
        this.listener.forget(connection);
      },
    };
  }

  #openCluster(): ClusterState {
    const { config, logger, rim, clock } = this.env;
    const cluster = ClusterState.open({
      file: rim.nodesFile,
      logger,
      port: nodePort(config),
      ownHosts: () => nodeHosts(this),
      persists: () => config.get('persist-cluster-nodes-enabled'),
      databaseIsEmpty: () => this.data.scan.random(defaultNamespace, clock.wallMs()) === undefined,
    });
    config.onChange('persist-cluster-nodes-enabled', () => cluster.persistenceChanged());
    return cluster;
  }

  #newRouter(cluster: ClusterState): SlotRouter {
    const { lease } = this;
    const { config } = this.env;
    return new SlotRouter({
      get topology() {
        return cluster.topology;
      },
      get view() {
        return config.get('cluster-client-view');
      },
      get actingAsMaster() {
        return lease.keeper.role === 'master';
      },
      get servesReplicaReads() {
        return !lease.keeper.armed || lease.keeper.hasAttached;
      },
      get formerLb() {
        return cluster.formerLb;
      },
      migration: undefined,
    });
  }

  #openLease(): LeaseKeeper {
    const { config, clock, timers, logger, rim, random } = this.env;
    const { logId, bootId } = rim.openLogId(
      { databaseExisted: this.engine.latestSequence() > 0, syncWal: config.get('rocksdb.write_options.sync') },
      () => makeRandomId(random),
    );
    const keeper = LeaseKeeper.open({
      file: rim.fenceFile,
      shared: this.shared,
      clock,
      timers,
      logger,
      host: this.lease,
      processId: this.processId,
      logId,
      bootId,
      mode: config.get('master-lease-mode'),
    });
    if (typeof keeper === 'string') throw new FatalError(`${keeper}; nothing was changed`);
    this.lease.join(this.#leaseEnvironment(keeper), keeper);
    const changed = (): void => {
      this.inSync.settingsChanged();
      this.lease.reportChanged();
    };
    for (const name of ['replication-mode', 'min-isr', 'isr-timeout-ms'] as const) config.onChange(name, changed);
    config.onChange('master-lease-mode', (mode) => keeper.setUnarmedMode(mode));
    return keeper;
  }

  #leaseEnvironment(keeper: LeaseKeeper): Parameters<NodeLease['join']>[0] {
    const { config, clock, timers, logger } = this.env;
    const responder = new HeartbeatResponder(
      {
        shared: this.shared,
        processId: this.processId,
        stallLimitMs: config.get('stall-limit-ms'),
        nowMs: () => clock.leaseMs(),
        renewed: () => undefined,
        sawEpoch: () => undefined,
      },
      keeper.record,
    );
    return {
      logger,
      loop: this.loop,
      listener: this.listener,
      replicator: this.replicator,
      resumeHeld: () => this.resumeHeld(),
      endLongRun: () => this.dispatcher.longRuns.abort(),
      responder,
      inSync: this.inSync,
      timers,
      processId: this.processId,
      replicationMode: () => config.get('replication-mode'),
      latestSequence: () => this.engine.latestSequence(),
      topologyVersion: () => Number(this.cluster?.topology.version ?? -1),
      nodeId: () => this.cluster?.topology.selfId ?? '',
      health: () => this.conditions.health,
      useReplicationIds: () => config.get('use-rsid-psync'),
      // Outside cluster mode the start decides, once it is known whether a master is followed.
      needsReplicationId: () =>
        this.cluster !== undefined && config.get('use-rsid-psync') && this.engine.replicationId === undefined,
      publish: (report) => this.controlPort.report(report),
      controlProblem: () => this.controlPort.problem,
      roleChanged: () => {
        this.engine.rowCache.clear();
        this.conditions.roleChanged();
      },
    };
  }

  /** Commits and releases what is open, closes clients and links, closes the database. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { rim, logger, timers } = this.env;
    this.#beat?.cancel();
    this.dispatcher.endLongWork();
    this.loop.resume();
    // It is closed when its last socket is: those of replicas go with replication, below.
    const listenerClosed = this.listener.stop();
    await new Promise<void>((resolve) => timers.soon(resolve));
    this.dispatcher.pause.end();
    this.lease.keeper.stop();
    this.inSync.stop();
    await this.replicator.close();
    await listenerClosed;
    await this.controlPort.stop();
    rim.stop();
    await this.upkeep.stop();
    this.scripting.runner.close();
    if (this.engine.isOpen) {
      this.engine.database.syncWal();
      await this.engine.close();
      rim.markCleanShutdown();
    }
    logger.info('stopped');
  }
}

function isLocked(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === 'ROCKS_LOCKED';
}
