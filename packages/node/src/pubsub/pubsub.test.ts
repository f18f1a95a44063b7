import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultNamespace, namespaceOf, spanOf, type Namespace } from '@holdfast/engine';
import { openTestEngine, type TestEngine } from '@holdfast/engine/testing';
import { Request } from '@holdfast/resp';
import { define, firstKey, type Call, type CommandFlag } from '@holdfast/commands';
import { PubSub, type PubSubClient } from './pubsub.ts';
import { withMessages } from './savepoints.ts';

/** A connection, as far as pub/sub looks at it. */
class Client {
  subscriptions = 0;
  subscriptionBytes = 0;
  protocol: 2 | 3 = 2;
  namespace: Namespace = defaultNamespace;
  received = '';

  push(bytes: Buffer): void {
    this.received += bytes.toString('latin1');
  }

  /** What came since the last time, line breaks as blanks. */
  take(): string {
    const { received } = this;
    this.received = '';
    return received.replaceAll('\r\n', ' ').trimEnd();
  }
}

type Node = PubSub<Client & PubSubClient>;

function isListening({ events }: Node): boolean {
  return events !== undefined;
}

class World implements AsyncDisposable {
  readonly opened: TestEngine;
  readonly pubsub: Node;
  isReplica = false;
  mayDeliver = true;
  nowMs = 1_700_000_000_000;
  ticks = 0;

  constructor(opened: TestEngine, isCluster = false) {
    this.opened = opened;
    this.pubsub = new PubSub<Client & PubSubClient>({
      engine: opened.engine,
      isCluster,
      isReplica: () => this.isReplica,
      openTick: () => void this.ticks++,
      mayDeliver: () => this.mayDeliver,
      nowMs: () => this.nowMs,
      mayRead: () => !this.isReplica,
      expireMs: (namespace, key, nowMs) =>
        opened.types.keyspace.expireMs({ namespace, buffer: key, start: 0, end: key.length }, nowMs),
    });
  }

  subscriber(kind: 'channel' | 'pattern' | 'shard', ...names: string[]): Client & PubSubClient {
    const client = new Client() as Client & PubSubClient;
    for (const name of names) this.pubsub.subscribe(client, kind, name);
    return client;
  }

  publish(channel: string, message: string, kind: 'channel' | 'shard' = 'channel'): number {
    return this.pubsub.publish(kind, spanOf(channel), spanOf(message));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.opened[Symbol.asyncDispose]());
  }
}

async function openWorld(isCluster = false): Promise<World> {
  return new World(await openTestEngine({ slotPrefixed: isCluster }), isCluster);
}

test('a message reaches those who named the channel, then those whose pattern matches, each subscription once', async () => {
  await using world = await openWorld();
  const named = world.subscriber('channel', 'news', 'other');
  const both = world.subscriber('pattern', 'n*', '?ews');
  world.pubsub.subscribe(both, 'channel', 'news');
  both.protocol = 3;
  assert.equal(world.publish('news', 'hi'), 4);
  assert.equal(world.publish('nothing', 'x'), 1);
  assert.equal(world.publish('silence', 'x'), 0);
  assert.deepEqual([named.take(), both.take()], ['', ''], 'nothing is said before the command has ended');
  world.pubsub.outbox.flush();
  assert.equal(named.take(), '*3 $7 message $4 news $2 hi');
  const [direct, ...matched] = both.take().split('>').slice(1);
  assert.equal(direct, '3 $7 message $4 news $2 hi ');
  assert.deepEqual(matched, [
    '4 $8 pmessage $2 n* $4 news $2 hi ',
    '4 $8 pmessage $4 ?ews $4 news $2 hi ',
    '4 $8 pmessage $2 n* $7 nothing $1 x',
  ]);
});

test('shard channels and channels are worlds apart, and patterns hear of channels only', async () => {
  await using world = await openWorld();
  const shard = world.subscriber('shard', 'a');
  const channel = world.subscriber('channel', 'a');
  const pattern = world.subscriber('pattern', '*');
  assert.equal(world.publish('a', 'one', 'shard'), 1);
  assert.equal(world.publish('a', 'two'), 2);
  world.pubsub.outbox.flush();
  assert.equal(shard.take(), '*3 $8 smessage $1 a $3 one');
  assert.equal(channel.take(), '*3 $7 message $1 a $3 two');
  assert.equal(pattern.take(), '*4 $8 pmessage $1 * $1 a $3 two');
});

