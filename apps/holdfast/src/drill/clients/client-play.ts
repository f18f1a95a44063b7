/**
 * One play: a client program writes and reads at a steady pace, one event happens to the master of the drilled shard, and
 * the program is watched until all its lanes write again and a little longer. Then every key is read back, and the history
 * is judged as every other.
 */
import { OperationError } from '@holdfast/base';
import { judge, staleReads, type Operation, type StaleRead, type Violation } from '@holdfast/history';
import { masterOf, shardOf, type ClusterView, type DrillCluster, type ShardView } from '../cluster.ts';
import type { ConnectionSettings } from '../connection.ts';
import type { DrillWorld } from '../drill-world.ts';
import { keysOf } from '../keys.ts';
import { readBack } from '../read-back.ts';
import { Recorder } from '../recorder.ts';
import { figuresOf, kindOfError, type ClientFigures, type ErrorKind, type EventTimes } from './client-figures.ts';
import type { ClientEvent, ClientSettings, DrilledClient } from './client-list.ts';
import { ClientProgram, type About, type ProgramConfig, type ProgramLane } from './client-program.ts';
import type { Prepared } from './preparation.ts';
import { replicaAddressOf } from './replica-address.ts';

export interface PlayPlan {
  readonly client: DrilledClient;
  readonly settings: ClientSettings;
  readonly event: ClientEvent;
  readonly shard: number;
  /** Lanes on the drilled shard; cluster clients have one more for each other shard. */
  readonly lanes: number;
  /** Tells the keys of one play from those of another. */
  readonly name: string;
}

export interface PlayTimes {
  /** A lane's pause between two rounds. */
  readonly paceMs: number;
  /** How long all lanes write before the event. */
  readonly steadyMs: number;
  /** How long a hung master stands still. */
  readonly holdMs: number;
  /** How long a client may take to write again. */
  readonly recoverWithinMs: number;
  /** How long it is watched when all lanes write again. */
  readonly watchMs: number;
  /** How long a program may take to connect and to write with every lane. */
  readonly startWithinMs: number;
  /** How long the cluster may take to be whole. */
  readonly settleMs: number;
}

export interface PlayWorld extends DrillWorld {
  /** What CLOCK_MONOTONIC showed when the run's clock stood at 0, in milliseconds. */
  readonly originMs: number;
}

export interface PlayResult {
  readonly about: About;
  readonly times: EventTimes;
  readonly figures: ClientFigures;
  /** Errors the library told beside its answers since the event was asked for. */
  readonly toldErrors: readonly ErrorKind[];
  /** How the program ended although nobody had asked it to. */
  readonly endedEarly: string | null;
  readonly violations: readonly Violation[];
  readonly acknowledgedWritesLost: number;
  readonly staleReads: number;
  /** Reads from replicas that were older than what was known to be in effect: allowed, but worth knowing. */
  readonly staleReplicaReads: number;
  /** By how much the worst of them was late. */
  readonly replicaLateMs: number;
  readonly unjudgedKeys: readonly string[];
  readonly operations: readonly Operation[];
}

const graceMs = 3000;
const pollMs = 10;
const connection = { connectTimeoutMs: 1000, commandTimeoutMs: 2000 } as const;

/**
 * Plays one client through one event. The cluster is whole and idle at the start.
 * @throws OperationError CLIENT_PROGRAM when the program does not come to write, CLIENT_PROTOCOL when it prints what it
 *   should not, DRILL_NO_REPLICA when the shard has nobody to take over.
 */
export async function playClient(
  cluster: DrillCluster,
  plan: PlayPlan,
  prepared: Prepared & { readonly kind: 'ready' },
  times: PlayTimes,
  world: PlayWorld,
): Promise<PlayResult> {
  const play = new Play(cluster, plan, times, world);
  return play.run(prepared);
}

