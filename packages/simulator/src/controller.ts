/**
 * A controller: one process that watches every node, grants leases by its mirror of the store, and, while it leads,
 * drives the shards. All of what it may do is decided by fencing's pure functions (steward, plans, candidates); the
 * classes here hold their inputs and perform their results, as the controller package's shells do.
 */
import {
  composeHeartbeat,
  countWithheld,
  noteHeartbeatReply,
  noteRecord,
  startSteward,
  withholdAnswer,
  type Heartbeat,
  type ShardRecord,
  type Steward,
  type Suspicion,
  type Withheld,
  type WithholdAnswer,
} from '@holdfast/fencing';
import { HandoverProgress } from './handover.ts';
import { Lane, type Machine } from './machine.ts';
import { NodeWatch, type WatchHost } from './node-watch.ts';
import { Reach } from './reach.ts';
import { ShardDriver } from './shard-driver.ts';
import { leaderTtlMs, type Outcome, type StoreState, type StoreWatcher } from './store.ts';
import type { World } from './world.ts';

/** A machine that runs a controller; its processes come and go. */
export class ControllerSeat {
  readonly machine: Machine;
  readonly id: string;
  process: Controller | undefined;
  readonly #world: World;

  constructor(world: World, machine: Machine) {
    this.#world = world;
    this.machine = machine;
    this.id = machine.name.padEnd(12, '0');
  }

  start(): void {
    if (this.process !== undefined) return;
    this.process = new Controller(this.#world, this.machine, this.id);
    this.#world.note(this.machine.name, 'starts');
  }

  kill(): void {
    this.process?.kill();
    this.process = undefined;
    this.#world.note(this.machine.name, 'is killed');
  }
}

interface Arrived {
  readonly answer: Withheld;
  readonly arrivedMs: number;
}

export class Controller implements WatchHost, StoreWatcher {
  readonly world: World;
  readonly lane: Lane;
  readonly controllerId: string;
  readonly name: string;
  readonly watches: NodeWatch[] = [];
  readonly drivers: ShardDriver[] = [];
  readonly reach: Reach;
  /** Undefined before the store was read. */
  mirror!: StoreState;
  /** Undefined: another one leads. */
  leadership: number | undefined;
  readonly #stewards: Steward[] = [];
  readonly #withheld = new Map<string, Arrived>();
  /** Epoch by shard through which the own answer is known to be in the store. */
  readonly #answering = new Set<string>();
  #isSaying = false;
  #isReady = false;
  #looks = 0;
  #handover = new HandoverProgress();

  constructor(world: World, machine: Machine, controllerId: string) {
    this.world = world;
    this.lane = new Lane(world, machine);
    this.controllerId = controllerId;
    this.name = machine.name;
    this.reach = new Reach(world, this.lane);
    world.cluster.store.watch(this);
  }

  kill(): void {
    this.lane.kill();
    this.world.cluster.store.unwatch(this);
  }

  get nowMs(): number {
    return this.lane.machine.leaseMs();
  }

  get isLeading(): boolean {
    return this.leadership !== undefined;
  }

  record(shard: number): ShardRecord {
    return this.mirror.shards[shard] as ShardRecord;
  }

  steward(shard: number): Steward {
    return this.#stewards[shard] as Steward;
  }

  // The store.

