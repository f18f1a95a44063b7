/**
 * When a stream of requests has paused: the moment to send what was kept back together with the end of the connection.
 *
 * A timer alone does not tell. A turn of the event loop that came late runs its timers before it reads its sockets, so
 * the pause it sees may be its own: whoever was busy elsewhere for that long has read nothing. The sockets are looked at
 * once more before the pause counts.
 */
import type { Timers } from '@holdfast/base';

export class QuietMoment {
  readonly #timers: Timers;
  #stirs = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Something came: `then` runs after the next pause of `quietMs`, once, unless this is called again before. */
  stir(quietMs: number, then: () => void): void {
    const stirs = ++this.#stirs;
    const unlessStirred = (next: () => void) => (): void => {
      if (this.#stirs === stirs) next();
    };
    this.#timers.after(
      quietMs,
      unlessStirred(() => this.#timers.soon(unlessStirred(then))),
    );
  }
}
