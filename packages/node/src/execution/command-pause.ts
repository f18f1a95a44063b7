/**
 * CLIENT PAUSE: until an instant some or all commands are held, as by a lease that has lapsed; nothing is refused. As in
 * Redis 7.2 the stricter mode and the later end of several pauses hold, and a pause that is over is forgotten.
 *
 * What concerns connections, the node, its topology and its replication is never held: CLIENT UNPAUSE must be heard, and
 * controllers and replicas are no clients.
 */
import type { Clock, Timer, Timers } from '@holdfast/base';
import type { CommandDefinition } from '@holdfast/commands';
import { flagBits } from './command-entry.ts';
import { afterLong } from './long-timer.ts';

/** `write`: what may write or is handed on to replicas. */
export type PauseMode = 'write' | 'all';

const neverHeld = new Set(['connection', 'server', 'cluster', 'replication', 'transactions']);
/** No writes by their flags; Redis hands them on to its replicas, and pauses them with the writes. */
const handedOn = new Set(['publish', 'spublish', 'pfcount']);

export class CommandPause {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #ended: () => void;
  #mode: PauseMode | undefined;
  #untilMs = 0;
  #timer: Timer | undefined;

  /** @param ended what was held may be asked again. */
  constructor(clock: Clock, timers: Timers, ended: () => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#ended = ended;
  }

  /** Undefined while nothing is paused. */
  get mode(): PauseMode | undefined {
    return this.#mode;
  }

  begin(mode: PauseMode, durationMs: number): void {
    const nowMs = this.#clock.leaseMs();
    this.#mode = this.#mode === 'all' ? 'all' : mode;
    this.#untilMs = Math.max(this.#timer === undefined ? 0 : this.#untilMs, nowMs + durationMs);
    this.#timer?.cancel();
    this.#timer = afterLong(this.#timers, this.#untilMs - nowMs, () => this.end());
  }

  /** Does nothing when nothing is paused. */
  end(): void {
    if (this.#mode === undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#mode = undefined;
    this.#ended();
  }

  /** Whether a command is held now. EXEC is asked command by command. */
  holds(definition: CommandDefinition, bits: number): boolean {
    if (this.#mode === undefined) return false;
    if ((bits & flagBits.write) !== 0) return true;
    const { group, name } = definition;
    if (this.#mode === 'all') return !neverHeld.has(group);
    return handedOn.has(name) || (group === 'scripting' && (bits & flagBits.readonly) === 0 && name !== 'script');
  }
}