class Play {
  readonly #cluster: DrillCluster;
  readonly #plan: PlayPlan;
  readonly #times: PlayTimes;
  readonly #world: PlayWorld;
  readonly #settings: ConnectionSettings;

  constructor(cluster: DrillCluster, plan: PlayPlan, times: PlayTimes, world: PlayWorld) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#times = times;
    this.#world = world;
    this.#settings = { connector: world.connector, timers: world.timers, ...connection };
  }

  async run(prepared: Prepared & { readonly kind: 'ready' }): Promise<PlayResult> {
    await this.#whole();
    const view = await this.#cluster.view();
    const lanes = lanesOf(view, this.#plan);
    const config = await this.#configOf(view, lanes, prepared.cache);
    const shards = new Map(lanes.map(({ lane, shard }) => [lane.name, shard]));
    const { timers, originMs } = this.#world;
    const program = new ClientProgram({ command: prepared.command, config, shards, timers, originMs });
    const drilled = lanes.filter(({ shard }) => shard === this.#plan.shard).map(({ lane }) => lane.name);
    try {
      const about = await this.#started(program, [...shards.keys()]);
      await this.#sleep(this.#times.steadyMs);
      const eventTimes = await this.#event(program, drilled);
      const { early } = await program.stop(graceMs);
      return await this.#judge(view, program, { about, times: eventTimes, drilled, early: early ?? null });
    } finally {
      await program.stop(graceMs);
    }
  }

  async #configOf(view: ClusterView, lanes: readonly PlacedLane[], cache: string | null): Promise<ProgramConfig> {
    const { client, settings, event } = this.#plan;
    const shard = shardOf(view, this.#plan.shard);
    const readsReplicas = event === 'swap';
    const entry = this.#cluster.entryOf(shard);
    const others = view.shards.filter(({ index }) => index !== shard.index).map((each) => this.#cluster.entryOf(each));
    return {
      mode: client.mode,
      settings,
      reads: readsReplicas ? 'replicas' : 'master',
      masters: client.mode === 'single' ? [entry] : [entry, ...others],
      // A client of its own for replicas; cluster clients find them by themselves, but ours is none.
      replica: readsReplicas ? await replicaAddressOf(entry, shard, this.#settings) : null,
      paceMs: this.#times.paceMs,
      lanes: lanes.map(({ lane }) => lane),
      cache,
    };
  }

  /** Every lane has written. */
  async #started(program: ClientProgram, lanes: readonly string[]): Promise<About> {
    const deadlineMs = this.#now() + this.#times.startWithinMs;
    const late = (what: string): OperationError => {
      const message = `the client program ${what} within ${this.#times.startWithinMs} ms`;
      return new OperationError('CLIENT_PROGRAM', message, { outcome: 'unknown' });
    };
    const timeout = this.#sleep(this.#times.startWithinMs).then(() => Promise.reject(late('did not connect')));
    timeout.catch(() => undefined); // It matters only as long as it is raced.
    const about = await Promise.race([program.hello, timeout]);
    for (;;) {
      const silent = lanes.filter((lane) => program.lastWriteMs(lane) === undefined);
      if (silent.length === 0) return about;
      if (program.early !== undefined)
        throw new OperationError('CLIENT_PROGRAM', `the client program ended: ${program.early}`, {
          outcome: 'unknown',
        });
      if (this.#now() > deadlineMs) {
        const reason = program.operations().find((operation) => operation.reason !== null)?.reason;
        throw late(
          `had no write acknowledged with ${silent.length} of ${lanes.length} lanes (${reason ?? 'no error'})`,
        );
      }
      await this.#sleep(pollMs);
    }
  }

  async #event(program: ClientProgram, lanes: readonly string[]): Promise<EventTimes> {
    const { event, shard } = this.#plan;
    const before = await this.#cluster.events(0);
    const lastId = before.reduce((latest, { id }) => Math.max(latest, id), 0);
    const asked = event === 'hang' ? await this.#hang(program, lanes) : await this.#switchOver();
    const { cutMs, eventMs } = await this.#cut(lastId, asked);
    await this.#recovered(program, lanes, eventMs, asked.askedMs + this.#times.recoverWithinMs);
    await this.#sleep(this.#times.watchMs);
    this.#world.progress(`  ${event} of shard ${shard} is over`);
    return { askedMs: asked.askedMs, eventMs, cutMs, endMs: this.#now() };
  }

  /** The master stands still for a while and comes back. */
  async #hang(program: ClientProgram, lanes: readonly string[]): Promise<Asked> {
    const shard = shardOf(await this.#cluster.view(), this.#plan.shard);
    const master = masterOf(shard);
    if (master === undefined || !shard.nodes.some((node) => node !== master && node.isAlive)) {
      const message = `shard ${shard.index} has no master with a living replica`;
      throw new OperationError('DRILL_NO_REPLICA', message, { outcome: 'not-applied' });
    }
    const place = this.#cluster.placeOf(master.id);
    await this.#cluster.suspend(place);
    const askedMs = this.#now();
    try {
      await this.#recovered(program, lanes, askedMs, askedMs + this.#times.holdMs);
      await this.#sleepUntil(askedMs + this.#times.holdMs);
    } finally {
      this.#cluster.resume(place);
    }
    return { askedMs, eventMs: askedMs };
  }

  async #switchOver(): Promise<Asked> {
    const askedMs = this.#now();
    await this.#cluster.switchOver(this.#plan.shard);
    return { askedMs, eventMs: undefined };
  }

  /** When the balancer led to the new master, by the controller's own events. */
  async #cut(lastId: number, { askedMs, eventMs }: Asked): Promise<{ cutMs: number | null; eventMs: number }> {
    const events = await this.#cluster.events(lastId);
    const moved = events.find(({ kind, shard }) => kind === 'lb-moved' && shard === this.#plan.shard);
    const cutMs = moved === undefined ? null : moved.wallMs - this.#world.clock.startedWallMs;
    return { cutMs, eventMs: eventMs ?? cutMs ?? askedMs };
  }

  /** Waits until every lane had a write acknowledged that began after `sinceMs`, or for the deadline. */
  async #recovered(
    program: ClientProgram,
    lanes: readonly string[],
    sinceMs: number,
    deadlineMs: number,
  ): Promise<void> {
    const isSilent = (lane: string): boolean => (program.lastWriteMs(lane) ?? -Infinity) < sinceMs;
    while (this.#now() < deadlineMs && program.early === undefined && lanes.some(isSilent)) await this.#sleep(pollMs);
  }

  async #judge(view: ClusterView, program: ClientProgram, played: Played): Promise<PlayResult> {
    const { about, times, drilled, early } = played;
    const loaded = program.operations();
    const readsReplicas = this.#plan.event === 'swap';
    const believed = readsReplicas ? loaded.filter(({ op }) => op === 'write') : loaded;
    const recorder = new Recorder(this.#world.clock);
    recorder.operations.push(...believed);
    await this.#whole();
    const deadlineMs = this.#now() + this.#times.settleMs;
    await readBack(view, {
      recorder,
      connection: this.#settings,
      entryOf: (shard) => this.#cluster.entryOf(shard),
      sleep: (ms) => this.#sleep(ms),
      mayGoOn: () => this.#now() < deadlineMs,
    });
    const verdict = judge(recorder.operations, { masterships: [], pauses: [] });
    const replicaReads = readsReplicas ? loaded.filter(({ op }) => op === 'read') : [];
    const late = staleReads([...believed, ...replicaReads]);
    const told = program.toldErrors.filter(({ atMs }) => atMs >= times.askedMs);
    return {
      about,
      times,
      figures: figuresOf(loaded, this.#plan.shard, drilled, times),
      toldErrors: countKinds(told.map(({ text }) => text)),
      endedEarly: early,
      violations: [...verdict.violations, ...fromNowhere(believed, replicaReads)],
      acknowledgedWritesLost: verdict.acknowledgedWritesLost,
      staleReads: verdict.staleReads,
      staleReplicaReads: replicaReads.length === 0 ? 0 : late.length,
      replicaLateMs: replicaReads.length === 0 ? 0 : worstLateMs(late),
      unjudgedKeys: verdict.unjudgedKeys,
      operations: [...replicaReads, ...recorder.operations],
    };
  }

  /** Waits until all nodes live and have the same log, but not for ever: the next play says what is wrong. */
  async #whole(): Promise<void> {
    const deadlineMs = this.#now() + this.#times.settleMs;
    while (this.#now() < deadlineMs) {
      const view = await this.#cluster.view().catch(() => undefined);
      if (view?.shards.every(isWhole) === true) return;
      await this.#sleep(5 * pollMs);
    }
  }

  #now(): number {
    return this.#world.clock.nowMs();
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#world.timers.after(delayMs, resolve));
  }

  async #sleepUntil(atMs: number): Promise<void> {
    for (let left = atMs - this.#now(); left > 0; left = atMs - this.#now()) await this.#sleep(left);
  }
}

