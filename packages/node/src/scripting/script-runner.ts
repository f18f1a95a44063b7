/**
 * Runs one script at a time: what it calls is run as commands within its atomic part, what it takes too long for goes on in
 * later turns of the event loop.
 *
 * A world that was left in the middle of a script (killed, role change) is closed and another one opened: whoever has compiled
 * something compares `generation`.
 */
import type { Clock, Logger, Random } from '@holdfast/base';
import type { Call, CommandDefinition, LongRun, RunningScript } from '@holdfast/commands';
import { eventKind, LuaWorld, type EventKind, type LibraryFunction } from '@holdfast/lua';
import { ReplyWriter, Request } from '@holdfast/resp';

/** The atomic part of a script and the commands in it. */
export interface ScriptCommands {
  begin(call: Call, scope: ScriptCommandScope, isQueued: boolean): void;
  run(request: Request, reply: ReplyWriter): void;
  end(): void;
}

export interface ScriptCommandScope {
  readonly readOnly: boolean;
  readonly slot: number | undefined;
  /** It may use keys of several slots of this node. */
  readonly crossSlot: boolean;
}

export interface ScriptRunnerEnvironment {
  readonly commands: () => ScriptCommands;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly version: string;
  /** Rises with every write into the open tick, which stays open while a script runs. */
  putInTick(): number;
  resp3Enabled(): boolean;
  /** After this time others are told that the node is busy. */
  busyMs(): number;
  memoryBytesMax(): number;
  /** Whether there is such a command, for redis.acl_check_cmd. */
  knowsCommand(request: Request): boolean;
}

/** What is to be run. */
export interface RunnableScript {
  readonly id: string;
  readonly name: string;
  readonly isFunction: boolean;
  readonly scope: ScriptCommandScope;
}

/** Where its arguments stand: keys from index 3 on. */
export interface ScriptArguments {
  readonly request: Request;
  readonly keys: number;
}

interface Running {
  readonly script: RunnableScript;
  readonly startedAtMs: number;
  /** What the tick had put when it began. */
  readonly putBefore: number;
  /** Known from its first pause on. */
  command: readonly Buffer[];
  position: string;
  killed: boolean;
}

const sliceMs = 5;
const loadLimitMs = 500;
const firstKey = 3;
const keptReplyBytes = 1 << 20;
/** Errors that tell where the script was, in front of their text: Kvrocks' tests ask for something there. */
const placed = ['ERR Write commands are not allowed from read-only scripts', 'ERR Script attempted to access'].map(
  (text) => Buffer.from(`-${text}`),
);

const logLevels = ['debug', 'debug', 'info', 'warn'] as const;
const admittedNames = new Set(['auth', 'hello', 'quit', 'multi', 'discard', 'unwatch']);

export class ScriptRunner {
  /** Changes when everything compiled is lost. */
  generation = 1;
  readonly #env: ScriptRunnerEnvironment;
  #world: LuaWorld | undefined;
  #running: Running | undefined;
  readonly #request = new Request();
  readonly #reply = new ReplyWriter();

  constructor(env: ScriptRunnerEnvironment) {
    this.#env = env;
  }

  /** Lua's memory in bytes; 0 before the first script. */
  get memoryBytes(): number {
    return this.#world?.memoryBytes ?? 0;
  }

  get running(): RunningScript | undefined {
    const running = this.#running;
    if (running === undefined) return undefined;
    const durationMs = this.#env.clock.leaseMs() - running.startedAtMs;
    return { name: running.script.name, command: running.command, durationMs };
  }

