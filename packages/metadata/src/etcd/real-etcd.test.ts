/** The store over real etcd (Debian's etcd-server): what a simulation of it cannot show. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { OperationError } from '@holdfast/base';
import { realClock } from '@holdfast/base/real';
import { leaderKey, membersPrefix, type MetadataStore } from '../metadata-store.ts';
import { eventually, failure, gateway, newPrefix, openStore, startWire } from '../testing/etcd-fixture.ts';
import { etcdIsMissing, metadataStoreSuite, startEtcd, type EtcdMember } from '../testing/index.ts';

const skip = etcdIsMissing() ?? false;
const endings: (() => unknown)[] = [];
after(async () => {
  for (const end of endings) await end();
});
let starting: Promise<EtcdMember[]> | undefined;

/** One etcd for all tests that leave it alone. */
async function sharedEtcd(): Promise<EtcdMember> {
  starting ??= startEtcd({ after: (end) => void endings.push(end as () => unknown) });
  const [member] = await starting;
  assert(member);
  return member;
}

/** Puts until it succeeds; outages in between are waited out. */
async function putAnyhow(store: MetadataStore, key: string, value: string): Promise<void> {
  await eventually(`put of ${key}`, () =>
    store.transact({ guards: [], puts: [{ key, value }] }).then(
      () => true,
      () => false,
    ),
  );
}

describe('real etcd', { skip }, () => {
  metadataStoreSuite({
    name: 'etcd',
    create: async (t) => {
      const etcd = await sharedEtcd();
      const prefix = newPrefix();
      return { open: () => openStore(t, [etcd], { prefix }) };
    },
  });

  test('two prefixes are two stores', async (t) => {
    const etcd = await sharedEtcd();
    const one = await openStore(t, [etcd]);
    const two = await openStore(t, [etcd]);
    await one.campaign('one');
    await two.campaign('two');
    await one.compareAndSet('/a', 'absent', '1');
    assert.equal(await two.get('/a'), undefined);
    assert.deepEqual(
      (await two.list('')).entries.map(({ key, value }) => [key, value]),
      [[leaderKey, '"two"']],
    );
  });

  test('keys beyond U+FFFF are listed in the order of the contract', async (t) => {
    const store = await openStore(t, [await sharedEtcd()]);
    const keys = ['/\u{1F511}', '/\uFF5E', '/a'];
    for (const key of keys) await store.compareAndSet(key, 'absent', '');
    assert.deepEqual(
      (await store.list('/')).entries.map(({ key }) => key),
      [...keys].sort(),
    );
  });

  test('a transaction larger than etcd takes is refused as too large', async (t) => {
    const store = await openStore(t, [await sharedEtcd()]);
    const value = 'x'.repeat(1024 * 1024);
    const puts = ['/a', '/b'].map((key) => ({ key, value }));
    await assert.rejects(store.transact({ guards: [], puts }), failure('METADATA_TOO_LARGE', 'not-applied'));
    assert((await store.compareAndSet('/a', 'absent', value)).ok);
  });

  test('as many operations as a transaction may have are taken, the leadership included', async (t) => {
    const store = await openStore(t, [await sharedEtcd()]);
    const leadership = await store.campaign('one');
    const guards = Array.from({ length: 127 }, (_, i) => ({ key: `/g/${i}`, expected: 'absent' as const }));
    assert((await store.transact({ guards, leadership })).ok);
    const one = { key: '/g/127', expected: 'absent' as const };
    await assert.rejects(
      store.transact({ guards: [...guards, one], leadership }),
      failure('METADATA_TOO_LARGE', 'not-applied'),
    );
  });
});

