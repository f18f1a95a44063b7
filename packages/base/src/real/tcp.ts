import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { OperationError, messageOf } from '../errors.ts';
import { sendLast } from './os.ts';
import {
  formatEndpoint,
  type ClientTransport,
  type Connector,
  type Endpoint,
  type Transport,
  type TransportEvents,
} from '../transport.ts';

/** A Transport over a connected socket. The socket must not be used directly any more. */
export function socketTransport(socket: Socket): Transport {
  return new SocketTransport(socket);
}

/** What a client's connection is given when its socket stays with Node. The socket must not be used directly any more. */
export function clientTransport(socket: Socket): ClientTransport {
  return new SocketTransport(socket);
}

class SocketTransport implements Transport, ClientTransport {
  readonly peer: string;
  readonly #socket: Socket;
  readonly #isTcp: boolean;
  #events: TransportEvents | undefined;
  #failure: Error | undefined;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#isTcp = socket.remoteAddress !== undefined && !(socket instanceof TLSSocket);
    this.peer = formatEndpoint({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 });
    socket.pause();
    socket.setNoDelay(true);
    socket.on('error', (error) => (this.#failure = error));
    socket.on('data', (chunk: Buffer) => this.#events?.onData(chunk));
    socket.on('end', () => this.#events?.onEnd?.());
    socket.on('drain', () => this.#events?.onDrain?.());
    socket.on('close', () => {
      this.#closed = true;
      this.#events?.onClose(this.#failure);
    });
  }

  get borrowedBytes(): number {
    return this.#socket.writableLength;
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  listen(next: TransportEvents): void {
    this.#events = next;
    if (this.#closed) queueMicrotask(() => next.onClose(this.#failure));
    else this.#socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    return this.#closed || this.#socket.writableEnded ? false : this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  endWith(bytes: Uint8Array): void {
    endWith(this.#socket, bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Only a bare TCP socket can be asked for a reset. */
  reset(): void {
    if (this.#isTcp) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  handOver(unread: Buffer): Transport {
    this.#events = undefined;
    this.#socket.pause();
    if (unread.length > 0) this.#socket.unshift(unread);
    return this;
  }
}

/**
 * Sends the last bytes and the end of the stream in one go: the peer that reads the bytes finds the end behind them.
 *
 * Node ends a stream in the next turn of its event loop, which may be long after the bytes; and bytes that leave before
 * the end wake the peer, for which a busy machine may put this process aside between two system calls (17 ms were seen).
 * A peer that acts on the bytes may then send something more, which nobody answers. Where the kernel does not take all of
 * the bytes at once, the end follows them as Node does it; so it does behind TLS, whose records are not the kernel's.
 */
export function endWith(socket: Socket, bytes: Uint8Array): void {
  const fd = fdOf(socket);
  const taken = fd === undefined || socket.writableLength > 0 || socket.writableEnded ? 0 : sendLast(fd, bytes);
  if (taken >= 0 && taken < bytes.length) socket.write(bytes.subarray(taken));
  socket.end();
}

export const tcpConnector: Connector = {
  connect(endpoint: Endpoint, { timeoutMs }: { timeoutMs: number }): Promise<Transport> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: endpoint.host, port: endpoint.port, allowHalfOpen: true });
      const fail = (reason: string, cause?: unknown): void => {
        clearTimeout(timer);
        socket.destroy();
        const message = `cannot connect to ${formatEndpoint(endpoint)}: ${reason}`;
        reject(new OperationError('NET_CONNECT', message, { outcome: 'not-applied', cause }));
      };
      const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
      const onError = (error: Error): void => fail(messageOf(error), error);
      socket.once('error', onError);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', onError);
        resolve(socketTransport(socket));
      });
    });
  },
};

/** Descriptor of a socket; undefined when it is closed, is none, or does not carry what is written to it as it is (TLS). */
export function fdOf(socket: Socket): number | undefined {
  if (socket instanceof TLSSocket) return undefined;
  // Not public.
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd;
}
