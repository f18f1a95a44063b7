/**
 * Follows a run from the controller's side: polls its view and its events, and turns them into what the judges need (who
 * was master when) and what people want to see (the time line). Nothing here is believed about data; that is what the
 * clients' history is for.
 */
import { messageOf } from '@holdfast/base';
import type { Evidence, Mastership, Pause } from '@holdfast/history';
import {
  masterOf,
  shardOf,
  type ClusterEvent,
  type ClusterView,
  type DrillCluster,
  type ShardView,
} from './cluster.ts';
import type { RunClock } from './recorder.ts';

const pollMs = 50;
/** So many events from before the last one are asked for again. */
const overlap = 50;
/** Events carry whole milliseconds of the wall clock; the run counts its own. */
export const clockSlackMs = 2;
const fenceKinds: readonly string[] = ['lease-ended', 'resigned'];
const startKinds: readonly string[] = ['failover-started', 'switchover-started'];

export interface TimelineEntry {
  readonly event: string;
  /** Since the run began. */
  readonly atMs: number;
  /** Since the master was stopped; where there are several faults, since the one that began last. */
  readonly sinceStopMs: number;
  readonly detail: string;
}

export interface SeenEvent extends ClusterEvent {
  /** On the run's clock. */
  readonly atMs: number;
}

/** Promotions among events, in order, once per shard and epoch. */
export function promotionsIn(events: readonly SeenEvent[]): SeenEvent[] {
  const seen = new Set<string>();
  return events.filter(({ kind, shard, epoch }) => {
    const isNew = kind === 'promoted' && !seen.has(`${shard} ${epoch}`);
    if (isNew) seen.add(`${shard} ${epoch}`);
    return isNew;
  });
}

interface Transition {
  readonly epoch: number;
  readonly node: string | undefined;
  readonly promotedMs: number;
  /** Infinite where the event itself is when. */
  readonly earliestMs: number;
}

export class Watch {
  readonly events: SeenEvent[] = [];
  /** The last view in which the shard had an epoch, by epoch. */
  readonly #viewOfEpoch = new Map<number, ShardView>();
  /** By epoch: when the last answer came from before it, which is before it can have begun. */
  readonly #firstSeenMs = new Map<number, number>();
  readonly #seen = new Set<string>();
  #lastPollMs = -Infinity;
  #firstId = 0;
  readonly #cluster: DrillCluster;
  readonly #clock: RunClock;
  readonly #shard: number;
  #latest: ClusterView;
  #failedPolls = 0;
  #lastFailure = '';

