/**
 * Asks backends whether they answer this balancer: one PING a period to each, over a connection of its own that is kept.
 * A connection that can be made proves nothing, the kernel of a stopped process makes it. Any line counts as an answer,
 * `-NOAUTH` as well as `+PONG`: what is asked is whether the way there and back is open, not whether the node is well.
 *
 * A backend is probed for as long as somebody asks for it, and a while longer, so that a controller that was just
 * elected finds what its predecessor began. Decisions are in `reach.ts`; here are sockets and one timer.
 */
import { connect, type Socket } from 'node:net';
import { assert, type Endpoint, type Logger } from '@holdfast/base';
import type { ProbedBackend, ProbeRequest } from '../driver.ts';
import { parseEndpoint } from '../endpoint.ts';
import { beginReach, silentMs, stepReach, type Reach, type ReachEvent } from '../reach.ts';
import { localHeader } from './proxy-header.ts';

const question = Buffer.from('*1\r\n$4\r\nPING\r\n');
const lineEnd = 0x0a;

export interface BackendProberOptions {
  /** Without being asked for a backend is given up after so long. */
  readonly forgetAfterMs: number;
  readonly logger: Logger;
  /** True when connections to this backend begin with a PROXY header. */
  takesHeader(backend: string): boolean;
}

interface Probed {
  readonly endpoint: Endpoint;
  reach: Reach;
  socket: Socket | undefined;
  askedForMs: number;
}

/** So many questions without an answer are worth a line in the log. */
const failuresTold = 3;

export class BackendProber {
  readonly #options: BackendProberOptions;
  readonly #backends = new Map<string, Probed>();
  #timer: NodeJS.Timeout | undefined;
  #periodMs = 0;
  #tickedMs = 0;

  constructor(options: BackendProberOptions) {
    this.#options = options;
  }

  /** Backends that are new are asked at once. One entry per backend of the request. */
  probe({ backends, periodMs }: ProbeRequest): ProbedBackend[] {
    const nowMs = performance.now();
    if (periodMs !== this.#periodMs || this.#timer === undefined) this.#restart(periodMs, nowMs);
    return backends.map((backend) => {
      const probed = this.#backends.get(backend) ?? this.#begin(backend, nowMs);
      probed.askedForMs = nowMs;
      return this.#report(backend, probed);
    });
  }

  /** Everything that is being probed. */
  get reports(): ProbedBackend[] {
    return [...this.#backends].map(([backend, probed]) => this.#report(backend, probed));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const probed of this.#backends.values()) leave(probed);
    this.#backends.clear();
  }

  #restart(periodMs: number, nowMs: number): void {
    // Whoever changes the period often must not keep the timer from ever firing.
    if (this.#timer !== undefined) this.#tick();
    clearInterval(this.#timer);
    this.#periodMs = periodMs;
    this.#tickedMs = nowMs;
    this.#timer = setInterval(() => this.#tick(), periodMs);
  }

  #begin(backend: string, nowMs: number): Probed {
    const endpoint = parseEndpoint(backend);
    assert(endpoint !== undefined, `${backend} was checked to be host:port`);
    const probed: Probed = { endpoint, reach: beginReach(nowMs), socket: undefined, askedForMs: nowMs };
    this.#backends.set(backend, probed);
    this.#step(backend, probed, { kind: 'tick', lateMs: 0 });
    return probed;
  }

  #tick(): void {
    const nowMs = performance.now();
    const lateMs = Math.max(0, nowMs - this.#tickedMs - this.#periodMs);
    this.#tickedMs = nowMs;
    for (const [backend, probed] of this.#backends) {
      if (nowMs - probed.askedForMs > this.#options.forgetAfterMs + lateMs) {
        leave(probed);
        this.#backends.delete(backend);
      } else this.#step(backend, probed, { kind: 'tick', lateMs });
    }
    if (this.#backends.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #step(backend: string, probed: Probed, event: ReachEvent): void {
    const before = probed.reach;
    const { reach, effect } = stepReach(before, event, { nowMs: performance.now(), periodMs: this.#periodMs });
    probed.reach = reach;
    this.#tell(backend, before, reach);
    if (effect === 'open') this.#open(backend, probed);
    else if (effect === 'ask') probed.socket?.write(question);
  }

  #tell(backend: string, before: Reach, { failures, error }: Reach): void {
    const { logger } = this.#options;
    if (failures === failuresTold && before.failures < failures)
      logger.warn('a backend does not answer', { backend, reason: error });
    else if (failures === 0 && before.failures >= failuresTold) logger.info('a backend answers again', { backend });
  }

  #open(backend: string, probed: Probed): void {
    leave(probed);
    const socket = connect({ ...probed.endpoint, noDelay: true });
    probed.socket = socket;
    let reason = 'the backend ended the connection';
    const step = (event: ReachEvent): void => {
      if (probed.socket === socket) this.#step(backend, probed, event);
    };
    socket.on('connect', () => {
      if (this.#options.takesHeader(backend)) socket.write(localHeader);
      step({ kind: 'connected' });
    });
    socket.on('data', (chunk: Buffer) => {
      if (chunk.includes(lineEnd)) step({ kind: 'answered' });
    });
    socket.on('error', (error) => (reason = error.message));
    socket.on('close', () => step({ kind: 'closed', reason }));
  }

  #report(backend: string, { reach }: Probed): ProbedBackend {
    const nowMs = performance.now();
    const clock = { nowMs, tickedMs: this.#tickedMs, periodMs: this.#periodMs };
    return {
      backend,
      reachable: reach.answeredMs !== undefined && reach.failures === 0,
      lastAnswerMsAgo: reach.answeredMs === undefined ? null : Math.round(nowMs - reach.answeredMs),
      silentMs: Math.round(silentMs(reach, clock)),
      failures: reach.failures,
      error: reach.error,
    };
  }
}

/** Gives the connection up; what it still has to say is nobody's. */
function leave(probed: Probed): void {
  const { socket } = probed;
  probed.socket = undefined;
  if (socket === undefined) return;
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
