/** What the connection commands need of the node besides the session that runs them. */
import type { Namespace } from '@holdfast/engine';
import type { Session } from '../session.ts';

/** One client connection as CLIENT LIST shows it. The node's connections have this shape. */
export interface ClientFacts {
  readonly id: number;
  readonly peer: string;
  readonly local: string;
  readonly name: string;
  readonly libraryName: string;
  readonly libraryVersion: string;
  readonly createdAtMs: number;
  readonly lastCommand: string;
  readonly lastCommandAtMs: number;
  readonly protocol: 2 | 3;
  readonly namespace: Namespace;
  readonly readonlyMode: boolean;
  readonly noEvict: boolean;
  readonly blocked: boolean;
  /** MONITOR was sent. */
  readonly monitoring: boolean;
  readonly queued: { readonly length: number } | undefined;
  /** Channels, patterns and shard channels together. */
  readonly subscriptions: number;
  /** Bytes received and not executed yet. */
  readonly inputBytes: number;
  /** Bytes of replies not sent yet. */
  readonly outputBytes: number;
  /** Bytes held for the client, whatever for. */
  readonly memoryBytes: number;
}

/** What a client is subscribed to. */
export interface SubscriptionCounts {
  readonly channels: number;
  readonly patterns: number;
  readonly shardChannels: number;
}

export interface ConnectionPort {
  /** `requirepass`; empty when none is set. */
  password(): string;
  /** Token by name of each namespace. */
  namespaceTokens(): ReadonlyMap<string, string>;
  namespaceNamed(name: string): Namespace;
  readonly defaultNamespace: Namespace;
  /** `resp3-enabled` */
  resp3Enabled(): boolean;
  /** The version of Redis the node answers like. */
  readonly redisVersion: string;
  readonly mode: 'standalone' | 'cluster';
  role(): 'master' | 'slave';
  /** Every client connection, in the order of their ids. */
  clients(): Iterable<ClientFacts>;
  subscriptionCounts(client: ClientFacts): SubscriptionCounts;
  /** Closes another client's connection. */
  disconnect(id: number): void;
  /**
   * Ends links of replication, which begin anew by themselves: those of this node's replicas, the one to its master, or the
   * one whose other end has this address. @returns how many.
   */
  killLinks(which: { readonly type: 'master' | 'replica' } | { readonly address: string }): number;
  /**
   * CLIENT UNBLOCK: ends a client's wait as its timeout would, or with an error.
   * @returns false when it does not wait.
   */
  unblock(id: number, how: 'timeout' | 'error'): boolean;
  /** CLIENT PAUSE: holds writes, or everything, for so long; of several pauses the stricter and the later end hold. */
  pause(mode: 'write' | 'all', durationMs: number): void;
  /** CLIENT UNPAUSE. */
  unpause(): void;
  /** RESET: leaves WATCH, subscriptions and whatever else the node keeps for the connection. */
  reset(session: Session): void;
}