  onState(state: StoreState): void {
    if (this.#isReady && state.revision <= this.mirror.revision) return;
    this.mirror = state;
    if (!this.#isReady) return this.#begin();
    state.shards.forEach((record, shard) => (this.#stewards[shard] = noteRecord(this.steward(shard), record)));
    this.#afterState();
  }

  #begin(): void {
    this.#isReady = true;
    this.mirror.shards.forEach((record, shard) => {
      this.#stewards.push(startSteward(this.nowMs, record));
      this.drivers.push(new ShardDriver(this, shard));
    });
    for (const node of this.world.cluster.nodes) this.watches.push(new NodeWatch(this.world, this, node));
    this.#afterState();
    this.#tick();
    this.#campaign();
  }

  #afterState(): void {
    for (const [key, answer] of this.mirror.withheld)
      if (this.#withheld.get(key)?.answer !== answer) this.#withheld.set(key, { answer, arrivedMs: this.nowMs });
    this.mirror.shards.forEach((_, shard) => this.#answerWithhold(shard));
    this.#sayObserved();
    this.driveAll();
  }

  /** A transition that is under way asks every controller to withhold what lies below it. */
  #answerWithhold(shard: number): void {
    const record = this.record(shard);
    const { controllers, transition, epoch } = record;
    if (controllers.length === 0 || !controllers.includes(this.controllerId) || transition === null) return;
    const key = `${shard}/${this.controllerId}`;
    const held = this.mirror.withheld.get(key);
    if ((held?.epoch ?? 0) >= epoch - 1 || this.#answering.has(key)) return;
    const { steward, answer } = withholdAnswer(this.steward(shard), epoch - 1, this.nowMs);
    this.#stewards[shard] = steward;
    this.#answering.add(key);
    this.world.cluster.store.transact(this.lane, {
      leadership: undefined,
      name: 'withheld',
      change: (state) =>
        state.withheld.get(key) === held ? { ...state, withheld: new Map(state.withheld).set(key, answer) } : undefined,
      done: (outcome, state) => {
        this.#answering.delete(key);
        if (outcome === 'applied') this.onState(state);
        else this.lane.after(50, () => this.#answerWithhold(shard));
      },
    });
  }

  /** For the leader: this controller grants the epoch and those below no more. */
  withhold(shard: number, epoch: number): void {
    this.#stewards[shard] = withholdAnswer(this.steward(shard), epoch, this.nowMs).steward;
  }

  /** What is known of the controllers' promises for epochs up to `epoch`. */
  withholdAnswers(shard: number, epoch: number): WithholdAnswer[] {
    const { controllers } = this.record(shard);
    const own = {
      controllerId: controllers.length === 0 ? '' : this.controllerId,
      promiseEndsMs: this.steward(shard).grantor.promiseEndsMs,
    };
    const answers: WithholdAnswer[] = [own];
    for (const id of controllers) {
      const arrived = this.#withheld.get(`${shard}/${id}`);
      if (id === this.controllerId || arrived === undefined || arrived.answer.epoch < epoch) continue;
      answers.push(countWithheld(id, arrived.answer, arrived.arrivedMs));
    }
    return answers;
  }

  /** A guarded change. `change` returns undefined when what it was meant for is gone. */
  commit(name: string, change: (state: StoreState) => StoreState | undefined, done: (outcome: Outcome) => void): void {
    const { leadership } = this;
    if (leadership === undefined) return done('not-leader');
    this.world.cluster.store.transact(this.lane, {
      leadership,
      name: `${this.name} ${name}`,
      change,
      done: (outcome, state) => {
        if (outcome === 'not-leader' && this.leadership === leadership) this.#lead(undefined);
        if (outcome === 'applied') this.onState(state);
        done(outcome);
      },
    });
  }

  #campaign(): void {
    this.world.cluster.store.campaign(
      this.lane,
      { controllerId: this.controllerId, held: this.leadership },
      (leadership) => {
        if (leadership !== this.leadership) this.#lead(leadership);
        this.lane.after(leaderTtlMs / 4, () => this.#campaign());
      },
    );
  }

  #lead(leadership: number | undefined): void {
    this.leadership = leadership;
    this.world.note(this.name, leadership === undefined ? 'leads no more' : `leads (${leadership})`);
    this.#handover = new HandoverProgress();
    for (const driver of this.drivers) driver.leadershipChanged();
    this.driveAll();
  }

  // Nodes.

  #tick(): void {
    for (const watch of this.watches) watch.tick();
    this.reach.ask(this.world.cluster.nodes);
    this.driveAll();
    if (this.isLeading) this.#lookAfter();
    this.lane.after(this.world.cluster.times.heartbeatMs, () => this.#tick());
  }

  /** What is put right now and then: bindings that did not reach the balancer, a handover that waits. */
  #lookAfter(): void {
    if (this.mirror.shards.length > 1) this.#handover.run(this);
    if (++this.#looks % 10 !== 0 || !this.drivers.every(({ isSettled }) => isSettled)) return;
    this.applyBindings(() => undefined);
  }

  watchOf(nodeId: string): NodeWatch | undefined {
    return this.watches.find(({ node }) => node.id === nodeId);
  }

  compose(watch: NodeWatch): Heartbeat {
    const { shard, id } = watch.node;
    const driver = this.drivers[shard] as ShardDriver;
    const { steward, heartbeat } = composeHeartbeat(this.steward(shard), {
      record: this.record(shard),
      nodeId: id,
      reply: watch.reply,
      controllerId: this.controllerId,
      isLeased: true,
      isGranting: driver.isGranting,
      isPromoted: this.isLeading && driver.isPromoted,
      times: this.world.cluster.times,
      nowMs: this.nowMs,
    });
    this.#stewards[shard] = steward;
    return heartbeat;
  }

  onReply(watch: NodeWatch, arrivedMs: number): void {
    const { shard, id } = watch.node;
    const facts = { record: this.record(shard), nodeId: id, reply: watch.reply, arrivedMs };
    this.#stewards[shard] = noteHeartbeatReply(this.steward(shard), facts);
    if (!this.isLeading) return;
    this.drivers[shard]?.onReply(watch);
    this.drivers[shard]?.drive();
    this.drivers[shard]?.reconcile(watch);
  }

  onChange(watch: NodeWatch): void {
    this.world.note(this.name, () => `${watch.isSuspect ? 'suspects' : 'hears again'} ${watch.node.name}`);
    this.#sayObserved();
    this.drivers[watch.node.shard]?.drive();
  }

  /** As the controller's own records: written against what the mirror has, for as long as the store has another. */
  #sayObserved(): void {
    if (this.world.cluster.options.controllers === 1 || this.#isSaying) return;
    const suspects = this.watches.filter(({ isSuspect }) => isSuspect).map(({ node }) => node.id);
    const held = this.mirror.observed.get(this.controllerId);
    if (suspects.join() === (held ?? []).join()) return;
    this.#isSaying = true;
    const { controllerId } = this;
    this.world.cluster.store.transact(this.lane, {
      leadership: undefined,
      name: 'observed',
      change: (state) =>
        state.observed.get(controllerId) === held
          ? { ...state, observed: new Map(state.observed).set(controllerId, suspects) }
          : undefined,
      done: (outcome, state) => {
        if (outcome === 'applied') this.onState(state);
        this.lane.after(outcome === 'applied' ? 0.1 : 50, () => {
          this.#isSaying = false;
          this.#sayObserved();
        });
      },
    });
  }

  /** Own word and that of the others; undefined when this controller is the only one. */
  suspicions(): ReadonlyMap<string, Suspicion> | undefined {
    const controllerCount = this.world.cluster.options.controllers;
    if (controllerCount === 1) return undefined;
    const suspicions = new Map<string, Suspicion>();
    for (const { node, isSuspect } of this.watches) {
      let suspectedBy = isSuspect ? 1 : 0;
      for (const [id, suspects] of this.mirror.observed)
        if (id !== this.controllerId && suspects.includes(node.id)) suspectedBy++;
      suspicions.set(node.id, { suspectedBy, controllerCount });
    }
    return suspicions;
  }

  /** Tells the balancer what the store says. @param done whether it obeys that, or something newer. */
  applyBindings(done: (isApplied: boolean) => void): void {
    const { balancer } = this.world.cluster;
    const { network } = this.world;
    const bindings = { revision: this.mirror.bindingsRevision, backends: this.mirror.backends };
    const [here, there] = [this.lane.machine.host, balancer.lane.machine.host];
    let isDone = false;
    const end = (isApplied: boolean): void => {
      if (isDone) return;
      isDone = true;
      done(isApplied);
    };
    this.lane.after(400, () => end(false));
    network.datagram(here, there, () =>
      balancer.apply(bindings, (revision) =>
        network.datagram(there, here, () => this.lane.deliver(() => end(revision >= bindings.revision))),
      ),
    );
  }

  driveAll(): void {
    if (!this.isLeading) return;
    for (const driver of this.drivers) driver.drive();
    for (const watch of this.watches) this.drivers[watch.node.shard]?.reconcile(watch);
  }
}
