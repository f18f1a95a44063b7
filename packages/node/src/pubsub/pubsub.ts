/**
 * Pub/sub of a node: subscriptions, the way of a message to them, and keyspace notifications, which are messages that are
 * never written to the log.
 *
 * A message published here goes into the log (unless this is a replica) and to the subscribers of this node; one that
 * arrives with a master's batch goes to the subscribers of this node. Nothing else moves messages: nodes of a cluster do
 * not gossip, so PUBLISH reaches the subscribers of its own shard. Channels are shared by all namespaces, as in Kvrocks;
 * notifications tell of keys and are heard in the namespace of the key only.
 */
import type { Call, CommandDefinition, EventClass, KeyEvents, PubSubPort, Session } from '@holdfast/commands';
import type { Commit, Engine, Namespace, Span } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { slotOf, type Slot } from '@holdfast/topology';
import { AbsentKeys } from './absent-keys.ts';
import { eventClasses, type EventClasses } from './event-classes.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import { MessageLog, readMessages } from './message-log.ts';
import { encodeMessage, encodeShardEnd, type MessageShape } from './message.ts';
import { Outbox, type Recipient } from './outbox.ts';
import { Subscriptions, type Subscriber, type SubscriptionKind } from './subscriptions.ts';

/** A connection as pub/sub sees it. */
export interface PubSubClient extends Session, Subscriber, Recipient {}

export interface PubSubEnvironment {
  readonly engine: Pick<Engine, 'tick'>;
  readonly isCluster: boolean;
  /** This node follows a master: it writes nothing of its own. */
  isReplica(): boolean;
  /**
   * The open tick gets messages that no command of a client caused.
   * @param isGated they tell what this node knows as a master: they leave under its lease.
   */
  openTick(isGated: boolean): void;
  /** Messages may go into the open tick: no script that may still be taken back holds it. */
  mayDeliver(): boolean;
  /** Unix time in ms. */
  nowMs(): number;
  /** This node is a master whose data can be read now. */
  mayRead(): boolean;
  /** When a key dies, as seen at `nowMs`; 0 never, undefined when there is none. */
  expireMs(namespace: Namespace, key: Buffer, nowMs: number): number | undefined;
}

const noClasses: EventClasses = { classes: new Set(), byKey: false, byEvent: false };

