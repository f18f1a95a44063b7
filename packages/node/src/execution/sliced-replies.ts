/**
 * Replies of a million elements, written slice by slice: one slice a turn of the event loop, between which others run, and
 * no next one before the peer has taken what it was sent, so that a slow reader costs the soft bound of its connection.
 *
 * The reply shows one moment: the command that began it was admitted and released under the lease, and what follows is
 * read from its snapshot. Each iteration is let go on every path: at its end, when the connection goes, and before the
 * database is closed.
 */
import { messageOf, type Logger, type Timers } from '@holdfast/base';
import type { SlicedReply } from '@holdfast/commands';
import type { ReplyWriter } from '@holdfast/resp';
import type { Occupancy } from '../net/occupancy.ts';
import type { Occupation } from '../net/occupation.ts';

/** The connection that takes a sliced reply. */
export interface SliceTaker {
  readonly peer: string;
  readonly reply: ReplyWriter;
  /** It takes more now; when it does not, it says so later by `onRoom`. */
  readonly hasRoom: boolean;
  /** CLIENT REPLY OFF or SKIP: nobody will read it. */
  readonly isSilent: boolean;
  readonly occupancy: Pick<Occupancy, 'begin' | 'wrote' | 'finish'>;
  destroy(): void;
}

class Slicing implements Occupation {
  readonly isWait = false;
  readonly isReply = true;
  readonly taker: SliceTaker;
  readonly #sliced: SlicedReply;
  readonly #all: SlicedReplies;
  #due = false;
  #over = false;

  constructor(taker: SliceTaker, sliced: SlicedReply, all: SlicedReplies) {
    this.taker = taker;
    this.#sliced = sliced;
    this.#all = all;
  }

  expire(): void {
    // Only waits expire.
  }

  left(): void {
    if (this.#over) return;
    this.#over = true;
    this.#all.ended(this);
    this.#sliced.close();
  }

  onRoom(): void {
    if (this.#due || this.#over) return;
    this.#due = true;
    this.#all.timers.soon(() => this.#next());
  }

  #next(): void {
    this.#due = false;
    const { taker } = this;
    if (this.#over || !taker.hasRoom) return;
    const mark = taker.reply.mark();
    let goesOn = false;
    try {
      goesOn = this.#sliced.next(taker.reply);
    } catch (error) {
      // What was announced cannot be written: only the end of the connection tells the client.
      this.#all.logger.error('a sliced reply failed', { peer: taker.peer, error: messageOf(error) });
      taker.destroy();
      return;
    }
    if (goesOn) {
      taker.occupancy.wrote(mark);
      this.onRoom();
      return;
    }
    this.left();
    taker.occupancy.finish(this, mark, false);
  }
}

export class SlicedReplies {
  readonly timers: Timers;
  readonly logger: Logger;
  readonly #running = new Set<Slicing>();

  constructor(timers: Timers, logger: Logger) {
    this.timers = timers;
    this.logger = logger;
  }

  /** Replies that are being written. */
  get size(): number {
    return this.#running.size;
  }

  /** A command has written the header of its reply; the rest follows. */
  begin(taker: SliceTaker, sliced: SlicedReply): void {
    if (taker.isSilent) {
      sliced.close();
      return;
    }
    const slicing = new Slicing(taker, sliced, this);
    this.#running.add(slicing);
    taker.occupancy.begin(slicing);
    slicing.onRoom();
  }

  ended(slicing: Slicing): void {
    this.#running.delete(slicing);
  }

  /** The database is about to be closed or exchanged: ends every reply, and with it its connection. */
  closeAll(): void {
    for (const { taker } of [...this.#running]) taker.destroy();
  }
}
