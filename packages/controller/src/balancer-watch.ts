/**
 * What the balancer hears of the nodes behind it, for the controller that leads: asked every heartbeat, for every node of
 * a shard with a master's address, since whoever is a replica now may be bound next. A master that the balancer does not
 * hear is asked by this controller itself on its client port (`client-port-check.ts`). What follows from both is
 * `decideReach` of fencing.
 *
 * A balancer that cannot probe, or does not answer, says nothing, and nothing is concluded from that.
 */
import type { BalancerDriver, ProbedBackend } from '@holdfast/balancer';
import {
  messageOf,
  OperationError,
  type Clock,
  type Connector,
  type Logger,
  type Timer,
  type Timers,
} from '@holdfast/base';
import type { BalancerView, FenceTimes } from '@holdfast/fencing';
import { ClientPortCheck } from './client-port-check.ts';
import type { ClusterNodeRecord } from './records.ts';

/** With nothing to watch, or a balancer that says that it cannot. */
const idleMs = 1000;
/** Each costs the balancer ten questions a second. */
const watchedMax = 256;

export interface WatchedNode {
  readonly node: ClusterNodeRecord;
  readonly isMaster: boolean;
}

/** A cluster that this controller leads. */
export interface WatchedCluster {
  readonly times: FenceTimes;
  readonly password: string;
  /** Nodes of the shards whose clients come through the balancer. */
  readonly behindBalancer: readonly WatchedNode[];
  /** The balancer was heard. */
  onBalancerReport(): void;
}

export interface BalancerWatchOptions {
  /** Undefined: there is no balancer. */
  readonly driver: BalancerDriver | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly connector: Connector;
  readonly logger: Logger;
  clusters(): Iterable<WatchedCluster>;
  /** Our own bug. */
  fatal(error: unknown): void;
}

export class BalancerWatch {
  readonly #options: BalancerWatchOptions;
  /** By `host:port`. */
  #reports: ReadonlyMap<string, ProbedBackend> = new Map();
  /** Lease clock. */
  #arrivedMs = -Infinity;
  #periodMs = 0;
  /** By `host:port`. */
  readonly #checks = new Map<string, ClientPortCheck>();
  #timer: Timer | undefined;
  #lastError = '';
  #isTooManyTold = false;
  #isStopped = false;

  constructor(options: BalancerWatchOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.driver?.probe !== undefined) void this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    for (const check of this.#checks.values()) check.close();
    this.#checks.clear();
  }

  /** How the node at `addr` answers the balancer, as of a moment ago; undefined: not known. */
  heard(addr: string): ProbedBackend | undefined {
    const isFresh = this.#options.clock.leaseMs() - this.#arrivedMs <= 5 * this.#periodMs;
    return isFresh ? this.#reports.get(addr) : undefined;
  }

  /** What the balancer says of these nodes; undefined: nothing of late. */
  view(nodes: readonly ClusterNodeRecord[]): BalancerView | undefined {
    const silentMs = new Map<string, number>();
    for (const { id, addr } of nodes) {
      const heard = this.heard(addr);
      if (heard !== undefined) silentMs.set(id, heard.silentMs);
    }
    return silentMs.size === 0 ? undefined : { silentMs };
  }

  /** See ReachFacts; 0 also while the balancer hears the node and nobody else asks it. */
  answersForMs(addr: string): number {
    return this.#checks.get(addr)?.answersForMs ?? 0;
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { clock, timers, fatal } = this.#options;
    const beganMs = clock.leaseMs();
    let pauseMs = idleMs;
    try {
      if (await this.#ask()) pauseMs = this.#periodMs;
    } catch (error) {
      if (!(error instanceof OperationError)) return fatal(error);
      this.#complain(messageOf(error));
      if (error.code !== 'BALANCER_REFUSED') pauseMs = this.#periodMs;
    }
    if (this.#isStopped) return;
    this.#timer = timers.after(Math.max(1, beganMs + pauseMs - clock.leaseMs()), () => void this.#look());
  }

  /** False when there is nothing to ask for. */
  async #ask(): Promise<boolean> {
    const all = [...this.#options.clusters()].flatMap((cluster) =>
      cluster.behindBalancer.map((each) => ({ ...each, cluster })),
    );
    const watched = all.slice(0, watchedMax);
    if (all.length > watchedMax) this.#tellTooMany(all.length);
    const heartbeats = watched.map(({ cluster }) => cluster.times.heartbeatMs);
    this.#periodMs = Math.max(20, Math.round(Math.min(idleMs, ...heartbeats)));
    if (watched.length === 0) return false;
    const backends = watched.map(({ node }) => node.addr);
    this.#take((await this.#options.driver?.probe?.({ backends, periodMs: this.#periodMs })) ?? []);
    if (this.#isStopped) return false;
    this.#checkMasters(watched);
    for (const cluster of new Set(watched.map((each) => each.cluster))) cluster.onBalancerReport();
    return true;
  }

  #tellTooMany(count: number): void {
    if (this.#isTooManyTold) return;
    this.#isTooManyTold = true;
    this.#options.logger.warn('the balancer is not asked about every node: it would cost it too much', {
      nodes: count,
      asked: watchedMax,
    });
  }

  #take(reports: readonly ProbedBackend[]): void {
    this.#reports = new Map(reports.map((report) => [report.backend, report]));
    this.#arrivedMs = this.#options.clock.leaseMs();
    this.#lastError = '';
  }

  /** Masters that the balancer has not heard for longer than usual are asked; the others are left alone. */
  #checkMasters(watched: readonly (WatchedNode & { readonly cluster: WatchedCluster })[]): void {
    const asked = new Set<string>();
    for (const { node, isMaster, cluster } of watched) {
      const { times, password } = cluster;
      if (!isMaster || (this.heard(node.addr)?.silentMs ?? 0) < 2.5 * times.heartbeatMs) continue;
      const { addr } = node;
      asked.add(addr);
      const check = this.#checks.get(addr) ?? this.#newCheck({ addr, password, times });
      void check.ask();
    }
    for (const [addr, check] of this.#checks) {
      if (asked.has(addr)) continue;
      check.close();
      this.#checks.delete(addr);
    }
  }

  #newCheck(of: { addr: string; password: string; times: FenceTimes }): ClientPortCheck {
    const { clock, timers, connector } = this.#options;
    const check = new ClientPortCheck({ ...of, clock, timers, connector });
    this.#checks.set(of.addr, check);
    return check;
  }

  /** Once per reason, or a dead balancer would fill the log. */
  #complain(reason: string): void {
    if (reason !== this.#lastError && !this.#isStopped)
      this.#options.logger.warn('what the balancer hears of the nodes is not known', { reason });
    this.#lastError = reason;
  }
}
