/** The controller's REST API, as `ctl` and `up` use it (docs/reference/rest-api.md has the whole of it). */
import { setTimeout as pause } from 'node:timers/promises';
import { OperationError, messageOf } from '@holdfast/base';

export interface NodeStatus {
  readonly id: string;
  readonly addr: string;
  readonly control_addr: string;
  readonly role: 'master' | 'slave';
  readonly alive: boolean;
  readonly last_reply_ms_ago: number | null;
  readonly sequence: number | null;
  readonly lag: number | null;
  /** Of the topology the node follows. */
  readonly version: number | null;
  readonly epoch: number | null;
  readonly armed: boolean | null;
  readonly process_id: string | null;
  /** Epoch in which the last entry of its log was written. */
  readonly last_epoch?: number | null;
  readonly log_id?: string | null;
  readonly in_isr?: boolean;
  /** `async` also when the node does not say. */
  readonly replication_mode?: string | null;
  /** How it answers the balancer; null when that is not known. */
  readonly balancer?: { readonly reachable: boolean; readonly last_answer_ms_ago: number | null } | null;
  readonly lb_address: string | null;
}

export interface ShardStatus {
  readonly index: number;
  readonly epoch: number;
  readonly slot_ranges: readonly string[];
  readonly phase: 'stable' | 'failover' | 'switchover' | 'no-master';
  readonly step: string | null;
  readonly lb_address: string | null;
  readonly replica_lb_address: string | null;
  readonly lease_valid_for_ms: number | null;
  /** What an acknowledgement means now: `async` while no node does otherwise. */
  readonly replication?: string;
  /** Node ids. */
  readonly isr?: readonly string[];
  readonly isr_version?: number;
  /** Ids of the controllers whose leases count; empty: the only one's. */
  readonly controllers?: readonly string[];
  readonly nodes: readonly NodeStatus[];
}

export interface BindingStatus {
  readonly address: string;
  readonly desired: string | null;
  readonly observed: string | null;
  readonly connections: number;
}

export interface ControllerStatus {
  readonly id: string;
  readonly address: string;
  readonly leader: boolean;
  readonly alive: boolean;
}

export interface ClusterStatus {
  readonly cluster: string;
  readonly version: number;
  readonly lease_ms: number;
  readonly fences: readonly string[];
  readonly replication?: string;
  readonly controllers?: readonly ControllerStatus[];
  readonly shards: readonly ShardStatus[];
  readonly bindings: readonly BindingStatus[];
}

export interface ClusterEvent {
  readonly id: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly kind: string;
  readonly shard: number | null;
  readonly epoch: number | null;
  readonly cause: string | null;
  readonly message: string;
  readonly timings?: Readonly<Record<string, number>>;
}

/** What the controller returns at once. */
export const eventsPerAnswer = 1_000;

/** The controller answers when the cluster serves, or says what is missing. */
const creationTimeoutMs = 30_000;

export interface NewCluster {
  readonly name: string;
  readonly nodes: readonly string[];
  /** Nodes per shard, the master included. */
  readonly replicas: number;
  readonly password: string;
  readonly load_balancers: { readonly masters: readonly string[]; readonly replicas: readonly string[] };
}

export interface ClientOptions {
  /** For example `http://127.0.0.1:9379`; several are asked one after the other until one answers. */
  readonly apis: readonly string[];
  readonly namespace: string;
  readonly cluster: string;
  /** For one answer. A switchover is answered when it is done. */
  readonly timeoutMs: number;
}

/** Where several can answer, one that stands still is not waited for longer than this. */
const nextAfterMs = 2_000;
/** Between two attempts while no controller leads. */
const noLeaderPauseMs = 200;

/**
 * Every call throws an OperationError: CTL_UNREACHABLE (not-applied), CTL_NO_ANSWER (unknown), CTL_NOT_FOUND,
 * CTL_REFUSED, CTL_NO_LEADER (not-applied) or CTL_FAILED (unknown), with the controller's own words. What reached nobody, or a
 * controller while none led, is asked again, elsewhere first; what may have happened is not.
 */
