/**
 * MULTI and EXEC. A command is checked when it is queued, and again at EXEC, since the topology and the role may have
 * changed in between; its error is then its own reply, as in Redis. The writes of a queue are one atomic part: one record of
 * the log, there as a whole or not at all after a crash.
 */
import { Refusal } from '@holdfast/commands';
import type { Clock } from '@holdfast/base';
import type { CommandKind } from '@holdfast/fencing';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { ClientConnection } from '../net/client-connection.ts';
import { bitsOfRequest, flagBits, kindOfRequest, type CommandEntries, type CommandEntry } from './command-entry.ts';
import type { CommandPause } from './command-pause.ts';
import type { CommandEngine, CommandRuns } from './command-runs.ts';
import { unknownCommand, type Refusals } from './refusals.ts';
import type { TickLoop } from './tick-loop.ts';
import type { WatchedKeys } from './watched-keys.ts';

export interface TransactionsEnvironment {
  readonly entries: CommandEntries;
  readonly engine: CommandEngine;
  readonly loop: TickLoop;
  readonly clock: Clock;
  readonly runs: CommandRuns;
  readonly refusals: Refusals;
  readonly watched: WatchedKeys<ClientConnection>;
}

/** Redis' texts; of EXECABORT what Kvrocks' suite asserts, of which Redis' own looks at the first word. */
export const transactionErrors = {
  aborted: 'EXECABORT Transaction discarded',
  notInMulti: 'ERR Command not allowed inside a transaction',
} as const;

export class Transactions {
  readonly #env: TransactionsEnvironment;

  constructor(env: TransactionsEnvironment) {
    this.#env = env;
  }

  /** Queues a command whose number of arguments fits. @returns the error line that refuses it. */
  queue(connection: ClientConnection, request: Request, entry: CommandEntry, bits: number): string | undefined {
    if ((bits & flagBits['no-multi']) !== 0) return transactionErrors.notInMulti;
    const { definition } = entry;
    const input = definition.parse(request);
    if (input instanceof Refusal) return input.message;
    const isWrite = (bits & flagBits.write) !== 0;
    const redirect = this.#env.refusals.ofRoute(connection, request, definition, isWrite);
    connection.asking = false;
    if (redirect !== undefined) return redirect;
    connection.enqueue(request);
    connection.reply.simple('QUEUED');
    return undefined;
  }

  /** What EXEC would do. */
  kindOfQueued(connection: ClientConnection): CommandKind {
    let kind: CommandKind = 'control';
    for (const request of connection.queued ?? []) {
      const entry = this.#env.entries.find(request);
      if (entry === undefined) continue;
      const own = kindOfRequest(entry, bitsOfRequest(entry, request));
      if (own === 'write') return 'write';
      if (own === 'read') kind = 'read';
    }
    return kind;
  }

  /** Whether EXEC is held, because of one of its commands. */
  isHeld(connection: ClientConnection, pause: CommandPause): boolean {
    for (const request of connection.queued ?? []) {
      const entry = this.#env.entries.find(request);
      if (entry !== undefined && pause.holds(entry.definition, bitsOfRequest(entry, request))) return true;
    }
    return false;
  }

  /** EXEC cannot be run, and is not held either: its transaction is over. */
  abort(connection: ClientConnection, reason: string): void {
    connection.queued = undefined;
    connection.queueRefused = false;
    this.#env.watched.unwatch(connection);
    connection.reply.error(`${transactionErrors.aborted} because of: ${reason}`);
  }

  /** EXEC: the queued commands as one atomic batch. */
  execute(connection: ClientConnection, reply: ReplyWriter): void {
    const { engine, watched, loop, clock } = this.#env;
    const queued = connection.queued ?? [];
    const refused = connection.queueRefused;
    const conflict = watched.isSpoilt(connection, clock.wallMs());
    connection.queued = undefined;
    connection.queueRefused = false;
    watched.unwatch(connection);
    if (refused) {
      reply.error(transactionErrors.aborted);
      return;
    }
    if (conflict) {
      reply.nilArray();
      return;
    }
    reply.array(queued.length);
    engine.beginAtomic();
    for (const request of queued) {
      this.#executeOne(connection, request, reply);
      loop.countCommand(true);
    }
    engine.endAtomic();
  }

  #executeOne(connection: ClientConnection, request: Request, reply: ReplyWriter): void {
    const { entries, refusals, runs } = this.#env;
    const entry = entries.find(request);
    if (entry === undefined) {
      reply.error(unknownCommand(request));
      return;
    }
    const bits = bitsOfRequest(entry, request);
    const error = refusals.of(connection, request, entry.definition, { bits, admission: 'execute' });
    const input = entry.definition.parse(request);
    if (error !== undefined) reply.error(error);
    else if (input instanceof Refusal) reply.error(input.message);
    else runs.runQueued(connection, entry, input, { reply, bits, request });
  }
}
