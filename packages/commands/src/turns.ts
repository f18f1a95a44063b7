/**
 * A script that takes long goes on over several turns of the event loop, as one command: its writes stay in one atomic part
 * that is not committed before it has ended, and no other client reads or writes meanwhile. Other clients' commands are
 * held at first; from the moment the script says so they are answered BUSY, but for those that may end it.
 */
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { CommandDefinition } from './command.ts';

export interface LongRun {
  /**
   * Goes on for a few milliseconds.
   * @returns false when it has ended; then it has written its reply and closed its atomic part.
   */
  next(reply: ReplyWriter): boolean;
  /**
   * It is over: the role changes, or the node stops. Lets everything go, calls nothing; its writes are taken back by the
   * caller and its client is cut. Not called after `next` has returned false.
   */
  abort(): void;
  /** The error line for everybody else's commands; undefined while they are merely held. */
  busy(): string | undefined;
  /** Whether this command runs in spite of it (SCRIPT KILL, SHUTDOWN NOSAVE). It must touch no data. */
  admits(definition: CommandDefinition, request: Request): boolean;
}

export interface TurnPort {
  /** Goes on with the running command in later turns; its `run` returns without having written a reply. */
  begin(run: LongRun): void;
}
