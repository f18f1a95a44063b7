/**
 * One run: a cluster is built and comes up, misfortunes happen to it for a while, everything heals, and it has to write
 * again. What happens is drawn from the seed alone, the same whatever fault is planted.
 */
import { InvariantError } from '@holdfast/base';
import type { ShardRecord } from '@holdfast/fencing';
import { Balancer } from './balancer.ts';
import { Chaos } from './chaos.ts';
import { Client, type ClientHabits } from './client.ts';
import { leaseMs, simTimes, stories, type Cluster, type ClusterSettings } from './cluster.ts';
import { ControllerSeat } from './controller.ts';
import { History } from './history.ts';
import { Judge } from './judge.ts';
import { Machine } from './machine.ts';
import { SimNode } from './sim-node.ts';
import { groupCount, keysByGroup } from './sim-topology.ts';
import { Store, type StoreState } from './store.ts';
import { Violation, World, type Switches, type TraceLine } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly switches: Switches;
  readonly isTraced: boolean;
}

export interface RunResult {
  readonly violation: { readonly promise: string; readonly message: string } | undefined;
  readonly trace: readonly TraceLine[];
  readonly events: number;
  readonly acknowledged: number;
  readonly epochs: number;
  readonly virtualMs: number;
}

/** How long after everything healed somebody must have written again. */
const recoveryMs = 9000;

export function runSeed(options: RunOptions): RunResult {
  const world = new World(options);
  let violation: RunResult['violation'];
  let scenario: Scenario | undefined;
  try {
    scenario = new Scenario(world);
    scenario.run();
  } catch (error) {
    if (error instanceof Violation) violation = { promise: error.promise, message: error.message };
    else if (error instanceof InvariantError) violation = { promise: 'invariant', message: error.message };
    else throw error;
  }
  return {
    violation,
    trace: world.trace,
    events: world.eventCount,
    acknowledged: scenario?.judge.ackCount ?? 0,
    epochs: world.cluster.store.state.shards.reduce((sum, { epoch }) => sum + epoch, 0),
    virtualMs: world.nowMs,
  };
}

function drawSettings(world: World): ClusterSettings {
  const { dice } = world;
  const story = dice.chance(0.55) ? stories[dice.weighted([5, 3, 2, 2, 2, 3, 5])] : undefined;
  const isStory = story !== undefined;
  const controllers = dice.chance(isStory ? 0.6 : 0.4) ? 3 : 1;
  const shards = !isStory && dice.chance(0.25) ? 2 : 1;
  const nodesPerShard = story === 'diverge' || dice.chance(0.6) ? 3 : 2;
  const clocksFreeze = !isStory && dice.chance(0.3);
  return {
    controllers,
    shards,
    nodesPerShard,
    replication: 'sync',
    confirmsReads: dice.chance(clocksFreeze ? 0.5 : 0.1),
    clocksFreeze,
    keepsTopology: dice.chance(0.7),
    isReadMostly: isStory ? story !== 'flap' && story !== 'diverge' : dice.chance(0.25),
    story,
    minIsr: nodesPerShard === 3 && dice.chance(0.2) ? 2 : 1,
    hasHotCache: dice.chance(0.5),
    stallLimitMs: dice.chance(0.2) ? 1200 : 5000,
  };
}

class Scenario {
  readonly world: World;
  readonly judge: Judge;
  readonly seats: ControllerSeat[];
  readonly history = new History();
  readonly clients: Client[] = [];
  readonly #settings: ClusterSettings;
  readonly #chaos: Chaos;

