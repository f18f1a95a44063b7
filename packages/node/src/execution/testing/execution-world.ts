/**
 * The execution of commands without a node: real dispatcher, tick loop and connections over a map of lists, a lease that
 * says what the test wants, and time that stands still. Commands are small ones of its own.
 */
import { assert, silentLogger } from '@holdfast/base';
import { clientTransport } from '@holdfast/base/real';
import { VirtualTime } from '@holdfast/base/testing';
import { define, firstKey, noKeys, type Call, type CommandDefinition, type CommandFlag } from '@holdfast/commands';
import { defaultNamespace, type KeyVisitor } from '@holdfast/engine';
import type { Admission } from '@holdfast/fencing';
import { defaultRequestLimits, type ReplyWriter, type Request } from '@holdfast/resp';
import type { Socket } from 'node:net';
import { ClientConnection } from '../../net/client-connection.ts';
import { ClientMemory } from '../../net/client-memory.ts';
import type { ConnectionHost } from '../../net/connection-host.ts';
import type { OutputLimit } from '../../net/output-limit.ts';
import { FakeSocket } from '../../net/testing/fake-socket.ts';
import type { LeaseKeeper } from '../../lease/lease-keeper.ts';
import { ColdShelf } from './cold-shelf.ts';
import { Dispatcher } from '../dispatcher.ts';
import type { NodeCondition } from '../refusals.ts';
import { TickLoop } from '../tick-loop.ts';
import { WatchedKeys } from '../watched-keys.ts';

export type RunCommand = (call: Call, request: Request, reply: ReplyWriter) => void;

/** A command without a parser. */
export function command(
  name: string,
  flags: readonly CommandFlag[],
  run: RunCommand,
  hasKey = true,
): CommandDefinition {
  return define<Request>({
    name,
    arity: hasKey ? -2 : -1,
    flags,
    keys: hasKey ? firstKey : noKeys,
    group: hasKey ? 'list' : 'connection',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: '',
    parse: (request) => request,
    run,
  });
}

export interface Client {
  readonly connection: ClientConnection;
  readonly socket: FakeSocket;
  /** Sends lines and lets the turn of the event loop end. @returns all that the client was sent so far. */
  say(...lines: string[]): Promise<string>;
}

type Lists = Map<string, string[]>;

/** Takes back what the map held: the savepoints of the engine. */
export class MapEngine {
  lists: Lists = new Map();
  #command: Lists = new Map();
  #atomic: Lists | undefined;
  #commandBytes = 0;
  /** Ends of atomic parts, in order. */
  readonly calls: string[] = [];
  openTickBytes = 0;

