/**
 * What happens to one request: look up, check, route, gate, run. The order of checks is Kvrocks'
 * (docs/reference/commands.md): unknown, auth, loading, arity, parse, MULTI, cluster, queue, read-only replica, space,
 * stale replica, run; ours adds the lease gate before the command can touch anything.
 *
 * Hot path: no promise, no closure and no copy per command; one `try` per command, none per argument.
 */
import { InvariantError, messageOf, type Clock, type Logger } from '@holdfast/base';
import { Refusal, type Call, type CommandDefinition } from '@holdfast/commands';
import { gateErrors, type Admission, type CommandKind } from '@holdfast/fencing';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { Namespace } from '@holdfast/engine';
import type { ClientConnection } from '../net/client-connection.ts';
import type { LeaseKeeper } from '../lease/lease-keeper.ts';
import { bitsOf, commandEntry, flagBits, kindOf, type CommandEntry } from './command-entry.ts';
import type { TickLoop } from './tick-loop.ts';
import type { WatchedKeys } from './watched-keys.ts';

export interface CommandLookup extends Iterable<CommandDefinition> {
  lookup(request: Request): CommandDefinition | undefined;
}

/** The part of the engine that one command needs. */
export interface CommandEngine {
  beginCommand(): void;
  rollbackCommand(): void;
  beginAtomic(): void;
  endAtomic(): void;
  rollbackAtomic(): void;
}

/** Slot routing of a cluster node; absent outside cluster mode. */
export interface ClusterRouter {
  /**
   * Judges one request.
   * @returns undefined to execute, else the whole error line to answer. `closes` on the router tells whether the
   *   connection is to be closed after it (a redirect to the address the client already uses).
   */
  route(entry: CommandDefinition, request: Request, connection: ClientConnection, isWrite: boolean): string | undefined;
  readonly closes: boolean;
}

/** What the node's condition forbids at the moment. Plain data, kept up to date by its owners. */
export interface NodeCondition {
  /** A checkpoint is being restored. */
  loading: boolean;
  /** `slave-read-only yes` and a replica. */
  readOnly: boolean;
  /** `slave-serve-stale-data no` and the link is down. */
  stale: boolean;
  /** Why writes are refused (disk nearly full, failed commit): a whole error line. */
  writesRefused: string | undefined;
  /** Fewer in-sync nodes than `min-isr`. */
  tooFewReplicas: boolean;
  /** `max-db-size` is reached. */
  sizeLimitReached: boolean;
}

export interface DispatcherEnvironment {
  readonly commands: CommandLookup;
  readonly engine: CommandEngine;
  readonly loop: TickLoop;
  readonly lease: LeaseKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watched: WatchedKeys<ClientConnection>;
  readonly condition: NodeCondition;
  readonly router: ClusterRouter | undefined;
}

interface RunningCall extends Call {
  nowMs: number;
  namespace: Namespace;
  session: ClientConnection;
}

const loadingError = 'LOADING kvrocks is restoring the db from backup';
const readOnlyError = "READONLY You can't write against a read only slave.";
const tooFewReplicasError = 'NOREPLICAS Not enough good replicas to write.';
const staleError = "MASTERDOWN Link with MASTER is down and slave-serve-stale-data is set to 'no'.";
const adminError = 'ERR admin permission required to perform the command';

export class Dispatcher {
  readonly #env: DispatcherEnvironment;
  readonly #entries = new Map<CommandDefinition, CommandEntry>();
  readonly #call: RunningCall;
  /** Commands run since the start, MULTI's queued ones included. */
  commandsProcessed = 0;

  constructor(env: DispatcherEnvironment) {
    this.#env = env;
    for (const definition of env.commands) this.#entries.set(definition, commandEntry(definition));
    this.#call = { nowMs: 0 } as RunningCall;
  }

  /** Statistics by command, for INFO commandstats. */
  get entries(): Iterable<CommandEntry> {
    return this.#entries.values();
  }