  constructor(world: World) {
    this.world = world;
    const settings = drawSettings(world);
    this.#settings = settings;
    const { shards, clocksFreeze, confirmsReads } = settings;
    this.judge = new Judge(world, { shards, trustsClocks: !clocksFreeze, judgesReads: !clocksFreeze || confirmsReads });
    world.judge = this.judge;
    const nodes = this.#makeNodes();
    const seatMachines = Array.from({ length: settings.controllers }, (_, i) => new Machine(world, `c${i + 1}`));
    const front = new Machine(world, 'front');
    const balancer = new Balancer(world, front, {
      lagMs: world.dice.chance(0.3) ? world.dice.between(100, 2500) : 1,
      neverCuts: world.dice.chance(0.4),
    });
    const isEmbedded = settings.controllers === 1;
    const storeMachine = isEmbedded ? (seatMachines[0] as Machine) : new Machine(world, 'store');
    world.cluster = this.#makeCluster(nodes, balancer, storeMachine);
    for (const node of nodes) node.start();
    balancer.start();
    world.cluster.store.onChange = (before, after, name): void => this.#stored(before, after, name);
    this.#createRecords(seatMachines);
    this.seats = seatMachines.map((machine) => new ControllerSeat(world, machine));
    for (const seat of this.seats) seat.start();
    for (const habits of this.#drawClients())
      this.clients.push(new Client(world, { machine: front, history: this.history, habits }));
    this.#chaos = new Chaos(world, this.seats);
    if (settings.clocksFreeze && world.dice.chance(0.6))
      for (const { machine } of nodes) machine.spoilClock(world.dice.pick([1, 0.5, 0.3]));
  }

  #makeNodes(): SimNode[] {
    const { shards, nodesPerShard } = this.#settings;
    const nodes: SimNode[] = [];
    for (let shard = 0; shard < shards; shard++)
      for (let i = 0; i < nodesPerShard; i++)
        nodes.push(new SimNode(this.world, new Machine(this.world, `${'nm'[shard]}${i + 1}`), shard));
    return nodes;
  }

