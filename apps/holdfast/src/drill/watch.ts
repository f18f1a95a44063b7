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

export interface TimelineEntry {
  readonly event: string;
  /** Since the run began. */
  readonly atMs: number;
  /** Since the master was stopped. */
  readonly sinceStopMs: number;
  readonly detail: string;
}

export interface SeenEvent extends ClusterEvent {
  /** On the run's clock. */
  readonly atMs: number;
}

export class Watch {
  readonly events: SeenEvent[] = [];
  /** The last view in which the shard had an epoch, by epoch. */
  readonly #viewOfEpoch = new Map<number, ShardView>();
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
    this.#keep(first);
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
    for (let over = false; !over;) {
      over = signal.aborted;
      last = await this.#poll(last);
      if (!over) await sleep(pollMs);
    }
  }

  async #poll(after: number): Promise<number> {
    try {
      const [view, events] = await Promise.all([this.#cluster.view(), this.#cluster.events(after)]);
      this.#latest = view;
      this.#keep(view);
      for (const event of events) {
        if (event.id > after) this.events.push({ ...event, atMs: event.wallMs - this.#clock.startedWallMs });
      }
      return events.reduce((latest, event) => Math.max(latest, event.id), after);
    } catch (error) {
      this.#failedPolls++;
      this.#lastFailure = messageOf(error);
      return after;
    }
  }

  #keep(view: ClusterView): void {
    const shard = shardOf(view, this.#shard);
    if (masterOf(shard)) this.#viewOfEpoch.set(shard.epoch, shard);
  }

  /** Who was master of the drilled shard when: `first` at the start, then one per `promoted` event. */
  evidence(first: ShardView, pauses: readonly Pause[]): Evidence {
    const masterships: Mastership[] = [];
    const start = masterOf(first);
    if (start) {
      const { index: shard, epoch } = first;
      masterships.push({ shard, epoch, node: start.id, fromMs: -Infinity, untilMs: null });
    }
    let fenceMs: number | undefined;
    for (const event of this.events) {
      if (event.shard !== this.#shard) continue;
      if (event.kind === 'lease-ended' || event.kind === 'resigned') fenceMs = event.atMs;
      if (event.kind !== 'promoted' || event.epoch === null) continue;
      const master = masterOf(this.#viewOfEpoch.get(event.epoch) ?? this.latestShard);
      const previous = masterships.at(-1);
      if (previous) masterships[masterships.length - 1] = { ...previous, untilMs: fenceMs ?? event.atMs };
      fenceMs = undefined;
      if (master === undefined) continue;
      masterships.push({
        shard: this.#shard,
        epoch: event.epoch,
        node: master.id,
        fromMs: event.atMs,
        untilMs: null,
      });
    }
    return { masterships, pauses };
  }

  /** Every promotion of the drilled shard, in order. */
  get promotions(): readonly SeenEvent[] {
    return this.events.filter(({ kind, shard }) => kind === 'promoted' && shard === this.#shard);
  }

  /** The first event of a kind on the drilled shard at or after `fromMs`. */
  first(kind: string, fromMs: number): SeenEvent | undefined {
    return this.events.find((event) => event.kind === kind && event.shard === this.#shard && event.atMs >= fromMs);
  }
}