test('what a command said is taken back with what it wrote', async () => {
  await using world = await openWorld();
  const client = world.subscriber('channel', 'a');
  const { engine } = world.opened;
  const savepoints = withMessages(engine, world.pubsub.outbox);
  savepoints.beginAtomic();
  savepoints.beginCommand();
  world.publish('a', 'kept');
  savepoints.beginCommand();
  world.publish('a', 'lost');
  savepoints.rollbackCommand();
  savepoints.endAtomic();
  world.pubsub.outbox.flush();
  assert.equal(client.take(), '*3 $7 message $1 a $4 kept');
  savepoints.beginAtomic();
  savepoints.beginCommand();
  world.publish('a', 'lost');
  savepoints.rollbackAtomic();
  world.pubsub.outbox.flush();
  assert.equal(client.take(), '');
  assert.equal(engine.commit()?.count, 1);
});

test('a replica hears what its master published, in order, and writes nothing when it publishes itself', async () => {
  await using master = await openWorld();
  await using replica = await openWorld();
  replica.isReplica = true;
  const listener = replica.subscriber('pattern', '*');
  replica.pubsub.subscribe(listener, 'shard', 's');
  const { engine } = master.opened;
  engine.beginCommand();
  master.publish('a', '1');
  master.publish('a', '2');
  engine.beginCommand();
  master.publish('s', 'to the shard', 'shard');
  engine.beginAtomic();
  master.publish('b', '3');
  master.publish('b', '\xff');
  engine.endAtomic();
  const commit = engine.commit();
  assert.ok(commit !== undefined);
  // Stock replicas look at the last put of a batch: each message has its own, but for the transaction's.
  assert.equal(commit.count, 4);
  replica.opened.engine.applyReplicated(commit.packed, commit.lengths, commit.count);
  replica.pubsub.applied(commit);
  assert.equal(replica.ticks, 1);
  assert.equal(
    listener.take(),
    '*4 $8 pmessage $1 * $1 a $1 1 *4 $8 pmessage $1 * $1 a $1 2 *3 $8 smessage $1 s $12 to the shard ' +
      '*4 $8 pmessage $1 * $1 b $1 3 *4 $8 pmessage $1 * $1 b $2 \xc3\xbf',
  );
  assert.equal(replica.publish('a', 'here only'), 1);
  replica.pubsub.outbox.flush();
  assert.equal(listener.take(), '*4 $8 pmessage $1 * $1 a $9 here only');
  assert.equal(replica.opened.engine.openTickBytes, 0);
});

test('a message of a shard channel leaves nothing behind in the database', async () => {
  await using world = await openWorld();
  const { engine } = world.opened;
  engine.beginCommand();
  world.publish('s', 'x', 'shard');
  engine.commit();
  assert.equal(engine.getPropagate(Buffer.from('holdfast_shard_message')), undefined);
});

test('the record of a message is the put that Kvrocks writes', async () => {
  await using world = await openWorld();
  const { engine } = world.opened;
  engine.beginCommand();
  world.publish('channel', 'message');
  const packed = engine.commit()?.packed;
  // Sequence 1, one record: put in family 3, each string behind its length.
  const expected = '010000000000000001000000' + '0503' + '07' + hex('channel') + '07' + hex('message');
  assert.equal(packed?.toString('hex'), expected);
});

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

test('who listens to a shard channel is told when its slot goes elsewhere', async () => {
  await using world = await openWorld(true);
  const client = world.subscriber('shard', '{a}1', '{a}2', 'b');
  world.pubsub.slotsChanged(() => true);
  assert.equal(client.take(), '');
  const slotOfB = 3300;
  world.pubsub.slotsChanged((slot) => slot === slotOfB);
  assert.equal(client.take(), '*3 $12 sunsubscribe $4 {a}1 :2 *3 $12 sunsubscribe $4 {a}2 :1');
  assert.equal(client.subscriptions, 1);
  assert.equal(world.pubsub.subscriberCount('shard', 'b'), 1);
});