  #makeCluster(nodes: SimNode[], balancer: Balancer, storeMachine: Machine): Cluster {
    const settings = this.#settings;
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const state: StoreState = {
      revision: 1,
      version: 1,
      shards: [],
      owners: Array.from({ length: groupCount }, (_, group) => (settings.shards === 2 && group === 2 ? 1 : 0)),
      backends: [],
      bindingsRevision: 1,
      withheld: new Map(),
      observed: new Map(),
      leaseMs: this.world.dice.chance(0.25) ? 400 : leaseMs,
      job: undefined,
    };
    return {
      options: settings,
      times: simTimes(settings.stallLimitMs),
      replication: settings.replication,
      hasHotCache: settings.hasHotCache,
      settings: {
        isSync: settings.replication === 'sync',
        minIsr: settings.minIsr,
        isrTimeoutMs: 500,
        confirmsReads: settings.confirmsReads,
      },
      nodes,
      store: new Store(this.world, storeMachine, { isEmbedded: settings.controllers === 1, state }),
      balancer,
      topologies: [],
      copies: new Map(),
      nodeById: (id) => byId.get(id),
    };
  }

  /** As a cluster is created: the first node of each shard is master of epoch 1, which its creation still has to make true. */
  #createRecords(seatMachines: readonly Machine[]): void {
    const { nodes, store } = this.world.cluster;
    const controllers = seatMachines.length === 1 ? [] : seatMachines.map(({ name }) => name.padEnd(12, '0'));
    const masters = Array.from(
      { length: this.#settings.shards },
      (_, shard) => nodes.find((node) => node.shard === shard) as SimNode,
    );
    const shards = masters.map((master): ShardRecord => ({
      epoch: 1,
      isrVersion: 0,
      leaseMs,
      masterId: master.id,
      processId: master.process?.processId ?? '-',
      isr: [{ nodeId: master.id, logId: master.disk.logId }],
      controllers,
      transition: {
        kind: 'creation',
        cause: 'created',
        fromMasterId: '-',
        fromEpoch: 0,
        startedAtMs: 0,
        announced: true,
      },
      changedAtMs: 0,
    }));
    store.begin({ ...store.state, shards, backends: masters.map(({ machine }) => machine.host) });
  }

  #stored(before: StoreState, after: StoreState, name: string): void {
    after.shards.forEach((record, shard) => {
      const former = before.shards[shard];
      if (former === undefined || record === former) return;
      this.world.note('store', () => `${name}: shard ${shard} is ${describeRecord(this.world, record)}`);
      this.judge.recordChanged(shard, former, record);
    });
  }

  #drawClients(): ClientHabits[] {
    const { dice, cluster } = this.world;
    const keys = keysByGroup(2);
    const isTwo = this.#settings.shards === 2;
    // With one shard all keys are alike; few of them, so that reads meet writes.
    const sets = isTwo ? keys : [[...(keys[0] ?? []), ...(keys[2] ?? []).slice(0, 1)]];
    // One client by the balancer for each group of keys: it is what recovery is measured by.
    const habits = sets.map((set, i) => this.#drawClient(`client${i}`, set, undefined));
    const extra = isTwo ? 1 + dice.below(2) : 1 + dice.below(3);
    for (let i = 0; i < extra; i++) {
      const isDirect = dice.chance(0.6);
      // Often the first master: a pool that never learned of another.
      const direct = !isDirect ? undefined : dice.chance(0.5) ? cluster.nodes[0] : dice.pick(cluster.nodes);
      habits.push(
        this.#drawClient(`client${habits.length}`, direct === undefined ? dice.pick(sets) : sets.flat(), direct),
      );
    }
    if (this.#settings.story !== undefined) habits.push(this.#drawClient('pool', sets.flat(), cluster.nodes[0]));
    if (!this.#settings.hasHotCache) return habits;
    const reader = this.#drawClient('reader', sets.flat(), dice.pick(cluster.nodes));
    return [...habits, { ...reader, writeShare: 0, depth: 1, isReadonly: true }];
  }

  #drawClient(name: string, keys: readonly string[], direct: SimNode | undefined): ClientHabits {
    const { dice } = this.world;
    const depth = dice.pick([1, 1, 3]);
    const isPool = direct !== undefined;
    const writeShare = this.#settings.isReadMostly
      ? isPool
        ? 0
        : 0.006
      : dice.pick(isPool ? [0, 0.3, 0.9] : [0.3, 0.6, 0.9]);
    return { name, keys, writeShare, depth, thinkMs: isPool ? 9 : dice.pick([12, 35]), direct, isReadonly: false };
  }

  run(): void {
    const { world } = this;
    const { dice } = world;
    for (const client of this.clients) client.writeMore(true);
    world.runUntil(700);
    for (const client of this.clients) client.writeMore(false);
    const { story } = this.#settings;
    if (story !== undefined) {
      this.#chaos.tell(story);
      world.runUntil(world.nowMs + dice.between(2500, 3600));
    } else {
      const untilMs = 700 + dice.between(2000, 6000);
      while (world.nowMs < untilMs) {
        this.#chaos.strike();
        world.runUntil(world.nowMs + dice.between(20, dice.chance(0.5) ? 300 : 1200));
      }
    }
    this.#chaos.heal();
    world.note('world', 'everything heals');
    this.#recover();
    for (const client of this.clients) client.stop();
    world.runUntil(world.nowMs + 60);
    for (const client of this.clients) client.finish();
    if (this.judge.lossCounts.some((count) => count > 0) || !this.judge.judgesReads) return;
    const fault = this.history.fault();
    if (fault !== undefined) world.fail('S3', fault);
  }

  #recover(): void {
    const { world, judge } = this;
    const healedMs = world.nowMs;
    const isBack = (): boolean => judge.lastAckMs.every((ackMs) => ackMs > healedMs);
    for (const client of this.clients) client.writeMore(true);
    world.runUntil(healedMs + recoveryMs, isBack);
    if (!isBack()) {
      const shard = judge.lastAckMs.findIndex((ackMs) => ackMs <= healedMs);
      world.fail('L1', `shard ${shard} acknowledged nothing for ${recoveryMs} ms after everything had healed`);
    }
    world.runUntil(world.nowMs + 300);
  }
}

function describeRecord(world: World, record: ShardRecord): string {
  const { epoch, isrVersion, masterId, processId, isr, transition } = record;
  const members = isr.map(({ nodeId, logId }) => `${world.nameOf(nodeId)}:${logId.slice(0, 4)}`).join(' ');
  const state = transition === null ? 'settled' : `${transition.kind}${transition.announced ? ' announced' : ''}`;
  return `(${epoch}, ${isrVersion}) master ${world.nameOf(masterId)} ${processId} isr [${members}] ${state}`;
}
