/**
 * One client connection and the backend connection it is joined to.
 *
 * The problem: when an address moves, nothing a client sent may reach the old backend afterwards. What this process has
 * read but not yet handed to the kernel would. So `cut` destroys both sides in the same turn: the queue of either is
 * dropped, and the kernel's own send queue goes with the RST (a close would keep sending it). The client sees
 * ECONNRESET at once and connects again; a FIN could be taken for an orderly end.
 *
 * Each direction is chunk by chunk with back-pressure: a writer that is full stops the other side's reader, so a
 * connection holds at most one high-water mark and one chunk (64 KiB each) in each direction. A half-close is passed on as a
 * half-close. Whatever else ends one side resets the other.
 */
import { connect, type Socket } from 'node:net';
import type { Endpoint } from '@holdfast/base';
import { endWith, fdOf, peerEnded } from '@holdfast/base/real';

export interface ConnectionOptions {
  /** Accepted, paused, half-open allowed. */
  readonly client: Socket;
  /** `host:port`, as the binding names it. */
  readonly backend: string;
  readonly endpoint: Endpoint;
  /** Sent to the backend before anything else. */
  readonly header: Buffer | undefined;
  readonly connectTimeoutMs: number;
  readonly keepAliveMs: number;
  /** The backend refused or did not answer in time; the client is reset. */
  readonly onConnectFailed: (reason: string) => void;
  /** Both sockets are closed. */
  readonly onClosed: () => void;
}

export class ProxiedConnection {
  readonly backend: string;
  /** Resolves when both sockets are closed. */
  readonly closed: Promise<void>;
  readonly #client: Socket;
  readonly #upstream: Socket;

  constructor(options: ConnectionOptions) {
    const { client, backend, endpoint, header, connectTimeoutMs, keepAliveMs, onConnectFailed, onClosed } = options;
    this.backend = backend;
    this.#client = client;
    const upstream = connect({
      ...endpoint,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
    });
    this.#upstream = upstream;
    let connected = false;
    const patience = setTimeout(() => {
      onConnectFailed(`no answer within ${connectTimeoutMs} ms`);
      this.cut();
    }, connectTimeoutMs);
    upstream.once('connect', () => {
      connected = true;
      clearTimeout(patience);
      if (header !== undefined) upstream.write(header);
      forward(client, upstream, false);
      forward(upstream, client, true);
    });
    upstream.on('error', (error) => {
      if (!connected) onConnectFailed(error.message);
    });
    // What ended the socket shows in its close.
    client.on('error', () => undefined);
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    let open = 2;
    const onClose = (socket: Socket, other: Socket): void => {
      clearTimeout(patience);
      if (!endedOrderly(socket)) reset(other);
      if (--open > 0) return;
      onClosed();
      closed.resolve();
    };
    client.once('close', () => onClose(client, upstream));
    upstream.once('close', () => onClose(upstream, client));
  }

  /** Resets both sides now. Nothing read from either is written to the other after this returns. */
  cut(): void {
    reset(this.#upstream);
    reset(this.#client);
  }
}

/**
 * Passes on what `from` sends, and its end.
 * @param isAnswers a last chunk leaves together with the end, as it came: a node that redirects a client ends the
 *   connection with its answers, and a client that gets only those may go on to use it. Nobody waits so for requests,
 *   and looking for the end is a system call for each chunk.
 */
function forward(from: Socket, to: Socket, isAnswers: boolean): void {
  from.on('data', (chunk: Buffer) => {
    const fd = isAnswers ? fdOf(from) : undefined;
    if (fd !== undefined && peerEnded(fd)) endWith(to, chunk);
    else if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  // Node shuts the direction down after what was written.
  from.once('end', () => to.end());
  from.resume();
}

/** Both directions were ended by FIN: what the other side still has to send may go on. */
function endedOrderly(socket: Socket): boolean {
  return socket.readableEnded && socket.writableFinished && socket.errored === null;
}

/** Closes a socket with RST, dropping what was not sent. Safe on a socket in any state. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.connecting) {
    // Nothing was sent yet, and Node would wait for the connection only to reset it.
    socket.destroy();
    return;
  }
  // libuv refuses to reset while shutdown(2) is under way, from the last write to the next turn of the loop, and Node
  // then leaks the socket. Everything written is with the kernel by then, so the reset loses nothing by waiting.
  const shuttingDown = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (shuttingDown) socket.once('finish', () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
