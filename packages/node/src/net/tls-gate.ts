/**
 * From an accepted TCP connection to an open TLS stream: nothing of a client runs before.
 *
 * The costly step of a handshake is the answer to the client's first bytes, about a millisecond of the main thread. After a
 * cut thousands of clients come back at once, and their first bytes would all be answered in one turn of the event loop. So
 * a handshake is begun when its first bytes are there, a few per turn of the loop; who sends nothing costs a socket only.
 * Unfinished ones are bounded in number and in time.
 */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { messageOf, type Logger, type Timer, type Timers } from '@holdfast/base';
import type { TlsMaterial } from './tls-credentials.ts';

/** From the connection to the end of the handshake. */
const handshakeTimeoutMs = 10_000;
/** Handshakes begun in one turn of the event loop. */
const startsPerTurn = 8;
/** Connections whose handshake is not at its end. */
const unfinishedMax = 8192;
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

interface Handshake {
  readonly raw: Socket;
  readonly opened: Opened;
  /** Ends it when it takes too long. */
  readonly timer: Timer;
}

export class TlsGate {
  readonly #env: TlsGateEnvironment;
  #server: Server | undefined;
  /** What `#server` was made of. */
  #material: TlsMaterial | undefined;
  /** By both ends of the connection: of a stream Node does not say which socket it came from. */
  readonly #unfinished = new Map<string, Handshake>();
  /** First bytes are there; to be begun. */
  readonly #ready: Handshake[] = [];
  #draining = false;
  failures = 0;

  constructor(env: TlsGateEnvironment) {
    this.#env = env;
  }

  /** Connections whose handshake is not at its end. */
  get unfinished(): number {
    return this.#unfinished.size;
  }

  /** Takes over a connection of which nothing was read, or only what was put back. @returns false when there are too many. */
  take(raw: Socket, opened: Opened): boolean {
    raw.on('error', ignore);
    if (this.#unfinished.size >= unfinishedMax || raw.remoteAddress === undefined) return false;
    const key = endsOf(raw);
    const timer = this.#env.timers.after(handshakeTimeoutMs, () => raw.destroy());
    const handshake: Handshake = { raw, opened, timer };
    this.#unfinished.set(key, handshake);
    raw.once('close', () => {
      if (this.#unfinished.get(key) === handshake) this.#finish(key, handshake);
    });
    const ready = (): void => {
      // Nothing to read is the peer's end.
      if (raw.readableLength === 0) raw.destroy();
      else this.#ready.push(handshake);
      this.#drain();
    };
    // What was looked at before and put back is there already.
    if (raw.readableLength > 0) ready();
    else raw.once('readable', ready);
    return true;
  }

  /** It is open, or gone. */
  #finish(key: string, handshake: Handshake): void {
    this.#unfinished.delete(key);
    handshake.timer.cancel();
  }

  /** Begins what is ready, in the turns of the event loop that follow. */
  #drain(): void {
    if (this.#draining || this.#ready.length === 0) return;
    this.#draining = true;
    this.#env.timers.soon(() => {
      this.#draining = false;
      for (const handshake of this.#ready.splice(0, startsPerTurn)) this.#begin(handshake);
      this.#drain();
    });
  }

  #begin({ raw }: Handshake): void {
    if (raw.destroyed) return;
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
    const key = endsOf(socket);
    const handshake = this.#unfinished.get(key);
    if (handshake === undefined) {
      socket.on('error', ignore);
      socket.destroy();
      return;
    }
    this.#finish(key, handshake);
    handshake.opened(socket);
  }

  #failed(error: unknown): void {
    if (this.failures++ % failuresPerLine === 0)
      this.#env.logger.info('a TLS handshake failed', { error: messageOf(error), failures: this.failures });
  }

  /** Ends whatever has not got through. */
  stop(): void {
    for (const { raw } of this.#unfinished.values()) raw.destroy();
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function ignore(): void {
  // 'close' follows.
}