describe('real etcd failing', { skip }, () => {
  test('stopped: calls fail in their time, a write with the outcome unknown, and go on when it does', async (t) => {
    const [etcd] = await startEtcd(t);
    assert(etcd);
    const store = await openStore(t, [etcd]);
    assert((await store.compareAndSet('/a', 'absent', '1')).ok);
    const seen: (string | undefined)[] = [];
    store.watch('/a', ({ entry }) => seen.push(entry?.value));
    etcd.stop();
    const startMs = realClock.leaseMs();
    const write = store.transact({ guards: [], puts: [{ key: '/a', value: '2' }] });
    await assert.rejects(write, failure('METADATA_WRITE_FAILED', 'unknown'));
    await assert.rejects(store.get('/a'), failure('METADATA_READ_FAILED', 'not-applied'));
    // Two calls of 1 s each; the rest is room for a busy machine.
    assert(realClock.leaseMs() - startMs < 10_000);
    etcd.resume();
    await putAnyhow(store, '/a', 'last');
    // The unknown write lies in etcd's socket, and on a busy machine etcd may get to it after the last one.
    const toldWhatStands = async (): Promise<boolean> =>
      seen.includes('last') && seen.at(-1) === (await store.get('/a'))?.value;
    await eventually('the watch tells what stands', toldWhatStands).catch(() =>
      assert.fail(`told: ${seen.join(', ')}`),
    );
    assert(seen.filter((value) => value === '2').length <= 1);
  });

  test('a write whose answer is lost on the way stands, and is unknown to its caller', async (t) => {
    const etcd = await sharedEtcd();
    const prefix = newPrefix();
    const wire = await startWire(t, etcd);
    const store = await openStore(t, [wire], { prefix });
    const witness = await openStore(t, [etcd], { prefix });
    const first = await store.compareAndSet('/a', 'absent', '1');
    assert(first.ok);
    wire.muteAnswers(true);
    await assert.rejects(store.compareAndSet('/a', first.revision, '2'), failure('METADATA_WRITE_FAILED', 'unknown'));
    assert.equal((await witness.get('/a'))?.value, '2');
    wire.muteAnswers(false);
    await eventually('the store reads what stands', () =>
      store.get('/a').then(
        (entry) => entry?.value === '2',
        () => false,
      ),
    );
    assert.equal((await store.compareAndSet('/a', first.revision, 'again')).ok, false);
  });

  test('killed and started again: what was acknowledged is there, watches and announcements go on', async (t) => {
    const [etcd] = await startEtcd(t);
    assert(etcd);
    const store = await openStore(t, [etcd]);
    const seen: string[] = [];
    const acknowledged: string[] = [];
    store.watch('/k/', ({ key }) => seen.push(key));
    await store.announce('c1', 'here');
    let failures = 0;
    for (let i = 0; i < 30; i++) {
      if (i === 10 || i === 20) await etcd.kill();
      const key = `/k/${String(i).padStart(2, '0')}`;
      const result = await store.compareAndSet(key, 'absent', '').catch((error: unknown) => {
        assert(error instanceof OperationError && error.code === 'METADATA_WRITE_FAILED', String(error));
        failures++;
        return undefined;
      });
      if (result?.ok === true) acknowledged.push(key);
      if (i === 11 || i === 21) await etcd.start();
    }
    assert(failures >= 4 && acknowledged.length >= 20, `${failures} failures, ${acknowledged.length} acknowledged`);
    const present = (await store.list('/k/')).entries.map(({ key }) => key);
    for (const key of acknowledged) assert(present.includes(key), `${key} was acknowledged`);
    await eventually('the watch tells all', () => seen.length >= present.length);
    assert.deepEqual(seen, present);
    await eventually('the member is back', async () => (await store.get(`${membersPrefix}c1`))?.value === 'here');
  });

  test('a compaction while a watch is cut off costs it nothing but what was between', async (t) => {
    const etcd = await sharedEtcd();
    const prefix = newPrefix();
    const wire = await startWire(t, etcd);
    const store = await openStore(t, [wire], { prefix });
    const other = await openStore(t, [etcd], { prefix });
    await store.compareAndSet('/w/removed', 'absent', '');
    const seen: string[] = [];
    store.watch('/w/', ({ key, entry }) => seen.push(`${key}=${entry?.value}`));
    await store.compareAndSet('/w/a', 'absent', '1');
    await eventually('the first change', () => seen.length === 1);
    await wire.cut();
    await other.transact({ guards: [], puts: [{ key: '/w/a', value: '2' }], removes: ['/w/removed'] });
    const last = await other.transact({ guards: [], puts: [{ key: '/w/a', value: '3' }] });
    assert(last.ok);
    await gateway(etcd, 'kv/compaction', { revision: String(last.revision), physical: true });
    await wire.mend();
    await eventually('the difference', () => seen.length >= 3);
    await other.transact({ guards: [], puts: [{ key: '/w/end', value: '' }] });
    await eventually('what came afterwards', () => seen.includes('/w/end='));
    assert.deepEqual(seen, ['/w/a=1', '/w/a=3', '/w/removed=undefined', '/w/end=']);
  });

  test('an etcd that was emptied is not taken for the one that was known', async (t) => {
    const [before] = await startEtcd(t);
    const [emptied] = await startEtcd(t);
    assert(before && emptied);
    const store = await openStore(t, [before, emptied]);
    for (let i = 0; i < 3; i++) await store.transact({ guards: [], puts: [{ key: '/a', value: String(i) }] });
    await before.kill();
    await assert.rejects(store.get('/a'), /was emptied, restored from a backup, or is another cluster/);
  });
});