  /** @param first the view at the start of the run, and the id of the last event before it. */
  constructor(cluster: DrillCluster, clock: RunClock, shard: number, first: ClusterView) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#shard = shard;
    this.#latest = first;
    this.#keep(first, -Infinity);
  }

  get latest(): ClusterView {
    return this.#latest;
  }

  get latestShard(): ShardView {
    return shardOf(this.#latest, this.#shard);
  }

  get failedPolls(): { readonly count: number; readonly last: string } {
    return { count: this.#failedPolls, last: this.#lastFailure };
  }

  /** Polls until the signal ends, then once more. Never rejects. */
  async run(after: number, signal: AbortSignal, sleep: (ms: number) => Promise<void>): Promise<void> {
    let last = after;
    this.#firstId = after;
    for (let over = false; !over;) {
      over = signal.aborted;
      last = await this.#poll(last);
      if (!over) await sleep(pollMs);
    }
  }

  async #poll(after: number): Promise<number> {
    const askedMs = this.#clock.nowMs();
    try {
      // What a killed leader had not stored yet its successor does not know: it may give the same ids again.
      const [view, events] = await Promise.all([
        this.#cluster.view(),
        this.#cluster.events(Math.max(this.#firstId, after - overlap)),
      ]);
      this.#latest = view;
      this.#keep(view, askedMs);
      for (const event of events) this.#add(event);
      return events.reduce((latest, event) => Math.max(latest, event.id), after);
    } catch (error) {
      this.#failedPolls++;
      this.#lastFailure = messageOf(error);
      return after;
    }
  }

  #add(event: ClusterEvent): void {
    const identity = `${event.id} ${event.wallMs} ${event.kind} ${event.message}`;
    if (this.#seen.has(identity)) return;
    this.#seen.add(identity);
    this.events.push({ ...event, atMs: event.wallMs - this.#clock.startedWallMs });
  }

  #keep(view: ClusterView, askedMs: number): void {
    const shard = shardOf(view, this.#shard);
    if (!this.#firstSeenMs.has(shard.epoch)) this.#firstSeenMs.set(shard.epoch, this.#lastPollMs);
    this.#lastPollMs = askedMs;
    if (masterOf(shard)) this.#viewOfEpoch.set(shard.epoch, shard);
  }

  /** Who was master of the drilled shard when: `first` at the start, then one per epoch that had a promotion. */
  evidence(first: ShardView, pauses: readonly Pause[]): Evidence {
    const masterships: Mastership[] = [];
    const start = masterOf(first);
    const { index: shard, epoch: firstEpoch } = first;
    if (start) masterships.push({ shard, epoch: firstEpoch, node: start.id, fromMs: -Infinity, untilMs: null });
    let formerEpoch = firstEpoch;
    for (const { epoch, node, promotedMs, earliestMs } of this.#transitions(firstEpoch)) {
      const fencesMs = this.events
        .filter((event) => fenceKinds.includes(event.kind) && event.shard === shard && event.epoch !== null)
        .filter((event) => (event.epoch ?? 0) > formerEpoch && (event.epoch ?? 0) <= epoch)
        .map(({ atMs }) => atMs);
      const fenceMs = fencesMs.length > 0 ? Math.min(...fencesMs) : promotedMs;
      const former = masterships.at(-1);
      if (former) masterships[masterships.length - 1] = { ...former, untilMs: fenceMs + clockSlackMs };
      // A leader that took over tells late what its predecessor had seen to.
      const isTold = !this.events.some(({ kind, atMs }) => kind === 'leader-elected' && atMs <= promotedMs);
      const seenMs = isTold ? Infinity : (this.#firstSeenMs.get(epoch) ?? -Infinity);
      const begunMs = fencesMs.length > 0 ? Infinity : this.#begunMs(epoch);
      const fromMs = Math.min(fenceMs - clockSlackMs, seenMs, earliestMs, begunMs);
      if (node !== undefined) masterships.push({ shard, epoch, node, fromMs, untilMs: null });
      formerEpoch = epoch;
    }
    return { masterships, pauses };
  }

  /**
   * When the controller began what led to an epoch. Where no lease is waited for nothing else tells how long its master
   * had been one before the controller heard of it.
   */
  #begunMs(epoch: number): number {
    const begun = this.events.filter((event) => event.epoch === epoch && event.shard === this.#shard);
    return Math.min(Infinity, ...begun.filter(({ kind }) => startKinds.includes(kind)).map(({ atMs }) => atMs));
  }

  /** The promotions after an epoch, in the order of their epochs. */
  #transitions(afterEpoch: number): Transition[] {
    return this.promotions
      .filter(({ epoch }) => epoch !== null && epoch > afterEpoch)
      .map(({ epoch, atMs: promotedMs, earliestWallMs = Infinity, message }) => {
        const told = / (\S+) is master in epoch /.exec(message)?.[1];
        const node = told ?? masterOf(this.#viewOfEpoch.get(epoch ?? 0) ?? this.latestShard)?.id;
        const earliestMs = earliestWallMs - this.#clock.startedWallMs - clockSlackMs;
        return { epoch: epoch ?? 0, node, promotedMs, earliestMs };
      })
      .sort((a, b) => a.epoch - b.epoch);
  }

  /** Every promotion of the drilled shard, in order; once per epoch, whoever told it. */
  get promotions(): readonly SeenEvent[] {
    return promotionsIn(this.events.filter(({ shard }) => shard === this.#shard));
  }

  /** The first event of a kind on the drilled shard at or after `fromMs`. */
  first(kind: string, fromMs: number): SeenEvent | undefined {
    return this.events.find((event) => event.kind === kind && event.shard === this.#shard && event.atMs >= fromMs);
  }
}
