import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from '@holdfast/resp';
import { keysOf } from '../table.ts';
import { FakeSession, runOn } from '../testing/fake-session.ts';
import { pubSubCommands } from './index.ts';
import type { PubSubPort, SubscriptionKind } from './port.ts';

/** One node: sets of names per session, and what was published as lines. */
class FakeNode {
  readonly published: string[] = [];
  readonly pushed: string[] = [];
  writes = true;
  cluster = false;
  readonly #own = new Map<string, Set<string>>();

  readonly port: PubSubPort = this.#newPort();
  readonly commands = pubSubCommands(this.port);

  run(session: FakeSession, ...words: string[]): string {
    return runOn(this.commands, session, words).replaceAll('\r\n', ' ').trimEnd();
  }

  flags(...words: string[]): string {
    const request = Request.of(...words);
    const definition = this.commands.find(({ name }) => request.is(0, name));
    return (definition?.flagsOf?.(request) ?? definition?.flags ?? []).join(' ');
  }

  keys(...words: string[]): readonly number[] {
    const request = Request.of(...words);
    const definition = this.commands.find(({ name }) => request.is(0, name));
    assert.ok(definition !== undefined);
    return keysOf(definition, request);
  }

  #names(session: { id: number }, kind: SubscriptionKind): Set<string> {
    const place = `${session.id} ${kind}`;
    const names = this.#own.get(place) ?? new Set();
    this.#own.set(place, names);
    return names;
  }

  #all(kind: 'channel' | 'shard'): string[] {
    return [...this.#own].filter(([place]) => place.endsWith(kind)).flatMap(([, names]) => [...names]);
  }

  #newPort(): PubSubPort {
    const node = this;
    return {
      subscribe: (session, kind, name) => void this.#names(session, kind).add(name),
      unsubscribe: (session, kind, name) => void this.#names(session, kind).delete(name),
      subscriptionsOf: (session, kind) => [...this.#names(session, kind)],
      countOf: (session, kind) =>
        kind === 'shard'
          ? this.#names(session, 'shard').size
          : this.#names(session, 'channel').size + this.#names(session, 'pattern').size,
      publish: (kind, channel, message) => {
        const text = (span: typeof channel): string => span.buffer.latin1Slice(span.start, span.end);
        return this.published.push(`${kind} ${text(channel)} ${text(message)}`);
      },
      channels: (kind, pattern) =>
        [...new Set(this.#all(kind))].filter((name) => pattern === undefined || name.startsWith(pattern.toString())),
      subscriberCount: (kind, name) => this.#all(kind).filter((one) => one === name).length,
      get patternCount() {
        return 7;
      },
      get writesMessages() {
        return node.writes;
      },
      get isCluster() {
        return node.cluster;
      },
      push: (_session, bytes) => void this.pushed.push(bytes.toString('latin1').replaceAll('\r\n', ' ')),
    };
  }
}

test('each channel is confirmed with the number of channels and patterns; shard channels count apart', () => {
  const node = new FakeNode();
  const session = new FakeSession();
  assert.equal(
    node.run(session, 'SUBSCRIBE', 'a', 'b', 'a'),
    '*3 $9 subscribe $1 a :1 *3 $9 subscribe $1 b :2 *3 $9 subscribe $1 a :2',
  );
  assert.equal(node.run(session, 'PSUBSCRIBE', 'a*'), '*3 $10 psubscribe $2 a* :3');
  assert.equal(node.run(session, 'SSUBSCRIBE', 'a'), '*3 $10 ssubscribe $1 a :1');
  assert.equal(node.run(session, 'UNSUBSCRIBE', 'x'), '*3 $11 unsubscribe $1 x :3');
  assert.equal(node.run(session, 'UNSUBSCRIBE'), '*3 $11 unsubscribe $1 a :2 *3 $11 unsubscribe $1 b :1');
  assert.equal(node.run(session, 'PUNSUBSCRIBE', 'a*'), '*3 $12 punsubscribe $2 a* :0');
  assert.equal(node.run(session, 'SUNSUBSCRIBE'), '*3 $12 sunsubscribe $1 a :0');
});

test('unsubscribing from everything without a subscription is confirmed once, with nil', () => {
  const node = new FakeNode();
  const session = new FakeSession();
  assert.equal(node.run(session, 'UNSUBSCRIBE'), '*3 $11 unsubscribe $-1 :0');
  session.protocol = 3;
  assert.equal(node.run(session, 'PUNSUBSCRIBE'), '>3 $12 punsubscribe _ :0');
  assert.equal(node.run(session, 'SUNSUBSCRIBE'), '>3 $12 sunsubscribe _ :0');
  assert.equal(node.run(session, 'SUBSCRIBE', 'a'), '>3 $9 subscribe $1 a :1');
});

test('CLIENT REPLY silences replies, not confirmations', () => {
  const node = new FakeNode();
  const session = new FakeSession();
  session.replyMode = 'off';
  assert.equal(node.run(session, 'SUBSCRIBE', 'a'), '');
  session.replyMode = 'skip';
  assert.equal(node.run(session, 'UNSUBSCRIBE'), '');
  assert.deepEqual(node.pushed, ['*3 $9 subscribe $1 a :1 ', '*3 $11 unsubscribe $1 a :0 ']);
});

test('publishing answers how many subscriptions were reached, for several messages together', () => {
  const node = new FakeNode();
  const session = new FakeSession();
  assert.equal(node.run(session, 'PUBLISH', 'a', 'one'), ':1');
  assert.equal(node.run(session, 'MPUBLISH', 'a', 'two', 'three'), ':5');
  assert.equal(node.run(session, 'SPUBLISH', 'a', 'four'), ':4');
  assert.deepEqual(node.published, ['channel a one', 'channel a two', 'channel a three', 'shard a four']);
});

test('publishing is a write where it adds to the log, and a read on a replica', () => {
  const node = new FakeNode();
  for (const name of ['PUBLISH', 'MPUBLISH', 'SPUBLISH']) {
    node.writes = true;
    assert.equal(node.flags(name, 'a', 'x'), 'write pubsub fast');
    node.writes = false;
    assert.equal(node.flags(name, 'a', 'x'), 'readonly pubsub fast');
  }
});

test('shard channels are routed by their slot, everything else by nothing', () => {
  const node = new FakeNode();
  assert.deepEqual(node.keys('SSUBSCRIBE', 'a', 'b'), [1]);
  assert.deepEqual(node.keys('SPUBLISH', 'a', 'x'), [1]);
  for (const name of ['SUBSCRIBE', 'PSUBSCRIBE', 'UNSUBSCRIBE', 'SUNSUBSCRIBE']) {
    assert.deepEqual(node.keys(name, 'a', 'b'), [], name);
  }
  assert.deepEqual(node.keys('PUBLISH', 'a', 'x'), []);
});

test('in cluster mode shard channels of two slots cannot be subscribed to at once, but left', () => {
  const node = new FakeNode();
  const session = new FakeSession();
  assert.match(node.run(session, 'SSUBSCRIBE', 'a{x}', 'b{y}'), /^\*3 .* :2$/);
  node.cluster = true;
  const refused = "-ERR CROSSSLOT Keys in request don't hash to the same slot";
  assert.equal(node.run(session, 'SSUBSCRIBE', 'a{x}', 'c{x}', 'b{y}'), refused);
  assert.equal(node.run(session, 'SSUBSCRIBE', 'a{x}', 'c{x}').split('*3').length, 3);
  assert.equal(node.run(session, 'SUNSUBSCRIBE', 'a{x}', 'b{y}').split('*3').length, 3);
});

test('PUBSUB tells channels, their subscribers and patterns', () => {
  const node = new FakeNode();
  const [one, two] = [new FakeSession(1), new FakeSession(2)];
  node.run(one, 'SUBSCRIBE', 'aa', 'ab', 'b');
  node.run(two, 'SUBSCRIBE', 'aa');
  node.run(two, 'SSUBSCRIBE', 's');
  assert.equal(node.run(one, 'PUBSUB', 'CHANNELS'), '*3 $2 aa $2 ab $1 b');
  assert.equal(node.run(one, 'PUBSUB', 'channels', 'a'), '*2 $2 aa $2 ab');
  assert.equal(node.run(one, 'PUBSUB', 'CHANNELS', ''), '*3 $2 aa $2 ab $1 b');
  assert.equal(node.run(one, 'PUBSUB', 'NUMSUB', 'aa', 'x'), '*4 $2 aa :2 $1 x :0');
  assert.equal(node.run(one, 'PUBSUB', 'NUMSUB'), '*0');
  assert.equal(node.run(one, 'PUBSUB', 'NUMPAT'), ':7');
  assert.equal(node.run(one, 'PUBSUB', 'SHARDCHANNELS'), '*1 $1 s');
  assert.equal(node.run(one, 'PUBSUB', 'SHARDNUMSUB', 's'), '*2 $1 s :1');
  assert.match(node.run(one, 'PUBSUB', 'HELP'), /^\*11 \+PUBSUB <subcommand>/);
  assert.equal(node.run(one, 'PUBSUB', 'x'), "-ERR unknown subcommand 'x'. Try PUBSUB HELP.");
  assert.equal(
    node.run(one, 'PUBSUB', 'CHANNELS', 'a', 'b'),
    "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.",
  );
  assert.equal(node.run(one, 'PUBSUB', 'NUMPAT', 'a'), "-ERR wrong number of arguments for 'pubsub|numpat' command");
});
