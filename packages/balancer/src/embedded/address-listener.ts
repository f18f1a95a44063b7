/**
 * One stable address: the listening socket, where it leads now, and every connection it carries.
 *
 * `rebind` changes where new connections go and cuts old ones in the same turn of the event loop, so there is no moment
 * at which the address has moved and an old connection still forwards (drainMs 0). The listening socket stays open over
 * a rebind: clients that connect meanwhile wait in its backlog and meet the new backend.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf, type Endpoint, type Logger } from '@holdfast/base';
import type { Binding, ObservedBinding } from '../driver.ts';
import { parseEndpoint } from '../endpoint.ts';
import type { BalancerLimits } from '../limits.ts';
import { ProxiedConnection, reset } from './connection.ts';
import { proxyHeader } from './proxy-header.ts';

/** What happened at one address since the process started. */
export interface Counters {
  accepted: number;
  /** Reset because no backend was bound. */
  resetUnbound: number;
  /** Reset because a connection limit was reached. */
  resetByLimit: number;
  /** Reset because the backend refused or did not answer. */
  connectFailed: number;
  /** Cut because the address moved, or by request. */
  cut: number;
}

export interface ListenerOptions {
  readonly binding: Binding;
  readonly limits: BalancerLimits;
  readonly logger: Logger;
  /** Connections of all addresses now, for the limit over all. */
  readonly connectionsOfAll: () => number;
}

export class AddressListener {
  readonly counters: Counters = { accepted: 0, resetUnbound: 0, resetByLimit: 0, connectFailed: 0, cut: 0 };
  readonly #limits: BalancerLimits;
  readonly #logger: Logger;
  readonly #connectionsOfAll: () => number;
  readonly #connections = new Set<ProxiedConnection>();
  readonly #server: Server;
  readonly #firstOutcome = Promise.withResolvers<void>();
  #binding: Binding;
  /** The binding's backend, parsed; undefined when none is bound. */
  #endpoint: Endpoint | undefined;
  /** Why the address is not served; null while it is. */
  #error: string | null = 'not tried yet';
  #retry: NodeJS.Timeout | undefined;
  /** When connections are cut, by the backend that the address has moved away from. */
  readonly #drains = new Map<string, { readonly atMs: number; readonly timer: NodeJS.Timeout }>();
  #closed = false;

  constructor({ binding, limits, logger, connectionsOfAll }: ListenerOptions) {
    this.#binding = binding;
    this.#endpoint = endpointOf(binding);
    this.#limits = limits;
    this.#logger = logger.child({ address: binding.address });
    this.#connectionsOfAll = connectionsOfAll;
    this.#server = createServer(
      {
        allowHalfOpen: true,
        pauseOnConnect: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: limits.keepAliveMs,
      },
      (client) => this.#accept(client),
    );
    this.#server.on('listening', () => this.#onListening());
    this.#server.on('error', (error: NodeJS.ErrnoException) => this.#onServerError(error));
    this.#listen();
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Why the address is not served; null while it is. */
  get error(): string | null {
    return this.#error;
  }

  /** Resolves when the address was bound or the first attempt failed. */
  get settled(): Promise<void> {
    return this.#firstOutcome.promise;
  }

  /**
   * Leads new connections to `binding.backend` and treats those to another one as `drainMs` says.
   * @returns the connections that were cut now.
   */
  rebind(binding: Binding): readonly ProxiedConnection[] {
    const moved = binding.backend !== this.#binding.backend;
    this.#binding = binding;
    this.#endpoint = endpointOf(binding);
    if (moved) this.#logger.info('address moved', { backend: binding.backend, drainMs: binding.drainMs });
    if (binding.drainMs === 0) return this.#cutOthers();
    if (binding.drainMs === null) this.#cancelDrains();
    else this.#scheduleDrains(binding.drainMs);
    return [];
  }

  /** Cuts every connection that leads to `backend`, bound or not. */
  cut(backend: string): readonly ProxiedConnection[] {
    return this.#cutWhere((connection) => connection.backend === backend);
  }

