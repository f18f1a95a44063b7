/**
 * A byte stream to a peer, without saying whether it is a socket, a pipe or the simulator. Protocol code (RESP client,
 * replication, heartbeats) takes one of these and does no I/O of its own.
 */

export interface TransportEvents {
  /** Bytes arrived. The chunk belongs to the receiver. */
  onData(chunk: Buffer): void;
  /** The peer will send no more (FIN). The own direction may still be open. */
  onEnd?(): void;
  /** Everything written so far has been accepted by the operating system. */
  onDrain?(): void;
  /** The stream is gone, once, whoever closed it. `error` when it was not an orderly close. */
  onClose(error?: Error): void;
}

export interface Transport {
  /** `host:port` of the peer, for logs. */
  readonly peer: string;
  /** Bytes written that the operating system has not accepted yet. */
  readonly pendingBytes: number;
  /** Of these, bytes that stand where the caller of `write` had them. */
  readonly borrowedBytes: number;
  /** Replaces the receiver of events. Events before the first call are kept back. */
  listen(events: TransportEvents): void;
  /** Queues `bytes`, which stay as they are until `borrowedBytes` is 0. Returns false when it is time to wait for `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** Stops delivering data (back-pressure); the kernel's buffers fill. */
  pause(): void;
  resume(): void;
  /** Orderly close of the own direction after what was written. */
  end(): void;
  /** Closes both directions, dropping what was not sent. */
  destroy(): void;
  /** Closes with RST, so that the peer learns at once. */
  reset(): void;
}

/** A stream that a client opened. */
export interface ClientTransport extends Omit<Transport, 'reset'> {
  /** Sends the last bytes and the end behind them, in one go where the kernel takes them. */
  endWith(bytes: Uint8Array): void;
  /**
   * Gives the stream to another owner. This object must not be used any more.
   * @param unread bytes that were delivered and not used; the new owner is delivered them first.
   */
  handOver(unread: Buffer): Transport;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Connector {
  /**
   * Opens a stream.
   * @throws OperationError NET_CONNECT (not-applied) when it cannot be opened within `timeoutMs`.
   */
  connect(endpoint: Endpoint, options: { timeoutMs: number }): Promise<Transport>;
}

/** `host:port`, with IPv6 in brackets. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
