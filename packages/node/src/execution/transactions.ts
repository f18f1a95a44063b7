/**
 * MULTI and EXEC. A command is checked when it is queued, and again at EXEC, since the topology and the role may have
 * changed in between; its error is then its own reply, as in Redis. The writes of a queue are one atomic part: one record of
 * the log, there as a whole or not at all after a crash.
 *
 * A command that is not at its end when it returns (SLAVEOF) ends that part: no tick can stay open for it. What follows it
 * in the queue is run when it has ended, admitted anew, as a part of its own; EXEC answers when all have
 * (paused-queue.ts).
 */
import { Refusal, type Deferred } from '@holdfast/commands';
import { assert, type Clock, type Timers } from '@holdfast/base';
import type { Admission, CommandKind } from '@holdfast/fencing';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { ClientConnection } from '../net/client-connection.ts';
import { bitsOfRequest, flagBits, kindOfRequest, type CommandEntries, type CommandEntry } from './command-entry.ts';
import type { CommandPause } from './command-pause.ts';
import type { CommandEngine, CommandRuns } from './command-runs.ts';
import { PausedQueue, QueuedReply } from './paused-queue.ts';
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
  readonly timers: Timers;
  readonly lease: { admit(kind: CommandKind, isFresh: boolean): Admission };
  readonly pause: CommandPause;
  /** One that was paused has ended, as the outermost command that it was. */
  ended(): void;
}

/** Redis' texts; of EXECABORT what Kvrocks' suite asserts, of which Redis' own looks at the first word. */
export const transactionErrors = {
  aborted: 'EXECABORT Transaction discarded',
  notInMulti: 'ERR Command not allowed inside a transaction',
} as const;

export class Transactions {
  readonly #env: TransactionsEnvironment;
  /** What the command of a queue that runs now has put off. */
  #deferred: QueuedReply | undefined;

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

  /** What EXEC would do, of `queued` or what is left of it. */
  kindOf(queued: readonly Request[] | undefined): CommandKind {
    let kind: CommandKind = 'control';
    for (const request of queued ?? []) {
      const entry = this.#env.entries.find(request);
      if (entry === undefined) continue;
      const own = kindOfRequest(entry, bitsOfRequest(entry, request));
      if (own === 'write') return 'write';
      if (own === 'read') kind = 'read';
    }
    return kind;
  }

  /** Whether EXEC is held by CLIENT PAUSE, because of one of its commands. */
  isHeld(queued: readonly Request[] | undefined): boolean {
    const { pause } = this.#env;
    for (const request of queued ?? []) {
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

  /** EXEC: the queued commands as one atomic batch. `reply` is the connection's. */
  execute(connection: ClientConnection, reply: ReplyWriter): void {
    const { watched, clock, timers } = this.#env;
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
    const mark = reply.mark();
    reply.array(queued.length);
    const rest = this.#runQueue(connection, queued);
    if (rest === undefined) return;
    const paused = new PausedQueue(rest, cutFrom(reply, mark), () => timers.soon(() => this.#goOn(connection, paused)));
    this.#pause(connection, paused);
  }

  /** Runs commands as one atomic part. @returns what follows the one that is not at its end, if there is one. */
  #runQueue(connection: ClientConnection, queued: readonly Request[]): readonly Request[] | undefined {
    const { engine, loop } = this.#env;
    const { reply } = connection;
    let next = 0;
    connection.queue = this;
    this.#deferred = undefined;
    engine.beginAtomic();
    while (next < queued.length && !this.#isDeferring) {
      this.#executeOne(connection, queued[next++] as Request, reply);
      loop.countCommand(true);
    }
    engine.endAtomic();
    connection.queue = undefined;
    return this.#isDeferring ? queued.slice(next) : undefined;
  }

  get #isDeferring(): boolean {
    return this.#deferred?.settled === false;
  }

  /** The command of a queue that runs now puts off its reply. */
  defer(connection: ClientConnection): Deferred {
    assert(!this.#isDeferring, 'a queued command puts off one reply');
    return (this.#deferred = new QueuedReply(connection));
  }

  #pause(connection: ClientConnection, paused: PausedQueue): void {
    assert(this.#deferred !== undefined, 'nothing is waited for');
    this.#deferred.paused = paused;
    this.#deferred = undefined;
    if (!connection.occupancy.is(paused)) connection.occupancy.begin(paused);
  }

  /** What was waited for is there: runs the rest, when it may run. */
  #goOn(connection: ClientConnection, paused: PausedQueue): void {
    const { runs } = this.#env;
    if (!connection.occupancy.is(paused)) return;
    const { rest } = paused;
    const kind = this.kindOf(rest);
    const verdict = this.#verdict(rest, kind);
    paused.isHeld = verdict === 'hold';
    if (verdict === 'hold') return;
    // The transaction has begun: whatever the error, it would say that nothing of it was executed.
    if (verdict === 'end') {
      connection.destroy();
      return;
    }
    connection.occupancy.join();
    if (kind !== 'control') connection.bind();
    const { reply } = connection;
    const mark = reply.mark();
    paused.isReply = true;
    try {
      paused.writeTo(reply);
    } catch {
      // Together they are more than a reply may take.
      connection.destroy();
      return;
    }
    runs.partBegins();
    const left = this.#runQueue(connection, rest);
    if (left !== undefined) {
      paused.pauseAgain(left, cutFrom(reply, mark));
      this.#pause(connection, paused);
    } else {
      paused.left();
      connection.occupancy.finish(paused, mark, false);
    }
    this.#env.ended();
  }

  /** Whether the rest of a queue may run now. */
  #verdict(rest: readonly Request[], kind: CommandKind): 'run' | 'hold' | 'end' {
    const { loop, lease, pause } = this.#env;
    if (loop.isPinned || (pause.mode !== undefined && this.isHeld(rest))) return 'hold';
    if (kind === 'control') return 'run';
    const admission = lease.admit(kind, false);
    if (admission === 'hold' || loop.isFull) return 'hold';
    return admission === 'execute' || admission === 'execute-and-log' ? 'run' : 'end';
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

/** Takes back what was written since `mark`. */
function cutFrom(reply: ReplyWriter, mark: number): Buffer {
  const bytes = Buffer.from(reply.view().subarray(mark));
  reply.truncate(mark);
  return bytes;
}