export class ControllerClient {
  readonly #options: ClientOptions;
  readonly #base: string;
  /** Index of the API that answered last. */
  #last = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#base = `/namespaces/${encodeURIComponent(options.namespace)}/clusters`;
  }

  status(): Promise<ClusterStatus> {
    return this.#ask<ClusterStatus>('GET', `${this.#cluster}/status`);
  }

  /** Events with an id above `after`, oldest first; at most `eventsPerAnswer` of them. */
  async events(after: number, limit: number): Promise<readonly ClusterEvent[]> {
    const path = `${this.#cluster}/events?after=${after}&limit=${limit}`;
    return (await this.#ask<{ events: ClusterEvent[] }>('GET', path)).events;
  }

  /** All events with an id above `after` that the controller keeps, oldest first. */
  async allEvents(after: number): Promise<readonly ClusterEvent[]> {
    const all: ClusterEvent[] = [];
    for (let from = after; ; from = all.at(-1)?.id ?? from) {
      const some = await this.events(from, eventsPerAnswer);
      all.push(...some);
      if (some.length < eventsPerAnswer) return all;
    }
  }

  switchover(shard: number, preferred: string | undefined): Promise<{ new_master_id: string; duration_ms: number }> {
    return this.#ask('POST', `${this.#cluster}/shards/${shard}/switchover`, { preferred_node_id: preferred ?? '' });
  }

  failover(
    shard: number,
    preferred: string | undefined,
    acceptDataLoss: boolean,
  ): Promise<{ new_master_id: string; duration_ms: number }> {
    const request = { preferred_node_id: preferred ?? '', accept_data_loss: acceptDataLoss };
    return this.#ask('POST', `${this.#cluster}/shards/${shard}/failover`, request);
  }

  async controllers(): Promise<readonly ControllerStatus[]> {
    return (await this.#ask<{ controllers: ControllerStatus[] }>('GET', '/controllers')).controllers;
  }

  async removeController(id: string): Promise<void> {
    await this.#ask('DELETE', `/controllers/${encodeURIComponent(id)}`);
  }

  async createNamespace(): Promise<void> {
    await this.#ask('POST', '/namespaces', { namespace: this.#options.namespace });
  }

  async createCluster(cluster: NewCluster): Promise<void> {
    await this.#ask('POST', this.#base, cluster, creationTimeoutMs);
  }

  /** Names of the clusters of the namespace; undefined when there is no such namespace. */
  async clusters(): Promise<readonly string[] | undefined> {
    const { namespaces } = await this.#ask<{ namespaces: string[] | null }>('GET', '/namespaces');
    if (namespaces?.includes(this.#options.namespace) !== true) return undefined;
    return (await this.#ask<{ clusters: string[] | null }>('GET', this.#base)).clusters ?? [];
  }

  /** True when a controller answers its health check. Never throws. */
  async isUp(): Promise<boolean> {
    for (const api of this.#options.apis) {
      try {
        const signal = AbortSignal.timeout(this.#options.timeoutMs);
        if ((await fetch(`${api}/healthz`, { signal })).ok) return true;
      } catch {
        // The next one may.
      }
    }
    return false;
  }

  get #cluster(): string {
    return `${this.#base}/${encodeURIComponent(this.#options.cluster)}`;
  }

  async #ask<T>(method: Method, path: string, body?: unknown, timeoutMs: number = this.#options.timeoutMs): Promise<T> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      try {
        return (await this.#askAny({ method, path, body }, untilMs)) as T;
      } catch (error) {
        const isEarly = performance.now() + noLeaderPauseMs < untilMs;
        if (!(error instanceof OperationError) || error.code !== 'CTL_NO_LEADER' || !isEarly) throw error;
      }
      await pause(noLeaderPauseMs);
    }
  }

  /** Asks one after the other, beginning with the one that answered last, as long as nothing can have happened. */
  async #askAny(request: Request, untilMs: number): Promise<unknown> {
    const { apis } = this.#options;
    let failure: unknown;
    for (let tried = 0; tried < apis.length; tried++) {
      const index = (this.#last + tried) % apis.length;
      const restMs = Math.max(1, Math.ceil(untilMs - performance.now()));
      const isPatient = request.method !== 'GET' || apis.length === 1;
      try {
        const data = await askOne(apis[index] ?? '', request, isPatient ? restMs : Math.min(restMs, nextAfterMs));
        this.#last = index;
        return data;
      } catch (error) {
        failure = error;
        if (!(error instanceof OperationError) || !isAskedElsewhere(error, request.method)) throw error;
      }
    }
    throw failure;
  }
}

type Method = 'GET' | 'POST' | 'DELETE';

interface Request {
  readonly method: Method;
  readonly path: string;
  readonly body: unknown;
}

/** Reads may be asked twice, anything else only when it surely was not done. */
function isAskedElsewhere({ code }: OperationError, method: Method): boolean {
  return code === 'CTL_UNREACHABLE' || code === 'CTL_NO_LEADER' || (code === 'CTL_NO_ANSWER' && method === 'GET');
}

/** A follower sends writes to the leader (307); one that is not there any more, or not yet, is as good as none. */
async function askOne(api: string, request: Request, timeoutMs: number): Promise<unknown> {
  const untilMs = performance.now() + timeoutMs;
  const first = await send(`${api}/api/v1${request.path}`, request, timeoutMs);
  const location = first.status === 307 ? first.location : undefined;
  if (location === undefined) return read(first.text, first.status, `${request.method} ${request.path}`);
  try {
    const restMs = Math.max(1, Math.ceil(untilMs - performance.now()));
    const second = await send(location, request, restMs);
    if (second.status !== 307) return read(second.text, second.status, `${request.method} ${request.path}`);
    throw noLeader(`${location} does not lead either`);
  } catch (error) {
    if (error instanceof OperationError && error.code === 'CTL_UNREACHABLE') throw noLeader(error.message);
    throw error;
  }
}

function noLeader(message: string): OperationError {
  return new OperationError('CTL_NO_LEADER', message, { outcome: 'not-applied' });
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly location: string | undefined;
}

async function send(url: string, { method, body }: Request, timeoutMs: number): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const location = response.headers.get('location') ?? undefined;
    return { status: response.status, text: await response.text(), location };
  } catch (error) {
    throw noAnswer(new URL(url).origin, timeoutMs, error);
  }
}

