/**
 * Runs one command that nothing stops any more: into the open tick, with a savepoint of its own, so that a command that
 * fails leaves neither writes nor half a reply. Afterwards it is counted, those who wait for its keys are noted, and the
 * observer is told, if there is one.
 *
 * What a command may use differs by who runs it: a client's own command may wait, go on in slices or in turns; one of EXEC's
 * queue, of a script or of a wait that is served ends where it is.
 *
 * Hot path: no promise, no closure and no copy per command; one `try` per command.
 */
import { InvariantError, messageOf, type Logger } from '@holdfast/base';
import type { Call, KeyEvents, SlicedReply, LongRun, Wait } from '@holdfast/commands';
import type { KeyVisitor } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { ClientConnection } from '../net/client-connection.ts';
import { countedEntry, flagBits, type CommandEntry } from './command-entry.ts';
import type { CommandClock } from './command-clock.ts';
import type { ColdCommands } from './cold-commands.ts';
import { ErrorCounts } from '../observation/error-counts.ts';
import type { CommandObserver, CommandOrigin, ExecutedCommand } from './command-observer.ts';
import type { WrittenKeys } from './written-keys.ts';

/** The part of the engine that one command needs. */
export interface CommandEngine {
  /** Bytes written into the open tick. */
  readonly openTickBytes: number;
  beginCommand(): void;
  rollbackCommand(): void;
  beginAtomic(): void;
  endAtomic(): void;
  rollbackAtomic(): void;
  /** Of the running command, before the next one begins. */
  visitWrittenKeys(visitor: KeyVisitor): void;
}

type RunningCall = { -readonly [K in keyof Call]: Call[K] } & { session: ClientConnection };

/** A client's command that does not end where it is. */
export interface RunningCommand {
  readonly connection: ClientConnection;
  /** Valid until `run` has returned: copy what is kept. */
  readonly request: Request;
  readonly entry: CommandEntry;
  readonly bits: number;
}

/** A client's command that goes on in turns: its time is known when it has ended. */
export interface LongCommand extends RunningCommand {
  /** By the clock of durations. */
  startedAtMs: number;
  /** Unix time in ms when it began. */
  nowMs: number;
}

/** Takes over what a client's command leaves for later. */
export interface LaterWork {
  wait(command: RunningCommand, wait: Wait): void;
  slice(command: RunningCommand, sliced: SlicedReply): void;
  takeTurns(command: LongCommand, run: LongRun): void;
}

/** How a command is run. */
export interface RunDetails {
  readonly reply: ReplyWriter;
  readonly bits: number;
  readonly request: Request;
}

export interface CommandRunsEnvironment {
  readonly engine: CommandEngine;
  readonly clock: CommandClock;
  readonly logger: Logger;
  readonly written: WrittenKeys;
  readonly cold: ColdCommands;
}