  /**
   * Executes one request of a connection into the open tick.
   * @returns false when the lease gate holds it: nothing was executed, ask again later.
   */
  execute(connection: ClientConnection, request: Request): boolean {
    const definition = this.#env.commands.lookup(request);
    const entry = definition === undefined ? undefined : this.#entries.get(definition);
    if (definition === undefined || entry === undefined) {
      // An unknown name before AUTH tells nothing of what exists.
      return this.#refuse(connection, connection.authenticated ? unknownCommand(request) : noAuth);
    }
    const bits = definition.flagsOf === undefined ? entry.bits : bitsOf(definition.flagsOf(request));
    const refusal = this.#precheck(connection, request, entry, bits);
    if (refusal !== undefined) {
      entry.rejectedCalls++;
      return this.#refuse(connection, refusal);
    }
    connection.lastCommand = definition.name;
    if (connection.queued !== undefined && (bits & flagBits.transaction) === 0) {
      return this.#queue(connection, request, entry, bits);
    }
    const input = definition.parse(request);
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
    const definition = this.#env.commands.lookup(request);
    const entry = definition === undefined ? undefined : this.#entries.get(definition);
    if (definition === undefined || entry === undefined) {
      reply.error(connection.authenticated ? unknownCommand(request) : noAuth);
      return;
    }
    const bits = definition.flagsOf === undefined ? entry.bits : bitsOf(definition.flagsOf(request));
    const refusal = this.#precheck(connection, request, entry, bits);
    const input = refusal === undefined ? definition.parse(request) : undefined;
    if (refusal === undefined && !(input instanceof Refusal)) {
      this.#run(connection, entry, input, { reply, bits, request });
      return;
    }
    entry.rejectedCalls++;
    reply.error(refusal ?? (input as Refusal).message);
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
    const kind = definition.name === 'exec' ? this.#kindOfQueued(connection) : kindOf(definition, bits);
    const admission = kind === 'control' ? 'execute' : this.#env.lease.admit(kind, connection.fresh);
    if (admission === 'hold' || (kind !== 'control' && this.#env.loop.isFull)) return false;
    if (turnsAway(admission)) {
      this.#turnAway(connection, admission, reply);
      return true;
    }
    const error = this.#mayRun(connection, request, entry, { bits, admission });
    if (error === gateErrors.masterDown && admission === 'await-master') return false;
    connection.asking = connection.asking && definition.name === 'asking';
    if (error !== undefined) {
      entry.rejectedCalls++;
      return this.#refuse(connection, error);
    }
    if ((bits & flagBits.exclusive) !== 0) connection.runAlone();
    this.#env.loop.countCommand(kind !== 'control');
    if (kind !== 'control') connection.bind();
    this.#run(connection, entry, input, { reply, bits, request });
    return true;
  }

  /** Checks that need no parsing. */
  #precheck(connection: ClientConnection, request: Request, entry: CommandEntry, bits: number): string | undefined {
    if (!connection.authenticated && (bits & flagBits.noauth) === 0) return noAuth;
    if (this.#env.condition.loading && (bits & flagBits.loading) === 0) return loadingError;
    const { arity, name } = entry.definition;
    if (arity >= 0 ? request.count !== arity : request.count < -arity) {
      return `ERR wrong number of arguments for '${name}' command`;
    }
    if ((bits & flagBits.admin) !== 0 && !connection.admin) return adminError;
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

  /** Routing and the node's condition: the error that stops the command, or undefined. */
  #mayRun(
    connection: ClientConnection,
    request: Request,
    entry: CommandEntry,
    { bits, admission }: { bits: number; admission: Admission },
  ): string | undefined {
    const { router, condition, logger } = this.#env;
    const isWrite = (bits & flagBits.write) !== 0;
    const redirect = router?.route(entry.definition, request, connection, isWrite);
    if (redirect !== undefined) {
      if (router?.closes === true) connection.closeAfterReply();
      return redirect;
    }
    // Replicas always answer topology questions, however old they may be.
    const isOld = admission === 'master-down' || admission === 'await-master';
    if (isOld && (bits & flagBits.stale) === 0) return gateErrors.masterDown;
    if (admission === 'execute-and-log')
      logger.warn('the master lease has expired', { command: entry.definition.name });
    if (isWrite) {
      const refusal = this.#mayWrite(bits);
      if (refusal !== undefined) return refusal;
    }
    if (condition.stale && (bits & flagBits.stale) === 0) return staleError;
    return undefined;
  }

  #mayWrite(bits: number): string | undefined {
    const { condition } = this.#env;
    if (condition.readOnly) return readOnlyError;
    if (condition.tooFewReplicas) return tooFewReplicasError;
    if ((bits & flagBits['no-dbsize-check']) !== 0) return undefined;
    if (condition.writesRefused !== undefined) return condition.writesRefused;
    return condition.sizeLimitReached ? 'ERR write command not allowed when reached max-db-size.' : undefined;
  }

  #queue(connection: ClientConnection, request: Request, entry: CommandEntry, bits: number): boolean {
    const { definition } = entry;
    if ((bits & flagBits['no-multi']) !== 0) {
      return this.#refuse(connection, `ERR Can't execute ${definition.name} in MULTI`);
    }
    const input = definition.parse(request);
    if (input instanceof Refusal) return this.#refuse(connection, input.message);
    const redirect = this.#env.router?.route(definition, request, connection, (bits & flagBits.write) !== 0);
    connection.asking = false;
    if (redirect !== undefined) return this.#refuse(connection, redirect);
    connection.enqueue(request);
    connection.reply.simple('QUEUED');
    return true;
  }

