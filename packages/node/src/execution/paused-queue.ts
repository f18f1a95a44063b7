/**
 * A transaction of which a command is not at its end when it returns (SLAVEOF resolves a name, takes or gives up a role):
 * what is left of EXEC's queue waits for it, and so does EXEC's reply. Nothing of the array is sent before all of it is
 * known: what was answered so far is kept here.
 *
 * States: running (its command is in `run`) -> paused -> (held)* -> running ... -> over.
 */
import type { Deferred } from '@holdfast/commands';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { Occupation } from '../net/occupation.ts';

/** The connection whose transaction it is. */
export interface QueueOwner {
  readonly reply: ReplyWriter;
  destroy(): void;
}

/** Writes one reply. */
export type WriteReply = (reply: ReplyWriter) => void;

/** A reply of EXEC's array that its command has put off. */
export class QueuedReply implements Deferred {
  /** Told when it comes after its command has returned. */
  paused: PausedQueue | undefined;
  readonly #owner: QueueOwner;
  #settled = false;

  constructor(owner: QueueOwner) {
    this.#owner = owner;
  }

  get settled(): boolean {
    return this.#settled || this.paused?.isOver === true;
  }

  complete(write: WriteReply): void {
    if (this.settled) return;
    this.#settled = true;
    if (this.paused === undefined) write(this.#owner.reply);
    else this.paused.answered(write);
  }

  abandon(): void {
    if (this.settled) return;
    this.#settled = true;
    this.#owner.destroy();
  }
}

/** The transaction as its connection keeps it. */
export class PausedQueue implements Occupation {
  readonly isWait = false;
  /** The rest is being run: its replies are one with those before. */
  isReply = false;
  /** What is left may not run now: asked again by `askAgain`. */
  isHeld = false;
  /** Commands behind the one that is under way. */
  rest: readonly Request[];
  readonly #goOn: (paused: PausedQueue) => void;
  /** Replies so far, the array's header included. */
  #answers: Buffer;
  #write: WriteReply | undefined;
  #isOver = false;

  /** @param goOn called when the reply that was waited for is there, and by `askAgain`. */
  constructor(rest: readonly Request[], answers: Buffer, goOn: (paused: PausedQueue) => void) {
    this.rest = rest;
    this.#answers = answers;
    this.#goOn = goOn;
  }

  get bytes(): number {
    const answered = this.#answers.length;
    return this.rest.reduce((bytes, { buffer, bounds }) => bytes + buffer.length + bounds.byteLength, answered);
  }

  /** It has ended, or its connection has gone. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Another command of it is not at its end. */
  pauseAgain(rest: readonly Request[], answers: Buffer): void {
    this.rest = rest;
    this.#answers = answers;
    this.isReply = false;
  }

  answered(write: WriteReply): void {
    this.#write = write;
    this.#goOn(this);
  }

  askAgain(): void {
    if (this.isHeld) this.#goOn(this);
  }

  /** Writes what was answered so far, and the reply that was waited for. */
  writeTo(reply: ReplyWriter): void {
    reply.raw(this.#answers);
    this.#write?.(reply);
    this.#write = undefined;
  }

  expire(): void {
    // Only waits expire.
  }

  /** What is left is not run for a client that has gone; what ran stays. */
  left(): void {
    this.#isOver = true;
  }
}
