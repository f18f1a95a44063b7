/** The store over a simulated etcd with virtual time: outcomes, leases, elections and watches, to the millisecond. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError, silentLogger } from '@holdfast/base';
import { VirtualTime } from '@holdfast/base/testing';
import { leaderKey, membersPrefix, type Change } from '../metadata-store.ts';
import { SimulatedEtcd, metadataStoreSuite, type SimulatedLink } from '../testing/index.ts';
import { EtcdStore } from './etcd-store.ts';

const ttlMs = 3000;
const requestTimeoutMs = 900;

interface Store {
  readonly store: EtcdStore;
  readonly links: readonly SimulatedLink[];
}

class World {
  readonly time: VirtualTime = new VirtualTime();
  readonly etcd: SimulatedEtcd = new SimulatedEtcd(this.time);

  open(links: readonly SimulatedLink[] = [this.etcd.link('a:1')], clock = this.time): Store {
    const store = new EtcdStore({
      endpoints: links,
      prefix: '/test',
      leaseTtlMs: ttlMs,
      requestTimeoutMs,
      clock,
      timers: this.time,
      logger: silentLogger,
    });
    return { store, links };
  }

  /** Lets time pass in small steps, everything that becomes ready in between running in between. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      await settle();
      this.time.advance(Math.min(10, left));
    }
    await settle();
  }

  /** Passes time until the promise is settled, at most `mostMs`. */
  async until<T>(promise: Promise<T>, mostMs = 20_000): Promise<T> {
    let settled = false;
    promise.then(
      () => (settled = true),
      () => (settled = true),
    );
    for (let ms = 0; !settled && ms < mostMs; ms += 10) await this.pass(10);
    assert(settled, `nothing came of it in ${mostMs} ms`);
    return promise;
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function failure(code: string, outcome: string): (error: unknown) => boolean {
  return (error) => error instanceof OperationError && error.code === code && error.outcome === outcome;
}

function setFault(links: readonly SimulatedLink[], fault: SimulatedLink['fault']): void {
  for (const link of links) link.fault = fault;
}

metadataStoreSuite({
  name: 'etcd, simulated',
  create: async () => {
    const world = new World();
    return { open: async () => world.open().store };
  },
});

test('a write that was sent and not answered is unknown, whether or not it was carried out', async () => {
  for (const fault of ['silent', 'answers-lost', 'resets', 'held'] as const) {
    const world = new World();
    const { store, links } = world.open();
    setFault(links, fault);
    const startMs = world.time.leaseMs();
    const write = store.compareAndSet('/a', 'absent', '1');
    await assert.rejects(world.until(write), failure('METADATA_WRITE_FAILED', 'unknown'));
    assert(world.time.leaseMs() - startMs <= requestTimeoutMs + 20);
    setFault(links, 'up');
    const expected = fault === 'silent' ? undefined : '1';
    assert.equal((await store.get('/a'))?.value, expected, fault);
    const next = await store.compareAndSet('/a', 'absent', '2');
    assert.equal(next.ok, fault === 'silent', fault);
  }
});

test('a write whose connection breaks is not tried on another member: it may stand', async () => {
  const world = new World();
  const { store, links } = world.open([world.etcd.link('a:1'), world.etcd.link('b:1')]);
  setFault(links.slice(0, 1), 'resets');
  const write = store.compareAndSet('/a', 'absent', '1');
  await assert.rejects(world.until(write), failure('METADATA_WRITE_FAILED', 'unknown'));
  assert.equal((await store.get('/a'))?.value, '1');
});

test('a write that could not be sent is not applied, and goes to another member when one can be reached', async () => {
  const world = new World();
  const { store, links } = world.open([world.etcd.link('a:1'), world.etcd.link('b:1')]);
  setFault(links, 'refused');
  const write = store.compareAndSet('/a', 'absent', '1');
  await assert.rejects(world.until(write), failure('METADATA_WRITE_FAILED', 'not-applied'));
  await assert.rejects(world.until(store.get('/a')), failure('METADATA_READ_FAILED', 'not-applied'));
  setFault(links.slice(1), 'up');
  assert((await world.until(store.compareAndSet('/a', 'absent', '2'))).ok);
});

test('a read moves on from a member that does not answer; writes then go where the read went', async () => {
  const world = new World();
  const { store, links } = world.open([world.etcd.link('a:1'), world.etcd.link('b:1')]);
  setFault(links.slice(0, 1), 'silent');
  const startMs = world.time.leaseMs();
  assert.equal(await world.until(store.get('/a')), undefined);
  assert(world.time.leaseMs() - startMs < requestTimeoutMs);
  assert((await store.compareAndSet('/a', 'absent', '1')).ok);
});

test('transactions behind one that is not answered fail in their own time, unsent', async () => {
  const world = new World();
  const { store, links } = world.open();
  setFault(links, 'silent');
  const startMs = world.time.leaseMs();
  const outcomes = await world.until(
    Promise.all(
      ['/a', '/b', '/c'].map((key) =>
        store.compareAndSet(key, 'absent', '').then(
          () => 'done',
          (error: unknown) => (error as OperationError).outcome,
        ),
      ),
    ),
  );
  assert.deepEqual(outcomes, ['unknown', 'not-applied', 'not-applied']);
  assert(world.time.leaseMs() - startMs <= requestTimeoutMs + 20);
});

test('a leader stops believing at send + TTL of the last answered renewal, before etcd lets another lead', async () => {
  const world = new World();
  const one = world.open([world.etcd.link('one', 20)]);
  const two = world.open([world.etcd.link('two', 20)]);
  const leading = await world.until(one.store.campaign('one'));
  let secondWonMs = 0;
  const second = two.store.campaign('two').then((won) => {
    secondWonMs = world.time.leaseMs();
    return won;
  });
  await world.pass(10_000);
  assert(leading.held);
  assert.equal(secondWonMs, 0);
  setFault(one.links, 'silent');
  const cutMs = world.time.leaseMs();
  let lostMs = 0;
  leading.lost.addEventListener('abort', () => (lostMs = world.time.leaseMs()));
  await world.until(second);
  assert(lostMs > 0 && lostMs - cutMs <= ttlMs, `lost after ${lostMs - cutMs} ms`);
  assert(lostMs < secondWonMs, `the first until ${lostMs}, the second from ${secondWonMs}`);
  assert(!leading.held);
});

test('a lost leadership is noticed by looking, though no timer could run', async () => {
  const world = new World();
  // The process is stopped: its clock goes on, its timers do not.
  const clock = new VirtualTime();
  const { store } = world.open([world.etcd.link('a:1')], clock);
  const leading = await store.campaign('one');
  assert(leading.held);
  clock.advance(ttlMs - 1);
  assert(leading.held);
  clock.advance(1);
  assert(!leading.held);
  assert(leading.lost.aborted);
});

test('an answer to an old renewal that was waiting in the socket of a stopped process renews nothing', async () => {
  const world = new World();
  const clock = new VirtualTime();
  const { store, links } = world.open([world.etcd.link('a:1')], clock);
  const leading = await store.campaign('one');
  links[0]!.fault = 'held';
  // A renewal goes out and is not answered ...
  world.time.advance(ttlMs / 3);
  await settle();
  // ... the process stands still for longer than the lease, and finds the answer when it goes on.
  clock.advance(ttlMs + 1);
  links[0]!.fault = 'up';
  await settle();
  assert(!leading.held);
});

test('a late answer to a renewal counts from when the renewal was sent', async () => {
  const world = new World();
  const clock = new VirtualTime();
  const { store, links } = world.open([world.etcd.link('a:1')], clock);
  const leading = await store.campaign('one');
  links[0]!.fault = 'held';
  clock.advance(ttlMs / 3);
  world.time.advance(ttlMs / 3);
  await settle();
  clock.advance(ttlMs / 3);
  links[0]!.fault = 'up';
  await settle();
  // Sent at a third of the TTL, so it lasts until four thirds; now it is two thirds.
  clock.advance((2 / 3) * ttlMs - 1);
  assert(leading.held);
  clock.advance(1);
  assert(!leading.held);
});

test('a lease that etcd ended early is noticed at the next renewal', async () => {
  const world = new World();
  const { store } = world.open();
  const leading = await store.campaign('one');
  const { entries } = world.etcd.carryOut('range', { key: '/test/election:', prefix: true });
  world.etcd.carryOut('leaseRevoke', { lease: entries[0]?.lease ?? '' });
  await world.pass(ttlMs / 3 + 20);
  assert(!leading.held);
});

test('the guarded write of a leader that was deposed while it believed to lead is refused by etcd', async () => {
  const world = new World();
  const clock = new VirtualTime();
  const one = world.open([world.etcd.link('one')], clock);
  const two = world.open([world.etcd.link('two')]);
  const leading = await one.store.campaign('one');
  setFault(one.links, 'silent');
  await world.until(two.store.campaign('two'));
  setFault(one.links, 'up');
  // Its own clock stood still, so it believes yet: only the store can refuse it.
  assert(leading.held);
  const write = one.store.compareAndSet('/a', 'absent', 'old', { leadership: leading });
  await assert.rejects(write, failure('METADATA_NOT_LEADER', 'not-applied'));
  assert.equal(await two.store.get('/a'), undefined);
  assert(!leading.held);
});

test('a write that was on its way when the leadership changed is refused when it arrives', async () => {
  const world = new World();
  const one = world.open([world.etcd.link('one')]);
  const two = world.open([world.etcd.link('two')]);
  const leading = await one.store.campaign('one');
  setFault(one.links, 'held');
  const write = one.store.compareAndSet('/a', 'absent', 'late', { leadership: leading });
  await assert.rejects(world.until(write), failure('METADATA_WRITE_FAILED', 'unknown'));
  const second = await world.until(two.store.campaign('two'));
  setFault(one.links, 'up');
  await world.pass(100);
  assert.equal(await two.store.get('/a'), undefined);
  assert((await two.store.compareAndSet('/a', 'absent', 'new', { leadership: second })).ok);
});

test('candidates lead in the order they came, one at a time, and terms pass everything written before', async () => {
  const world = new World();
  const stores = ['one', 'two', 'three'].map((name) => ({ name, ...world.open([world.etcd.link(name)]) }));
  const order: string[] = [];
  let last = 0;
  const campaigns = [];
  for (const { name, store } of stores) {
    campaigns.push(
      store.campaign(name).then(async (leading) => {
        order.push(name);
        assert(leading.term > last, `term ${leading.term} after a write at ${last}`);
        assert.equal((await store.get(leaderKey))?.value, JSON.stringify(name));
        const written = await store.transact({ guards: [], puts: [{ key: '/n', value: name }], leadership: leading });
        assert(written.ok);
        last = written.revision;
        await leading.resign();
      }),
    );
    await settle();
  }
  await world.until(Promise.all(campaigns));
  assert.deepEqual(order, ['one', 'two', 'three']);
});

test('a campaign goes on through an outage longer than its lease', async () => {
  const world = new World();
  const one = world.open([world.etcd.link('one')]);
  const two = world.open([world.etcd.link('two')]);
  const first = await one.store.campaign('one');
  const campaign = two.store.campaign('two');
  await settle();
  setFault(two.links, 'silent');
  await world.pass(2 * ttlMs);
  setFault(two.links, 'refused');
  await world.pass(ttlMs);
  setFault(two.links, 'up');
  await world.pass(1000);
  assert(first.held);
  await first.resign();
  const second = await world.until(campaign);
  assert(second.held);
});

test('winning is believed once although its answer was lost', async () => {
  const world = new World();
  const { store, links } = world.open();
  const campaign = store.campaign('one');
  // Each request of the campaign loses its first answer.
  for (let step = 0; step < 6; step++) {
    setFault(links, 'answers-lost');
    await world.pass(40);
    setFault(links, 'up');
    await world.pass(330);
  }
  const leading = await world.until(campaign);
  assert.equal((await store.get(leaderKey))?.revision, leading.term);
  assert((await store.compareAndSet('/a', 'absent', '', { leadership: leading })).ok);
});

test('no copy of a request of the campaign that arrives late disturbs the leadership', async () => {
  for (const heldFromMs of [5, 25, 45, 65]) {
    const world = new World();
    const [a, b] = [world.etcd.link('a:1', 10), world.etcd.link('b:1', 10)];
    const { store } = world.open([a, b]);
    const campaign = store.campaign('one');
    await world.pass(heldFromMs);
    a.fault = 'held';
    const leading = await world.until(campaign);
    a.fault = 'up';
    await world.pass(100);
    const write = store.compareAndSet('/a', 'absent', '', { leadership: leading });
    assert((await world.until(write)).ok, `held from ${heldFromMs} ms`);
    assert.equal((await world.until(store.get(leaderKey)))?.revision, leading.term);
  }
});

test('a candidate that gives up leaves nothing behind', async () => {
  const world = new World();
  const one = world.open();
  const two = world.open();
  const leading = await one.store.campaign('one');
  const waiting = assert.rejects(two.store.campaign('two'), failure('METADATA_CLOSED', 'not-applied'));
  await settle();
  const candidates = (): number =>
    world.etcd.carryOut('range', { key: '/test/election:', prefix: true }).entries.length;
  assert.equal(candidates(), 2);
  await two.store.close();
  await waiting;
  assert.equal(candidates(), 1);
  assert(leading.held);
});

test('a member is gone within its lease when its process dies, and back when it was only cut off', async () => {
  const world = new World();
  const one = world.open([world.etcd.link('one')]);
  const two = world.open([world.etcd.link('two')]);
  const key = `${membersPrefix}one`;
  await one.store.announce('one', '{"addr":"h:1"}');
  await world.pass(5 * ttlMs);
  assert.equal((await two.store.get(key))?.value, '{"addr":"h:1"}');
  setFault(one.links, 'silent');
  await world.pass(ttlMs);
  assert.equal(await two.store.get(key), undefined);
  setFault(one.links, 'up');
  await world.pass(2000);
  assert.equal((await two.store.get(key))?.value, '{"addr":"h:1"}');
});

test('a member whose key is taken away while it lives comes back', async () => {
  const world = new World();
  const { store } = world.open();
  await store.announce('one', 'here');
  await store.transact({ guards: [], removes: [`${membersPrefix}one`] });
  await world.pass(1000);
  assert.equal((await store.get(`${membersPrefix}one`))?.value, 'here');
});

test('a watch tells everything once and in order through members that hang, refuse and come back', async () => {
  const world = new World();
  const watching = world.open([world.etcd.link('a:1', 5), world.etcd.link('b:1', 5)]);
  const writing = world.open();
  await world.until(watching.store.get('/w/0'));
  const seen: number[] = [];
  watching.store.watch('/w/', ({ entry }) => seen.push(Number(entry?.value)));
  const faults = ['up', 'silent', 'refused', 'held', 'up'] as const;
  const [a, b] = watching.links;
  for (let i = 0; i < 60; i++) {
    a!.fault = faults[Math.floor(i / 3) % faults.length] ?? 'up';
    b!.fault = faults[Math.floor(i / 5) % faults.length] ?? 'up';
    await writing.store.transact({ guards: [], puts: [{ key: `/w/${i % 7}`, value: String(i) }] });
    // Calls are what finds out that a member hangs.
    watching.store.get('/x').catch(() => undefined);
    await world.pass(200);
  }
  setFault(watching.links, 'up');
  await world.until(watching.store.get('/x'));
  await world.pass(5000);
  assert.deepEqual(
    seen,
    Array.from({ length: 60 }, (_, i) => i),
  );
});

test('a watch leaves a member that hangs as soon as a call has found it out', async () => {
  const world = new World();
  const watching = world.open([world.etcd.link('a:1'), world.etcd.link('b:1')]);
  const writing = world.open();
  const seen: string[] = [];
  watching.store.watch('/w/', ({ key }) => seen.push(key));
  await world.until(watching.store.get('/w/a'));
  watching.links[0]!.fault = 'silent';
  await writing.store.compareAndSet('/w/a', 'absent', '');
  await world.until(watching.store.get('/w/a'));
  await world.pass(200);
  assert.deepEqual(seen, ['/w/a']);
});

test('a watch whose history was compacted away tells the difference to what it told', async () => {
  const world = new World();
  const watching = world.open([world.etcd.link('watching')]);
  const writing = world.open();
  const put = (key: string, value: string): Promise<unknown> =>
    writing.store.transact({ guards: [], puts: [{ key, value }] });
  for (const key of ['/w/kept', '/w/changed', '/w/removed']) await put(key, 'old');
  await watching.store.get('/w/kept');
  const seen: Change[] = [];
  watching.store.watch('/w/', (change) => seen.push(change));
  await world.pass(20);
  setFault(watching.links, 'refused');
  await put('/w/changed', 'newer');
  await put('/w/changed', 'newest');
  await put('/w/added', 'new');
  await put('/w/passing', 'x');
  await writing.store.transact({ guards: [], removes: ['/w/removed', '/w/passing'] });
  world.etcd.compact();
  setFault(watching.links, 'up');
  await world.pass(2000);
  assert.deepEqual(
    seen.map(({ key, entry }) => `${key}=${entry?.value}`),
    ['/w/changed=newest', '/w/added=new', '/w/removed=undefined'],
  );
  await put('/w/changed', 'after');
  await world.pass(20);
  assert.equal(seen.at(-1)?.entry?.value, 'after');
  assert.equal(seen.length, 4);
});

test('a watch begun while etcd could not be reached tells what is there', async () => {
  const world = new World();
  const { store, links } = world.open([world.etcd.link('watching')]);
  const writing = world.open();
  setFault(links, 'refused');
  const seen: (string | undefined)[] = [];
  store.watch('/w/', ({ entry }) => seen.push(entry?.value));
  await world.pass(100);
  await writing.store.compareAndSet('/w/a', 'absent', '1');
  setFault(links, 'up');
  await world.pass(2000);
  assert.deepEqual(seen, ['1']);
});

test('closing ends within its time while etcd does not answer', async () => {
  const world = new World();
  const { store, links } = world.open();
  const leading = await store.campaign('one');
  await store.announce('one', '');
  const waiting = assert.rejects(store.campaign('two'), failure('METADATA_CLOSED', 'not-applied'));
  store.watch('', () => assert.fail('nothing changes'));
  setFault(links, 'silent');
  const startMs = world.time.leaseMs();
  await world.until(store.close());
  await waiting;
  assert(!leading.held);
  assert(world.time.leaseMs() - startMs <= 3 * requestTimeoutMs);
});
