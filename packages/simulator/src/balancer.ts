/**
 * The balancer: new connections to a shard's address lead where its bindings say. It refuses bindings of a lower
 * revision (the embedded one keeps its revision on disk); as F2 and F3 must hold without it, it may be slow to obey and
 * it may never cut what is open.
 */
import { Lane, type Machine } from './machine.ts';
import type { Stream } from './network.ts';
import { Reach } from './reach.ts';
import type { World } from './world.ts';

export interface BalancerHabits {
  /** Time between being told and doing it, ms. */
  readonly lagMs: number;
  readonly neverCuts: boolean;
}

export interface Bindings {
  readonly revision: number;
  /** Host by shard, -1: nobody. */
  readonly backends: readonly number[];
}

export class Balancer {
  readonly lane: Lane;
  readonly reach: Reach;
  readonly #world: World;
  readonly #habits: BalancerHabits;
  #bindings: Bindings = { revision: 0, backends: [] };
  readonly #open = new Map<Stream, number>();

  constructor(world: World, machine: Machine, habits: BalancerHabits) {
    this.#world = world;
    this.lane = new Lane(world, machine);
    this.#habits = habits;
    this.reach = new Reach(world, this.lane);
  }

  /** Begins to ask the nodes whether they answer. */
  start(): void {
    const { nodes, times } = this.#world.cluster;
    this.reach.ask(nodes);
    this.lane.after(times.heartbeatMs, () => this.start());
  }

  /** Host that new connections to the shard's address get; -1: none. */
  backendOf(shard: number): number {
    return this.#bindings.backends[shard] ?? -1;
  }

  /** @param done the revision in force, once it is. */
  apply(bindings: Bindings, done: (revision: number) => void): void {
    if (bindings.revision <= this.#bindings.revision) return done(this.#bindings.revision);
    const lagMs = this.#world.dice.between(0, this.#habits.lagMs);
    this.#world.after(lagMs, () => {
      if (bindings.revision > this.#bindings.revision) this.#take(bindings);
      done(this.#bindings.revision);
    });
  }

  #take(bindings: Bindings): void {
    this.#world.judge.balancerMoved(this.#bindings.revision, bindings.revision);
    const before = this.#bindings;
    this.#bindings = bindings;
    this.#world.note(
      'balancer',
      () => `points at hosts ${bindings.backends.join(' ')} (revision ${bindings.revision})`,
    );
    if (this.#habits.neverCuts) return;
    const left = before.backends.filter((host) => !bindings.backends.includes(host));
    for (const [stream, host] of this.#open)
      if (left.includes(host)) {
        this.#open.delete(stream);
        stream.cutBetween();
      }
  }

  opened(stream: Stream, host: number): void {
    this.#open.set(stream, host);
  }

  closed(stream: Stream): void {
    this.#open.delete(stream);
  }
}
