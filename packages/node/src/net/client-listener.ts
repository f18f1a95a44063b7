/**
 * Accepts clients on the node's port and knows every open connection.
 *
 * Closing many at once is paced over turns of the event loop, so that a role change with thousands of clients does not
 * starve the heartbeats of its own node.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { FatalError, messageOf, type Logger, type Timers } from '@holdfast/base';
import type { Namespace } from '@holdfast/engine';
import { ClientConnection } from './client-connection.ts';
import type { ConnectionHost } from './connection-host.ts';
import { ClientMemory } from './client-memory.ts';

/** Connections closed in one turn of the event loop. */
const closesPerTurn = 256;
/** Idle clients are looked for this often. */
const idleSweepMs = 1000;
/** A flood of connections must not flood the log. */
const acceptFailuresPerLine = 1000;

export interface ListenerEnvironment {
  readonly host: ConnectionHost;
  readonly timers: Timers;
  readonly defaultNamespace: Namespace;
  readonly logger: Logger;
  /** Current `maxclients`. */
  maxClients(): number;
  /** Current `maxmemory-clients`; 0 means no bound. */
  clientBytesMax(): number;
  /** Sets what a new connection may do before its first command. */
  welcome(connection: ClientConnection): void;
}

export class ClientListener {
  readonly #env: ListenerEnvironment;
  readonly #servers: Server[] = [];
  readonly #connections = new Map<number, ClientConnection>();
  readonly #memory: ClientMemory;
  #lastId = 0;
  #acceptFailures = 0;
  #sweptAtMs = 0;
  accepted = 0;
  rejected = 0;

  constructor(env: ListenerEnvironment) {
    this.#env = env;
    const clients = { [Symbol.iterator]: () => this.#connections.values() };
    this.#memory = new ClientMemory(clients, () => env.clientBytesMax(), env.logger);
  }

  /** Clients cut because all together held too much. */
  get evicted(): number {
    return this.#memory.evicted;
  }

  get connections(): ReadonlyMap<number, ClientConnection> {
    return this.#connections;
  }

  /**
   * Listens on one address.
   * @throws FatalError naming the address when it cannot be listened on.
   */
  listen(host: string, port: number, backlog: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
      server.on('error', (error: NodeJS.ErrnoException) => {
        if (server.listening) {
          // One connection could not be accepted (no file descriptor left, say); the next one may.
          this.rejected++;
          if (this.#acceptFailures++ % acceptFailuresPerLine === 0)
            this.#env.logger.warn('a connection could not be accepted', { error: messageOf(error) });
          return;
        }
        const reason = error.code === 'EADDRINUSE' ? 'the address is already in use' : messageOf(error);
        reject(new FatalError(`cannot listen on ${host}:${port}: ${reason}`, 1, error));
      });
      server.listen({ host, port, backlog }, () => {
        this.#servers.push(server);
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#env.maxClients()) {
      this.rejected++;
      socket.on('error', () => undefined);
      socket.end('-ERR max number of clients reached\r\n');
      socket.destroySoon();
      return;
    }
    this.accepted++;
    const connection = new ClientConnection(socket, this.#env.host, {
      id: ++this.#lastId,
      namespace: this.#env.defaultNamespace,
      memory: this.#memory,
    });
    this.#connections.set(connection.id, connection);
    this.#env.welcome(connection);
  }

  /** The connection has gone or was handed over. */
  forget(connection: ClientConnection): void {
    this.#connections.delete(connection.id);
  }

  /** Does `act` to every connection open now, some per turn of the event loop. */
  forEachPaced(act: (connection: ClientConnection) => void): void {
    const open = [...this.#connections.values()];
    let at = 0;
    const turn = (): void => {
      const end = Math.min(at + closesPerTurn, open.length);
      for (; at < end; at++) act(open[at] as ClientConnection);
      if (at < open.length) this.#env.timers.soon(turn);
    };
    turn();
  }

  /**
   * Cuts clients that have not read for too long, and those without a command for `idleMs` (the directive `timeout`; 0:
   * never). Who waits, or hears what is published, is not idle.
   */
  sweep(nowMs: number, idleMs: number): void {
    if (Math.abs(nowMs - this.#sweptAtMs) < idleSweepMs) return;
    this.#sweptAtMs = nowMs;
    for (const connection of this.#connections.values()) {
      connection.checkOutput();
      const isBusy = connection.occupied || connection.held || connection.subscriptions > 0;
      if (idleMs > 0 && !isBusy && nowMs - connection.lastCommandAtMs > idleMs) connection.destroy();
    }
  }

  /** Somebody waits for what others do, or listens to what is published. */
  get isAwaited(): boolean {
    for (const { blocked, subscriptions } of this.#connections.values()) if (blocked || subscriptions > 0) return true;
    return false;
  }

  /** Asks every connection whose request was held to try again. */
  resumeHeld(): void {
    for (const connection of this.#connections.values()) if (connection.held) connection.resume();
  }

  /** Stops listening and closes every client. */
  async stop(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const connection of this.#connections.values()) connection.closeGracefully();
    this.#env.timers.soon(() => {
      for (const connection of this.#connections.values()) connection.destroy();
    });
    await Promise.all(closed);
  }
}
