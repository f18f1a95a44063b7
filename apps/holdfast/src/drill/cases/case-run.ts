/**
 * A case at work: load through the LB addresses, clients that go straight to nodes of the drilled shard, a watch on the
 * controller's side, and a script of faults between them. What each fault may do is said before it is done; the verdict
 * (case-verdict.ts) holds the run against it.
 */
import { isChange, type Pause } from '@holdfast/history';
import { ReplyError } from '@holdfast/resp';
import {
  masterOf,
  shardOf,
  type ClusterView,
  type DrillCluster,
  type HostFaults,
  type NodeView,
  type ShardView,
} from '../cluster.ts';
import { openConnection } from '../connection.ts';
import type { DrillWorld } from '../drill-world.ts';
import { ParkingLot } from '../parked.ts';
import { LoadRun } from '../load-run.ts';
import type { Difference } from '../read-back.ts';
import { Watch } from '../watch.ts';
import type { CasePlan } from './drill-case.ts';
import { TopologyWatch, type TopologyAnswer } from './topology-watch.ts';

export interface Expectation {
  /** Promotions from a fault's beginning to that of the next: none in any shard, at least one of the drilled shard. */
  readonly promotions: 'none' | 'some' | 'any';
  /** When clients of the shard can write again at the latest: in the second half of the fault, or when it is over. */
  readonly writes: 'during' | 'after';
  /** Whether load clients may be refused or left without an answer while the fault lasts. */
  readonly errors: 'none' | 'any';
}

