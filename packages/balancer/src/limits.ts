/** What one embedded balancer process allows itself; each can be set at start. */
export interface BalancerLimits {
  /** Proxied connections of all addresses together. Each costs two descriptors. */
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** How long a backend may take to accept. Less than a client's own patience, more than a busy loop's pause. */
  readonly connectTimeoutMs: number;
  /** Idle time before TCP asks whether the peer is still there; then every second, ten times. */
  readonly keepAliveMs: number;
  /** How often an address that could not be bound is tried again. */
  readonly listenRetryMs: number;
  /** A backend that nobody asked for so long is probed no more; longer than an election of the controllers takes. */
  readonly probeForgetMs: number;
}

export const defaultLimits: BalancerLimits = {
  connectionsMax: 20_000,
  connectionsPerAddressMax: 10_000,
  connectTimeoutMs: 1_000,
  keepAliveMs: 15_000,
  listenRetryMs: 250,
  probeForgetMs: 30_000,
};

/** Bindings of one balancer: an upper bound for what a request may make it allocate. */
export const bindingsMax = 1_024;
