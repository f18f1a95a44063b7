/**
 * One run of a node: the shipped LeaseKeeper, InSyncKeeper, TickLoop, HeartbeatResponder and SharedLease over a toy
 * engine and toy links, on two threads (main loop and control thread) as in the real node. This class is the wiring that
 * the real node's shells do (node-lease.ts, replicator.ts, dispatcher.ts); every question goes to the shipped code.
 */
import { assert, OperationError } from '@holdfast/base';
import { beginEpoch, epochHistoryKey, type CommandKind, type NodeHealth, type OwnIdentity } from '@holdfast/fencing';
import {
  HeartbeatResponder,
  InSyncKeeper,
  LeaseKeeper,
  SharedLease,
  TickLoop,
  type ActingRole,
  type InSyncHost,
  type LeaseAnswer,
  type LeaseHost,
  type NodeReport,
  type TickEngine,
} from '@holdfast/node/decisions';
import type { NodeId } from '@holdfast/topology';
import { commitWorker } from './commit-worker.ts';
import type { ControlCommand } from './control-commands.ts';
import { obeyHandover } from './node-handover.ts';
import { routingError } from './node-routing.ts';
import { topologyOf } from './sim-topology.ts';
import { Lane } from './machine.ts';
import { ToyEngine, type Entry, type ToyCommit } from './node-disk.ts';
import { ReplicaLink, type FollowerEnd } from './replication.ts';
import type { Command, Reply, ServerConnection } from './server-connection.ts';
import type { SimNode } from './sim-node.ts';

/** How long a resignation waits for in-sync replicas. */
const resignWaitMs = 200;
type Commit = NonNullable<Parameters<Parameters<TickEngine['commit']>[0]>[0]>;

export class NodeProcess implements LeaseHost, InSyncHost {
  readonly node: SimNode;
  readonly processId: string;
  readonly main: Lane;
  readonly control: Lane;
  /** The thread that commits beside the main loop; in half of the seeds there is none. */
  readonly writer: Lane | undefined;
  readonly lanes: readonly Lane[];
  readonly keeper: LeaseKeeper;
  readonly inSync: InSyncKeeper;
  readonly loop: TickLoop;
  readonly engine: ToyEngine;
  readonly connections: Set<ServerConnection> = new Set();
  readonly followers: Set<FollowerEnd> = new Set();
  /** Everything with an open stream that the kernel closes when the process dies. */
  readonly streams: Set<FollowerEnd> = new Set();
  readonly #shared = new SharedLease();
  readonly #responder: HeartbeatResponder;
  #link: ReplicaLink | undefined;
  #health: NodeHealth = 'ok';
  /** Read cache of hot keys; a modelled replica feature. */
  readonly #hotKeys = new Map<string, Entry>();
  #reportDueMs = 0;
  #isOpen = false;