/** A fault as it was: its name says what was done to whom. */
export interface Fault {
  readonly name: string;
  readonly expects: Expectation;
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface FaultPlan {
  readonly name: string;
  readonly expects: Expectation;
  /** How long it is left alone between `begin` and `end`. */
  readonly lastMs: number;
  begin(): Promise<void> | void;
  end(): Promise<void> | void;
}

/** Something the script did or saw, for the time line. */
export interface Mark {
  readonly event: string;
  readonly atMs: number;
  readonly detail: string;
}

export interface CaseDesign<Extra> {
  /** Whose internal addresses have clients that never leave them. */
  readonly directTo: 'first-master' | 'every-node';
  /** Replication waits for the in-sync set. */
  readonly isSynchronous: boolean;
  /** Does the faults. Clients write until it is done, and as long as the plan says. */
  script(run: CaseRun): Promise<Extra>;
}

/** What happened, before it is judged. */
export interface CaseFacts<Extra> {
  readonly plan: CasePlan;
  readonly load: LoadRun;
  readonly watch: Watch;
  readonly leaseMs: number;
  readonly before: ShardView;
  /** Place of each node by its id. */
  readonly places: ReadonlyMap<string, string>;
  readonly faults: readonly Fault[];
  readonly marks: readonly Mark[];
  readonly pauses: readonly Pause[];
  readonly loadEndMs: number;
  /** When, after the load, every node had its master's whole log; null when that was not seen. */
  readonly wholeMs: number | null;
  readonly replicas: ReadonlyMap<string, readonly Difference[] | string>;
  readonly topologyAnswers: readonly TopologyAnswer[];
  /** Whom replicas said they follow, by their own address. */
  readonly followed: ReadonlyMap<string, string>;
  /** Internal addresses that nobody outside is to see; none where clients have no others. */
  readonly internal: ReadonlySet<string>;
  /** What only this case measures. */
  readonly extra: Extra;
}

const registersPerShard = 32;
const paceMs = 10;

/**
 * Plays a case.
 * @throws RangeError when the cluster has no such shard, or the shard no master or no living replica; OperationError when
 *   no controller answers at the start.
 */
export async function playCase<Extra>(
  cluster: DrillCluster,
  plan: CasePlan,
  world: DrillWorld,
  design: CaseDesign<Extra>,
): Promise<CaseFacts<Extra>> {
  const first = await cluster.view();
  const before = shardOf(first, plan.shard);
  const master = masterOf(before);
  if (master === undefined) throw new RangeError(`shard ${plan.shard} has no master`);
  if (!before.nodes.some((node) => node.isAlive && node !== master))
    throw new RangeError(`shard ${plan.shard} has no living replica that could take over`);
  const watch = new Watch(cluster, world.clock, plan.shard, first);
  const load = new LoadRun(cluster, { ...plan, registersPerShard, paceMs }, world, first, watch);
  const run = new CaseRun({ cluster, plan, first, before, master, watch, load, isSynchronous: design.isSynchronous });
  const watching = new AbortController();
  const loading = new AbortController();
  const watched = load.follow(await load.lastEventId(), watching.signal);
  const direct = design.directTo === 'first-master' ? [master] : before.nodes;
  const loaded = Promise.all([load.load(loading.signal), ...direct.map((node) => load.direct(node, loading.signal))]);
  const topology = new TopologyWatch({
    connection: load.settings,
    slot: before.slotRanges[0]?.[0] ?? 0,
    nowMs: () => load.now(),
    sleep: (ms) => load.sleep(ms),
  });
  const asking = Promise.all([
    topology.ask(() => load.entryOf(plan.shard), null, loading.signal),
    ...before.nodes.map(({ address, id }) => topology.ask(() => address, id, loading.signal)),
  ]);
  run.endsWith(loading.signal);
  try {
    // Right after its birth a cluster may still be adding replicas to the in-sync sets.
    await run.steady();
    const extra = await design.script(run);
    await load.sleepUntil(Math.max(plan.loadMs, load.now() + Math.min(quietMs, plan.loadMs / 4)));
    const loadEndMs = load.now();
    loading.abort();
    await Promise.all([loaded, asking, run.ended()]);
    const wholeMs = await load.whole(load.now() + plan.settleMs);
    const followed = await topology.followed(watch.latestShard.nodes);
    await load.readBack();
    const replicas = await load.compareReplicas();
    const { faults, marks, pauses } = run;
    const places = new Map(first.shards.flatMap(({ nodes }) => nodes.map(({ id }) => [id, cluster.placeOf(id)])));
    return {
      ...{ plan, load, watch, leaseMs: first.leaseMs, before, places, faults, marks, pauses },
      ...{ loadEndMs, wholeMs, replicas, extra, topologyAnswers: topology.answers },
      ...{ followed, internal: internalAddresses(first) },
    };
  } finally {
    loading.abort();
    watching.abort();
    await watched;
  }
}

/** A cluster whose nodes are reached at their own addresses has nothing to hide. */
function internalAddresses({ shards }: ClusterView): ReadonlySet<string> {
  const addresses = new Set(shards.flatMap(({ nodes }) => nodes.map(({ address }) => address)));
  return shards.some(({ lbAddress }) => addresses.has(lbAddress)) ? new Set() : addresses;
}

/** The load goes on so long after the last fault, unless it is short altogether. */
const quietMs = 1000;

interface Start {
  readonly cluster: DrillCluster;
  readonly plan: CasePlan;
  readonly first: ClusterView;
  readonly before: ShardView;
  readonly master: NodeView;
  readonly watch: Watch;
  readonly load: LoadRun;
  readonly isSynchronous: boolean;
}

/** What a script has in its hands. */
export class CaseRun {
  readonly cluster: DrillCluster;
  readonly plan: CasePlan;
  readonly leaseMs: number;
  readonly watch: Watch;
  readonly load: LoadRun;
  /** The drilled shard at the start. */
  readonly before: ShardView;
  /** Its first master. */
  readonly firstMaster: NodeView;
  readonly faults: Fault[] = [];
  readonly marks: Mark[] = [];
  readonly pauses: Pause[] = [];
  readonly #isSynchronous: boolean;
  readonly #inside: Promise<void>[] = [];
  #ends: AbortSignal | undefined;

  constructor({ cluster, plan, first, before, master, watch, load, isSynchronous }: Start) {
    this.#isSynchronous = isSynchronous;
    this.cluster = cluster;
    this.plan = plan;
    this.leaseMs = first.leaseMs;
    this.watch = watch;
    this.load = load;
    this.before = before;
    this.firstMaster = master;
  }

  /** @param ends ends with the load. */
  endsWith(ends: AbortSignal): void {
    this.#ends = ends;
  }

  /** Resolves when the clients that the script itself started have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#inside);
  }

  now(): number {
    return this.load.now();
  }

  sleep(ms: number): Promise<void> {
    return this.load.sleep(ms);
  }

  mark(event: string, detail: string): void {
    this.marks.push({ event, atMs: this.now(), detail });
  }

  /** The drilled shard as the controller sees it now. */
  get shard(): ShardView {
    return this.watch.latestShard;
  }

  /** The drilled shard's master now, or who was it last. */
  get master(): NodeView {
    return masterOf(this.shard) ?? this.firstMaster;
  }

  /** A replica of the drilled shard. Throws RangeError when it has none. */
  get replica(): NodeView {
    const replica = this.shard.nodes.find(({ id, isAlive }) => isAlive && id !== this.master.id);
    if (replica) return replica;
    throw new RangeError(`shard ${this.plan.shard} has no living replica`);
  }

