/**
 * What happens to one request: look up, check, route, gate, run. The order of checks is Kvrocks'
 * (docs/reference/commands.md): unknown, auth, loading, arity, parse, MULTI, cluster, queue, read-only replica, space,
 * stale replica, run; ours adds the lease gate before the command can touch anything.
 *
 * After the command (EXEC and scripts as a whole) those who wait for what it wrote are served.
 *
 * Hot path: no promise, no closure and no copy per command; one `try` per command, none per argument.
 */
import type { Clock, Logger, Timers } from '@holdfast/base';
import { Refusal } from '@holdfast/commands';
import { gateErrors, type Admission } from '@holdfast/fencing';
import { KeysAhead, type ReplyWriter, type Request } from '@holdfast/resp';
import type { ClientConnection } from '../net/client-connection.ts';
import { requestsAtOnce } from '../net/request-input.ts';
import type { LeaseKeeper } from '../lease/lease-keeper.ts';
import {
  bitsOfRequest,
  CommandEntries,
  countedEntry,
  fitsArity,
  flagBits,
  kindOfRequest,
  resetEntry,
  type CommandEntry,
  type CommandLookup,
} from './command-entry.ts';
import { CommandClock } from './command-clock.ts';
import { ColdCommands, type ColdEngine } from './cold-commands.ts';
import { CommandPause } from './command-pause.ts';
import { CommandRuns, type CommandEngine, type RunDetails } from './command-runs.ts';
import { LongRuns } from './long-runs.ts';
import { NestedCommands } from './nested-commands.ts';
import { Refusals, unknownCommand, type ClusterRouter, type NodeCondition } from './refusals.ts';
import { SlicedReplies } from './sliced-replies.ts';
import type { TickLoop } from './tick-loop.ts';
import { Transactions } from './transactions.ts';
import { WaitingKeys } from './waiting-keys.ts';
import { Waits, type WaitingCommand } from './waits.ts';
import type { WatchedKeys } from './watched-keys.ts';
import { WrittenKeys } from './written-keys.ts';

export interface DispatcherEnvironment {
  readonly commands: CommandLookup;
  readonly engine: CommandEngine;
  readonly loop: TickLoop;
  readonly lease: LeaseKeeper;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly watched: WatchedKeys<ClientConnection>;
  readonly condition: NodeCondition;
  readonly router: ClusterRouter | undefined;
  /** Where what commands miss is read from, and what counts lookups. */
  readonly coldReads: { readonly engine: ColdEngine; readonly lookups: { hits: number; misses: number } };
  /** Connections whose request was held are asked again. */
  askHeldAgain(): void;
}

const loadingError = 'LOADING kvrocks is restoring the db from backup';
const adminError = 'ERR admin permission required to perform the command';
const noAuth = 'NOAUTH Authentication required.';
/** What a RESP2 connection may run while it is subscribed. */
const whileSubscribed = new Set([
  'subscribe',
  'ssubscribe',
  'psubscribe',
  'unsubscribe',
  'sunsubscribe',
  'punsubscribe',
  'ping',
  'quit',
  'reset',
]);

export class Dispatcher {
  /** Statistics by command, for INFO commandstats. */
  readonly entries: CommandEntries;
  readonly runs: CommandRuns;
  readonly clock: CommandClock;
  readonly transactions: Transactions;
  readonly waits: Waits;
  readonly slicedReplies: SlicedReplies;
  readonly nested: NestedCommands;
  readonly longRuns: LongRuns;
  readonly pause: CommandPause;
  readonly cold: ColdCommands;
  /** Who is told of written keys; also for writes that no command of this node made (replication). */
  readonly written: WrittenKeys;
  readonly waitingKeys: WaitingKeys<WaitingCommand> = new WaitingKeys();
  readonly #env: DispatcherEnvironment;
  readonly #refusals: Refusals;
  readonly #ahead = new KeysAhead(requestsAtOnce);