  constructor(node: SimNode, processId: string) {
    const { world, machine, disk } = node;
    this.node = node;
    this.processId = processId;
    this.main = new Lane(world, machine);
    this.control = new Lane(world, machine);
    this.writer = world.commitsOnWorker ? new Lane(world, machine) : undefined;
    this.lanes = [this.main, this.control, ...(this.writer === undefined ? [] : [this.writer])];
    this.engine = new ToyEngine(disk, this.writer && commitWorker(world, this.writer, this.main));
    const keeper = LeaseKeeper.open({
      file: { path: 'fence.conf', load: () => disk.fenceConf, save: (text) => node.saveFence(text) },
      shared: this.#shared,
      clock: machine,
      timers: this.main,
      logger: world.logger,
      host: this,
      processId,
      logId: disk.logId,
      bootId: machine.bootId,
      mode: 'disabled',
    });
    assert(typeof keeper !== 'string', `fence.conf is refused: ${String(keeper)}`);
    this.keeper = keeper;
    this.inSync = new InSyncKeeper({
      clock: machine,
      timers: this.main,
      host: this,
      settings: () => world.cluster.settings,
      latestSequence: () => this.engine.latestSequence(),
    });
    this.loop = this.#makeLoop();
    this.#responder = new HeartbeatResponder(
      {
        shared: this.#shared,
        processId,
        stallLimitMs: world.cluster.times.stallLimitMs,
        nowMs: () => machine.leaseMs(),
        renewed: () => this.#post(() => this.renewed()),
        sawEpoch: (epoch) => this.#post(() => this.guarded(() => this.keeper.sawEpoch(epoch))),
      },
      keeper.record,
    );
    this.#shared.publishBeat(machine.leaseMs());
    this.#publishSequence();
    this.#isOpen = true;
    this.topologyChanged();
  }

  /** The control thread tells the main loop. */
  #post(run: () => void): void {
    const { world } = this.node;
    world.after(world.dice.between(0.02, 0.3), () => this.main.deliver(run));
  }

  #makeLoop(): TickLoop {
    return new TickLoop({
      engine: this.engine,
      gate: this.keeper,
      followers: {
        onCommit: (commit) => this.#onCommit(commit),
        probe: () => this.inSync.startProbe(),
        mayRelease: (sequence, probe) => this.inSync.mayRelease(sequence, probe),
      },
      clock: this.node.machine,
      timers: this.main,
      logger: this.node.world.logger,
      onWriteFailure: () => {
        this.#health = 'write-failed';
        this.reportChanged();
      },
      onRoom: () => this.#pumpAll(),
    });
  }

  get own(): OwnIdentity {
    return { nodeId: this.node.id, processId: this.processId };
  }

  // What the keeper asks of the node (node-lease.ts).

  roleChanging(reason: string): void {
    if (!this.keeper.armed) return this.loop.settle();
    this.node.note(() => `gives up its role (${reason})`);
    const cut = (): void => {
      this.loop.dropAll(reason);
      this.loop.settle();
      for (const follower of [...this.followers]) follower.close();
      this.#link?.restart();
      if (!this.keeper.redirecting) for (const client of [...this.connections]) client.destroy();
    };
    const { world } = this.node;
    if (world.switches.leaseBeforeCut) world.after(world.dice.between(20, 400), () => this.main.deliver(cut));
    else cut();
  }

  roleChanged(role: ActingRole): void {
    const { record } = this.keeper;
    this.node.note(() => `is ${role} in epoch ${record.epoch}`);
    if (this.keeper.armed && role === 'master') {
      this.node.world.judge.becameMaster(this, record.epoch);
      this.inSync.begin(record, this.node.id);
    } else this.inSync.end();
    if (this.node.world.switches.hotCachePromoted === false) this.#hotKeys.clear();
    this.#followRole();
  }

  isrChanged(): void {
    this.inSync.recordChanged(this.keeper.record);
  }

  workAdmitted(): void {
    this.#writeHistory();
  }

  resumeHeld(): void {
    this.loop.resume();
    this.#pumpAll();
  }

  lapsedTooLong(): void {
    this.node.note('lapsed too long: closes its clients');
    this.loop.dropAll('the lease lapsed');
    for (const client of [...this.connections]) client.destroy();
  }

  redirectClients(): void {
    this.loop.resume();
    for (const client of [...this.connections]) client.startMoving();
  }

  reportChanged(): void {
    // The keeper reports while it is being made.
    if (!this.#isOpen) return;
    const { world } = this.node;
    const report = this.#report();
    // Messages between threads keep their order.
    this.#reportDueMs = Math.max(this.#reportDueMs, world.nowMs + world.dice.between(0.02, 0.5));
    world.at(this.#reportDueMs, () => this.control.deliver(() => this.#responder.update(report)));
  }

  #report(): NodeReport {
    return {
      role: this.keeper.role === 'master' ? 'master' : 'slave',
      record: this.keeper.record,
      topologyVersion: this.node.disk.topology?.version ?? -1,
      nodeId: this.node.id,
      health: this.#link?.isLoading === true ? 'loading' : this.#health,
      masterLinkStatus: this.#link === undefined || this.#link.isUp ? 'up' : 'down',
      isrRequest: this.inSync.isrRequest,
      replicationMode: this.node.world.cluster.replication,
    };
  }

  // What the in-sync keeper asks.

  released(): void {
    this.loop.releaseReady();
  }

  inSyncChanged(): void {
    this.reportChanged();
  }

  sendProbe(probe: number): void {
    for (const follower of this.followers) follower.sendProbe(probe);
  }

  // The log.

  /** The record that begins the epoch stands before everything else of it; written again when its tick was dropped. */
  #writeHistory(): void {
    const { epoch } = this.keeper.record;
    const { history } = this.engine;
    if (this.keeper.role !== 'master' || !this.keeper.armed || history.at(-1)?.epoch === epoch) return;
    if (this.engine.read(epochHistoryKey)?.epoch === epoch && this.engine.openTickBytes > 0) return;
    const shard = this.node.shard;
    const next = beginEpoch(history, epoch, this.engine.visibleSequence() + 1);
    this.engine.put({ shard, epoch, key: epochHistoryKey, value: '', history: next });
  }

  get #historyDue(): boolean {
    return this.keeper.role === 'master' && this.engine.history.at(-1)?.epoch !== this.keeper.record.epoch;
  }

  /** The lease runs again. */
  renewed(): void {
    this.keeper.recheckHeld();
    if (this.keeper.armed && this.#historyDue) this.loop.open();
    if (this.keeper.armed && this.#historyDue && this.loop.isOpen) this.#writeHistory();
  }

  #onCommit(commit: Commit): void {
    const { entries } = commit as unknown as ToyCommit;
    this.#publishSequence();
    for (const follower of this.followers) follower.feed(entries);
  }

  /** The link applied what the master sent. @throws OperationError when the disk is full. */
  applied(entries: readonly Entry[]): void {
    this.engine.apply(entries);
    this.#publishSequence();
    if (!this.node.world.switches.hotCachePromoted) for (const { key } of entries) this.#hotKeys.delete(key);
    for (const follower of this.followers) follower.feed(entries);
  }

  #publishSequence(): void {
    const { sequence, epoch } = this.engine.end;
    this.#shared.publishSequence(sequence, epoch);
  }

  /** Rewound, replaced, or just being so. */
  logChanged(): void {
    this.#hotKeys.clear();
    this.#publishSequence();
    this.reportChanged();
  }

  /** The link to the master flows. */
  attached(): void {
    if (this.keeper.hasAttached) return;
    this.keeper.noteAttached();
    this.reportChanged();
  }

  // Topology.

  topologyChanged(): void {
    const { disk, id } = this.node;
    const self = disk.topology === undefined ? undefined : topologyOf(disk.topology).node(id as NodeId);
    this.keeper.setTopologyRole(id, self?.role ?? 'none');
    this.#followRole();
  }

  /** A master follows nobody; a replica follows the master its topology names. */
  #followRole(): void {
    const { disk, id } = this.node;
    const self = disk.topology === undefined ? undefined : topologyOf(disk.topology).node(id as NodeId);
    if (this.keeper.role === 'master') {
      this.#endLink();
      // Committed with the lease that follows.
      if (this.keeper.armed && this.#historyDue) this.loop.open();
    } else if (self?.role === 'replica') this.#follow(self.masterId);
    else this.#endLink();
  }

  #endLink(): void {
    const link = this.#link;
    this.#link = undefined;
    const { world } = this.node;
    if (world.switches.leaseBeforeCut)
      world.after(world.dice.between(20, 400), () => this.main.deliver(() => link?.end()));
    else link?.end();
  }

  #follow(masterId: string): void {
    const before = this.#link;
    if (before?.masterId === masterId) return;
    this.#endLink();
    const link = new ReplicaLink(this, masterId);
    this.#link = link;
    // The log may just be being changed for the former link.
    if (before === undefined) link.start();
    else before.whenQuiet(() => this.#link === link && link.start());
  }

  // Clients.

  get mayServe(): boolean {
    return !this.keeper.armed || this.keeper.role === 'replica' || this.keeper.holdsLease();
  }

  kindOf({ kind, isKeyless }: Command): CommandKind {
    if (kind === 'ping' || (isKeyless && this.node.world.switches.keylessPasses)) return 'control';
    return kind === 'set' ? 'write' : 'read';
  }

  /** Why the command is not run; undefined when it is. */
  refusal(command: Command): string | undefined {
    if (command.kind === 'ping') return undefined;
    if (this.#link?.isLoading === true) return 'LOADING';
    const { keeper, node } = this;
    const refusal = routingError(command, node, keeper.role);
    if (refusal !== undefined || command.kind !== 'set') return refusal;
    if (this.#health !== 'ok') return 'ERR write failed';
    return this.inSync.isWritable ? undefined : 'NOREPLICAS';
  }

  execute(command: Command): Entry | undefined {
    const { shard, world } = this.node;
    const { key, value } = command;
    if (command.kind === 'set') {
      this.#hotKeys.delete(key);
      return this.engine.put({ shard, epoch: this.keeper.record.epoch, key, value, history: undefined });
    }
    const cached = world.cluster.hasHotCache ? this.#hotKeys.get(key) : undefined;
    const entry = cached ?? this.engine.read(key);
    // Only what is committed is cached.
    if (entry !== undefined && this.keeper.role === 'replica') this.#hotKeys.set(key, entry);
    return entry;
  }

  /** A reply leaves. */
  answered(reply: Reply): void {
    this.node.world.judge.released(this, reply);
  }

  #pumpAll(): void {
    for (const client of [...this.connections]) client.pump();
  }

  // Commands of controllers.

  /** On the control thread. @param answer the reply's text; not called when there is none. */
  heartbeat(args: readonly string[], answer: (text: string) => void): void {
    // The main loop says every 50 ms that it lives: as long as it does, it did a moment ago.
    if (!this.main.isStopped) this.#shared.publishBeat(this.loop.committingSinceMs ?? this.node.machine.leaseMs());
    this.#responder.answerArguments(args, { error: () => undefined, bulkText: answer } as never);
  }

  /** The main loop begins to stand still. */
  stall(): void {
    this.#shared.publishBeat(this.node.machine.leaseMs());
    this.main.stop();
  }

  /** SHARD, RESIGN and the others: they come by the control thread and are obeyed on the main loop. */
  command(command: ControlCommand, answer: (reply: LeaseAnswer) => void): void {
    try {
      this.#obey(command, answer);
    } catch (error) {
      // A record that cannot be written down is not obeyed and not answered.
      if (!(error instanceof OperationError)) throw error;
    }
    this.node.world.judge.fenceMoved(this);
  }

  #obey(command: ControlCommand, answer: (reply: LeaseAnswer) => void): void {
    switch (command.kind) {
      case 'shard':
        return this.keeper.acceptShard(command.args, (done) => this.#beforeMaster(done), answer);
      case 'setnodes': {
        const { shardArgs, payload, version } = command;
        const then = (shard: LeaseAnswer): void => {
          if (shard.kind !== 'ok') return answer(shard);
          // Two commands: the connection may break between them, and the second be read later.
          const { dice, network } = this.node.world;
          if (dice.chance(network.lossShare)) return;
          this.main.after(dice.chance(0.2) ? dice.between(0, 40) : 0, () =>
            answer(this.node.setTopology(payload, version)),
          );
        };
        return this.keeper.acceptShard(shardArgs, (done) => this.#beforeMaster(done), then);
      }
      case 'hold':
        answer(this.keeper.hold(command.epoch, command.holdMs, () => this.settle()));
        return;
      case 'unhold':
        if (command.epoch === this.keeper.record.epoch) this.keeper.unhold();
        return answer({ kind: 'ok' });
      case 'resign':
        return this.#resign(command.epoch, answer);
      case 'release':
        this.keeper.releaseResigned(command.epoch);
        return answer({ kind: 'ok' });
      case 'seal':
      case 'import':
      case 'lift':
        return obeyHandover(this, command, answer);
      default:
        command satisfies never;
    }
  }

  /** What was received is applied, and a log that is being changed is changed to the end. */
  #beforeMaster(done: () => void): void {
    const { world } = this.node;
    const apply = (): void =>
      void world.after(world.dice.between(0, 4), () => this.main.deliver(() => this.guarded(done)));
    if (this.#link === undefined) apply();
    else this.#link.whenQuiet(apply);
  }

  /** A record that cannot be written down is not obeyed: the lease is void already, the rest comes with the next word. */
  guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
    this.node.world.judge.fenceMoved(this);
  }

  /** As node-lease.ts: what in-sync replicas keep waiting is waited for a moment, then given up. */
  #resign(epoch: number, answer: (reply: LeaseAnswer) => void): void {
    this.settle();
    if (this.loop.waitingTicks === 0) return answer(this.#resignNow(epoch));
    const held = this.keeper.hold(epoch, 2 * resignWaitMs, () => this.settle());
    if (held.kind === 'refused') return answer(this.#resignNow(epoch));
    let isDone = false;
    const finish = (): void => {
      if (isDone) return;
      isDone = true;
      late.cancel();
      this.guarded(() => answer(this.#resignNow(epoch)));
    };
    const late = this.main.after(resignWaitMs, finish);
    this.loop.whenReleased(finish);
  }

  #resignNow(epoch: number): LeaseAnswer {
    const answer = this.keeper.resign(epoch, () => this.settle());
    this.node.note(() => `answers RESIGN ${epoch}: ${JSON.stringify(answer)}`);
    if (answer.kind === 'ok') this.loop.dropWaiting('the epoch is resigned');
    return answer;
  }

  /** Commits and releases what was admitted. */
  settle(): number {
    this.loop.end();
    this.loop.releaseReady();
    return this.engine.latestSequence();
  }

  // The end of it.

  diskRecovered(): void {
    if (this.#health !== 'write-failed') return;
    this.#health = 'ok';
    this.reportChanged();
  }

  /** @param isQuiet the machine is gone with it: nobody closes its connections. */
  kill(isQuiet: boolean): void {
    for (const lane of this.lanes) lane.kill();
    for (const follower of [...this.streams]) follower.died(isQuiet);
    this.#link?.died(isQuiet);
    for (const client of [...this.connections]) client.died(isQuiet);
  }
}