  observe(): ObservedBinding & { readonly counters: Counters } {
    const counts = new Map<string, number>();
    for (const { backend } of this.#connections) counts.set(backend, (counts.get(backend) ?? 0) + 1);
    return {
      address: this.#binding.address,
      backend: this.#binding.backend,
      listening: this.#error === null,
      error: this.#error,
      connections: [...counts].map(([backend, count]) => ({ backend, count })),
      counters: { ...this.counters },
    };
  }

  /** Gives the address up and resets its connections; resolves when the last is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#cancelDrains();
    const serverClosed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const cut = this.#cutWhere(() => true);
    await Promise.all([serverClosed, ...cut.map(({ closed }) => closed)]);
  }

  #listen(): void {
    const endpoint = parseEndpoint(this.#binding.address);
    if (endpoint !== undefined) this.#server.listen({ ...endpoint, backlog: 4096, exclusive: true });
  }

  #onListening(): void {
    this.#error = null;
    this.#logger.info('listening', { backend: this.#binding.backend });
    this.#firstOutcome.resolve();
  }

  #onServerError(error: NodeJS.ErrnoException): void {
    if (this.#server.listening) {
      this.#logger.warn('could not accept a connection', { reason: error.message });
      return;
    }
    const reason = describeListenError(error, this.#binding.address);
    if (reason !== this.#error) this.#logger.error('cannot listen; trying again', { reason });
    this.#error = reason;
    this.#firstOutcome.resolve();
    if (!this.#closed) this.#retry = setTimeout(() => this.#listen(), this.#limits.listenRetryMs);
  }

  #accept(client: Socket): void {
    this.counters.accepted++;
    const { backend, proxy } = this.#binding;
    const endpoint = this.#endpoint;
    if (backend === null || endpoint === undefined) return this.#refuse(client, 'resetUnbound');
    if (
      this.#connections.size >= this.#limits.connectionsPerAddressMax ||
      this.#connectionsOfAll() >= this.#limits.connectionsMax
    )
      return this.#refuse(client, 'resetByLimit');
    const connection: ProxiedConnection = new ProxiedConnection({
      client,
      backend,
      endpoint,
      header: proxy === true ? headerOf(client) : undefined,
      connectTimeoutMs: this.#limits.connectTimeoutMs,
      keepAliveMs: this.#limits.keepAliveMs,
      onConnectFailed: (reason) => {
        this.counters.connectFailed++;
        this.#logger.debug('backend did not accept', { backend, reason });
      },
      onClosed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  #refuse(client: Socket, why: 'resetUnbound' | 'resetByLimit'): void {
    this.counters[why]++;
    client.on('error', () => undefined);
    reset(client);
  }

  #cutOthers(): readonly ProxiedConnection[] {
    this.#cancelDrains();
    return this.#cutWhere(({ backend }) => backend !== this.#binding.backend);
  }

  #cutWhere(matches: (connection: ProxiedConnection) => boolean): readonly ProxiedConnection[] {
    const chosen = [...this.#connections].filter(matches);
    for (const connection of chosen) connection.cut();
    this.counters.cut += chosen.length;
    if (chosen.length > 0) this.#logger.info('connections cut', { count: chosen.length });
    return chosen;
  }

  /**
   * The time counts from when the address moved away from a backend, also when it moves on or back meanwhile. An earlier
   * deadline that already runs stays: repeating a request must not keep old connections alive.
   */
  #scheduleDrains(drainMs: number): void {
    const { backend: bound } = this.#binding;
    if (bound !== null) this.#cancelDrain(bound);
    const atMs = performance.now() + drainMs;
    for (const { backend } of this.#connections) {
      const running = this.#drains.get(backend);
      if (backend === bound || (running !== undefined && running.atMs <= atMs)) continue;
      this.#cancelDrain(backend);
      this.#drains.set(backend, { atMs, timer: setTimeout(() => this.#endDrain(backend), drainMs) });
    }
  }

  #endDrain(backend: string): void {
    this.#drains.delete(backend);
    this.cut(backend);
  }

  #cancelDrain(backend: string): void {
    clearTimeout(this.#drains.get(backend)?.timer);
    this.#drains.delete(backend);
  }

  #cancelDrains(): void {
    for (const { timer } of this.#drains.values()) clearTimeout(timer);
    this.#drains.clear();
  }
}

function endpointOf({ backend }: Binding): Endpoint | undefined {
  return backend === null ? undefined : parseEndpoint(backend);
}

function headerOf(client: Socket): Buffer {
  const { remoteAddress = '0.0.0.0', remotePort = 0, localAddress = '0.0.0.0', localPort = 0 } = client;
  return proxyHeader({ host: remoteAddress, port: remotePort }, { host: localAddress, port: localPort });
}

function describeListenError(error: NodeJS.ErrnoException, address: string): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `${address} is taken by another process`;
    case 'EADDRNOTAVAIL':
      return `${address} is not an address of this machine`;
    case 'EACCES':
      return `no permission to listen on ${address}`;
    default:
      return `cannot listen on ${address}: ${messageOf(error)}`;
  }
}
