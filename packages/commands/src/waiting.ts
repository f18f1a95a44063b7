/**
 * Commands that may have to wait (BLPOP, XREAD BLOCK, WAIT): a wait is what is left of such a command. The node keeps it with
 * the connection, which runs nothing else meanwhile, and runs it again when one of its keys was written: first come, first
 * served, each time admitted anew (role, lease, slot), as Redis does since 7.0. It ends with a reply, with the reply of a
 * timeout, with `-UNBLOCKED` when CLIENT UNBLOCK or a role change ends it, or with the connection.
 */
import type { ReplyWriter } from '@holdfast/resp';
import type { Call } from './command.ts';

export interface Wait {
  /** Keys in the caller's namespace, owned by the wait: no views on the request. May be empty (WAIT). */
  readonly keys: readonly Buffer[];
  /** 0 waits for ever. */
  readonly timeoutMs: number;
  /**
   * Runs the command again. Synchronous, in an open tick, after a write to one of the keys.
   * @returns whether it wrote its reply; false waits on, and then it has written nothing at all.
   */
  retry(call: Call, reply: ReplyWriter): boolean;
  /** Writes the reply of a timeout. */
  expire(reply: ReplyWriter): void;
}

export interface WaitPort {
  /** Puts the running command off; its `run` returns without having written a reply. */
  begin(wait: Wait): void;
}