  static #copy(lists: Lists): Lists {
    return new Map([...lists].map(([key, list]) => [key, [...list]]));
  }

  beginCommand(): void {
    this.#command = MapEngine.#copy(this.lists);
    this.#commandBytes = this.openTickBytes;
  }

  rollbackCommand(): void {
    this.lists = this.#command;
    this.openTickBytes = this.#commandBytes;
  }

  beginAtomic(): void {
    assert(this.#atomic === undefined, 'transactions do not nest');
    this.#atomic = MapEngine.#copy(this.lists);
    this.calls.push('begin');
  }

  endAtomic(): void {
    assert(this.#atomic !== undefined, 'no transaction is open');
    this.#atomic = undefined;
    this.calls.push('end');
  }

  rollbackAtomic(): void {
    assert(this.#atomic !== undefined, 'no transaction is open');
    this.lists = this.#atomic;
    this.#atomic = undefined;
    this.calls.push('rollback');
  }

  /** Lists that are not what they were when the command began. */
  visitWrittenKeys(visitor: KeyVisitor): void {
    const prefix = Buffer.from(defaultNamespace.prefix).toString('latin1');
    const shown = (lists: Lists, key: string): string => (lists.get(key) ?? []).join();
    for (const key of new Set([...this.lists.keys(), ...this.#command.keys()])) {
      if (shown(this.lists, key) !== shown(this.#command, key)) visitor.wrote(prefix + key);
    }
  }

  drop(): void {
    this.#atomic = undefined;
  }

  list(key: string): string[] {
    const list = this.lists.get(key) ?? [];
    this.lists.set(key, list);
    return list;
  }
}

export class ExecutionWorld {
  readonly time: VirtualTime = new VirtualTime();
  readonly engine: MapEngine = new MapEngine();
  readonly disk: ColdShelf = new ColdShelf();
  admission: Admission = 'execute';
  limit: OutputLimit = { hardBytes: 0, softBytes: 0, softMs: 0 };
  readonly condition: NodeCondition = {
    loading: false,
    readOnly: false,
    stale: false,
    writesRefused: undefined,
    tooFewReplicas: false,
    sizeLimitReached: false,
  };
  readonly clients: Client[] = [];
  readonly cut: number[] = [];
  readonly loop: TickLoop;
  readonly dispatcher: Dispatcher;

  constructor(extra: readonly CommandDefinition[] = []) {
    this.loop = this.#newLoop();
    const exec = command('exec', ['transaction'], (call, _request, reply) => this.#exec(call, reply), false);
    const definitions = [...listCommands(this.engine), exec, ...extra];
    this.dispatcher = new Dispatcher({
      commands: {
        lookup: (request) => definitions.find(({ name }) => request.is(0, name)),
        [Symbol.iterator]: () => definitions[Symbol.iterator](),
      },
      engine: this.engine,
      loop: this.loop,
      lease: { admit: (kind) => (kind === 'control' ? 'execute' : this.admission) } as Pick<
        LeaseKeeper,
        'admit'
      > as LeaseKeeper,
      clock: this.time,
      timers: this.time,
      logger: silentLogger,
      watched: new WatchedKeys(),
      condition: this.condition,
      router: undefined,
      coldReads: { engine: this.disk, lookups: this.disk.lookups },
      askHeldAgain: () => this.clients.forEach(({ connection }) => connection.resume()),
    });
  }

  #exec({ session }: Call, reply: ReplyWriter): void {
    this.dispatcher.transactions.execute(session as ClientConnection, reply);
  }

  #newLoop(): TickLoop {
    return new TickLoop({
      engine: {
        openTickBytes: 0,
        commit: (done) => done(undefined),
        settle: (): void => undefined,
        dropTick: () => this.engine.drop(),
        latestSequence: () => 0,
      },
      gate: { tickOpened: (): void => undefined, mayCommit: () => 'pass', mayRelease: () => 'pass' },
      followers: { onCommit: (): void => undefined, probe: () => 0, mayRelease: () => true },
      clock: this.time,
      timers: this.time,
      logger: silentLogger,
      onWriteFailure: (): void => undefined,
      onRoom: (): void => undefined,
    });
  }

  connect(): Client {
    const socket = new FakeSocket();
    const connection = new ClientConnection(clientTransport(socket as unknown as Socket), this.#host(), {
      id: this.clients.length + 1,
      namespace: defaultNamespace,
      memory: new ClientMemory([], () => 0, silentLogger),
      ends: { peer: '?:0', local: '?:0' },
    });
    connection.authenticated = true;
    const client = {
      connection,
      socket,
      say: async (...lines: string[]): Promise<string> => {
        if (lines.length > 0) socket.push(lines.map((line) => `${line}\r\n`).join(''));
        await this.turn();
        return socket.written;
      },
    };
    this.clients.push(client);
    return client;
  }

  /** One turn of the event loop: what was sent is read, and what was to be done soon is done. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.time.advance(0);
    await new Promise((resolve) => setImmediate(resolve));
  }

  #host(): ConnectionHost {
    return {
      loop: this.loop,
      clock: this.time,
      timers: this.time,
      requestLimits: defaultRequestLimits,
      requestsBegin: (connection) => this.dispatcher.requestsBegin(connection),
      execute: (connection, request) => this.dispatcher.execute(connection, request),
      executePinned: (connection, request) => this.dispatcher.executePinned(connection, request),
      redirect: (connection) => connection.reply.error('MOVED 0 lb:7000'),
      redirectPauseMs: () => 10,
      outputLimit: () => this.limit,
      cutSlowReader: (connection): void => {
        this.cut.push(connection.id);
        connection.destroy();
      },
      countInput: (): void => undefined,
      countOutput: (): void => undefined,
      closed: (): void => undefined,
    };
  }
}

/** PUSH key value, POP key, BPOP key ms (waits), BMOVE from to (waits), FAIL key: writes and throws; PING. */
function listCommands(engine: MapEngine): CommandDefinition[] {
  const pop = (reply: ReplyWriter, key: string): boolean => {
    const value = engine.list(key).shift();
    if (value !== undefined) reply.bulkLatin1(value);
    return value !== undefined;
  };
  const wait = (
    call: Call,
    reply: ReplyWriter,
    key: Buffer,
    timeoutMs: number,
    retry: (reply: ReplyWriter) => boolean,
  ): void => {
    if (retry(reply)) return;
    const expire = (late: ReplyWriter): void => late.nil();
    if (call.waits === undefined) expire(reply);
    else call.waits.begin({ keys: [Buffer.from(key)], timeoutMs, retry: (_call, late) => retry(late), expire });
  };
  return [
    command('ping', [], (_call, _request, reply) => reply.simple('PONG'), false),
    command('push', ['write'], (_call, request, reply) => {
      reply.integer(engine.list(request.latin1(1)).push(request.latin1(2)));
    }),
    command('pop', ['write'], (_call, request, reply) => {
      if (!pop(reply, request.latin1(1))) reply.nil();
    }),
    command('bpop', ['write', 'blocking'], (call, request, reply) => {
      const key = request.latin1(1);
      wait(call, reply, request.bytes(1), request.integer(2), (late) => pop(late, key));
    }),
    {
      ...command('bmove', ['write', 'blocking'], (call, request, reply) => {
        const [from, to] = [request.latin1(1), request.latin1(2)];
        wait(call, reply, request.bytes(1), 0, (late) => {
          const value = engine.list(from).shift();
          if (value === 'poison') throw new Error('poison was moved');
          if (value === undefined) return false;
          engine.list(to).push(value);
          late.bulkLatin1(value);
          return true;
        });
      }),
      keys: { first: 1, last: 2, step: 1 },
    },
    command('fail', ['write'], (_call, request, reply) => {
      engine.list(request.latin1(1)).push('half');
      reply.array(2);
      throw new Error('failed');
    }),
    multi,
  ];
}

const multi = command(
  'multi',
  ['transaction'],
  (call, _request, reply) => {
    call.session.queued = [];
    reply.ok();
  },
  false,
);