  #kindOfQueued(connection: ClientConnection): CommandKind {
    let kind: CommandKind = 'control';
    for (const request of connection.queued ?? []) {
      const definition = this.#env.commands.lookup(request);
      if (definition === undefined) continue;
      const own = kindOf(definition, bitsOf(definition.flagsOf?.(request) ?? definition.flags));
      if (own === 'write') return 'write';
      if (own === 'read') kind = 'read';
    }
    return kind;
  }

  #run(
    connection: ClientConnection,
    entry: CommandEntry,
    input: unknown,
    { reply, bits, request }: { reply: ReplyWriter; bits: number; request: Request },
  ): void {
    const { clock, engine, watched } = this.#env;
    const startedAtMs = clock.leaseMs();
    const mark = reply.mark();
    const call = this.#call;
    call.nowMs = clock.wallMs();
    connection.lastCommandAtMs = call.nowMs;
    call.namespace = connection.namespace;
    call.session = connection;
    engine.beginCommand();
    try {
      entry.definition.run(call, input, reply);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      engine.rollbackCommand();
      reply.truncate(mark);
      reply.error(`ERR ${messageOf(error)}`);
      entry.failedCalls++;
      this.#env.logger.error('a command failed', { command: entry.definition.name, error: messageOf(error) });
    }
    entry.calls++;
    this.commandsProcessed++;
    entry.usec += (clock.leaseMs() - startedAtMs) * 1000;
    if ((bits & flagBits.write) !== 0 && !watched.empty) this.#touchWatched(entry.definition, request, connection);
  }

  #touchWatched(definition: CommandDefinition, request: Request, connection: ClientConnection): void {
    const { watched } = this.#env;
    const prefix = Buffer.from(connection.namespace.prefix).toString('latin1');
    if (definition.keyIndexes !== undefined) {
      for (const index of definition.keyIndexes(request)) watched.touch(prefix + request.latin1(index));
      return;
    }
    const { first, last, step } = definition.keys;
    if (first === 0) {
      watched.touchAll();
      return;
    }
    const end = last < 0 ? request.count + last : last;
    for (let i = first; i <= end && i < request.count; i += step) watched.touch(prefix + request.latin1(i));
  }

  /**
   * EXEC: the queued commands as one atomic batch. Each was checked when it was queued and is checked again, since the
   * topology and the role may have changed; its error is its own reply, as in Redis.
   */
  executeQueued(connection: ClientConnection, reply: ReplyWriter): void {
    const { engine, watched, loop, clock } = this.#env;
    const queued = connection.queued ?? [];
    const refused = connection.queueRefused;
    const conflict = watched.isSpoilt(connection, clock.wallMs());
    connection.queued = undefined;
    connection.queueRefused = false;
    watched.unwatch(connection);
    if (refused) {
      reply.error('EXECABORT Transaction discarded because of previous errors.');
      return;
    }
    if (conflict) {
      reply.nilArray();
      return;
    }
    reply.array(queued.length);
    engine.beginAtomic();
    for (const request of queued) {
      this.#executeOneQueued(connection, request, reply);
      loop.countCommand(true);
    }
    engine.endAtomic();
  }

  #executeOneQueued(connection: ClientConnection, request: Request, reply: ReplyWriter): void {
    const definition = this.#env.commands.lookup(request);
    const entry = definition === undefined ? undefined : this.#entries.get(definition);
    if (definition === undefined || entry === undefined) {
      reply.error(unknownCommand(request));
      return;
    }
    const bits = bitsOf(definition.flagsOf?.(request) ?? definition.flags);
    const error = this.#mayRun(connection, request, entry, { bits, admission: 'execute' });
    const input = definition.parse(request);
    if (error !== undefined) reply.error(error);
    else if (input instanceof Refusal) reply.error(input.message);
    else this.#run(connection, entry, input, { reply, bits, request });
  }

  #refuse(connection: ClientConnection, message: string): true {
    if (connection.queued !== undefined) connection.queueRefused = true;
    connection.reply.error(message);
    return true;
  }
}

const noAuth = 'NOAUTH Authentication required.';
/** Bytes of an unknown command's arguments that its error repeats. */
const shownBytesMax = 128;

/** Redis 7.2's text: the name and the beginning of the arguments, bounded. */
function unknownCommand(request: Request): string {
  const name = request.latin1(0).slice(0, shownBytesMax);
  let shown = '';
  for (let i = 1; i < request.count && shown.length < shownBytesMax; i++) {
    shown += `'${request.latin1(i).slice(0, shownBytesMax - shown.length)}' `;
  }
  return `ERR unknown command '${name}', with args beginning with: ${shown}`;
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
