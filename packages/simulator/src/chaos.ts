/** Misfortunes, and their end. */
import type { Story } from './cluster.ts';
import type { Controller, ControllerSeat } from './controller.ts';
import { newJob } from './handover.ts';
import type { NodeProcess } from './node-process.ts';
import type { Operation } from './shard-driver.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

type Strike = () => void;

export class Chaos {
  readonly #world: World;
  readonly #seats: readonly ControllerSeat[];
  readonly #strikes: readonly (readonly [weight: number, strike: Strike])[];
  readonly #weights: readonly number[];
  #isHealed = false;
  #jobs = 0;
  #isAimed = false;
  /** Processes whose machine's lease clock stands still with them, since when. */
  readonly #frozenSince = new Map<unknown, number>();

  constructor(world: World, seats: readonly ControllerSeat[]) {
    this.#world = world;
    this.#seats = seats;
    const { dice } = world;
    this.#strikes = [
      [4, (): void => this.#stopNode()],
      [3, (): void => this.#hang()],
      [4, (): void => this.#split()],
      [3, (): void => this.#flap()],
      [4, (): void => this.#fade()],
      [3, (): void => this.#stallNode()],
      [2, (): void => this.#diverge()],
      [4, (): void => this.#killNode()],
      [2, (): void => this.#powerOff()],
      [1, (): void => this.#wipe()],
      [5, (): void => this.#cut()],
      [3, (): void => this.#badNetwork()],
      [3, (): void => this.#operate('switchover')],
      [1.5, (): void => this.#operate('failover')],
      [0.3, (): void => this.#operate('accept-data-loss')],
      [3, (): void => this.#troubleController()],
      [2, (): void => this.#troubleStore()],
      [1, (): void => this.#fillDisk()],
      [0.7, (): void => this.#changeLease()],
      [1, (): void => this.#stepWalls()],
      [1.5, (): void => this.#force()],
      [world.cluster.options.shards === 2 ? 12 : 0, (): void => this.#handOver()],
      [2, (): void => this.#flush()],
    ];
    // Each run has its own kind of bad luck, so that rare combinations come up often in some runs.
    this.#weights = this.#strikes.map(([weight]) => weight * dice.pick([0, 0.3, 1, 1, 3]));
  }

  strike(): void {
    const index = this.#world.dice.weighted(this.#weights);
    this.#strikes[index]?.[1]();
  }

  /** One classic misfortune of the master, in one of its many ways. */
  tell(story: Story): void {
    this.#isAimed = true;
    const tales: Record<Story, Strike> = {
      fade: () => this.#fade(),
      split: () => this.#split(),
      hang: () => this.#hang(),
      flap: () => this.#flap(),
      shorten: () => this.#shorten(),
      switch: () => this.#switchBackAndForth(),
      diverge: () => this.#diverge(),
    };
    this.#world.note('world', `the story is ${story}`);
    tales[story]();
  }

  /** The lease was made shorter, the leader takes an epoch, dies and comes back, and the old master hears none of it. */
  #shorten(): void {
    const { dice, cluster } = this.#world;
    cluster.store.operate((state) => ({ ...state, leaseMs: 400 }));
    const { host } = this.#victim().machine;
    for (const { machine } of this.#seats) this.#cutFor(machine.host, host, dice.between(1000, 2500));
    this.#until(dice.between(5, 300), () => {
      const seat = this.#seats.find(({ process }) => process?.isLeading === true);
      this.#ask(seat?.process, 'failover', undefined);
      this.#until(dice.between(2, 8), () => {
        seat?.kill();
        this.#until(dice.between(1, 60), () => seat?.start());
      });
    });
  }

  #switchBackAndForth(): void {
    const { dice, network } = this.#world;
    network.lateShare = dice.pick([0, 0.1, 0.3]);
    network.lossShare = dice.pick([0, 0, 0.2]);
    for (let atMs = 10; atMs < 2400; atMs += dice.between(300, 900))
      this.#until(atMs, () => {
        const { host } = this.#victim().machine;
        this.#operate('switchover');
        // It has resigned and was told where its clients belong, and hears no more.
        this.#until(dice.between(12, 60), () => {
          for (const { machine } of this.#seats) this.#cutFor(machine.host, host, dice.between(100, 700));
        });
      });
  }

  /** The master's last writes reach one replica and not the other, which becomes master. */
  #diverge(): void {
    const { dice, cluster } = this.#world;
    const master = this.#victim();
    const others = cluster.nodes.filter((node) => node !== master && node.shard === master.shard);
    const [next, left] = dice.chance(0.5) ? others : [...others].reverse();
    if (next === undefined) return;
    this.#cutFor(master.machine.host, next.machine.host, dice.between(600, 1500));
    this.#until(dice.between(60, 350), () => {
      const { process } = master;
      if (process === undefined || process.main.isStopped) return;
      if (dice.chance(0.5)) this.#stop(master, process);
      else master.kill();
      const leader = this.#seats.find((seat) => seat.process?.isLeading === true)?.process;
      this.#ask(leader, 'failover', next.id);
      this.#until(dice.between(100, 1300), () => {
        this.#resume(master);
        master.start();
      });
    });
    this.#until(dice.between(1600, 2200), () => this.#operate('switchover'));
    if (dice.chance(0.6)) this.#until(dice.between(1700, 2500), () => this.#wipeOne(left ?? next));
  }

  #ask(leader: Controller | undefined, kind: Operation['kind'], preferredId: string | undefined): void {
    this.#world.note('operator', () => `asks for ${kind}`);
    leader?.lane.deliver(() => leader.drivers[0]?.operate({ kind, preferredId }));
  }

  /** Later, unless everything has healed meanwhile by itself. */
  #until(ms: number, run: () => void): void {
    this.#world.after(ms, () => {
      if (!this.#isHealed) run();
    });
  }

  /** Mostly a master, which is where it hurts. */
  #victim(): SimNode {
    const { dice, cluster } = this.#world;
    const masters = cluster.store.state.shards.map(({ masterId }) => masterId);
    const aimed =
      this.#isAimed || dice.chance(0.55) ? cluster.nodes.filter(({ id }) => masters.includes(id)) : cluster.nodes;
    return dice.pick(aimed.length > 0 ? aimed : cluster.nodes);
  }

  #stopNode(): void {
    const { dice } = this.#world;
    const node = this.#victim();
    const { process } = node;
    if (process === undefined || process.main.isStopped) return;
    this.#stop(node, process);
    this.#until(dice.pick([dice.between(20, 300), dice.between(300, 1500), dice.between(900, 2500)]), () =>
      this.#resume(node),
    );
  }

  /** A replica that comes and goes while the store is slow: proposals about it overtake each other. */
  #flap(): void {
    const { dice, cluster } = this.#world;
    const masters = cluster.store.state.shards.map(({ masterId }) => masterId);
    const replicas = cluster.nodes.filter(({ id, process }) => process !== undefined && !masters.includes(id));
    if (replicas.length === 0) return;
    const node = dice.pick(replicas);
    node.kill();
    const backMs = dice.between(50, 400);
    this.#until(backMs, () => node.start());
    this.#world.note('store', 'is slow');
    this.#until(backMs, () => (cluster.store.lateShare = 0.5));
    const againMs = backMs + dice.between(120, 500);
    this.#until(againMs, () => node.process !== undefined && node.kill());
    this.#until(againMs + dice.between(500, 1500), () => {
      node.start();
      cluster.store.lateShare = 0;
    });
  }

