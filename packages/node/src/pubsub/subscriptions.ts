/**
 * Who is subscribed to what. Pure: no connection, no message; names are one character per byte.
 *
 * Two indexes are kept in step: names to subscribers, to find who gets a message, and subscribers to names, so that a
 * connection that goes takes its subscriptions with it at the cost of these alone. Both keep the order in which they were
 * made. Patterns are compiled once for all who have them, and each message is matched with every pattern: as in Redis,
 * patterns cost every PUBLISH, channels cost only their own.
 */
import { assert } from '@holdfast/base';
import { Glob, type Span } from '@holdfast/engine';

export type SubscriptionKind = 'channel' | 'pattern' | 'shard';

const kinds: readonly SubscriptionKind[] = ['channel', 'pattern', 'shard'];

/** What one subscription takes beside its name, about: entries of two maps, and a share of a compiled pattern. */
const overheadBytes = 256;

/** A connection; the numbers are kept here, for the restrictions of RESP2 and for its share of memory. */
export interface Subscriber {
  subscriptions: number;
  subscriptionBytes: number;
}

interface Own {
  readonly channel: Set<string>;
  readonly pattern: Set<string>;
  readonly shard: Set<string>;
}

export interface PatternSubscribers<S> {
  readonly name: string;
  readonly glob: Glob;
  readonly subscribers: ReadonlySet<S>;
}

export class Subscriptions<S extends Subscriber> {
  readonly #channels = new Map<string, Set<S>>();
  readonly #shards = new Map<string, Set<S>>();
  readonly #patterns = new Map<string, { name: string; glob: Glob; subscribers: Set<S> }>();
  readonly #own = new Map<S, Own>();

  /** Nobody is subscribed to anything. */
  get isEmpty(): boolean {
    return this.#own.size === 0;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  get shardCount(): number {
    return this.#shards.size;
  }

  /** Different patterns. */
  get patternCount(): number {
    return this.#patterns.size;
  }

  get patterns(): Iterable<PatternSubscribers<S>> {
    return this.#patterns.values();
  }

  /** @returns false when the subscription was there already. */
  add(subscriber: S, kind: SubscriptionKind, name: string): boolean {
    const own = this.#own.get(subscriber) ?? { channel: new Set(), pattern: new Set(), shard: new Set() };
    if (own[kind].has(name)) return false;
    own[kind].add(name);
    this.#own.set(subscriber, own);
    this.#subscribersTo(kind, name).add(subscriber);
    subscriber.subscriptions++;
    subscriber.subscriptionBytes += name.length + overheadBytes;
    return true;
  }

  /** @returns false when there was no such subscription. */
  remove(subscriber: S, kind: SubscriptionKind, name: string): boolean {
    const own = this.#own.get(subscriber);
    if (own?.[kind].delete(name) !== true) return false;
    this.#forget(subscriber, kind, name);
    if (own.channel.size + own.pattern.size + own.shard.size === 0) this.#own.delete(subscriber);
    subscriber.subscriptions--;
    subscriber.subscriptionBytes -= name.length + overheadBytes;
    return true;
  }

  /** Everything a subscriber has: it was reset, or is gone. */
  removeAll(subscriber: S): void {
    const own = this.#own.get(subscriber);
    if (own === undefined) return;
    this.#own.delete(subscriber);
    for (const kind of kinds) for (const name of own[kind]) this.#forget(subscriber, kind, name);
    subscriber.subscriptions = 0;
    subscriber.subscriptionBytes = 0;
  }

  /** Names of one subscriber's subscriptions in the order in which they were made; the caller's own. */
  namesOf(subscriber: S, kind: SubscriptionKind): string[] {
    return [...(this.#own.get(subscriber)?.[kind] ?? [])];
  }

  countOf(subscriber: S, kind: SubscriptionKind): number {
    return this.#own.get(subscriber)?.[kind].size ?? 0;
  }

  /** Who is subscribed to a channel by its name. */
  subscribersOf(kind: 'channel' | 'shard', name: string): ReadonlySet<S> | undefined {
    return this.#named(kind).get(name);
  }

  /** Channels that somebody is subscribed to by name; those that match, if a pattern is given. */
  names(kind: 'channel' | 'shard', pattern?: Buffer): string[] {
    const all = [...this.#named(kind).keys()];
    if (pattern === undefined) return all;
    const glob = new Glob(pattern);
    return all.filter((name) => glob.matches(spanOfName(name)));
  }

  /** Both indexes say the same. For tests. */
  checkInvariants(): void {
    for (const [subscriber, own] of this.#own) {
      let [count, bytes] = [0, 0];
      for (const kind of kinds) {
        for (const name of own[kind]) {
          assert(this.#find(kind, name)?.has(subscriber) === true, `${kind} ${name} does not know its subscriber`);
          count++;
          bytes += name.length + overheadBytes;
        }
      }
      assert(count > 0, 'a subscriber without subscriptions is forgotten');
      assert(subscriber.subscriptions === count, 'subscriptions are counted');
      assert(subscriber.subscriptionBytes === bytes, 'the memory of subscriptions is counted');
    }
    for (const kind of kinds) {
      for (const [name, subscribers] of this.#all(kind)) {
        assert(subscribers.size > 0, `${kind} ${name} without subscribers is forgotten`);
        for (const one of subscribers)
          assert(this.#own.get(one)?.[kind].has(name) === true, `${name} is its subscriber's`);
      }
    }
  }

  #named(kind: 'channel' | 'shard'): Map<string, Set<S>> {
    return kind === 'channel' ? this.#channels : this.#shards;
  }

  #find(kind: SubscriptionKind, name: string): Set<S> | undefined {
    return kind === 'pattern' ? this.#patterns.get(name)?.subscribers : this.#named(kind).get(name);
  }

  #all(kind: SubscriptionKind): [string, Set<S>][] {
    if (kind !== 'pattern') return [...this.#named(kind)];
    return [...this.#patterns.values()].map(({ name, subscribers }) => [name, subscribers]);
  }

  #subscribersTo(kind: SubscriptionKind, name: string): Set<S> {
    const found = this.#find(kind, name);
    if (found !== undefined) return found;
    const subscribers = new Set<S>();
    if (kind !== 'pattern') this.#named(kind).set(name, subscribers);
    else this.#patterns.set(name, { name, glob: new Glob(Buffer.from(name, 'latin1')), subscribers });
    return subscribers;
  }

  #forget(subscriber: S, kind: SubscriptionKind, name: string): void {
    const subscribers = this.#find(kind, name);
    subscribers?.delete(subscriber);
    if (subscribers?.size !== 0) return;
    if (kind === 'pattern') this.#patterns.delete(name);
    else this.#named(kind).delete(name);
  }
}

function spanOfName(name: string): Span {
  return { buffer: Buffer.from(name, 'latin1'), start: 0, end: name.length };
}