export class CommandRuns {
  /** Commands run since the start, queued and nested ones included. */
  processed = 0;
  /** Told of commands that have run and took at least `observedFromUs`. */
  observer: CommandObserver | undefined;
  /** Infinity while nobody wants to know. */
  observedFromUs: number = Infinity;
  /** The observer wants to know of commands before they run. */
  observesBegins = false;
  /** `latency-tracking`: durations are counted by command. */
  countsLatency = true;
  /** What one command may write at most, or EXEC and a script as a whole, in bytes; 0 for no bound. */
  writtenBytesMax = 0;
  /** Bytes of the open tick when the outermost command began. */
  #bytesBefore = 0;
  /** Replies that were errors. */
  readonly errors: ErrorCounts = new ErrorCounts();
  readonly #env: CommandRunsEnvironment;
  /** When the command began that is about to run. */
  #startedAtMs = 0;
  /** The running command, when it has begun to take turns. */
  #long: LongCommand | undefined;
  /** A client's own command. */
  readonly #call: RunningCall;
  /** One that ends where it is. */
  readonly #wholeCall: RunningCall;
  /** One of a script, while the script's own call is in use. */
  readonly #scriptCall: RunningCall;
  readonly #running = { connection: undefined, request: undefined, entry: undefined, bits: 0 } as unknown as {
    -readonly [K in keyof RunningCommand]: RunningCommand[K];
  };

  constructor(env: CommandRunsEnvironment, later: LaterWork) {
    this.#env = env;
    const running = this.#running;
    const empty = { nowMs: 0, waits: undefined, slices: undefined, turns: undefined, events: undefined };
    this.#wholeCall = { ...empty } as unknown as RunningCall;
    this.#scriptCall = { ...empty } as unknown as RunningCall;
    this.#call = {
      ...empty,
      waits: { begin: (wait: Wait) => later.wait(running, wait) },
      slices: { begin: (sliced: SlicedReply) => later.slice(running, sliced) },
      turns: {
        begin: (run: LongRun): void => {
          this.#long = { ...running, request: running.request.copy(), startedAtMs: 0, nowMs: 0 };
          later.takeTurns(this.#long, run);
        },
      },
    } as unknown as RunningCall;
  }

  /** Who listens to keyspace notifications; undefined for nobody. */
  set events(events: KeyEvents | undefined) {
    for (const call of [this.#call, this.#wholeCall, this.#scriptCall]) call.events = events;
  }

  /** The last command of a client looks up keys. */
  get lastLooksUp(): boolean {
    return this.#running.entry?.looksUp === true;
  }

  get events(): KeyEvents | undefined {
    return this.#call.events;
  }

  /**
   * A client's own command.
   * @returns false when what it reads is on disk only: nothing was done, and it runs again when that was fetched.
   */
  run(connection: ClientConnection, entry: CommandEntry, input: unknown, details: RunDetails): boolean {
    const running = this.#running;
    running.connection = connection;
    running.request = details.request;
    running.entry = entry;
    running.bits = details.bits;
    const { clock, cold } = this.#env;
    cold.begins(connection, entry, details.bits);
    if (this.#execute(this.#prepare(this.#call, connection, clock.begins()), entry, input, details, 'client'))
      return true;
    cold.defer(connection, details.request, entry);
    return false;
  }

  /** What runs next is a part of EXEC of its own: its writes are counted anew. */
  partBegins(): void {
    this.#bytesBefore = this.#env.engine.openTickBytes;
  }

  /** One of the queue of EXEC. */
  runQueued(connection: ClientConnection, entry: CommandEntry, input: unknown, details: RunDetails): void {
    const startedAtMs = this.#env.clock.beginsWithin();
    this.#execute(this.#prepare(this.#wholeCall, connection, startedAtMs), entry, input, details, 'queue');
  }

  /** One of a script: at the script's time, in its namespace, for its session. */
  runNested(script: Call, entry: CommandEntry, input: unknown, details: RunDetails): void {
    const call = this.#scriptCall;
    call.nowMs = script.nowMs;
    call.namespace = script.namespace;
    call.session = script.session as ClientConnection;
    this.#startedAtMs = this.#env.clock.beginsWithin();
    this.#execute(call, entry, input, details, 'script');
  }

  #prepare(call: RunningCall, connection: ClientConnection, startedAtMs: number): RunningCall {
    this.#startedAtMs = startedAtMs;
    call.nowMs = this.#env.clock.wallMs(startedAtMs);
    connection.lastCommandAtMs = call.nowMs;
    call.namespace = connection.namespace;
    call.session = connection;
    return call;
  }

  /** @returns false when it has to run again. */
  #execute(
    call: RunningCall,
    entry: CommandEntry,
    input: unknown,
    details: RunDetails,
    origin: CommandOrigin,
  ): boolean {
    const { engine, cold } = this.#env;
    const { reply } = details;
    const startedAtMs = this.#startedAtMs;
    const mark = reply.mark();
    const errorsBefore = reply.errors;
    if (origin === 'client') this.#bytesBefore = engine.openTickBytes;
    engine.beginCommand();
    try {
      if (call.events !== undefined) call.events.begins?.(call, entry.definition, details.request);
      if (this.observesBegins) this.#tellOfBegin(call, entry, details.request, origin);
      entry.definition.run(call, input, reply);
      if (this.writtenBytesMax > 0 && !this.#isWithinLimit(entry)) {
        this.#refuseWritten(reply, mark);
        if (origin === 'client') call.session.occupancy.leave();
      }
    } catch (error) {
      if (!cold.missed) this.#fail(entry, error, reply, mark);
      // It had begun to wait, or the rest of a reply: its error is all that it answers.
      if (origin === 'client') call.session.occupancy.leave();
    }
    if (origin === 'client' && cold.ends(call.session)) {
      this.#takeBack(call, reply, mark);
      return false;
    }
    if (reply.errors !== errorsBefore) this.#noteError(entry, details.request, reply);
    this.#ended(call, entry, details, startedAtMs, origin);
    return true;
  }

  /** As if it had never run. */
  #takeBack({ session }: RunningCall, reply: ReplyWriter, mark: number): void {
    this.#env.engine.rollbackCommand();
    reply.truncate(mark);
    session.occupancy.leave();
  }

  /** Of EXEC and scripts each command was asked for what all had written until then: what they wrote stays. */
  #isWithinLimit({ definition }: CommandEntry): boolean {
    if (definition.name === 'exec' || definition.group === 'scripting') return true;
    return this.#env.engine.openTickBytes - this.#bytesBefore <= this.writtenBytesMax;
  }

  #refuseWritten(reply: ReplyWriter, mark: number): void {
    this.#env.engine.rollbackCommand();
    reply.truncate(mark);
    reply.error('ERR Operation aborted: Memory limit reached');
  }

  /** EXEC holds what its queue answered, which was counted with its commands. */
  #noteError(entry: CommandEntry, request: Request, reply: ReplyWriter): void {
    if (entry.definition.name === 'exec') return;
    countedEntry(entry, request).failedCalls++;
    this.errors.count(reply.lastError);
  }

  #fail(entry: CommandEntry, error: unknown, reply: ReplyWriter, mark: number): void {
    if (error instanceof InvariantError) throw error;
    this.#env.engine.rollbackCommand();
    reply.truncate(mark);
    reply.error(`ERR ${messageOf(error)}`);
    this.#env.logger.error('a command failed', { command: entry.definition.name, error: messageOf(error) });
  }

  #ended(
    { session, namespace, nowMs }: RunningCall,
    entry: CommandEntry,
    { request, bits }: RunDetails,
    startedAtMs: number,
    origin: CommandOrigin,
  ): void {
    const { clock, written, engine } = this.#env;
    if (this.#long !== undefined && origin === 'client') {
      Object.assign(this.#long, { startedAtMs, nowMs });
      this.#long = undefined;
      return;
    }
    const durationUs = (clock.ends() - startedAtMs) * 1000;
    const counted = entry.subEntries === undefined ? entry : countedEntry(entry, request);
    counted.usec += durationUs;
    // One that waited was counted when it began to.
    if (origin !== 'wait') {
      counted.calls++;
      this.processed++;
      if (this.countsLatency) counted.latency.record(durationUs);
    }
    if ((bits & flagBits.write) !== 0 && written.wanted) written.note(entry.definition, namespace, engine);
    if (durationUs >= this.observedFromUs)
      this.#tell({
        session,
        request,
        entry,
        durationUs,
        nowMs,
        origin,
        isDone: origin !== 'client' || !session.blocked,
      });
  }

  /** A command that took turns has ended, with `reply` and nothing else in it. */
  longEnded(command: LongCommand, reply: ReplyWriter): void {
    const { connection: session, request, entry, bits, startedAtMs, nowMs } = command;
    if (reply.errors > 0) this.#noteError(entry, request, reply);
    const call = { session, namespace: session.namespace, nowMs } as RunningCall;
    this.#ended(call, entry, { reply, bits, request }, startedAtMs, 'client');
  }

  #tellOfBegin({ session, nowMs }: RunningCall, entry: CommandEntry, request: Request, origin: CommandOrigin): void {
    this.observer?.begins({ session, request, entry, nowMs, origin });
  }

  #tell(command: ExecutedCommand): void {
    this.observer?.executed(command);
  }

  /**
   * Runs a command that waits again, for its connection's reply.
   * @returns whether it has written its reply; false: it waits on.
   */
  retry(command: RunningCommand, wait: Wait): boolean {
    const { clock, engine } = this.#env;
    const { connection, entry, request, bits } = command;
    const { reply } = connection;
    const startedAtMs = clock.beginsWithin();
    const call = this.#prepare(this.#wholeCall, connection, startedAtMs);
    const mark = reply.mark();
    const errorsBefore = reply.errors;
    engine.beginCommand();
    let isServed = true;
    this.#bytesBefore = engine.openTickBytes;
    try {
      isServed = wait.retry(call, reply);
      if (this.writtenBytesMax > 0 && !this.#isWithinLimit(entry)) {
        this.#refuseWritten(reply, mark);
        isServed = true;
      }
    } catch (error) {
      this.#fail(entry, error, reply, mark);
    }
    if (reply.errors !== errorsBefore) this.#noteError(entry, request, reply);
    if (isServed) this.#ended(call, entry, { reply, request, bits }, startedAtMs, 'wait');
    else entry.usec += (clock.ends() - startedAtMs) * 1000;
    return isServed;
  }
}
