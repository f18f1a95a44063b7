import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { Subscriptions, type Subscriber, type SubscriptionKind } from './subscriptions.ts';

const kinds: readonly SubscriptionKind[] = ['channel', 'pattern', 'shard'];

function newSubscriber(): Subscriber {
  return { subscriptions: 0, subscriptionBytes: 0 };
}

test('a subscription is there once, however often it was asked for, and is gone when it was ended once', () => {
  const subscriptions = new Subscriptions<Subscriber>();
  const one = newSubscriber();
  assert.equal(subscriptions.add(one, 'channel', 'a'), true);
  assert.equal(subscriptions.add(one, 'channel', 'a'), false);
  assert.equal(subscriptions.countOf(one, 'channel'), 1);
  assert.equal(subscriptions.remove(one, 'channel', 'a'), true);
  assert.equal(subscriptions.remove(one, 'channel', 'a'), false);
  assert.deepEqual([one.subscriptions, one.subscriptionBytes], [0, 0]);
  assert.equal(subscriptions.isEmpty, true);
});

test('the same name as a channel, a pattern and a shard channel is three subscriptions', () => {
  const subscriptions = new Subscriptions<Subscriber>();
  const one = newSubscriber();
  for (const kind of kinds) subscriptions.add(one, kind, 'a');
  assert.equal(one.subscriptions, 3);
  subscriptions.remove(one, 'channel', 'a');
  assert.equal(subscriptions.subscribersOf('channel', 'a'), undefined);
  assert.equal(subscriptions.subscribersOf('shard', 'a')?.has(one), true);
  assert.equal(subscriptions.patternCount, 1);
});

test('names come in the order in which they were subscribed to', () => {
  const subscriptions = new Subscriptions<Subscriber>();
  const one = newSubscriber();
  for (const name of ['c', 'a', 'b']) subscriptions.add(one, 'channel', name);
  assert.deepEqual(subscriptions.namesOf(one, 'channel'), ['c', 'a', 'b']);
});

test('channels are listed by glob patterns, also with bytes that are no text', () => {
  const subscriptions = new Subscriptions<Subscriber>();
  const one = newSubscriber();
  for (const name of ['news.1', 'news.2', 'other', '\xff\x00']) subscriptions.add(one, 'channel', name);
  assert.deepEqual(subscriptions.names('channel', Buffer.from('news.*')), ['news.1', 'news.2']);
  assert.deepEqual(subscriptions.names('channel', Buffer.from([0xff, 0x3f])), ['\xff\x00']);
  assert.equal(subscriptions.names('channel').length, 4);
  assert.deepEqual(subscriptions.names('shard'), []);
});

/** The same, said in the simplest way. */
class Model {
  #rows: { who: number; kind: SubscriptionKind; name: string }[] = [];

  add(who: number, kind: SubscriptionKind, name: string): void {
    if (!this.#has(who, kind, name)) this.#rows.push({ who, kind, name });
  }

  remove(who: number, kind: SubscriptionKind, name: string): void {
    this.#rows = this.#rows.filter((row) => row.who !== who || row.kind !== kind || row.name !== name);
  }

  removeAll(who: number): void {
    this.#rows = this.#rows.filter((row) => row.who !== who);
  }

  names(who: number, kind: SubscriptionKind): string[] {
    return this.#rows.filter((row) => row.who === who && row.kind === kind).map(({ name }) => name);
  }

  count(who: number): number {
    return this.#rows.filter((row) => row.who === who).length;
  }

  subscribers(kind: SubscriptionKind, name: string): number[] {
    return this.#rows.filter((row) => row.kind === kind && row.name === name).map(({ who }) => who);
  }

  distinct(kind: SubscriptionKind): string[] {
    return [...new Set(this.#rows.filter((row) => row.kind === kind).map(({ name }) => name))];
  }

  #has(who: number, kind: SubscriptionKind, name: string): boolean {
    return this.#rows.some((row) => row.who === who && row.kind === kind && row.name === name);
  }
}

test('any sequence of subscribing, unsubscribing and leaving agrees with a plain list', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const subscriptions = new Subscriptions<Subscriber>();
    const people = Array.from({ length: 4 }, newSubscriber);
    const model = new Model();
    for (let step = 0; step < 200; step++) {
      const who = randomBelow(random, people.length);
      const kind = kinds[randomBelow(random, 3)] as SubscriptionKind;
      const name = 'abc*?'.charAt(randomBelow(random, 5));
      const one = people[who] as Subscriber;
      const action = randomBelow(random, 10);
      if (action < 5) {
        subscriptions.add(one, kind, name);
        model.add(who, kind, name);
      } else if (action < 9) {
        subscriptions.remove(one, kind, name);
        model.remove(who, kind, name);
      } else {
        subscriptions.removeAll(one);
        model.removeAll(who);
      }
      subscriptions.checkInvariants();
      compare(subscriptions, people, model, `seed ${seed} step ${step}`);
    }
  }
});

function compare(subscriptions: Subscriptions<Subscriber>, people: Subscriber[], model: Model, at: string): void {
  people.forEach((one, who) => {
    assert.equal(one.subscriptions, model.count(who), at);
    for (const kind of kinds) assert.deepEqual(subscriptions.namesOf(one, kind), model.names(who, kind), at);
  });
  for (const kind of ['channel', 'shard'] as const) {
    assert.deepEqual(subscriptions.names(kind).sort(), model.distinct(kind).sort(), at);
    for (const name of model.distinct(kind)) {
      const found = [...(subscriptions.subscribersOf(kind, name) ?? [])].map((one) => people.indexOf(one));
      assert.deepEqual(found, model.subscribers(kind, name), at);
    }
  }
  const patterns = [...subscriptions.patterns].map(({ name }) => name).sort();
  assert.deepEqual(patterns, model.distinct('pattern').sort(), at);
  assert.deepEqual(
    [subscriptions.channelCount, subscriptions.shardCount, subscriptions.patternCount],
    [model.distinct('channel').length, model.distinct('shard').length, patterns.length],
    at,
  );
}
