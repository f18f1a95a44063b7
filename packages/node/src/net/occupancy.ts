/**
 * Whether a connection is occupied, with what, and how the replies of what occupies it get out: into the open tick, after
 * everything that was answered before.
 */
import { assert } from '@holdfast/base';
import type { ReplyWriter } from '@holdfast/resp';
import type { ConnectionOutput } from './connection-output.ts';
import { unblockedErrors, type Occupation } from './occupation.ts';

/** The connection behind it. */
export interface OccupancyOwner {
  readonly isOpen: boolean;
  /** CLIENT REPLY OFF or SKIP is in force. */
  readonly isSilent: boolean;
  /** Part of a reply was written: whether more is read is judged anew. */
  wroteLate(): void;
  /** It may go on with what was sent meanwhile. */
  goOn(): void;
}

export class Occupancy {
  readonly #output: ConnectionOutput;
  readonly #owner: OccupancyOwner;
  #occupation: Occupation | undefined;
  /** Replies were silenced when it began. */
  #isSilent = false;

  constructor(output: ConnectionOutput, owner: OccupancyOwner) {
    this.#output = output;
    this.#owner = owner;
  }

  /** What it is occupied with; undefined when it is free. */
  get current(): Occupation | undefined {
    return this.#occupation;
  }

  /** It waits for what others do. */
  get isWait(): boolean {
    return this.#occupation?.isWait === true;
  }

  /** Part of a reply has been written, the rest follows. */
  get isReply(): boolean {
    return this.#occupation?.isReply === true;
  }

  /** What occupies it may not go on now. */
  get isHeld(): boolean {
    return this.#occupation?.isHeld === true;
  }

  /** Memory that is kept for what occupies it. */
  get bytes(): number {
    return this.#occupation?.bytes ?? 0;
  }

  is(occupation: Occupation): boolean {
    return this.#occupation === occupation;
  }

  /** The running command is not at its end when it returns: nothing further runs until `finish`. */
  begin(occupation: Occupation): void {
    assert(this.#occupation === undefined, 'a connection waits for one reply at a time');
    this.#occupation = occupation;
    this.#isSilent = this.#owner.isSilent;
  }

  /**
   * It has ended and has written its reply, or the rest of it, since `mark`. Does nothing when it was left.
   * @param isBound the reply depends on what was read or written now.
   */
  finish(occupation: Occupation, mark: number, isBound: boolean): void {
    if (this.#occupation !== occupation) return;
    this.#occupation = undefined;
    if (isBound) this.#output.bind();
    this.wrote(mark);
    this.#output.flushPushed();
    this.#owner.goOn();
  }

  /** What is executed now, outside of a command's run, is answered with the open tick. */
  join(): void {
    this.#output.join();
  }

  /** Part of a reply was written since `mark`, outside of a command's run. */
  wrote(mark: number): void {
    this.#output.join();
    if (this.#isSilent) this.#output.reply.truncate(mark);
    this.#owner.wroteLate();
  }

  /** CLIENT UNBLOCK, or the end of its time. @returns false when it does not wait. */
  unblock(how: 'timeout' | 'error'): boolean {
    const occupation = this.#occupation;
    if (occupation?.isWait !== true || !this.#owner.isOpen) return false;
    const { reply } = this.#output;
    const mark = reply.mark();
    if (how === 'error') reply.error(unblockedErrors.byCommand);
    else occupation.expire(reply);
    occupation.left();
    this.finish(occupation, mark, false);
    return true;
  }

  /** Ends a wait at a role change: writes the error that says so. */
  endWait(reply: ReplyWriter): void {
    this.leave();
    if (!this.#isSilent) reply.error(unblockedErrors.byRoleChange);
  }

  /** The connection goes: nothing occupies it any more. */
  leave(): void {
    const occupation = this.#occupation;
    this.#occupation = undefined;
    occupation?.left();
  }
}
