/**
 * What a connection is before it is a client: perhaps a PROXY header first, then TLS or not. Where one port takes both,
 * the first byte tells: a TLS handshake begins with 0x16, and no request does.
 *
 * Bytes are looked at and put back; whoever sends none is only a socket that counts as a client.
 */
import type { Socket } from 'node:net';
import type { Endpoint, Logger, Timer, Timers } from '@holdfast/base';
import { addressOf, type SocketEnds } from './peer-address.ts';
import { readProxyHeader } from './proxy-header.ts';
import { TlsGate } from './tls-gate.ts';
import type { TlsMaterial } from './tls-credentials.ts';

/** What may be spoken on an address. */
export type Spoken = 'plain' | 'tls' | 'both';

/** Which sources begin with a PROXY header. */
export interface ProxySources {
  readonly mode: 'optional' | 'required';
  trusts(host: string): boolean;
}

export interface ArrivalsEnvironment {
  readonly timers: Timers;
  readonly logger: Logger;
  /** Undefined: nobody's headers are believed. */
  readonly proxies: ProxySources | undefined;
  /** Current `timeout` in milliseconds; 0: none. */
  idleMs(): number;
  tlsMaterial(): TlsMaterial;
  /** It is a client: nothing of it was executed yet. */
  opened(socket: Socket, ends: SocketEnds): void;
}

/** How long the first bytes of a header may take. */
const headerTimeoutMs = 10_000;
const handshakeByte = 0x16;
/** A flood of bad headers must not flood the log. */
const failuresPerLine = 1000;

export class Arrivals {
  readonly #env: ArrivalsEnvironment;
  readonly #gate: TlsGate;
  /** Connections whose first bytes have not told yet what they are. */
  readonly #undecided = new Set<Socket>();
  #failures = 0;

  constructor(env: ArrivalsEnvironment) {
    this.#env = env;
    const { timers, logger } = env;
    this.#gate = new TlsGate({ timers, logger, material: () => env.tlsMaterial() });
  }

  /** Connections that are no clients yet. */
  get count(): number {
    return this.#undecided.size + this.#gate.unfinished;
  }

  /** Takes a connection that was just accepted. @param ends as they are if no header says otherwise. */
  take(socket: Socket, spoken: Spoken, ends: SocketEnds): void {
    const { proxies } = this.#env;
    const { remoteAddress } = socket;
    if (proxies === undefined || remoteAddress === undefined || !proxies.trusts(remoteAddress)) {
      this.#begin(socket, spoken, ends);
      return;
    }
    const isRequired = proxies.mode === 'required';
    this.#readFirst(socket, isRequired, (bytes) => {
      const reading = readProxyHeader(bytes);
      switch (reading.kind) {
        case 'incomplete':
          return undefined;
        case 'bad':
          return this.#bad(socket, ends, reading.reason);
        case 'none':
          if (isRequired) return this.#bad(socket, ends, 'there is none');
          return { keep: bytes, then: () => this.#begin(socket, spoken, ends) };
        case 'header': {
          const shown = reading.ends === undefined ? ends : endsOf(reading.ends.source, reading.ends.destination);
          return { keep: bytes.subarray(reading.bytes), then: () => this.#begin(socket, spoken, shown) };
        }
        default:
          return reading satisfies never;
      }
    });
  }

  #bad(socket: Socket, { peer }: SocketEnds, reason: string): undefined {
    if (this.#failures++ % failuresPerLine === 0)
      this.#env.logger.warn('a connection without a good PROXY header was cut', {
        peer,
        reason,
        failures: this.#failures,
      });
    socket.destroy();
    return undefined;
  }

  /** Its first byte is what it speaks. */
  #begin(socket: Socket, spoken: Spoken, ends: SocketEnds): void {
    if (spoken === 'plain') this.#env.opened(socket, ends);
    else if (spoken === 'tls') this.#handshake(socket, ends);
    else
      this.#readFirst(socket, false, (bytes) => ({
        keep: bytes,
        then: () => (bytes[0] === handshakeByte ? this.#handshake(socket, ends) : this.#env.opened(socket, ends)),
      }));
  }

  #handshake(socket: Socket, ends: SocketEnds): void {
    if (!this.#gate.take(socket, (secure) => this.#env.opened(secure, ends))) socket.destroy();
  }

  /**
   * Reads until `decide` says what is to be put back and done.
   * @param hurries it must send something soon; otherwise only what has begun must end soon.
   */
  #readFirst(
    socket: Socket,
    hurries: boolean,
    decide: (bytes: Buffer) => { readonly keep: Buffer; then(): void } | undefined,
  ): void {
    let timer: Timer | undefined;
    const endAfter = (ms: number): Timer => this.#env.timers.after(ms, () => socket.destroy());
    const idleMs = hurries ? headerTimeoutMs : this.#env.idleMs();
    if (idleMs > 0) timer = endAfter(idleMs);
    let bytes = Buffer.alloc(0);
    const leave = (): void => {
      timer?.cancel();
      this.#undecided.delete(socket);
      socket.off('readable', onReadable).off('close', leave);
    };
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) {
        // Nothing to read is the peer's end.
        socket.destroy();
        return;
      }
      timer ??= endAfter(headerTimeoutMs);
      bytes = Buffer.concat([bytes, chunk]);
      const decision = decide(bytes);
      if (decision === undefined) return;
      leave();
      if (decision.keep.length > 0) socket.unshift(decision.keep);
      decision.then();
    };
    this.#undecided.add(socket);
    socket.on('error', ignore);
    socket.on('close', leave);
    socket.on('readable', onReadable);
    if (socket.readableLength > 0) onReadable();
  }

  /** Ends whatever is no client yet. */
  stop(): void {
    for (const socket of this.#undecided) socket.destroy();
    this.#gate.stop();
  }
}

function endsOf(source: Endpoint, destination: Endpoint): SocketEnds {
  return { peer: addressOf(source.host, source.port), local: addressOf(destination.host, destination.port) };
}

function ignore(): void {
  // 'close' follows.
}
