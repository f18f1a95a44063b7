/**
 * From an accepted TCP connection to an open TLS stream: nothing of a client runs before.
 *
 * The costly step of a handshake is the answer to the client's first bytes, about a millisecond of the main thread. After
 * a cut thousands of clients come back at once; so a handshake is begun when its first bytes are there, a few per turn of
 * the event loop, and who sends nothing costs a socket only. Unfinished ones are bounded in number and in time.
 */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { messageOf, type Logger, type Timers } from '@holdfast/base';
import type { TlsMaterial } from './tls-credentials.ts';

/** From the connection to the end of the handshake. */
const handshakeTimeoutMs = 10_000;
/** Handshakes begun in one turn of the event loop. */
const startsPerTurn = 8;
/** Connections whose handshake is not at its end. */
const unfinishedMax = 1024;
/** A flood of broken handshakes must not flood the log. */
const failuresPerLine = 1000;

export interface TlsGateEnvironment {
  readonly timers: Timers;
  readonly logger: Logger;
  /** What new handshakes use. */
  material(): TlsMaterial;
}

/** A stream is open and its client's certificate is as it must be. */
type Opened = (socket: TLSSocket) => void;

export class TlsGate {
  readonly #env: TlsGateEnvironment;
  #server: Server | undefined;
  /** What `#server` was made of. */
  #material: TlsMaterial | undefined;
  /** Every TCP connection that came through here and is open. */
  readonly #open = new Set<Socket>();
  /** First bytes are there; to be begun. */
  readonly #ready: Socket[] = [];
  /** Whom to tell, by both ends of the connection: of a stream Node does not say which socket it came from. */
  readonly #begun = new Map<string, Opened>();
  #unfinished = 0;
  #draining = false;
  failures = 0;

  constructor(env: TlsGateEnvironment) {
    this.#env = env;
  }

  /** Connections whose handshake is not at its end. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** Takes over a connection of which nothing was read, or only what was put back. @returns false when there are too many. */
  take(raw: Socket, opened: Opened): boolean {
    if (this.#unfinished >= unfinishedMax) return false;
    this.#unfinished++;
    this.#open.add(raw);
    let isBegun = false;
    const timer = this.#env.timers.after(handshakeTimeoutMs, () => raw.destroy());
    raw.on('error', ignore);
    raw.once('close', () => {
      timer.cancel();
      this.#open.delete(raw);
      // One that was begun is counted by what its handshake comes to.
      if (!isBegun) this.#unfinished--;
    });
    const key = endsOf(raw);
    const ready = (): void => {
      timer.cancel();
      if (raw.readableLength === 0) {
        raw.destroy();
        return;
      }
      isBegun = true;
      this.#begun.set(key, opened);
      this.#ready.push(raw);
      this.#drain();
    };
    // What was looked at before and put back is there already.
    if (raw.readableLength > 0) ready();
    else raw.once('readable', ready);
    raw.once('close', () => this.#begun.delete(key));
    return true;
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    const turn = (): void => {
      for (const raw of this.#ready.splice(0, startsPerTurn)) this.#begin(raw);
      this.#draining = this.#ready.length > 0;
      if (this.#draining) this.#env.timers.soon(turn);
    };
    turn();
  }

  #begin(raw: Socket): void {
    if (raw.destroyed) {
      this.#unfinished--;
      return;
    }
    try {
      this.#serverNow().emit('connection', raw);
    } catch (error) {
      this.#failed(error);
      raw.destroy();
    }
  }

  /** A TLS server that listens nowhere: connections are handed to it. */
  #serverNow(): Server {
    const material = this.#env.material();
    if (this.#server !== undefined && this.#material === material) return this.#server;
    const { options, clientCertificates } = material;
    const server = createServer({
      ...options,
      allowHalfOpen: true,
      handshakeTimeout: handshakeTimeoutMs,
      requestCert: clientCertificates !== 'none',
      rejectUnauthorized: clientCertificates === 'required',
    });
    server.on('secureConnection', (socket) => this.#opened(socket, clientCertificates === 'optional'));
    server.on('tlsClientError', (error, socket) => {
      this.#failed(error);
      socket.destroy();
    });
    this.#server = server;
    this.#material = material;
    return server;
  }

  #opened(socket: TLSSocket, maySkip: boolean): void {
    const isShown = maySkip && socket.getPeerX509Certificate() !== undefined;
    if (isShown && !socket.authorized) {
      this.#failed(socket.authorizationError);
      socket.on('error', ignore);
      socket.destroy();
      return;
    }
    this.#unfinished--;
    const opened = this.#begun.get(endsOf(socket));
    if (opened !== undefined) opened(socket);
    else {
      socket.on('error', ignore);
      socket.destroy();
    }
  }

  #failed(error: unknown): void {
    this.#unfinished--;
    if (this.failures++ % failuresPerLine === 0)
      this.#env.logger.info('a TLS handshake failed', { error: messageOf(error), failures: this.failures });
  }

  /** Ends whatever is open. */
  stop(): void {
    for (const raw of this.#open) raw.destroy();
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function ignore(): void {
  // 'close' follows.
}