interface Asked {
  readonly askedMs: number;
  /** Undefined: when the balancer leads to the new master. */
  readonly eventMs: number | undefined;
}

interface Played {
  readonly about: About;
  readonly times: EventTimes;
  readonly drilled: readonly string[];
  readonly early: string | null;
}

interface PlacedLane {
  readonly lane: ProgramLane;
  readonly shard: number;
}

/** Lanes of a play: each reads the registers of the two after it on the same shard. */
function lanesOf(view: ClusterView, { client, shard: drilled, lanes, name }: PlayPlan): PlacedLane[] {
  const shards = client.mode === 'single' ? [shardOf(view, drilled)] : view.shards;
  return shards.flatMap((shard) => {
    const count = shard.index === drilled ? lanes : 1;
    const tags = keysOf(shard, count).registers.map((key) => key.slice(0, key.indexOf('}') + 1));
    const named = tags.map((tag, i) => ({ name: `${name}-${shard.index}-${i}`, tag }));
    const registers = named.map((lane) => `${lane.tag}${lane.name}-register`);
    return named.map((lane, i) => {
      const reads = [1, 2].map((step) => registers[(i + step) % count] ?? '');
      return { shard: shard.index, lane: { ...lane, register: registers[i] ?? '', reads } };
    });
  });
}

