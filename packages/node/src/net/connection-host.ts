/** The port by which client connections reach the rest of the node. */
import type { Clock, Timers } from '@holdfast/base';
import type { Namespace } from '@holdfast/engine';
import type { Request, RequestLimits } from '@holdfast/resp';
import type { TickLoop } from '../execution/tick-loop.ts';
import type { ClientConnection } from './client-connection.ts';
import type { ClientMemory } from './client-memory.ts';
import type { OutputLimit } from './output-limit.ts';
import type { SocketEnds } from './peer-address.ts';

/** Kinds of clients with limits of their own. */
export type ClientKind = 'normal' | 'pubsub';

/** What a connection asks of the node for each request. */
export interface ConnectionHost {
  readonly loop: TickLoop;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Limits of a new connection's requests; the connection owns its copy. */
  requestLimits(): RequestLimits;
  /** Some of what a client sent is about to be executed. */
  requestsBegin(connection: ClientConnection): void;
  /**
   * Executes one request into the open tick; replies go to `connection.reply`.
   * @returns false when it may not run now: it is kept and asked again after `resume`.
   */
  execute(connection: ClientConnection, request: Request): boolean;
  /**
   * While a script holds the open tick: answers one request outside of it.
   * @returns false when it may not run now.
   */
  executePinned(connection: ClientConnection, request: Request): boolean;
  /** Answers one request of a client that has to move, or ends the connection when nobody knows where to. */
  redirect(connection: ClientConnection, request: Request): void;
  /** So long nothing more must have come from a client that has to move before it is told so. */
  redirectPauseMs(): number;
  /** What unsent output a client may have. */
  outputLimit(kind: ClientKind): OutputLimit;
  /** Cuts a client that does not read. */
  cutSlowReader(connection: ClientConnection, bytes: number): void;
  countInput(bytes: number): void;
  countOutput(bytes: number): void;
  closed(connection: ClientConnection): void;
}

/** What a new connection is given. */
export interface ConnectionIdentity {
  readonly id: number;
  readonly namespace: Namespace;
  /** Told about what is held for this client; may cut it. */
  readonly memory: ClientMemory;
  readonly ends: SocketEnds;
}
