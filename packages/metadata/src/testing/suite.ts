/**
 * What every metadata store has to do, run against each implementation. An implementation that passes may be put under
 * the controller.
 */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { OperationError } from '@holdfast/base';
import { limits } from '../limits.ts';
import { leaderKey, membersPrefix, type Change, type MetadataStore, type Watch } from '../metadata-store.ts';

export interface StoreFactory {
  readonly name: string;
  /** A fresh content; `open` may be called again after the store it returned was closed. */
  create(t: TestContext): Promise<{ open(): Promise<MetadataStore> }>;
}

async function opened(factory: StoreFactory, t: TestContext): Promise<MetadataStore> {
  const store = await (await factory.create(t)).open();
  t.after(() => store.close());
  return store;
}

async function put(store: MetadataStore, key: string, value: string): Promise<number> {
  const result = await store.transact({ guards: [], puts: [{ key, value }] });
  assert(result.ok);
  return result.revision;
}

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof OperationError && error.code === expected && error.outcome === 'not-applied';
}

export function metadataStoreSuite(factory: StoreFactory): void {
  describe(`metadata store: ${factory.name}`, () => {
    transactions(factory);
    reading(factory);
    leadership(factory);
    presence(factory);
    lifetime(factory);
  });
}

function transactions(factory: StoreFactory): void {
  test('a key is created only while it is absent, and changed only at its revision', async (t) => {
    const store = await opened(factory, t);
    assert.equal(await store.get('/a'), undefined);
    const created = await store.compareAndSet('/a', 'absent', '1');
    assert(created.ok);
    const again = await store.compareAndSet('/a', 'absent', '2');
    assert.deepEqual(again, { ok: false, current: { key: '/a', value: '1', revision: created.revision } });
    const changed = await store.compareAndSet('/a', created.revision, '2');
    assert(changed.ok);
    assert(changed.revision > created.revision);
    const stale = await store.compareAndSet('/a', created.revision, '3');
    assert.deepEqual(stale, { ok: false, current: { key: '/a', value: '2', revision: changed.revision } });
    assert.deepEqual(await store.compareAndSet('/none', created.revision, 'x'), { ok: false, current: undefined });
    assert.equal((await store.get('/a'))?.value, '2');
  });

  test('a transaction writes all of its keys at one revision, or none when one guard fails', async (t) => {
    const store = await opened(factory, t);
    const first = await put(store, '/shard', 'e1');
    const both = await store.transact({
      guards: [
        { key: '/shard', expected: first },
        { key: '/bindings', expected: 'absent' },
      ],
      puts: [
        { key: '/shard', value: 'e2' },
        { key: '/bindings', value: 'b2' },
      ],
    });
    assert(both.ok);
    assert.deepEqual(
      (await store.list('/')).entries.map(({ revision }) => revision),
      [both.revision, both.revision],
    );
    const half = await store.transact({
      guards: [
        { key: '/bindings', expected: both.revision },
        { key: '/shard', expected: first },
      ],
      puts: [
        { key: '/bindings', value: 'b3' },
        { key: '/shard', value: 'e3' },
        { key: '/other', value: 'o' },
      ],
      removes: ['/gone'],
    });
    const current = { key: '/shard', value: 'e2', revision: both.revision };
    assert.deepEqual(half, { ok: false, conflicts: [{ key: '/shard', expected: first, current }] });
    assert.deepEqual(
      (await store.list('/')).entries.map(({ key, value }) => `${key}=${value}`),
      ['/bindings=b2', '/shard=e2'],
    );
  });

  test('a transaction that writes nothing leaves the revision as it was', async (t) => {
    const store = await opened(factory, t);
    const revision = await put(store, '/a', '1');
    const guarded = await store.transact({ guards: [{ key: '/a', expected: revision }], removes: ['/absent'] });
    assert.deepEqual(guarded, { ok: true, revision });
    assert.equal((await store.list('')).revision, revision);
  });

  test('the revision rises by one with every write, removals included, and a key that comes back is newer', async (t) => {
    const store = await opened(factory, t);
    const first = await put(store, '/a', '1');
    assert.equal(await put(store, '/b', '1'), first + 1);
    const removed = await store.transact({ guards: [], removes: ['/a'] });
    assert.deepEqual(removed, { ok: true, revision: first + 2 });
    assert.deepEqual(await store.compareAndSet('/a', first, 'x'), { ok: false, current: undefined });
    assert.equal(await put(store, '/a', '2'), first + 3);
  });

  test('of many concurrent compare-and-sets of one revision exactly one succeeds, and they act in call order', async (t) => {
    const store = await opened(factory, t);
    const base = await put(store, '/a', '0');
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.compareAndSet('/a', base, `writer ${i}`)),
    );
    assert.deepEqual(
      results.map(({ ok }) => ok),
      [true, ...Array.from({ length: 19 }, () => false)],
    );
    assert.equal((await store.get('/a'))?.value, 'writer 0');
  });

  test('a transaction decided behind another in the same turn sees its result', async (t) => {
    const store = await opened(factory, t);
    const base = (await store.list('')).revision;
    const results = await Promise.all([
      store.compareAndSet('/n', 'absent', '1'),
      store.compareAndSet('/n', base + 1, '2'),
      store.compareAndSet('/n', base + 2, '3'),
    ]);
    assert.deepEqual(
      results.map(({ ok }) => ok),
      [true, true, true],
    );
    assert.equal((await store.get('/n'))?.value, '3');
  });

  test('values and keys come back as they went in', async (t) => {
    const store = await opened(factory, t);
    const values = ['', '\u0000\n\r"\\', 'ключ 鍵 🔑', JSON.stringify({ epoch: 7, isr: ['a', 'b'] }), '\u2028\uFEFF'];
    for (const [i, value] of values.entries()) await put(store, `/v/${i} é\n`, value);
    assert.deepEqual(
      (await store.list('/v/')).entries.map(({ value }) => value),
      values,
    );
  });

  test('what passes a limit is refused and nothing is written', async (t) => {
    const store = await opened(factory, t);
    const before = (await store.list('')).revision;
    const large = 'é'.repeat(limits.valueBytesMax / 2 + 1);
    await assert.rejects(store.compareAndSet('/large', 'absent', large), code('METADATA_TOO_LARGE'));
    const guards = Array.from({ length: limits.operationsMax + 1 }, (_, i) => ({
      key: `/${i}`,
      expected: 'absent' as const,
    }));
    await assert.rejects(store.transact({ guards }), code('METADATA_TOO_LARGE'));
    assert.deepEqual(await store.list(''), { revision: before, entries: [] });
    assert((await store.compareAndSet('/fits', 'absent', 'é'.repeat(limits.valueBytesMax / 2))).ok);
  });
}

