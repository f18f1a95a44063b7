import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FatalError } from '@holdfast/base';
import { VirtualTime } from '@holdfast/base/testing';
import type { ShardRecord } from '@holdfast/fencing';
import type { Change, MetadataStore } from '@holdfast/metadata';
import { emptyMemory, openMemoryStore } from '@holdfast/metadata/testing';
import { keys, type ClusterRecord } from './records.ts';
import { StoreMirror } from './store-mirror.ts';

const cluster: ClusterRecord = {
  namespace: 'n',
  name: 'c',
  version: 1,
  createdAtMs: 1,
  password: '',
  leaseMs: 1000,
  fences: ['lb', 'lease'],
  replication: 'sync',
  shards: [{ slotRanges: [], masterLb: null, replicaLb: null, nodes: [] }],
};
const node = { id: 'a'.repeat(40), addr: 'h:1', controlAddr: 'h:2', createdAtMs: 1 };
const record: ShardRecord = {
  epoch: 1,
  isrVersion: 0,
  leaseMs: 1000,
  masterId: '-',
  processId: '-',
  isr: [],
  controllers: [],
  transition: null,
  changedAtMs: 0,
};

function puts(version: number, epoch: number) {
  const shards = [{ slotRanges: [], masterLb: null, replicaLb: null, nodes: [node] }];
  return [
    { key: keys.cluster('n', 'c'), value: JSON.stringify({ ...cluster, version, shards }) },
    { key: keys.shard('n', 'c', 0), value: JSON.stringify({ ...record, epoch }) },
  ];
}

async function open(store: MetadataStore, time: VirtualTime) {
  const mirror = await StoreMirror.open(store, { clock: time, timers: time });
  const seen: (readonly [number | undefined, number | undefined])[] = [];
  const failures: unknown[] = [];
  mirror.listen(
    () => seen.push([mirror.cluster('n/c')?.cluster.value.version, mirror.cluster('n/c')?.shards[0]?.value.epoch]),
    (error) => failures.push(error),
  );
  const settle = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    time.advance(1);
  };
  return { mirror, seen, failures, settle };
}

test('a transaction is seen whole: never a version without the records that came with it', async () => {
  const store = openMemoryStore();
  const { mirror, seen, settle } = await open(store, new VirtualTime());
  await store.transact({ guards: [], puts: puts(1, 1) });
  await settle();
  await store.transact({ guards: [], puts: puts(2, 2) });
  await settle();
  assert.deepEqual(seen, [
    [1, 1],
    [2, 2],
  ]);
  assert.deepEqual(mirror.keysOf('n/c'), [keys.shard('n', 'c', 0)]);
});

test('what this process wrote is not told again by the watch, and an older change undoes nothing', async () => {
  const inner = openMemoryStore(emptyMemory());
  let listener: (change: Change) => void = () => undefined;
  const store: MetadataStore = {
    name: 'hand-made',
    get: (key) => inner.get(key),
    list: (prefix) => inner.list(prefix),
    watch: (_prefix, listen) => {
      listener = listen;
      return { cancel: () => undefined };
    },
    campaign: (candidate) => inner.campaign(candidate),
    announce: (member, value) => inner.announce(member, value),
    compareAndSet: (...args) => inner.compareAndSet(...args),
    transact: (transaction) => inner.transact(transaction),
    close: () => inner.close(),
  };
  const { mirror, seen, settle } = await open(store, new VirtualTime());
  const written = puts(5, 5).map(({ key, value }) => ({ key, value: JSON.parse(value) as unknown }));
  mirror.note(7, written);
  for (const { key, value } of puts(5, 5)) listener({ key, entry: { key, value, revision: 7 }, revision: 7 });
  for (const { key, value } of puts(4, 4)) listener({ key, entry: { key, value, revision: 6 }, revision: 6 });
  listener({ key: keys.shard('n', 'c', 0), entry: undefined, revision: 3 });
  await settle();
  assert.deepEqual(seen, [[5, 5]]);
});

test('reading anew finds what the watch missed, removals too', async () => {
  const store = openMemoryStore();
  await store.transact({ guards: [], puts: puts(1, 1) });
  const { mirror, settle } = await open(store, new VirtualTime());
  mirror.close();
  await store.transact({ guards: [], puts: puts(2, 2) });
  await settle();
  assert.equal(mirror.cluster('n/c')?.cluster.value.version, 1);
  await mirror.resync();
  assert.equal(mirror.cluster('n/c')?.cluster.value.version, 2);
  await store.transact({ guards: [], removes: [keys.cluster('n', 'c'), keys.shard('n', 'c', 0)] });
  await mirror.resync();
  assert.deepEqual([mirror.cluster('n/c'), mirror.clusters], [undefined, []]);
});

test('a record that is not what its key says ends the start, and is said when it comes later', async () => {
  const store = openMemoryStore();
  const { failures, settle } = await open(store, new VirtualTime());
  await store.transact({ guards: [], puts: [{ key: keys.cluster('n', 'other'), value: puts(1, 1)[0]?.value ?? '' }] });
  await settle();
  assert.ok(failures[0] instanceof FatalError);
  await assert.rejects(open(store, new VirtualTime()), /names cluster n\/c/);
});
