/**
 * What the controller asks of any load balancer: point stable addresses at the nodes that hold a role now.
 *
 * The problem: a failover moves an address, and a request must not reach the old master through it afterwards. The
 * idea: desired state, whole and idempotent, guarded by the revision of the bindings record in the metadata store (one
 * counter over all leaders), so that a deposed controller's late call changes nothing. A driver says what it really
 * does (`observe`), since some balancers lag, forget at a reload or never cut.
 *
 * Drivers: embedded (our own L4 proxy process); haproxy, nftables and aws-nlb follow.
 */

/** One stable address and where it leads. Addresses are `host:port`, IPv6 in brackets. */
export interface Binding {
  /** Where clients connect; the key: at most one binding per address. */
  readonly address: string;
  /** The node's internal address, or null: connections are accepted and reset at once. */
  readonly backend: string | null;
  /**
   * What happens to connections of this address that lead to another backend: 0 they are reset at once, a number: those
   * still open after so many milliseconds are reset, null: they are left alone. New connections always go to `backend`.
   */
  readonly drainMs: number | null;
  /** Begin every connection to the backend with a PROXY protocol v2 header. Default false. */
  readonly proxy?: boolean;
}

/** The whole desired state. */
export interface DesiredBindings {
  /** Revision of the bindings record. A lower one than the balancer already has is refused. */
  readonly revision: number;
  /** Addresses not listed are closed and their connections reset. */
  readonly bindings: readonly Binding[];
}

/** An address that is not served although it should be; the driver keeps trying. */
export interface FailedBinding {
  readonly address: string;
  readonly reason: string;
}

export interface ApplyResult {
  readonly revision: number;
  readonly failed: readonly FailedBinding[];
}

/** What the balancer really does for one address now. */
export interface ObservedBinding {
  readonly address: string;
  readonly backend: string | null;
  /** False while the address cannot be served; `error` says why. */
  readonly listening: boolean;
  readonly error: string | null;
  /** Established and connecting connections by the backend they lead to; backends without any are not listed. */
  readonly connections: readonly { readonly backend: string; readonly count: number }[];
}

export interface ObservedBindings {
  /** The revision that was applied last; 0 when nothing ever was. */
  readonly revision: number;
  readonly bindings: readonly ObservedBinding[];
  /** What is being probed; absent: this balancer cannot probe. */
  readonly probes?: readonly ProbedBackend[];
}

export interface ProbeRequest {
  /** Backends to be probed, bound or not: `host:port` of nodes. Each goes on for a while after it was last asked for. */
  readonly backends: readonly string[];
  /** Between two questions to one backend; an answer may take twice as long (at least 100 ms). Whole, 10 to 10,000. */
  readonly periodMs: number;
}

/** How one backend answers this balancer. Any answer counts, an error too: it is the way there and back that is probed. */
export interface ProbedBackend {
  readonly backend: string;
  /** The last question that is over was answered. False before the first answer. */
  readonly reachable: boolean;
  /** Real time since the last answer; null before the first. */
  readonly lastAnswerMsAgo: number | null;
  /**
   * Time without an answer, since the last one or since probing began, as far as the balancer itself ran on time: what it
   * stood still or was late is not held against anybody. This is what a decision may be built on.
   */
  readonly silentMs: number;
  /** Questions without an answer since the last answer; a connection that was not made is one. */
  readonly failures: number;
  /** Why the last question failed; null after an answer. */
  readonly error: string | null;
}

/**
 * Every method rejects with an OperationError:
 * - BALANCER_STALE_REVISION (not-applied): the balancer already has a higher revision, or this one with other content;
 * - BALANCER_REFUSED (not-applied): it does not accept the request (bad token, bad address, disk full); says why;
 * - BALANCER_UNREACHABLE (not-applied): it could not be asked;
 * - BALANCER_NO_ANSWER (unknown): it was asked and did not answer in time; asking again is safe.
 */
export interface BalancerDriver {
  /** For people: which balancer this is. */
  readonly name: string;
  /**
   * Makes the desired state durable, then acts on it. When it resolves, new connections of every address that is not in
   * `failed` go to its new backend, and those that `drainMs` 0 sends away are gone.
   */
  apply(desired: DesiredBindings): Promise<ApplyResult>;
  observe(): Promise<ObservedBindings>;
  /** Resets what still leads from `address` to `backend`; returns how many connections that were. */
  cut(address: string, backend: string): Promise<number>;
  /**
   * Probes these backends from now on and says how they have answered so far. Absent: this balancer cannot. No revision
   * guards it, since it changes nothing; who asks too late only has some nodes asked for longer.
   * @returns one entry per backend of the request, in its order.
   */
  probe?(request: ProbeRequest): Promise<readonly ProbedBackend[]>;
}