function reading(factory: StoreFactory): void {
  test('list returns the keys of a prefix in order, with the revision of the whole store', async (t) => {
    const store = await opened(factory, t);
    for (const key of ['/c/2', '/c/10', '/d', '/c', '/c/1']) await put(store, key, key);
    const { revision, entries } = await store.list('/c/');
    assert.deepEqual(
      entries.map(({ key }) => key),
      ['/c/1', '/c/10', '/c/2'],
    );
    assert.equal(revision, (await put(store, '/e', '')) - 1);
  });

  test('a watch tells every later change of its prefix once, in order, and stops when cancelled', async (t) => {
    const store = await opened(factory, t);
    await put(store, '/w/before', '0');
    const seen = collect(store, '/w/');
    const revision = await put(store, '/w/a', '1');
    await put(store, '/x', 'not watched');
    await store.compareAndSet('/w/a', 'absent', 'refused');
    await put(store, '/w/a', '2');
    await store.transact({ guards: [], removes: ['/w/a'] });
    const last = await put(store, '/w/end', '');
    await seen.until('/w/end');
    assert.deepEqual(seen.changes, [
      { key: '/w/a', revision, entry: { key: '/w/a', value: '1', revision } },
      { key: '/w/a', revision: revision + 2, entry: { key: '/w/a', value: '2', revision: revision + 2 } },
      { key: '/w/a', revision: revision + 3, entry: undefined },
      { key: '/w/end', revision: last, entry: { key: '/w/end', value: '', revision: last } },
    ]);
    seen.watch.cancel();
    seen.watch.cancel();
    const other = collect(store, '/w/');
    await put(store, '/w/later', '3');
    await other.until('/w/later');
    assert.equal(seen.changes.length, 4);
    assert.deepEqual(
      other.changes.map(({ key }) => key),
      ['/w/later'],
    );
  });

  test('a watch tells all keys of one transaction with its revision', async (t) => {
    const store = await opened(factory, t);
    const seen = collect(store, '/w/');
    const both = await store.transact({
      guards: [],
      puts: [
        { key: '/w/b', value: '1' },
        { key: '/w/a', value: '2' },
      ],
    });
    await put(store, '/w/end', '');
    await seen.until('/w/end');
    assert(both.ok);
    assert.deepEqual(
      seen.changes.slice(0, 2).map(({ key, revision }) => `${key} ${revision}`),
      [`/w/b ${both.revision}`, `/w/a ${both.revision}`],
    );
  });
}

interface Collected {
  readonly changes: readonly Change[];
  readonly watch: Watch;
  /** Resolves when a change of the key was told. */
  until(key: string): Promise<void>;
}

function collect(store: MetadataStore, prefix: string): Collected {
  const changes: Change[] = [];
  let look = (): void => undefined;
  const watch = store.watch(prefix, (change) => {
    changes.push(change);
    look();
  });
  const until = (key: string): Promise<void> =>
    new Promise((resolve) => {
      look = (): void => {
        if (changes.some((change) => change.key === key)) resolve();
      };
      look();
    });
  return { changes, watch, until };
}

