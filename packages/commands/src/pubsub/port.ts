/** What the pub/sub commands need of the node: who is subscribed to what, and getting messages to them. */
import type { Span } from '@holdfast/engine';
import type { Session } from '../session.ts';

/** A channel by its name, channels by a glob pattern, or a shard channel (SSUBSCRIBE), which is a world of its own. */
export type SubscriptionKind = 'channel' | 'pattern' | 'shard';

/** Names are one character per byte. */
export interface PubSubPort {
  /** Does nothing when the session has the subscription already. */
  subscribe(session: Session, kind: SubscriptionKind, name: string): void;
  /** Does nothing when the session has no such subscription. */
  unsubscribe(session: Session, kind: SubscriptionKind, name: string): void;
  /** Names of a session's subscriptions, in the order in which they were made; the caller's own. */
  subscriptionsOf(session: Session, kind: SubscriptionKind): string[];
  /** What Redis counts in confirmations: channels and patterns together, shard channels apart. */
  countOf(session: Session, kind: SubscriptionKind): number;
  /**
   * Sends a message to the subscribers of this node, and on a master to those of its replicas, with the running tick.
   * @returns how many of this node's subscriptions it reaches.
   */
  publish(kind: 'channel' | 'shard', channel: Span, message: Span): number;
  /** Channels that somebody is subscribed to by name; those that match, if a pattern is given. */
  channels(kind: 'channel' | 'shard', pattern: Buffer | undefined): string[];
  /** How many sessions are subscribed to a channel by its name. */
  subscriberCount(kind: 'channel' | 'shard', name: string): number;
  /** Different patterns that somebody is subscribed to. */
  readonly patternCount: number;
  /** A message of this node becomes a record of its log, by which replicas get it: anywhere but on a replica. */
  readonly writesMessages: boolean;
  /** Shard channels belong to slots. */
  readonly isCluster: boolean;
  /** Sends `bytes`, whole RESP, after the reply of the running command, also when CLIENT REPLY silences that. */
  push(session: Session, bytes: Buffer): void;
}
