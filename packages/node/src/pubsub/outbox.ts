/**
 * Messages of the running command on their way to connections. They are handed over when the command has ended and its
 * reply is written: a client that publishes to itself reads the reply first, as from Redis, and within EXEC the whole
 * array. And what is taken back with its writes, because the command failed, was never said.
 *
 * From the connection on a message is part of the open tick: it leaves when the tick is released, never before the write
 * that it tells of, or that replicas are to learn it from, is committed and as safe as a reply about it would be.
 */

/** Where messages go. */
export interface Recipient {
  /**
   * Appends whole RESP to what the open tick sends, behind the reply that is being written, if there is one; nothing when
   * the connection is ending. Must not throw.
   */
  push(bytes: Buffer): void;
}

export class Outbox<R extends Recipient> {
  #recipients: R[] = [];
  #messages: Buffer[] = [];
  #flushing = false;

  /** Messages that are not handed over yet: also the mark of `truncate`. */
  get length(): number {
    return this.#messages.length;
  }

  add(recipient: R, bytes: Buffer): void {
    this.#recipients.push(recipient);
    this.#messages.push(bytes);
  }

  /** Takes back what was added since `length` was `mark`. */
  truncate(mark: number): void {
    if (mark >= this.#messages.length) return;
    this.#recipients.length = mark;
    this.#messages.length = mark;
  }

  /** Hands everything over, in order. What a delivery adds follows in the same call. */
  flush(): void {
    if (this.#messages.length === 0 || this.#flushing) return;
    this.#flushing = true;
    for (let at = 0; at < this.#messages.length; at++) {
      (this.#recipients[at] as R).push(this.#messages[at] as Buffer);
    }
    this.#recipients = [];
    this.#messages = [];
    this.#flushing = false;
  }
}
