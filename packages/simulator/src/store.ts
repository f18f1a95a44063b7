/**
 * The metadata store as controllers meet it: one value, changed by guarded transactions that are applied one after the
 * other, watched by everybody. What it stands in for (etcd, or the embedded file) is not what is tested; what it does to
 * its clients is: requests and answers that are lost, transactions that take effect after their caller gave up, watches
 * that lag, and times in which it answers nobody.
 */
import { checkShardSuccession, type ShardRecord, type Withheld } from '@holdfast/fencing';
import type { HandoverJob } from './handover.ts';
import type { Lane, Machine } from './machine.ts';
import type { World } from './world.ts';

export interface StoreState {
  readonly revision: number;
  /** Of the topology. */
  readonly version: number;
  readonly shards: readonly ShardRecord[];
  /** Shard that owns each of the key groups (a stand-in for slot ranges). */
  readonly owners: readonly number[];
  /** Backend host by shard; -1: nobody. */
  readonly backends: readonly number[];
  /** Revision at which `backends` last changed: the guard of the balancer. */
  readonly bindingsRevision: number;
  /** By `<shard>/<controller id>`. */
  readonly withheld: ReadonlyMap<string, Withheld>;
  /** Suspected node ids by controller id. */
  readonly observed: ReadonlyMap<string, readonly string[]>;
  /** What the operator wants the lease of the next epoch to be. */
  readonly leaseMs: number;
  readonly job: HandoverJob | undefined;
}

/** `unknown`: it may have been applied, or may yet be. */
export type Outcome = 'applied' | 'conflict' | 'not-leader' | 'unknown';

export interface Transaction {
  /** Leadership under which it is to be applied; undefined: a controller's own key, unguarded. */
  readonly leadership: number | undefined;
  readonly name: string;
  /** The next state; undefined when what it was made for is not there any more. */
  change(state: StoreState): StoreState | undefined;
  /** `state`: as it was right after the transaction. */
  done(outcome: Outcome, state: StoreState): void;
}

interface Leader {
  readonly controllerId: string;
  readonly leadership: number;
  expiresMs: number;
}

const requestTimeoutMs = 700;
export const leaderTtlMs = 2000;

export interface Candidacy {
  readonly controllerId: string;
  /** The leadership it has, if any. */
  readonly held: number | undefined;
}

export interface StoreWatcher {
  readonly lane: Lane;
  readonly controllerId: string;
  onState(state: StoreState): void;
}

export class Store {
  readonly machine: Machine;
  readonly #world: World;
  readonly #isEmbedded: boolean;
  #state: StoreState;
  #leader: Leader | undefined;
  #leaderships = 0;
  #outUntilMs = 0;
  /** Share of answers that are lost after the transaction was applied. */
  unknownShare = 0;
  /** Share of requests that arrive long after they were sent. */
  lateShare = 0;
  readonly #watchers = new Set<StoreWatcher>();
  /** Called after each applied change. */
  onChange: (before: StoreState, after: StoreState, name: string) => void = () => undefined;

  constructor(world: World, machine: Machine, { isEmbedded, state }: { isEmbedded: boolean; state: StoreState }) {
    this.#world = world;
    this.machine = machine;
    this.#isEmbedded = isEmbedded;
    this.#state = state;
  }

  /** What is stored now; for the judge and for operators, not for controllers. */
  get state(): StoreState {
    return this.#state;
  }

  /** Before anybody watches. */
  begin(state: StoreState): void {
    this.#state = state;
  }

  /** An operator's change, unguarded. */
  operate(change: (state: StoreState) => StoreState): void {
    this.#apply('operator', change(this.#state));
  }

  outage(durationMs: number): void {
    this.#outUntilMs = Math.max(this.#outUntilMs, this.#world.nowMs + durationMs);
  }

  heal(): void {
    this.#outUntilMs = 0;
    this.unknownShare = 0;
    this.lateShare = 0;
  }

  /** A controller that starts: reads the present state and gets every later one. */
  watch(watcher: StoreWatcher): void {
    this.#watchers.add(watcher);
    this.#tell(watcher);
  }

