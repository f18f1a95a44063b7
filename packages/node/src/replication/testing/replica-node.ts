/**
 * A node reduced to its replication: a real engine, a Replicator, and a socket that answers the replication commands.
 * One write is one tick.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, silentLogger, type Endpoint, type Transport } from '@holdfast/base';
import { realClock, realRandom, realTimers, socketTransport, tcpConnector } from '@holdfast/base/real';
import { Refusal, replicationCommands, type Call, type CommandDefinition, type Session } from '@holdfast/commands';
import { dataTypes, defaultNamespace, Engine, spanOf, type DataTypes } from '@holdfast/engine';
import { openRepaired, replicationPaths } from '@holdfast/replication';
import { ReplyWriter, RequestDecoder } from '@holdfast/resp';
import { replicationFiles } from '../../net/replication-files.ts';
import type { ReplicationSettings } from '../environment.ts';
import { Replicator } from '../replicator.ts';

const defaults: ReplicationSettings = {
  password: undefined,
  databaseName: 'change.me.db',
  announcedPort: 0,
  announcedHost: undefined,
  useReplicationIds: true,
  clusterEnabled: false,
  walDisabled: false,
  connectTimeoutMs: 3100,
  receiveTimeoutMs: 3200,
  transferTimeoutMs: 10_000,
  sendTimeoutMs: 30_000,
  walTtlMs: 10_800_000,
  bytesPerSecondMax: 0,
  emptyDatabaseFirst: false,
};

export class ReplicaNode {
  readonly dir: string;
  readonly engine: Engine;
  readonly data: DataTypes;
  readonly replicator: Replicator;
  /** What happened to the database: `loading`, `id void`, `replaced`, `open`. */
  readonly events: string[] = [];
  settings: ReplicationSettings;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #commands = new Map<string, CommandDefinition>();

  private constructor(dir: string, engine: Engine, server: Server, settings: Partial<ReplicationSettings>) {
    this.dir = dir;
    this.engine = engine;
    this.data = dataTypes(engine);
    this.#server = server;
    this.settings = { ...defaults, announcedPort: this.endpoint.port, ...settings };
    this.replicator = new Replicator({
      masterChosen: () => undefined,
      inSync: { attached: () => undefined, acked: () => undefined, detached: () => undefined },
      identity: () => undefined,
      beforeDatabaseReplaced: () => void this.events.push('id void'),
      rewind: () => Promise.resolve('full-sync'),
      engine,
      connector: tcpConnector,
      clock: realClock,
      timers: realTimers,
      random: realRandom,
      logger: silentLogger,
      files: replicationFiles,
      paths: replicationPaths(dir),
      settings: () => this.settings,
      betweenTicks: (run) => {
        this.commit();
        run();
        this.commit();
      },
      resolveHost: (host) => Promise.resolve(host),
      isSelf: ({ port }) => port === this.endpoint.port,
      onProgress: () => undefined,
      onAttached: () => undefined,
      onApplied: () => undefined,
      onLoading: (loading) => void this.events.push(loading ? 'loading' : 'open'),
      onDatabaseReplaced: () => void this.events.push('replaced'),
      onDatabaseLost: (error) => {
        throw error;
      },
    });
    for (const command of replicationCommands(this.replicator)) this.#commands.set(command.name, command);
    server.on('connection', (socket) => this.#serve(socket));
  }

  /** A node with a new directory, or on one that is there; a master that has not written anything yet. */
  static async start(settings: Partial<ReplicationSettings> = {}, dir?: string): Promise<ReplicaNode> {
    const place = dir ?? (await mkdtemp(join(tmpdir(), 'holdfast-replication-')));
    const options = { path: join(place, 'db'), slotPrefixed: false, clock: realClock, random: realRandom };
    const engine = await openRepaired(
      replicationFiles,
      replicationPaths(place),
      () => Engine.open(options),
      () => false,
    );
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ReplicaNode(place, engine, server, settings);
  }

  get endpoint(): Endpoint {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  /** What a process does that starts as master with `use-rsid-psync`. */
  beginHistory(): void {
    this.replicator.beginHistory();
    this.commit();
  }

  set(key: string, value: string): void {
    assert(!this.replicator.isReplica, 'only a master writes');
    this.engine.beginCommand();
    const bytes = Buffer.from(key);
    const userKey = { buffer: bytes, start: 0, end: bytes.length, namespace: defaultNamespace };
    this.data.strings.set(userKey, spanOf(Buffer.from(value)), 0);
    this.commit();
  }

  commit(): void {
    const commit = this.engine.commit();
    if (commit !== undefined) this.replicator.onCommit(commit);
  }

  /** Everything stored, family by family. */
  dump(): string[] {
    const lines: string[] = [];
    const { database } = this.engine;
    database.columnFamilies.forEach((name, family) => {
      const iterator = database.iterate(family, {});
      for (let done = false; !done;) {
        const block = iterator.next(1000, 1_000_000);
        done = block.done;
        for (let at = 0, i = 0; i < block.count; i++) {
          const key = at + 8;
          const value = key + block.bytes.readUInt32LE(at);
          at = value + block.bytes.readUInt32LE(at + 4);
          lines.push(
            `${name} ${block.bytes.toString('latin1', key, value)} ${block.bytes.toString('latin1', value, at)}`,
          );
        }
      }
      iterator.close();
    });
    return lines;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    const decoder = new RequestDecoder();
    const reply = new ReplyWriter();
    let detached = false;
    const session = {
      id: socket.remotePort,
      peer: `127.0.0.1:${socket.remotePort ?? 0}`,
      namespace: defaultNamespace,
      defer: () => ({
        settled: false,
        complete: (write: (to: ReplyWriter) => void): void => {
          write(reply);
          socket.write(reply.take());
        },
        abandon: (): void => void socket.destroy(),
      }),
      detach: (): Transport => {
        detached = true;
        socket.removeAllListeners('data').removeAllListeners('end');
        if (reply.length > 0) socket.write(reply.take());
        return socketTransport(socket);
      },
    };
    const call = { nowMs: 0, namespace: defaultNamespace, session: session as unknown as Session } satisfies Call;
    socket.on('data', (chunk: Buffer) => {
      decoder.push(chunk);
      while (!detached && decoder.next()) this.#run(decoder, call, reply);
      if (!detached && reply.length > 0) socket.write(reply.take());
    });
  }

  #run({ request }: RequestDecoder, call: Call, reply: ReplyWriter): void {
    const command = this.#commands.get(request.latin1(0).toLowerCase());
    if (command === undefined) return void reply.error('ERR unknown command');
    if (this.replicator.loading) return void reply.error('LOADING kvrocks is restoring the db from backup');
    const input = command.parse(request);
    if (input instanceof Refusal) reply.error(input.message);
    else command.run(call, input, reply);
  }

  /** Ends like a killed process: every connection is reset, nothing is said. The directory stays. */
  async kill(): Promise<void> {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#server.close();
    await this.replicator.close();
    await this.engine.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}