function leadership(factory: StoreFactory): void {
  test('one candidate leads; the next one wins when it resigns, with a higher term', async (t) => {
    const store = await opened(factory, t);
    const first = await store.campaign('one');
    assert(first.held);
    let secondWon = false;
    const campaign = store.campaign('two').then((won) => {
      secondWon = true;
      return won;
    });
    await put(store, '/a', '1');
    assert(!secondWon);
    await first.resign();
    await first.resign();
    const second = await campaign;
    assert(!first.held);
    assert(first.lost.aborted);
    assert(second.held);
    assert(second.term > first.term);
  });

  test('a leadership that has ended changes nothing, whatever else holds', async (t) => {
    const store = await opened(factory, t);
    const first = await store.campaign('one');
    assert((await store.compareAndSet('/a', 'absent', '1', { leadership: first })).ok);
    await first.resign();
    await assert.rejects(
      store.transact({ guards: [], puts: [{ key: '/a', value: '2' }], leadership: first }),
      code('METADATA_NOT_LEADER'),
    );
    const second = await store.campaign('two');
    await assert.rejects(store.compareAndSet('/a', 'absent', '2', { leadership: first }), code('METADATA_NOT_LEADER'));
    assert.equal((await store.get('/a'))?.value, '1');
    const conflict = await store.compareAndSet('/a', 'absent', '2', { leadership: second });
    assert.equal(conflict.ok, false);
  });
}

function presence(factory: StoreFactory): void {
  test('the leader can be read, and is gone when it resigned', async (t) => {
    const store = await opened(factory, t);
    assert.equal(await store.get(leaderKey), undefined);
    const leading = await store.campaign('the one');
    assert.deepEqual(await store.get(leaderKey), { key: leaderKey, value: '"the one"', revision: leading.term });
    const seen = collect(store, leaderKey);
    await leading.resign();
    await seen.until(leaderKey);
    assert.equal(seen.changes[0]?.entry, undefined);
    assert.equal(await store.get(leaderKey), undefined);
  });

  test('a member that announces itself is listed until it withdraws', async (t) => {
    const store = await opened(factory, t);
    const seen = collect(store, membersPrefix);
    const one = await store.announce('c1', '{"addr":"a:1"}');
    await store.announce('c2', '{"addr":"a:2"}');
    const { entries } = await store.list(membersPrefix);
    assert.deepEqual(
      entries.map(({ key, value }) => `${key} ${value}`),
      [`${membersPrefix}c1 {"addr":"a:1"}`, `${membersPrefix}c2 {"addr":"a:2"}`],
    );
    await seen.until(`${membersPrefix}c2`);
    await one.withdraw();
    await one.withdraw();
    assert.equal(await store.get(`${membersPrefix}c1`), undefined);
    assert.equal((await store.list(membersPrefix)).entries.length, 1);
    assert.equal(one.member, 'c1');
  });

  test('who announces a member last is seen; an earlier announcement takes nothing away', async (t) => {
    const store = await opened(factory, t);
    const before = await store.announce('c1', 'before');
    await store.announce('c1', 'after');
    await before.withdraw();
    assert.equal((await store.get(`${membersPrefix}c1`))?.value, 'after');
  });

  test('leader and members do not outlive the store that was closed', async (t) => {
    const content = await factory.create(t);
    const before = await content.open();
    await before.campaign('one');
    await before.announce('c1', '');
    await before.close();
    await assert.rejects(before.announce('c1', ''), code('METADATA_CLOSED'));
    const after = await content.open();
    t.after(() => after.close());
    assert.deepEqual((await after.list('/holdfast/')).entries, []);
  });
}

function lifetime(factory: StoreFactory): void {
  test('a store that is opened again holds what it held, and its revision goes on from there', async (t) => {
    const content = await factory.create(t);
    const before = await content.open();
    const leading = await before.campaign('before');
    for (let i = 0; i < 5; i++) await put(before, `/k/${i}`, `value ${i}`);
    await before.transact({ guards: [], removes: ['/k/4'] });
    const held = await before.list('/k/');
    await before.close();
    await before.close();
    assert(leading.lost.aborted);
    const after = await content.open();
    t.after(() => after.close());
    const found = await after.list('/k/');
    assert.deepEqual(found.entries, held.entries);
    // Giving up the leadership may have been a write.
    assert(found.revision >= held.revision);
    const next = await after.campaign('after');
    assert(next.term > leading.term);
    assert(next.term > held.revision);
    await assert.rejects(
      after.transact({ guards: [], puts: [{ key: '/k/1', value: 'x' }], leadership: leading }),
      code('METADATA_NOT_LEADER'),
    );
  });

  test('closing waits for transactions under way; everything after it is refused', async (t) => {
    const content = await factory.create(t);
    const store = await content.open();
    const leading = await store.campaign('leading');
    const waiting = store.campaign('waiting');
    const waitingEnds = assert.rejects(waiting, code('METADATA_CLOSED'));
    const underWay = put(store, '/a', '1');
    await store.close();
    await underWay;
    await waitingEnds;
    assert(!leading.held);
    await leading.resign();
    await assert.rejects(store.get('/a'), code('METADATA_CLOSED'));
    await assert.rejects(store.list('/a'), code('METADATA_CLOSED'));
    await assert.rejects(store.compareAndSet('/a', 'absent', ''), code('METADATA_CLOSED'));
    await assert.rejects(store.campaign('late'), code('METADATA_CLOSED'));
    const again = await content.open();
    t.after(() => again.close());
    assert.equal((await again.get('/a'))?.value, '1');
  });
}