  #lua(): LuaWorld {
    this.#world ??= new LuaWorld({ memoryBytesMax: this.#env.memoryBytesMax(), version: this.#env.version });
    return this.#world;
  }

  /** `lua-memory-limit` has changed. */
  limitChanged(): void {
    this.#world?.setMemoryBytesMax(this.#env.memoryBytesMax());
  }

  /** @returns the error line. */
  compile(id: string, body: Buffer, from: number): string | undefined {
    return this.#guarded((world) => world.compile(id, body, from));
  }

  /** @returns the error line, or the functions, which can be run as `<prefix><name>`. */
  load(prefix: string, code: Buffer, from: number): readonly LibraryFunction[] | string {
    return this.#guarded((world) => world.load(prefix, code, from, loadLimitMs));
  }

  /** A world that threw is lost. */
  #guarded<T>(act: (world: LuaWorld) => T): T {
    try {
      return act(this.#lua());
    } catch (error) {
      this.renew();
      throw error;
    }
  }

  forget(id: string): void {
    this.#world?.forget(id);
  }

  /** Forgets everything compiled. */
  renew(): void {
    this.#world?.close();
    this.#world = undefined;
    this.generation++;
  }

  /** Runs a script that is compiled. Writes one reply, or goes on in later turns. */
  run(call: Call, script: RunnableScript, { request, keys }: ScriptArguments, reply: ReplyWriter): void {
    const { clock } = this.#env;
    const world = this.#lua();
    const turns = call.turns;
    this.#running = {
      script,
      startedAtMs: clock.leaseMs(),
      putBefore: this.#env.putInTick(),
      command: [],
      position: '',
      killed: false,
    };
    this.#env.commands().begin(call, script.scope, turns === undefined);
    const start = (): EventKind => this.#start(world, script, { request, keys }, reply.protocol, turns !== undefined);
    if (!this.#drive(start, reply)) return;
    if (turns === undefined) {
      this.#endUnfinished(reply, 'a script inside MULTI may not take longer than lua-time-limit');
      return;
    }
    this.#running.command = Array.from({ length: request.count }, (_, i) => Buffer.from(request.bytes(i)));
    turns.begin(this.#longRun(this.#running));
  }

  #start(
    world: LuaWorld,
    script: RunnableScript,
    { request, keys }: ScriptArguments,
    protocol: 2 | 3,
    takesTurns: boolean,
  ): EventKind {
    return world.run({
      id: script.id,
      name: script.name,
      bytes: request.buffer,
      bounds: request.bounds,
      first: firstKey,
      keys,
      args: request.count - firstKey - keys,
      protocol,
      isFunction: script.isFunction,
      resp3: this.#env.resp3Enabled(),
      seed: this.#env.random.u32(),
      // In EXEC nothing can be put off: there the time is a limit.
      sliceMs: takesTurns ? sliceMs : Math.max(1, this.#env.busyMs()),
    });
  }

  /**
   * Answers what the script asks until it is paused or ends.
   * @returns whether it is paused.
   */
  #drive(first: () => EventKind, reply: ReplyWriter): boolean {
    const world = this.#lua();
    try {
      let kind = first();
      for (;;) {
        switch (kind) {
          case eventKind.call:
            kind = this.#answerCall(world);
            break;
          case eventKind.log:
            this.#env.logger[logLevels[world.detail] ?? 'info']('a script says', { text: this.#text(world) });
            kind = world.resume();
            break;
          case eventKind.aclCheck:
            kind = this.#answerAclCheck(world);
            break;
          case eventKind.paused:
            if (this.#running !== undefined) this.#running.position = this.#text(world);
            return true;
          default:
            this.#running = undefined;
            this.#env.commands().end();
            writeReply(world.reply(), reply);
            return false;
        }
      }
    } catch (error) {
      // A bug of ours, or a reply beyond all limits: the script cannot be gone on with.
      this.#running = undefined;
      this.renew();
      this.#env.commands().end();
      throw error;
    }
  }

  #text(world: LuaWorld): string {
    return world.bytes.utf8Slice(0, world.length);
  }

  #answerCall(world: LuaWorld): EventKind {
    const reply = this.#reply;
    reply.truncate(0);
    reply.protocol = world.protocol;
    const request = this.#requestOf(world);
    if (asksToBlock(request)) {
      reply.error(`ERR ${request.latin1(0).toLowerCase()} command is not allowed with BLOCK option from scripts`);
    } else this.#env.commands().run(request, reply);
    const bytes = reply.view();
    const isPlaced = bytes[0] === 45 && placed.some((text) => bytes.subarray(0, text.length).equals(text));
    const kind = world.answer(bytes, isPlaced);
    // One large reply is not kept for ever.
    if (bytes.length > keptReplyBytes) reply.take();
    return kind;
  }

  #requestOf(world: LuaWorld): Request {
    const request = this.#request;
    request.buffer = world.bytes;
    request.bounds = world.bounds;
    request.count = world.count;
    return request;
  }

  #answerAclCheck(world: LuaWorld): EventKind {
    const isKnown = this.#env.knowsCommand(this.#requestOf(world));
    return world.answer(Buffer.from(isKnown ? ':1\r\n' : '-ERR Invalid command passed to redis.acl_check_cmd()\r\n'));
  }

  /** Ends a script that is paused, with an error. */
  #endUnfinished(reply: ReplyWriter, why: string): void {
    const running = this.#running;
    this.#running = undefined;
    this.renew();
    this.#env.commands().end();
    const place = running === undefined ? '' : ` script: ${running.script.name}, on ${running.position}.`;
    reply.error(`ERR Error running script: ${why}${place}`);
  }

  #longRun(running: Running): LongRun {
    return {
      next: (reply) => this.#next(running, reply),
      abort: (): void => {
        this.#running = undefined;
        this.renew();
      },
      busy: () => this.#busy(running),
      admits,
    };
  }

  #next(running: Running, reply: ReplyWriter): boolean {
    if (running.killed) {
      const command = running.script.isFunction ? 'FUNCTION KILL' : 'SCRIPT KILL';
      this.#endUnfinished(reply, `Script killed by user with ${command}.`);
      return false;
    }
    return this.#drive(() => this.#lua().resume(sliceMs), reply);
  }

  #busy({ script, startedAtMs }: Running): string | undefined {
    if (this.#env.clock.leaseMs() - startedAtMs < this.#env.busyMs()) return undefined;
    return busyError(script.isFunction);
  }

  /** Ends the running script or function in its next turn. @returns why not, as an error line. */
  kill(what: 'script' | 'function'): string | undefined {
    const running = this.#running;
    if (running === undefined) return 'NOTBUSY No scripts in execution right now.';
    if (running.script.isFunction !== (what === 'function')) return busyError(running.script.isFunction);
    if (this.#env.putInTick() !== running.putBefore) return unkillableError;
    running.killed = true;
    return undefined;
  }

  close(): void {
    this.#world?.close();
    this.#world = undefined;
  }
}