  constructor(env: DispatcherEnvironment) {
    const { engine, loop, clock, timers, logger, watched, lease } = env;
    this.#env = env;
    const keys = this.waitingKeys;
    this.entries = new CommandEntries(env.commands);
    this.written = new WrittenKeys(watched, keys);
    this.#refusals = new Refusals(env);
    this.cold = new ColdCommands({ ...env.coldReads, timers, logger, entries: this.entries });
    this.clock = new CommandClock(clock, loop);
    this.runs = new CommandRuns(
      { engine, clock: this.clock, logger, written: this.written, cold: this.cold },
      {
        wait: (command, wait) => this.waits.begin(command, wait),
        slice: ({ connection }, sliced) => this.slicedReplies.begin(connection, sliced),
        takeTurns: (command, run) => this.longRuns.begin(command, run),
      },
    );
    const parts = { entries: this.entries, engine, loop, clock, runs: this.runs, refusals: this.#refusals, watched };
    this.pause = new CommandPause(clock, timers, () => env.askHeldAgain());
    const ended = (): void => {
      this.waits.serve();
      env.askHeldAgain();
    };
    this.transactions = new Transactions({ ...parts, timers, lease, pause: this.pause, ended });
    this.nested = new NestedCommands({ ...parts, isCluster: env.router !== undefined });
    this.waits = new Waits({ ...parts, keys, timers, lease });
    this.slicedReplies = new SlicedReplies(timers, logger);
    this.longRuns = new LongRuns({
      loop,
      timers,
      logger,
      nested: this.nested,
      askHeldAgain: () => env.askHeldAgain(),
      ended: (command, reply) => this.runs.longEnded(command, reply),
      served: () => this.waits.serve(),
    });
  }

  /** Commands run since the start, MULTI's queued ones and those of scripts included. */
  get commandsProcessed(): number {
    return this.runs.processed;
  }

  resetStatistics(): void {
    this.runs.processed = 0;
    this.runs.errors.clear();
    this.cold.resetFigures();
    for (const entry of this.entries) resetEntry(entry);
  }

  /** The database is about to be closed or exchanged, or the tick has to end: whatever goes on between ticks is ended. */
  endLongWork(): void {
    this.longRuns.abort();
    this.slicedReplies.closeAll();
  }

  /** Some requests of a connection are about to be executed. */
  requestsBegin(connection: ClientConnection): void {
    this.clock.breakChain();
    // Pipelines repeat themselves.
    if (!this.runs.lastLooksUp) return;
    const ahead = this.#ahead;
    connection.input.lookAhead(ahead);
    if (ahead.count > 1) this.#env.coldReads.engine.warm(connection.namespace, ahead);
    ahead.clear();
  }

  /**
   * Executes one request of a connection into the open tick.
   * @returns false when the lease gate holds it: nothing was executed, ask again later.
   */
  execute(connection: ClientConnection, request: Request): boolean {
    const entry = this.entries.find(request);
    if (entry === undefined) {
      // An unknown name before AUTH tells nothing of what exists.
      return this.#refuse(connection, connection.authenticated ? unknownCommand(request) : noAuth);
    }
    const bits = bitsOfRequest(entry, request);
    const refusal = this.#precheck(connection, request, entry, bits);
    if (refusal !== undefined) {
      entry.rejectedCalls++;
      return this.#refuse(connection, refusal);
    }
    const { definition } = entry.subEntries === undefined ? entry : countedEntry(entry, request);
    connection.lastCommand = definition.name;
    if (connection.queued !== undefined && (bits & flagBits.transaction) === 0) {
      const error = this.transactions.queue(connection, request, entry, bits);
      return error === undefined ? true : this.#refuse(connection, error);
    }
    const input = entry.definition.parse(request);
    if (input instanceof Refusal) {
      entry.rejectedCalls++;
      return this.#refuse(connection, input.message);
    }
    return this.#admit(connection, request, entry, { bits, input });
  }

  /**
   * Executes one request that concerns nothing but its connection (group `connection`, or a name that nobody knows)
   * outside of any tick: for a connection that takes no part in ticks any more.
   */
  executeApart(connection: ClientConnection, request: Request): void {
    const { reply } = connection;
    const entry = this.entries.find(request);
    if (entry === undefined) {
      reply.error(connection.authenticated ? unknownCommand(request) : noAuth);
      return;
    }
    const bits = bitsOfRequest(entry, request);
    const refusal = this.#precheck(connection, request, entry, bits);
    const input = refusal === undefined ? entry.definition.parse(request) : undefined;
    if (refusal === undefined && !(input instanceof Refusal)) {
      this.runs.runQueued(connection, entry, input, { reply, bits, request });
      return;
    }
    entry.rejectedCalls++;
    reply.error(refusal ?? (input as Refusal).message);
  }

  /**
   * While a script holds the tick: answers one request outside of it.
   * @returns false when it has to wait for the script.
   */
  executePinned(connection: ClientConnection, request: Request): boolean {
    const entry = this.entries.find(request);
    const verdict = this.longRuns.judge(entry, request);
    if (verdict === 'hold') return false;
    if (verdict === 'execute') this.executeApart(connection, request);
    else if (entry?.definition.name === 'exec' && connection.queued !== undefined)
      this.transactions.abort(connection, verdict.error);
    else this.#refuse(connection, verdict.error);
    return true;
  }

  /** The lease gate, routing and the node's condition; then the command runs. False when the gate holds it. */
  #admit(
    connection: ClientConnection,
    request: Request,
    entry: CommandEntry,
    { bits, input }: { bits: number; input: unknown },
  ): boolean {
    const { definition } = entry;
    const { reply } = connection;
    if (this.pause.mode !== undefined && this.#isPaused(connection, entry, bits)) return false;
    const kind = definition.name === 'exec' ? this.transactions.kindOf(connection.queued) : kindOfRequest(entry, bits);
    const admission = kind === 'control' ? 'execute' : this.#env.lease.admit(kind, connection.fresh);
    if (admission === 'hold' || (kind !== 'control' && this.#env.loop.isFull)) return false;
    if (turnsAway(admission)) {
      this.#turnAway(connection, admission, reply);
      return true;
    }
    const error = this.#refusals.of(connection, request, definition, { bits, admission });
    if (error === gateErrors.masterDown && admission === 'await-master') return false;
    connection.askedBefore = connection.asking;
    connection.asking = connection.asking && definition.name === 'asking';
    if (error !== undefined) {
      entry.rejectedCalls++;
      return this.#refuse(connection, error);
    }
    if ((bits & flagBits.exclusive) !== 0) connection.runAlone();
    this.#env.loop.countCommand(kind !== 'control');
    if (kind !== 'control') connection.bind();
    return this.#run(connection, entry, input, { reply, bits, request });
  }

  /** False when it has to be admitted again later, as if it had never been. */
  #run(connection: ClientConnection, entry: CommandEntry, input: unknown, details: RunDetails): boolean {
    if (!this.runs.run(connection, entry, input, details)) {
      connection.asking = connection.askedBefore;
      return false;
    }
    this.waits.serve();
    return true;
  }

  #isPaused(connection: ClientConnection, { definition }: CommandEntry, bits: number): boolean {
    const { pause, transactions } = this;
    const isHeld = definition.name === 'exec' ? transactions.isHeld(connection.queued) : pause.holds(definition, bits);
    connection.paused = isHeld;
    return isHeld;
  }

  /** Checks that need no parsing. */
  #precheck(connection: ClientConnection, request: Request, entry: CommandEntry, bits: number): string | undefined {
    if (!connection.authenticated && (bits & flagBits.noauth) === 0) return noAuth;
    if (this.#env.condition.loading && (bits & flagBits.loading) === 0) return loadingError;
    const { name } = entry.definition;
    if (!fitsArity(entry, request)) return `ERR wrong number of arguments for '${name}' command`;
    if ((bits & flagBits.admin) !== 0 && !connection.admin) return adminError;
    if (connection.subscriptions > 0 && connection.protocol === 2 && !whileSubscribed.has(name)) {
      return (
        `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET ` +
        'are allowed in this context'
      );
    }
    return undefined;
  }

  #turnAway(connection: ClientConnection, admission: Admission, reply: ReplyWriter): void {
    if (admission === 'refuse-expired') reply.error(gateErrors.expired);
    else if (admission === 'refuse-lapsed') {
      reply.error(gateErrors.lapsed);
      connection.closeAfterReply();
    } else if (admission === 'redirect') connection.startMoving();
    else connection.destroy();
  }

  #refuse(connection: ClientConnection, message: string): true {
    if (connection.queued !== undefined) connection.queueRefused = true;
    connection.reply.error(message);
    this.runs.errors.count(message);
    return true;
  }
}

/** Nothing of it is executed or looked up: the gate itself says what becomes of the client. */
function turnsAway(admission: Admission): boolean {
  return (
    admission !== 'execute' &&
    admission !== 'execute-and-log' &&
    admission !== 'master-down' &&
    admission !== 'await-master'
  );
}