export class PubSub<C extends PubSubClient> implements PubSubPort, KeyEvents {
  readonly subscriptions: Subscriptions<C> = new Subscriptions();
  readonly outbox: Outbox<C> = new Outbox();
  readonly #env: PubSubEnvironment;
  readonly #log: MessageLog;
  readonly #expiries: ExpiryWatch;
  readonly #absent: AbsentKeys;
  #classes = noClasses;
  readonly #received = {
    message: (kind: 'channel' | 'shard', channel: Span, message: Span): void => {
      this.#send(kind, channel, message);
    },
  };

  constructor(env: PubSubEnvironment) {
    this.#env = env;
    this.#log = new MessageLog(env.engine);
    this.#expiries = new ExpiryWatch(env);
    this.#absent = new AbsentKeys({
      exists: (namespace, key, nowMs) => env.expireMs(namespace, key, nowMs) !== undefined,
    });
  }

  // What the commands ask for.

  get isCluster(): boolean {
    return this.#env.isCluster;
  }

  get writesMessages(): boolean {
    return !this.#env.isReplica();
  }

  get patternCount(): number {
    return this.subscriptions.patternCount;
  }

  subscribe(session: Session, kind: SubscriptionKind, name: string): void {
    this.subscriptions.add(session as C, kind, name);
  }

  unsubscribe(session: Session, kind: SubscriptionKind, name: string): void {
    this.subscriptions.remove(session as C, kind, name);
  }

  subscriptionsOf(session: Session, kind: SubscriptionKind): string[] {
    return this.subscriptions.namesOf(session as C, kind);
  }

  countOf(session: Session, kind: SubscriptionKind): number {
    const { subscriptions } = this;
    const client = session as C;
    if (kind === 'shard') return subscriptions.countOf(client, 'shard');
    return subscriptions.countOf(client, 'channel') + subscriptions.countOf(client, 'pattern');
  }

  channels(kind: 'channel' | 'shard', pattern: Buffer | undefined): string[] {
    return this.subscriptions.names(kind, pattern);
  }

  subscriberCount(kind: 'channel' | 'shard', name: string): number {
    return this.subscriptions.subscribersOf(kind, name)?.size ?? 0;
  }

  publish(kind: 'channel' | 'shard', channel: Span, message: Span): number {
    if (this.writesMessages) this.#log.put(kind, channel, message);
    return this.#send(kind, channel, message);
  }

  push(session: Session, bytes: Buffer): void {
    this.outbox.add(session as C, bytes);
  }

  // What the node tells.

  /** RESET, and connections that are gone. */
  forget(client: C): void {
    this.subscriptions.removeAll(client);
  }

  /** Hands over what commands sent. To be called after each outermost command, and now and then. */
  settle(): void {
    if (this.outbox.length > 0 && this.#env.mayDeliver()) this.outbox.flush();
  }

  /** What was executed and not committed is given up. */
  dropTick(): void {
    this.outbox.truncate(0);
  }

  /** A master's batches were applied: their messages are for the subscribers here too. */
  applied({ packed, lengths, count }: Commit): void {
    if (this.subscriptions.isEmpty) return;
    readMessages(packed, lengths, count, this.#received);
    if (this.outbox.length > 0) this.#env.openTick(false);
    this.settle();
  }

  /** Slots may have gone to other shards: who listens to their shard channels is told that it hears nothing more. */
  slotsChanged(isOwn: (slot: Slot) => boolean): void {
    const { subscriptions, outbox } = this;
    for (const name of subscriptions.names('shard')) {
      if (isOwn(slotOf(Buffer.from(name, 'latin1')))) continue;
      for (const client of [...(subscriptions.subscribersOf('shard', name) ?? [])]) {
        subscriptions.remove(client, 'shard', name);
        outbox.add(client, encodeShardEnd(client.protocol, name, subscriptions.countOf(client, 'shard')));
      }
    }
    if (outbox.length > 0) this.#env.openTick(false);
    this.settle();
  }

  // Keyspace notifications.

  /** The value of `notify-keyspace-events`, which was checked. */
  setEventLetters(letters: string): void {
    this.#classes = letters === '' ? noClasses : eventClasses(letters);
    if (!this.#watchesExpiry) this.#expiries.clear();
  }

  get #watchesExpiry(): boolean {
    const { classes, byKey, byEvent } = this.#classes;
    return classes.has('x') && (byKey || byEvent);
  }

  /** Tells of keys that died, and hands over what is left. To be called about every 100 ms. */
  sweep(): void {
    this.settle();
    if (this.#expiries.count === 0) return;
    if (!this.#env.mayRead()) {
      this.#expiries.clear();
      return;
    }
    this.#expiries.takeDead(this.#env.nowMs(), (namespace, key) => {
      this.emit('x', 'expired', namespace, spanOfBytes(key));
    });
    if (this.outbox.length > 0) this.#env.openTick(true);
    this.settle();
  }

  /** Who takes the events of commands: nobody while none is asked for. Changes with the letters only. */
  get events(): KeyEvents | undefined {
    const { classes, byKey, byEvent } = this.#classes;
    return classes.size > 0 && (byKey || byEvent) ? this : undefined;
  }

  begins(call: Call, definition: CommandDefinition, request: Request): void {
    const { classes } = this.#classes;
    if (!classes.has('n') && !classes.has('m')) return;
    if ((definition.flagsOf?.(request) ?? definition.flags).includes('write')) {
      if (classes.has('n')) this.#absent.writes(call, definition, request);
    } else if (classes.has('m')) {
      this.#absent.reads(call, definition, request, (key) => {
        this.emit('m', 'keymiss', call.namespace, spanOfBytes(key));
      });
    }
  }

  emit(kind: EventClass, name: string, namespace: Namespace, key: Span): void {
    const { classes, byKey, byEvent } = this.#classes;
    const mayBeNew = classes.has('n') && kind !== 'm' && kind !== 'x' && kind !== 'n' && name !== 'del';
    if (mayBeNew && this.#absent.isNew(key)) this.emit('n', 'new', namespace, key);
    if (givesExpiry.has(name) && this.#watchesExpiry) this.#expiries.note(namespace, key, this.#env.nowMs());
    if (!classes.has(kind) || this.subscriptions.isEmpty) return;
    const event = spanOfBytes(Buffer.from(name, 'latin1'));
    const bytes = key.buffer.subarray(key.start, key.end);
    if (byKey) this.#send('channel', spanOfBytes(Buffer.concat([keyspacePrefix, bytes])), event, namespace);
    if (byEvent) this.#send('channel', spanOfBytes(Buffer.from(`__keyevent@0__:${name}`, 'latin1')), key, namespace);
  }

  /**
   * Puts a message into the outbox for all who get it: by name first, then by pattern.
   * @param namespace only clients of this one hear it; undefined for everybody.
   * @returns how many subscriptions it reaches.
   */
  #send(kind: 'channel' | 'shard', channel: Span, message: Span, namespace?: Namespace): number {
    const { subscriptions } = this;
    if (subscriptions.isEmpty) return 0;
    const name = channel.buffer.latin1Slice(channel.start, channel.end);
    const direct = subscriptions.subscribersOf(kind, name);
    let reached = 0;
    if (direct !== undefined) reached += this.#address(direct, { kind }, [channel, message], namespace);
    if (kind === 'shard' || subscriptions.patternCount === 0) return reached;
    for (const { name: pattern, glob, subscribers } of subscriptions.patterns) {
      if (!glob.matches(channel)) continue;
      reached += this.#address(subscribers, { kind: 'pattern', pattern }, [channel, message], namespace);
    }
    return reached;
  }

  #address(
    clients: Iterable<C>,
    shape: MessageShape,
    [channel, message]: readonly [Span, Span],
    namespace: Namespace | undefined,
  ): number {
    let resp2: Buffer | undefined;
    let resp3: Buffer | undefined;
    let reached = 0;
    for (const client of clients) {
      if (namespace !== undefined && client.namespace.name !== namespace.name) continue;
      if (client.protocol === 3) this.outbox.add(client, (resp3 ??= encodeMessage(3, shape, channel, message)));
      else this.outbox.add(client, (resp2 ??= encodeMessage(2, shape, channel, message)));
      reached++;
    }
    return reached;
  }
}

/** Events after which a key may have an expiry that it had not. */
const givesExpiry: ReadonlySet<string> = new Set(['expire', 'rename_to', 'copy_to', 'restore']);
const keyspacePrefix = Buffer.from('__keyspace@0__:');

function spanOfBytes(bytes: Buffer): Span {
  return { buffer: bytes, start: 0, end: bytes.length };
}
