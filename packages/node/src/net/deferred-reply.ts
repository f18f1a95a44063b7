/** A reply that a command put off (CONFIG REWRITE, SLAVEOF, WAIT): whoever was asked completes it later, once. */
import type { Deferred, HarmlessWait } from '@holdfast/commands';
import type { ReplyWriter } from '@holdfast/resp';
import type { Occupancy } from './occupancy.ts';
import type { Occupation } from './occupation.ts';

/** The connection whose reply it is. */
export interface DeferringConnection {
  readonly reply: ReplyWriter;
  readonly occupancy: Pick<Occupancy, 'finish'>;
  destroy(): void;
}

export class DeferredReply implements Deferred, Occupation {
  readonly isReply = false;
  readonly #connection: DeferringConnection;
  readonly #isBound: boolean;
  readonly #wait: HarmlessWait | undefined;
  #settled = false;

  /** @param isBound the command that put it off read or wrote. */
  constructor(connection: DeferringConnection, isBound: boolean, wait: HarmlessWait | undefined) {
    this.#connection = connection;
    this.#isBound = isBound;
    this.#wait = wait;
  }

  get settled(): boolean {
    return this.#settled;
  }

  get isWait(): boolean {
    return this.#wait !== undefined;
  }

  complete(write: (reply: ReplyWriter) => void): void {
    if (this.#settled) return;
    this.#settled = true;
    const { reply } = this.#connection;
    const mark = reply.mark();
    write(reply);
    this.#connection.occupancy.finish(this, mark, this.#isBound);
  }

  abandon(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#connection.destroy();
  }

  expire(reply: ReplyWriter): void {
    this.#wait?.expire(reply);
  }

  left(): void {
    this.#settled = true;
  }
}