function isWhole(shard: ShardView): boolean {
  const master = masterOf(shard);
  if (master === undefined || shard.phase !== 'stable') return false;
  return shard.nodes.every((node) => node.isAlive && node.sequence === master.sequence);
}

/** Reads from replicas may be late, but nothing may be read there that nobody wrote. */
function fromNowhere(believed: readonly Operation[], replicaReads: readonly Operation[]): Violation[] {
  const writes = believed.filter((operation) => operation.op === 'write');
  const written = new Set(writes.map(({ key, value }) => `${key}=${value}`));
  return replicaReads
    .filter((operation) => operation.op === 'read')
    .filter(({ outcome, value }) => outcome === 'ok' && value !== null)
    .filter(({ key, value }) => !written.has(`${key}=${value}`))
    .map((read) => ({
      kind: 'not-linearizable',
      message: `a replica answered what nobody wrote: ${read.key} = ${read.value}`,
      operations: [read],
    }));
}

function worstLateMs(late: readonly StaleRead[]): number {
  return late.reduce(
    (worst, { read, newer }) => Math.max(worst, read.invokedMs - (newer.completedMs ?? read.invokedMs)),
    0,
  );
}

function countKinds(texts: readonly string[]): ErrorKind[] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(kindOfError(text), (counts.get(kindOfError(text)) ?? 0) + 1);
  return [...counts].map(([kind, count]) => ({ kind, count })).sort((a, b) => b.count - a.count);
}
