/** What commands may see and change of the connection that runs them. The node's connection implements it. */
import type { Transport } from '@holdfast/base';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { Namespace } from '@holdfast/engine';

/** A reply that comes later; the connection runs no further command until then, other connections go on. */
export interface Deferred {
  /** True once completed, or when the connection has gone. */
  readonly settled: boolean;
  /** Writes the reply; does nothing when already settled. */
  complete(write: (reply: ReplyWriter) => void): void;
  /** Ends the connection without a reply: the outcome is unknown to the client. */
  abandon(): void;
}

/** What a put-off reply waits for has changed nothing: CLIENT UNBLOCK and a role change may end it with an error. */
export interface HarmlessWait {
  /** Writes the reply of CLIENT UNBLOCK ... TIMEOUT. */
  expire(reply: ReplyWriter): void;
}

export interface Session {
  /** Unique within the process, rising. */
  readonly id: number;
  /** Address of the client, `host:port`. */
  readonly peer: string;
  /** Own address the client connected to, `host:port`. */
  readonly local: string;
  readonly createdAtMs: number;
  name: string;
  libraryName: string;
  libraryVersion: string;
  /** RESP version of replies. */
  protocol: 2 | 3;
  namespace: Namespace;
  authenticated: boolean;
  /** May run administrative commands: no password is set, or AUTH with it. */
  admin: boolean;
  /** READONLY was sent: keyed reads may be served by a replica. */
  readonlyMode: boolean;
  /** ASKING was sent: holds for the next command only. */
  asking: boolean;
  /** CLIENT NO-EVICT. */
  noEvict: boolean;
  /** CLIENT REPLY. `skip` drops the reply of the next command. */
  replyMode: 'on' | 'off' | 'skip';
  /** Commands queued since MULTI; undefined outside. */
  queued: Request[] | undefined;
  /** A queued command was refused: EXEC answers EXECABORT. */
  queueRefused: boolean;
  /**
   * Channels and patterns this connection is subscribed to; kept by the pub/sub commands. While there are some, RESP2
   * connections may run the commands of pub/sub only.
   */
  subscriptions: number;
  /** Closes the connection after the replies written so far. */
  closeAfterReply(): void;
  /**
   * Puts off the reply of the running command; in EXEC with it what follows in the queue, and the whole array.
   * @param wait given when nothing is being done meanwhile (WAIT); without it the outcome of a reply that does not come is
   *   unknown.
   */
  defer(wait?: HarmlessWait): Deferred;
  /** Hands the byte stream over (PSYNC, file transfer): the connection is no client any more. Sends what was written first. */
  detach(): Transport;
}