  placeOf(node: NodeView): string {
    return this.cluster.placeOf(node.id);
  }

  /** Throws RangeError where the places of the cluster are no hosts of their own. */
  get hosts(): HostFaults {
    if (this.cluster.hosts) return this.cluster.hosts;
    throw new RangeError('this drill needs a network namespace for each host; it cannot run on loopback');
  }

  /** Does one fault, and undoes it also when the run fails meanwhile. */
  async fault({ name, expects, lastMs, begin, end }: FaultPlan): Promise<Fault> {
    const fromMs = this.now();
    this.mark('fault', name);
    try {
      await begin();
      await this.load.sleepUntil(fromMs + lastMs);
    } finally {
      await end();
    }
    const fault = { name, expects, fromMs, untilMs: this.now() };
    this.mark('fault over', name);
    this.faults.push(fault);
    return fault;
  }

  /** Resolves when something has become true, or with false when it has not after so long. */
  async until(isTrue: () => boolean | Promise<boolean>, withinMs: number): Promise<boolean> {
    const deadlineMs = this.now() + withinMs;
    for (;;) {
      if (await isTrue()) return true;
      if (this.now() >= deadlineMs) return false;
      await this.sleep(20);
    }
  }

  /**
   * Waits until the drilled shard has healed: nothing under way, every node there, none behind what the master has now,
   * and (where replication waits for it) every replica in the in-sync set. Goes on without it after the settling time.
   */
  async steady(): Promise<void> {
    let target: number | undefined;
    const isSteady = (): boolean => {
      const { nodes, phase } = this.shard;
      target ??= masterOf(this.shard)?.sequence;
      if (target === undefined || phase !== 'stable') return false;
      const hasHealed = ({ isAlive, isInSync, sequence }: NodeView): boolean =>
        isAlive && sequence >= (target ?? Infinity) && (isInSync !== false || !this.#isSynchronous);
      return nodes.every(hasHealed);
    };
    // The first look may be at what was seen before the fault ended.
    await this.sleep(150);
    if (await this.until(isSteady, this.plan.settleMs)) return;
    this.mark('not steady', `the shard had not healed ${this.plan.settleMs} ms after the fault`);
  }

  /** Stops a node's process. What clients had asked of it directly is looked for elsewhere as soon as that is possible. */
  async suspend(node: NodeView): Promise<void> {
    await this.cluster.suspend(this.placeOf(node));
    const fromMs = this.now();
    this.pauses.push({ node: node.id, fromMs, untilMs: Infinity });
    const asked = this.load.recorder.underWay.filter((each) => each.phase === 'direct' && isChange(each));
    const hasMoved = (): boolean => this.watch.first('lb-moved', fromMs) !== undefined;
    const look = async (): Promise<void> => {
      if (await this.until(hasMoved, this.plan.settleMs)) await this.load.lookFor(asked);
    };
    this.#inside.push(look());
  }

  resume(node: NodeView): void {
    const at = this.pauses.findLastIndex((pause) => pause.node === node.id);
    const pause = this.pauses[at];
    // What it executes from here on it executes after this.
    if (pause) this.pauses[at] = { ...pause, untilMs: this.now() };
    this.cluster.resume(this.placeOf(node));
  }

  /** For clients that are to wait when a role changes. */
  parkingLot(name: string): ParkingLot {
    const { load, plan } = this;
    return new ParkingLot({
      ...{ connection: load.settings, keys: load.keysOf(plan.shard), name },
      nowMs: () => load.now(),
      sleep: (ms) => load.sleep(ms),
    });
  }

  /** Lets clients on a node's own host go straight to it until the load ends, if that is possible here. */
  async connectInside(node: NodeView): Promise<boolean> {
    const connector = await this.cluster.hosts?.inside?.(this.placeOf(node));
    if (connector === undefined || this.#ends === undefined) return false;
    this.#inside.push(this.load.direct(node, this.#ends, connector));
    return true;
  }

  /**
   * Stops the event loop of a node for so long, as `DEBUG SLEEP` does; its control thread lives on.
   * @returns when the loop has gone on and answered, or the connection was lost.
   * @throws RangeError when the node refuses.
   */
  async stallEventLoop(node: NodeView, seconds: number): Promise<void> {
    const { client } = await openConnection(node.address, this.load.settings);
    const reply = await client
      .call(['DEBUG', 'SLEEP', String(seconds)], { timeoutMs: 1000 * seconds + 10_000 })
      .catch(() => 'lost');
    client.close();
    if (reply instanceof ReplyError) throw new RangeError(`${node.address} refused DEBUG SLEEP: ${reply.message}`);
  }
}
