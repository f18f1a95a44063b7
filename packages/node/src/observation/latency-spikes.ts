/**
 * Latency spikes by event: what took at least `latency-monitor-threshold`. Of each second the worst is kept, and as many
 * seconds as Redis keeps (latency.h, LATENCY_TS_LEN), so that an event takes a few KiB at the most; events are few and named
 * by the node.
 */
import type { LatencySpike, SpikeFacts, SpikeLog } from '@holdfast/commands';

/** What the node itself measures. */
export type LatencyEvent = 'command' | 'fast-command' | 'commit';

const spikesMax = 160;

interface Kept {
  readonly event: LatencyEvent;
  readonly spikes: LatencySpike[];
  worstMs: number;
}

export class LatencySpikes implements SpikeLog {
  readonly #events = new Map<string, Kept>();

  /** @param durationMs whole. @param atSeconds Unix time at its end. */
  note(event: LatencyEvent, durationMs: number, atSeconds: number): void {
    let kept = this.#events.get(event);
    if (kept === undefined) this.#events.set(event, (kept = { event, spikes: [], worstMs: 0 }));
    const { spikes } = kept;
    kept.worstMs = Math.max(kept.worstMs, durationMs);
    const last = spikes[spikes.length - 1];
    if (last?.atSeconds === atSeconds) {
      if (durationMs > last.durationMs) spikes[spikes.length - 1] = { atSeconds, durationMs };
      return;
    }
    spikes.push({ atSeconds, durationMs });
    if (spikes.length > spikesMax) spikes.shift();
  }

  events(): readonly SpikeFacts[] {
    return [...this.#events.values()];
  }

  forget(names: readonly string[] | undefined): number {
    let forgotten = 0;
    for (const name of names ?? [...this.#events.keys()]) if (this.#events.delete(name)) forgotten++;
    return forgotten;
  }
}