const unkillableError =
  'UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script ' +
  'termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.';

function busyError(isFunction: boolean): string {
  const way = isFunction ? 'FUNCTION KILL' : 'SCRIPT KILL';
  return `BUSY Redis is busy running a script. You can only call ${way} or SHUTDOWN NOSAVE.`;
}

/** An error is written as one, so that it is counted. */
function writeReply(bytes: Buffer, reply: ReplyWriter): void {
  if (bytes[0] === 45) reply.error(bytes.utf8Slice(1, bytes.length - 2));
  else reply.raw(bytes);
}

/** XREAD and XREADGROUP with BLOCK are refused to scripts, as in Redis; other commands that block answer at once. */
function asksToBlock(request: Request): boolean {
  if (!request.is(0, 'xread') && !request.is(0, 'xreadgroup')) return false;
  for (let i = 1; i < request.count && !request.is(i, 'streams'); i++) if (request.is(i, 'block')) return true;
  return false;
}

/** What may run beside a script that takes long: what ends it, shows it, or concerns one connection alone. */
function admits({ name }: CommandDefinition, request: Request): boolean {
  if (admittedNames.has(name)) return true;
  if (request.count < 2) return false;
  if (name === 'script') return request.is(1, 'kill');
  if (name === 'function') return request.is(1, 'kill') || request.is(1, 'stats');
  return name === 'shutdown' && request.is(1, 'nosave');
}
