/** What a shard's driver tells the event log. Each thing is told once per epoch, when it has become true. */
import { clearedAtMs, isPromoted, type ShardRecord, type TransitionFacts } from '@holdfast/fencing';
import type { ShardHost } from './shard-host.ts';
import { timingsOf, type ShardProgress } from './shard-progress.ts';

export class ShardChronicle {
  readonly #host: ShardHost;
  readonly #index: number;
  #lastTrouble = '';

  constructor(host: ShardHost, index: number) {
    this.#host = host;
    this.#index = index;
  }

  /** Once per trouble: asked again after every reply, it would fill the log. */
  tellTrouble(kind: string, cause: string, reason: string, epoch: number): void {
    if (this.#lastTrouble === reason) return;
    this.#lastTrouble = reason;
    this.#host.events.add({ kind, shard: this.#index, epoch, cause, message: `shard ${this.#index}: ${reason}` });
  }

  endTrouble(): void {
    this.#lastTrouble = '';
  }

  tellStarted(record: ShardRecord, progress: ShardProgress): void {
    if (record.transition === null) return;
    const { kind, fromMasterId } = record.transition;
    const what = `${kind} into epoch ${record.epoch}, ${record.masterId} takes over from ${fromMasterId}`;
    this.#tell(`${kind}-started`, what, record, progress);
  }

  /** Writes down what has just become true, and when. */
  note(facts: TransitionFacts, progress: ShardProgress): void {
    const { marks } = progress;
    const { record } = facts;
    const clearMs = clearedAtMs(facts);
    const kind = typeof facts.resignation === 'number' ? 'resigned' : 'lease-ended';
    // Where nobody waits for leases only a resignation ends an epoch at a known moment.
    const hasEnd = facts.isLeased && (kind === 'resigned' || this.#host.leaseUse === 'awaited');
    if (marks.clearedMs === undefined && hasEnd && clearMs !== undefined && facts.nowMs >= clearMs) {
      marks.clearedMs = facts.nowMs;
      const fromEpoch = record.transition?.fromEpoch ?? 0;
      if (fromEpoch > 0) this.#tell(kind, `epoch ${fromEpoch} is over`, record, progress);
    }
    if (marks.promotedMs === undefined && isPromoted(facts)) {
      marks.promotedMs = facts.nowMs;
      this.#tell('promoted', `${record.masterId} is master in epoch ${record.epoch}`, record, progress);
    }
  }

  tellMoved(record: ShardRecord, progress: ShardProgress): void {
    const address = this.#host.mirror().cluster.value.shards[this.#index]?.masterLb ?? null;
    if (address !== null && progress.balancer === 'moved')
      this.#tell('lb-moved', `${address} leads to the new master`, record, progress);
  }

  /** @param record as it was before it was finished. */
  tellDone(record: ShardRecord, progress: ShardProgress): void {
    const kind = record.transition?.kind;
    if (kind === undefined) return;
    this.#tell(`${kind}-done`, `${kind} done, ${record.masterId} is master in epoch ${record.epoch}`, record, progress);
  }

  #tell(kind: string, what: string, record: ShardRecord, progress: ShardProgress): void {
    const { epoch, transition } = record;
    const message = `shard ${this.#index}: ${what}`;
    const cause = transition === null ? {} : { cause: transition.cause };
    this.#host.events.add({ kind, shard: this.#index, epoch, ...cause, message, timings: timingsOf(progress) });
  }
}