test('notifications tell the chosen classes by key and by event, in the namespace of the key only', async () => {
  await using world = await openWorld();
  const { pubsub } = world;
  assert.equal(isListening(pubsub), false);
  pubsub.setEventLetters('K$');
  pubsub.events?.emit('$', 'set', defaultNamespace, spanOf('k'));
  assert.equal(pubsub.outbox.length, 0, 'nobody could hear it');
  const client = world.subscriber('pattern', '__key*');
  const stranger = world.subscriber('pattern', '__key*');
  stranger.namespace = namespaceOf('other');
  const say = (letters: string, kind: '$' | 'l'): string => {
    pubsub.setEventLetters(letters);
    pubsub.events?.emit(kind, 'set', defaultNamespace, spanOf('k'));
    pubsub.outbox.flush();
    return client.take();
  };
  assert.equal(say('K$', '$'), '*4 $8 pmessage $6 __key* $16 __keyspace@0__:k $3 set');
  assert.equal(say('K$', 'l'), '');
  assert.equal(say('EA', 'l'), '*4 $8 pmessage $6 __key* $18 __keyevent@0__:set $1 k');
  assert.equal(say('KEA', '$').split('*4').length, 3);
  assert.equal(say('', '$'), '');
  assert.equal(say('A', '$'), '', 'neither by key nor by event');
  assert.equal(stranger.take(), '');
  assert.equal(world.opened.engine.openTickBytes, 0, 'a notification is no record');
});

test('a key that dies is told of where its expiry was given, once the moment has passed', async () => {
  await using world = await openWorld();
  const { pubsub, opened } = world;
  pubsub.setEventLetters('Ex');
  const key = { namespace: defaultNamespace, ...spanOf('k') };
  opened.engine.beginCommand();
  opened.types.strings.set(key, spanOf('v'), world.nowMs + 1000);
  pubsub.events?.emit('g', 'expire', defaultNamespace, key);
  opened.engine.commit();
  const client = world.subscriber('channel', '__keyevent@0__:expired');
  pubsub.sweep();
  assert.equal(client.take(), '');
  world.nowMs += 1200;
  pubsub.sweep();
  assert.equal(client.take(), '*3 $7 message $22 __keyevent@0__:expired $1 k');
  pubsub.sweep();
  assert.equal(client.take(), '');
});

test('while a script holds the tick nothing is handed over, and nothing at all if it is given up', async () => {
  await using world = await openWorld();
  const client = world.subscriber('channel', 'a');
  world.mayDeliver = false;
  world.publish('a', 'kept');
  world.pubsub.settle();
  assert.equal(client.take(), '');
  world.mayDeliver = true;
  world.pubsub.sweep();
  assert.equal(client.take(), '*3 $7 message $1 a $4 kept');
  world.publish('a', 'lost');
  world.pubsub.dropTick();
  world.pubsub.sweep();
  assert.equal(client.take(), '');
});

test('new keys and misses are told of where they are asked for by name', async () => {
  await using world = await openWorld();
  const { pubsub, opened } = world;
  const client = world.subscriber('pattern', '__keyevent*');
  const call = { nowMs: world.nowMs, namespace: defaultNamespace } as Call;
  const run = (flag: CommandFlag, key: string, event?: string): string => {
    const definition = define({
      name: 'x',
      arity: 2,
      flags: [flag],
      keys: firstKey,
      group: 'string',
      since: '1.0.0',
      complexity: 'O(1)',
      summary: '',
      parse: () => null,
      run: () => undefined,
    });
    opened.engine.beginCommand();
    pubsub.events?.begins?.(call, definition, Request.of('x', key));
    if (event !== undefined && event !== 'del') {
      opened.types.strings.set({ namespace: defaultNamespace, ...spanOf(key) }, spanOf('v'), 0);
    }
    if (event !== undefined) pubsub.events?.emit('$', event, defaultNamespace, spanOf(key));
    pubsub.outbox.flush();
    return [...client.take().matchAll(/__keyevent@0__:(\w+) \$\d+ (\w+)/g)]
      .map(([, name, of]) => `${name} ${of}`)
      .join();
  };
  pubsub.setEventLetters('EA');
  assert.equal(run('write', 'a', 'set'), 'set a');
  assert.equal(run('readonly', 'b'), '');
  pubsub.setEventLetters('E$nm');
  assert.equal(run('write', 'a', 'set'), 'set a');
  assert.equal(run('write', 'b', 'set'), 'new b,set b');
  assert.equal(run('write', 'b', 'set'), 'set b');
  assert.equal(run('write', 'c', 'del'), 'del c');
  assert.equal(run('readonly', 'b'), '');
  assert.equal(run('readonly', 'c'), 'keymiss c');
});