function noAnswer(api: string, timeoutMs: number, error: unknown): OperationError {
  const cause = (error as { cause?: NodeJS.ErrnoException }).cause;
  if (cause?.syscall === 'connect' || cause?.syscall === 'getaddrinfo') {
    const message = `no controller at ${api} (${cause.message}); is it running? see --api`;
    return new OperationError('CTL_UNREACHABLE', message, { outcome: 'not-applied', cause: error });
  }
  const reason =
    error instanceof Error && error.name === 'TimeoutError'
      ? `no answer within ${timeoutMs} ms`
      : messageOf(cause ?? error);
  const message = `the controller at ${api} did not answer (${reason}); what was asked may have happened`;
  return new OperationError('CTL_NO_ANSWER', message, { outcome: 'unknown', cause: error });
}

/** The `data` of an answer. */
function read(text: string, status: number, request: string): unknown {
  let body: { data?: unknown; error?: { message?: string } | string } | undefined;
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    body = undefined;
  }
  if (status >= 200 && status < 300 && body !== undefined && body.data !== undefined) return body.data;
  if (status === 204) return null;
  const said = typeof body?.error === 'string' ? body.error : body?.error?.message;
  const message = said ?? `${request} was answered with HTTP status ${status} and ${text.slice(0, 200)}`;
  throw failure(status, message);
}

function failure(status: number, message: string): OperationError {
  if (status === 404) return new OperationError('CTL_NOT_FOUND', message, { outcome: 'not-applied' });
  if (status >= 400 && status < 500) return new OperationError('CTL_REFUSED', message, { outcome: 'not-applied' });
  if (status === 503) return noLeader(message);
  return new OperationError('CTL_FAILED', message, { outcome: 'unknown' });
}