  unwatch(watcher: StoreWatcher): void {
    this.#watchers.delete(watcher);
  }

  transact(lane: Lane, transaction: Transaction): void {
    const { leadership, name } = transaction;
    this.#request(
      lane,
      () => {
        if (leadership !== undefined && !this.#leads(leadership)) return 'not-leader';
        return this.#apply(name, transaction.change(this.#state));
      },
      (outcome, state) => transaction.done(outcome, state),
    );
  }

  /** Asks to lead, or to go on leading. @param done the leadership, undefined when another leads or nobody answered. */
  campaign(lane: Lane, { controllerId, held }: Candidacy, done: (leadership: number | undefined) => void): void {
    let granted: number | undefined;
    const ask = (): Outcome => {
      const { nowMs } = this.#world;
      const isHeld = held !== undefined && this.#leads(held);
      // The embedded store's lock is free as soon as its process is gone.
      const isFree = this.#leader === undefined || this.#isEmbedded || nowMs >= this.#leader.expiresMs;
      if (!isHeld && !isFree) return 'not-leader';
      if (!isHeld || this.#leader === undefined)
        this.#leader = { controllerId, leadership: ++this.#leaderships, expiresMs: 0 };
      this.#leader.expiresMs = nowMs + leaderTtlMs;
      granted = this.#leader.leadership;
      return 'applied';
    };
    this.#request(lane, ask, (outcome) => done(outcome === 'applied' ? granted : undefined));
  }

  #leads(leadership: number): boolean {
    const leader = this.#leader;
    return leader?.leadership === leadership && (this.#isEmbedded || this.#world.nowMs < leader.expiresMs);
  }

  #apply(name: string, next: StoreState | undefined): Outcome {
    if (next === undefined) return 'conflict';
    const before = this.#state;
    if (next === before) return 'applied';
    next.shards.forEach((record, index) => {
      if (record !== before.shards[index]) checkShardSuccession(before.shards[index] as ShardRecord, record);
    });
    const revision = before.revision + 1;
    const isMoved = next.backends !== before.backends;
    this.#state = { ...next, revision, bindingsRevision: isMoved ? revision : before.bindingsRevision };
    this.onChange(before, this.#state, name);
    for (const watcher of this.#watchers) this.#tell(watcher);
    return 'applied';
  }

  /** The whole way there and back. During an outage a request is dropped, or carried out when it is over. */
  #request(lane: Lane, perform: () => Outcome, done: (outcome: Outcome, state: StoreState) => void): void {
    const { dice, network } = this.#world;
    let isDone = false;
    const finish = (outcome: Outcome, state: StoreState): void => {
      if (isDone) return;
      isDone = true;
      done(outcome, state);
    };
    lane.after(requestTimeoutMs, () => finish('unknown', this.#state));
    const arrive = (): void => {
      if (this.#world.nowMs < this.#outUntilMs) {
        if (dice.chance(0.5)) this.#world.at(this.#outUntilMs + dice.between(0, 20), arrive);
        return;
      }
      const outcome = perform();
      const state = this.#state;
      if (dice.chance(this.unknownShare) || network.isCut(this.machine.host, lane.machine.host)) return;
      this.#world.after(network.hopMs(), () => lane.deliver(() => finish(outcome, state)));
    };
    if (network.isCut(lane.machine.host, this.machine.host)) return;
    const lateMs = this.lateShare > 0 && dice.chance(this.lateShare) ? dice.between(50, 1500) : 0;
    this.#world.after(lateMs + network.hopMs() + dice.between(0.1, this.#isEmbedded ? 2 : 4), arrive);
  }

  #tell(watcher: StoreWatcher): void {
    const { dice, network } = this.#world;
    const deliver = (): void => {
      if (!this.#watchers.has(watcher)) return;
      const isMute =
        this.#world.nowMs < this.#outUntilMs || network.isCut(this.machine.host, watcher.lane.machine.host);
      if (isMute) this.#world.after(dice.between(50, 150), deliver);
      else {
        const state = this.#state;
        watcher.lane.deliver(() => watcher.onState(state));
      }
    };
    this.#world.after(network.hopMs() + dice.between(0, 2), deliver);
  }
}
