/**
 * Accepts clients wherever the node listens and knows every open connection.
 *
 * Closing many at once is paced over turns of the event loop, so that a role change with thousands of clients does not
 * starve the heartbeats of its own node.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { chmodSync } from 'node:fs';
import { FatalError, messageOf, type Logger, type Timers } from '@holdfast/base';
import { adoptSocket, clientTransport } from '@holdfast/base/real';
import type { Namespace } from '@holdfast/engine';
import { Arrivals, type ProxySources } from './arrivals.ts';
import { ClientConnection } from './client-connection.ts';
import type { ConnectionHost } from './connection-host.ts';
import { ClientMemory } from './client-memory.ts';
import { formatListenAddress, type ListenAddress } from './listen-addresses.ts';
import { addressOf, type SocketEnds } from './peer-address.ts';
import type { TlsMaterial } from './tls-credentials.ts';
import { clearUnixSocket } from './unix-socket.ts';

/** Connections closed in one turn of the event loop. */
const closesPerTurn = 256;
/** Idle clients are looked for this often. */
const idleSweepMs = 1000;
/** One that is refused may take so long to read why. */
const refusalLingerMs = 1000;
/** So many may do that at once. */
const refusalsMax = 1024;
/** A flood of connections must not flood the log. */
const acceptFailuresPerLine = 1000;

export interface ListenerEnvironment {
  readonly host: ConnectionHost;
  readonly timers: Timers;
  readonly defaultNamespace: Namespace;
  readonly logger: Logger;
  /** Current `maxclients`, as far as the operating system allows it. */
  maxClients(): number;
  /** Current `timeout` in milliseconds; 0: none. */
  idleMs(): number;
  /** Current `tcp-keepalive` in milliseconds; 0: none. */
  keepAliveMs(): number;
  /** Whose PROXY headers are believed; undefined: nobody's. */
  readonly proxies: ProxySources | undefined;
  /** What new TLS connections use. */
  tlsMaterial(): TlsMaterial;
  /** Current `maxmemory-clients`; 0 means no bound. */
  clientBytesMax(): number;
  /** Current `native-transport`: new connections do without Node's streams where they can. */
  nativeTransport(): boolean;
  /** Sets what a new connection may do before its first command. */
  welcome(connection: ClientConnection): void;
}

export class ClientListener {
  readonly #env: ListenerEnvironment;
  readonly #servers: Server[] = [];
  readonly #connections = new Map<number, ClientConnection>();
  readonly #memory: ClientMemory;
  readonly #arrivals: Arrivals;
  #lastId = 0;
  #refusals = 0;
  #acceptFailures = 0;
  #sweptAtMs = 0;
  accepted = 0;
  rejected = 0;

  constructor(env: ListenerEnvironment) {
    this.#env = env;
    const clients = { [Symbol.iterator]: () => this.#connections.values() };
    this.#memory = new ClientMemory(clients, () => env.clientBytesMax(), env.logger);
    this.#arrivals = new Arrivals({
      timers: env.timers,
      logger: env.logger,
      proxies: env.proxies,
      idleMs: () => env.idleMs(),
      tlsMaterial: () => env.tlsMaterial(),
      opened: (socket, ends) => this.#adopt(socket, ends),
    });
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
  async listen(address: ListenAddress, backlog: number): Promise<void> {
    const refuse = (reason: string, cause?: unknown): never => {
      throw new FatalError(`cannot listen on ${formatListenAddress(address)}: ${reason}`, 1, cause);
    };
    const obstacle = address.kind === 'unix' ? await clearUnixSocket(address.path) : undefined;
    if (obstacle !== undefined) refuse(obstacle);
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket, address));
    try {
      await opened(server, address, backlog);
      if (address.kind === 'unix') chmodSync(address.path, address.mode);
    } catch (error) {
      server.close();
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRNOTAVAIL' && address.kind === 'tcp' && address.optional) return;
      refuse(code === 'EADDRINUSE' ? 'the address is already in use' : messageOf(error), error);
    }
    server.on('error', (error) => {
      // One connection could not be accepted (no file descriptor left, say); the next one may.
      this.rejected++;
      if (this.#acceptFailures++ % acceptFailuresPerLine === 0)
        this.#env.logger.warn('a connection could not be accepted', { error: messageOf(error) });
    });
    this.#servers.push(server);
  }

  #accept(socket: Socket, address: ListenAddress): void {
    const spoken = address.kind === 'tcp' ? address.spoken : 'plain';
    if (this.#connections.size + this.#arrivals.count >= this.#env.maxClients()) {
      this.#refuse(socket, spoken === 'tls');
      return;
    }
    const keepAliveMs = this.#env.keepAliveMs();
    if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs);
    this.#arrivals.take(socket, spoken, address.kind === 'unix' ? unixEnds(address.path) : endsOf(socket));
  }

  /** Says why, to who understands it: before its handshake a TLS client understands nothing. */
  #refuse(socket: Socket, isTls: boolean): void {
    this.rejected++;
    socket.on('error', () => undefined);
    if (isTls || this.#refusals >= refusalsMax) {
      socket.destroy();
      return;
    }
    this.#refusals++;
    socket.end('-ERR max number of clients reached\r\n');
    // What it has sent is read, as otherwise the end would be a reset that overtakes the text.
    socket.resume();
    const timer = this.#env.timers.after(refusalLingerMs, () => socket.destroy());
    socket.once('end', () => socket.destroySoon());
    socket.once('close', () => {
      timer.cancel();
      this.#refusals--;
    });
  }

  #adopt(socket: Socket, ends: SocketEnds): void {
    this.accepted++;
    const native = this.#env.nativeTransport() ? adoptSocket(socket) : undefined;
    const connection = new ClientConnection(native ?? clientTransport(socket), this.#env.host, {
      id: ++this.#lastId,
      namespace: this.#env.defaultNamespace,
      memory: this.#memory,
      ends,
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
   * Cuts clients that have not read for too long, and those without a command for so long as the directive `timeout` says (0:
   * never). Who waits, or hears what is published, is not idle.
   */
  sweep(nowMs: number): void {
    const idleMs = this.#env.idleMs();
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
    for (const connection of this.#connections.values())
      if (connection.held && !connection.input.isFetching) connection.resume();
  }

  /** Stops listening and closes every client. */
  async stop(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const connection of this.#connections.values()) connection.closeGracefully();
    this.#env.timers.soon(() => {
      for (const connection of this.#connections.values()) connection.destroy();
      this.#arrivals.stop();
    });
    await Promise.all(closed);
  }
}

/** Resolves once it listens. Rejects with the system's error. */
function opened(server: Server, address: ListenAddress, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const done = (): void => {
      server.off('error', reject);
      resolve();
    };
    if (address.kind === 'unix') server.listen({ path: address.path, backlog }, done);
    else if (address.kind === 'descriptor') server.listen({ fd: address.fd }, done);
    else server.listen({ host: address.host, port: address.port, backlog, ipv6Only: address.host === '::' }, done);
  });
}

function endsOf(socket: Socket): SocketEnds {
  return {
    peer: addressOf(socket.remoteAddress, socket.remotePort),
    local: addressOf(socket.localAddress, socket.localPort),
  };
}

/** As Redis shows them: those who connect have no address of their own. */
function unixEnds(path: string): SocketEnds {
  return { peer: `${path}:0`, local: `${path}:0` };
}