  /** The leader loses the master first, the other controllers a while later; clients hear it all the time. */
  #fade(): void {
    const { dice } = this.#world;
    const node = this.#victim();
    const host = node.machine.host;
    const leader = this.#seats.find(({ process }) => process?.isLeading === true);
    const seats = [...this.#seats].sort((a, b) => Number(b === leader) - Number(a === leader));
    const lastMs = dice.between(300, 1600);
    const endMs = lastMs + dice.between(900, 2200);
    this.#world.note('network', () => `lets ${node.name} fade from the controllers`);
    if (dice.chance(0.5)) this.#until(lastMs + dice.between(800, 1600), () => this.#force());
    if (dice.chance(0.6)) this.#until(lastMs + dice.between(10, 400), () => this.#operate('failover'));
    seats.forEach(({ machine }, index) => {
      this.#until(index === 0 ? 0 : lastMs, () => this.#cutFor(machine.host, host, endMs - (index === 0 ? 0 : lastMs)));
    });
  }

  #cutFor(a: number, b: number, ms: number): void {
    const { network } = this.#world;
    network.cut(a, b);
    network.cut(b, a);
    this.#until(ms, () => {
      network.mend(a, b);
      network.mend(b, a);
    });
  }

  /** The master stands still for longer than its lease, and what controllers say reaches it late or not at all. */
  #hang(): void {
    const { dice, network } = this.#world;
    const node = this.#victim();
    const { process } = node;
    if (process === undefined || process.main.isStopped) return;
    this.#stop(node, process);
    const ways = this.#seats.map(({ machine }) => [machine.host, node.machine.host] as const);
    const isDeaf = dice.chance(0.6);
    const deafMs = dice.between(100, 1000);
    if (isDeaf) this.#until(deafMs, () => ways.forEach(([from, to]) => network.cut(from, to)));
    const hangMs = dice.between(900, 2200);
    this.#until(hangMs, () => this.#resume(node));
    if (isDeaf)
      this.#until(Math.max(deafMs, hangMs) + dice.between(50, 900), () =>
        ways.forEach(([from, to]) => network.mend(from, to)),
      );
  }

  /** Two sides that do not hear each other; clients hear both. */
  #split(): void {
    const { dice, network, cluster } = this.#world;
    const master = this.#victim();
    const minority = new Set([master.machine.host]);
    const leader = this.#seats.find(({ process }) => process?.isLeading === true);
    const others = this.#seats.filter((seat) => seat !== leader);
    const style = dice.weighted([2, 3, 2]);
    if (style === 0) for (const { machine } of others) minority.add(machine.host);
    else if (style === 1 && others.length > 0) minority.add(dice.pick(others).machine.host);
    for (const { machine } of cluster.nodes) if (dice.chance(0.1)) minority.add(machine.host);
    const front = cluster.balancer.lane.machine.host;
    const hosts = [...Array(network.hostCount).keys()].filter((host) => host !== front);
    const ways = hosts.flatMap((a) =>
      hosts.filter((b) => minority.has(a) !== minority.has(b)).map((b) => [a, b] as const),
    );
    this.#world.note('network', () => `splits off ${[...minority].map((host) => network.nameOf(host)).join(' ')}`);
    for (const [from, to] of ways) network.cut(from, to);
    if (dice.chance(0.5)) this.#until(dice.between(20, 400), () => this.#operate('failover'));
    this.#until(dice.chance(0.6) ? dice.between(1500, 3500) : dice.between(300, 1500), () => {
      this.#world.note('network', 'is whole again');
      for (const [from, to] of ways) network.mend(from, to);
    });
  }

  #stop(node: SimNode, process: NodeProcess): void {
    node.note('is stopped');
    for (const lane of process.lanes) lane.stop();
    if (this.#world.cluster.options.clocksFreeze) this.#frozenSince.set(process, this.#world.nowMs);
  }

  #resume(node: SimNode): void {
    const { process } = node;
    if (process === undefined || !process.main.isStopped) return;
    node.note('goes on');
    const frozenMs = this.#frozenSince.get(process);
    this.#frozenSince.delete(process);
    if (frozenMs !== undefined) node.machine.loseTime(this.#world.nowMs - frozenMs);
    const { main, control, writer } = process;
    for (const lane of this.#world.dice.chance(0.5) ? [main, control] : [control, main]) lane.resume();
    writer?.resume();
  }

  #stallNode(): void {
    const { dice } = this.#world;
    const node = this.#victim();
    const { process } = node;
    if (process === undefined || process.main.isStopped) return;
    node.note('its main loop stands still');
    process.stall();
    this.#until(dice.pick([dice.between(20, 300), dice.between(300, 3000)]), () => this.#resume(node));
  }

  #comesBack(node: SimNode): void {
    const { dice } = this.#world;
    this.#until(dice.pick([dice.between(1, 100), dice.between(50, 700), dice.between(500, 3000)]), () => node.start());
  }

  #killNode(): void {
    const node = this.#victim();
    if (node.process === undefined) return;
    node.kill();
    this.#comesBack(node);
  }

  #powerOff(): void {
    const { dice, cluster } = this.#world;
    const isAll = dice.chance(0.1);
    const victim = this.#victim();
    const nodes = isAll ? cluster.nodes.filter(({ shard }) => shard === victim.shard) : [victim];
    for (const node of nodes) {
      if (node.process === undefined) continue;
      node.powerOff();
      this.#comesBack(node);
    }
  }

  #wipe(): void {
    this.#wipeOne(this.#victim());
  }

  #wipeOne(node: SimNode): void {
    if (node.process === undefined) return;
    node.wipe();
    this.#comesBack(node);
  }

  #cut(): void {
    const { dice, network, cluster } = this.#world;
    const hosts = network.hostCount;
    const a = dice.chance(0.7) ? this.#victim().machine.host : dice.below(hosts);
    const durationMs = dice.pick([dice.between(30, 400), dice.between(400, 2500)]);
    const isOneWay = dice.chance(0.4);
    const b = dice.chance(0.3) ? -1 : dice.chance(0.5) ? dice.pick(cluster.nodes).machine.host : dice.below(hosts);
    // One that was drawn against itself loses the balancer and its clients.
    const others = b < 0 ? [...Array(hosts).keys()] : [b === a ? cluster.balancer.lane.machine.host : b];
    const ways = others
      .filter((b) => b !== a)
      .flatMap((b) =>
        isOneWay ? [dice.chance(0.5) ? ([a, b] as const) : ([b, a] as const)] : [[a, b] as const, [b, a] as const],
      );
    this.#world.note(
      'network',
      () => `cuts ${ways.map(([from, to]) => `${network.nameOf(from)}>${network.nameOf(to)}`).join(' ')}`,
    );
    for (const [from, to] of ways) network.cut(from, to);
    this.#until(durationMs, () => {
      this.#world.note('network', 'mends a cut');
      for (const [from, to] of ways) network.mend(from, to);
    });
  }

  #badNetwork(): void {
    const { dice, network } = this.#world;
    network.lossShare = dice.pick([0, 0.05, 0.3]);
    network.lateShare = dice.pick([0, 0.1, 0.3]);
    network.doubledShare = dice.pick([0, 0.2, 0.5]);
    this.#world.note(
      'network',
      () => `loses ${network.lossShare}, delays ${network.lateShare}, doubles ${network.doubledShare}`,
    );
    this.#until(dice.between(200, 2500), () => {
      network.lossShare = 0;
      network.lateShare = 0;
      network.doubledShare = 0;
    });
  }

  #operate(kind: Operation['kind']): void {
    const { dice, cluster } = this.#world;
    const leader = this.#seats.find(({ process }) => process?.isLeading === true)?.process;
    // What was lost on an operator's word is not held against clocks that are wrong.
    if (leader === undefined || (kind === 'accept-data-loss' && cluster.options.clocksFreeze)) return;
    const shard = dice.below(cluster.options.shards);
    const nodes = cluster.nodes.filter((node) => node.shard === shard);
    const preferredId = dice.chance(0.6) ? dice.pick(nodes).id : undefined;
    if (dice.chance(0.3)) this.#deafen(leader);
    const seat = this.#seats.find(({ process }) => process === leader);
    if (dice.chance(0.3) && seat !== undefined)
      this.#until(dice.between(0, 30), () => {
        if (seat.process !== leader) return;
        seat.kill();
        this.#until(dice.pick([1, 20, 200]), () => seat.start());
      });
    this.#world.note('operator', () => `asks for ${kind} of shard ${shard}`);
    leader.lane.deliver(() => leader.drivers[shard]?.operate({ kind, preferredId }));
  }

  /** The other controllers do not hear what the store has to say, and go on by what they know. */
  #deafen(leader: Controller): void {
    const { dice, network, cluster } = this.#world;
    const from = cluster.store.machine.host;
    const deaf = this.#seats.filter(({ process }) => process !== leader).map(({ machine }) => machine.host);
    this.#world.note('network', 'hides the store from the other controllers');
    for (const to of deaf) network.cut(from, to);
    this.#until(dice.between(500, 2500), () => {
      for (const to of deaf) network.mend(from, to);
    });
  }

  #troubleController(): void {
    const { dice } = this.#world;
    const leader = this.#seats.find(({ process }) => process?.isLeading === true);
    const seat = leader !== undefined && dice.chance(0.6) ? leader : dice.pick(this.#seats);
    const { process } = seat;
    if (process === undefined || process.lane.isStopped) return;
    if (dice.chance(0.4)) {
      seat.kill();
      this.#until(dice.pick([dice.between(1, 50), dice.between(50, 1500)]), () => seat.start());
      return;
    }
    this.#world.note(seat.machine.name, 'is stopped');
    process.lane.stop();
    this.#until(dice.pick([dice.between(50, 600), dice.between(600, 4000)]), () => {
      this.#world.note(seat.machine.name, 'goes on');
      process.lane.resume();
    });
  }

  #troubleStore(): void {
    const { dice, cluster } = this.#world;
    if (dice.chance(0.5)) {
      const durationMs = dice.between(100, 2500);
      this.#world.note('store', 'answers nobody');
      return cluster.store.outage(durationMs);
    }
    this.#world.note('store', 'loses answers and delays requests');
    cluster.store.unknownShare = dice.pick([0, 0.3, 1]);
    cluster.store.lateShare = dice.pick([0, 0.3, 0.6]);
    this.#until(dice.between(50, 2000), () => {
      cluster.store.unknownShare = 0;
      cluster.store.lateShare = 0;
    });
  }

  #fillDisk(): void {
    const { dice } = this.#world;
    const node = this.#victim();
    node.note('its disk is full');
    const { disk } = node;
    disk.isFull = true;
    this.#until(dice.between(50, 2000), () => {
      disk.isFull = false;
      node.process?.main.deliver(() => node.process?.diskRecovered());
    });
  }

  #changeLease(): void {
    const { dice, cluster } = this.#world;
    const leaseMs = dice.pick([400, 1000]);
    this.#world.note('operator', `sets the lease to ${leaseMs} ms`);
    cluster.store.operate((state) => ({ ...state, leaseMs }));
  }

  #stepWalls(): void {
    const { dice, cluster } = this.#world;
    for (const { machine } of [...cluster.nodes, ...this.#seats]) machine.stepWall(dice.between(-5000, 5000));
  }

  /** A hand from outside: SETNODES FORCE with a topology of former times. */
  #force(): void {
    const { dice, cluster } = this.#world;
    // Who owns which slots hangs on the topology alone: a forced one may undo a handover, which nobody promises against.
    if (cluster.options.shards > 1) return;
    const former = cluster.topologies;
    if (former.length === 0) return;
    const topology = dice.pick(former);
    for (const node of cluster.nodes)
      if (dice.chance(0.5)) node.process?.main.deliver(() => node.forceTopology(topology));
  }

  #handOver(): void {
    const { cluster } = this.#world;
    const id = ++this.#jobs;
    cluster.store.operate((state) => {
      const job = newJob(state, 1, id);
      if (job !== undefined)
        this.#world.note('operator', `hands group ${job.group} from shard ${job.from} to ${job.to}`);
      return job === undefined ? state : { ...state, job };
    });
  }

  #flush(): void {
    const { dice, cluster } = this.#world;
    for (const { disk } of cluster.nodes) {
      if (dice.chance(0.5)) disk.synced = disk.log.length;
      if (dice.chance(0.2)) disk.flushed = disk.log.length;
    }
  }

  /** Ends everything that is wrong. */
  heal(): void {
    this.#isHealed = true;
    const { network, cluster } = this.#world;
    network.heal();
    cluster.store.heal();
    for (const node of cluster.nodes) {
      node.disk.isFull = false;
      if (node.process === undefined) node.start();
      this.#resume(node);
      node.process?.main.deliver(() => node.process?.diskRecovered());
    }
    for (const seat of this.#seats) {
      if (seat.process === undefined) seat.start();
      seat.process?.lane.resume();
    }
  }
}
