/**
 * Holdfast and a real Kvrocks on each other's data: each opens the directory the other wrote, compacts it, writes more and
 * gives it back, and each replicates from the other, partially and in full. Whatever is read must be the same on both.
 * Runs where KVROCKS_BIN names a server (2.10 was used); recorded data of one is held in kvrocks-data.test.ts.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Wire } from './model/wire.ts';
import { kvrocksMissing } from './support/kvrocks-server.ts';
import {
  holdfast,
  info,
  kvrocks,
  untilCaughtUp,
  wireTo,
  writeEverything,
  writeRandomly,
  type Server,
  type Start,
} from './support/kvrocks-peers.ts';
import { until } from './support/node-process.ts';
import { storedKeys, type StoredKey } from './support/stored-records.ts';
import { assertSameState, stateOf, type State } from './support/whole-state.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

const nodeId = 'a'.repeat(40);

/** Makes a node of a cluster the master of every slot. It keeps that in its for whoever opens it next. */
async function ownAllSlots(wire: Wire, { port }: Server): Promise<void> {
  assert.equal(await wire.ask('CLUSTERX', 'SETNODEID', nodeId), '+OK\r\n');
  const line = `${nodeId} 127.0.0.1 ${port} master - 0-16383`;
  assert.equal(await wire.ask('CLUSTERX', 'SETNODES', line, '1'), '+OK\r\n');
}

/** Waits until what was given a moment to live is dead, so that it cannot die between two comparisons. */
async function untilDead(wire: Wire): Promise<void> {
  const asked = ['EXISTS', '{d}string', '{d}hash', '{d}zset', '{d}json', '{d}stream'];
  await until(
    () => wire.ask(...asked),
    (reply) => reply === ':0\r\n',
  );
}

async function compact(wire: Wire, { name }: Server): Promise<void> {
  assert.equal(await wire.ask('COMPACT'), '+OK\r\n');
  if (name === 'Kvrocks') {
    await until(
      () => info(wire, 'rocksdb'),
      (fields) => fields.get('is_compacting') === 'no',
    );
  }
}

interface Journey {
  readonly first: Start;
  readonly second: Start;
  /** What both are started with. */
  readonly args: readonly string[];
  /** What the first is started with besides. */
  readonly firstArgs?: readonly string[];
}

/** The first writes a the second reads it, compacts it and writes more, and the first reads it again. */
async function travel(t: TestContext, { first, second, args, firstArgs = [] }: Journey): Promise<void> {
  const dir = scratchDirectory('peer');
  const isCluster = args.includes('--cluster-enabled');
  const writer = await first(t, { dir, args: [...args, ...firstArgs] });
  const writerWire = await wireTo(t, writer);
  if (isCluster) await ownAllSlots(writerWire, writer);
  await writeEverything(writerWire, writer);
  await writeRandomly(writerWire, writer, 1, 1500);
  await untilDead(writerWire);
  const written = await stateOf(writerWire);
  assert.ok(written.size > 2000, `only ${written.size} reads`);
  await writer.stop();

  const reader = await second(t, { dir, args });
  const readerWire = await wireTo(t, reader);
  assertSameState(await stateOf(readerWire), written, `${reader.name} on what ${writer.name} wrote`);
  await compact(readerWire, reader);
  assertSameState(await stateOf(readerWire), written, `${reader.name} after a compaction`);
  await writeRandomly(readerWire, reader, 2, 1500);
  const continued = await stateOf(readerWire);
  await reader.stop();

  const again = await first(t, { dir, args });
  const againWire = await wireTo(t, again);
  assertSameState(await stateOf(againWire), continued, `${again.name} on what both wrote`);
  await compact(againWire, again);
  assertSameState(await stateOf(againWire), continued, `${again.name} after its compaction`);
  await again.stop();
}

const cluster = ['--cluster-enabled', 'yes'];

for (const [how, args] of [
  ['alone', []],
  ['of a cluster', cluster],
] as const) {
  test(
    `a directory that Holdfast wrote is the same in Kvrocks, and back: a node ${how}`,
    { skip: kvrocksMissing },
    (t) => travel(t, { first: holdfast, second: kvrocks, args }),
  );
  test(`a directory that Kvrocks wrote is the same here, and back: a node ${how}`, { skip: kvrocksMissing }, (t) =>
    travel(t, { first: kvrocks, second: holdfast, args }),
  );
}

test('a directory that Kvrocks wrote in its other forms is the same here', { skip: kvrocksMissing }, async (t) => {
  const forms = ['--json-storage-format', 'cbor', '--use-rsid-psync', 'yes', '--rocksdb.enable_blob_files', 'yes'];
  for (const compression of ['zstd', 'lz4', 'snappy', 'zlib']) {
    const firstArgs = [...forms, '--rocksdb.min_blob_size', '1000', '--rocksdb.compression', compression];
    await travel(t, { first: kvrocks, second: holdfast, args: [], firstArgs });
  }
});

/** What one of the two stores otherwise, on purpose or by the clock, with the reason; by key and record. */
const storedOtherwise: readonly (readonly [reason: string, record: RegExp])[] = [
  ['drawn at random', /^\{t\}popped /],
  ['its life counts from when it was written', /^(\{d\}.*|\{o\}expire|\{s\}(setex|psetex|kept)) /],
  ['six decimals there, what is answered here', /^(\{h\}a 0 float|\{s\}float metadata)$/],
  ['the bits of BITFIELD stand the other way round there', /^\{b\}field /],
  ['2.5 times 2 is 5 there, and 5.0 here and in RedisJSON', /^\{j\}a metadata$/],
  ['an id and groups with times', /^\{x\}a /],
  ['trimming counts as deletion there, not here and in Redis', /^\{x\}many metadata$/],
  ['times; deliveries and what a group has read are not counted there', /^\{x\}one 5 \xff{8}/],
];

/** By key and record. A fragment of a bitmap without ones is the same as none. */
function comparableRecords(keys: ReadonlyMap<string, StoredKey>): State {
  const state = new Map<string, string>();
  for (const [key, { metadata, subkeys }] of keys) {
    for (const [record, value] of [['metadata', metadata] as const, ...subkeys]) {
      const name = `${key} ${record}`;
      if (storedOtherwise.some(([, pattern]) => pattern.test(name)) || /^\0+$/.test(value)) continue;
      state.set(name, value);
    }
  }
  return state;
}

test('the same commands leave the same records in both', { skip: kvrocksMissing }, async (t) => {
  const stored: ReadonlyMap<string, StoredKey>[] = [];
  for (const start of [holdfast, kvrocks]) {
    const dir = scratchDirectory('peer');
    const server = await start(t, { dir, args: [] });
    await writeEverything(await wireTo(t, server), server);
    await server.stop();
    stored.push(await storedKeys(dir, false));
  }
  const [ours, theirs] = stored as [ReadonlyMap<string, StoredKey>, ReadonlyMap<string, StoredKey>];
  const expected = comparableRecords(theirs);
  assert.ok(expected.size > 16_000, `only ${expected.size} records`);
  assertSameState(comparableRecords(ours), expected, 'records');
});

async function compared(replica: Wire, master: Wire, what: string): Promise<State> {
  await untilCaughtUp(replica, master);
  const expected = await stateOf(master);
  assertSameState(await stateOf(replica), expected, what);
  return expected;
}

/** How often replicas were taken on, by the master's own count. */
async function syncs(master: Wire): Promise<{ full: number; partial: number }> {
  const stats = await info(master, 'stats');
  return { full: Number(stats.get('sync_full')), partial: Number(stats.get('sync_partial_ok')) };
}

async function follow(t: TestContext, startMaster: Start, startReplica: Start): Promise<void> {
  const master = await startMaster(t, { dir: scratchDirectory('peer'), args: [] });
  const masterWire = await wireTo(t, master);
  const args = ['--slaveof', `127.0.0.1 ${master.port}`];
  const dir = scratchDirectory('peer');

  // 1. From the beginning, the log has it all; writes go on meanwhile.
  await writeEverything(masterWire, master);
  let replica = await startReplica(t, { dir, args });
  let replicaWire = await wireTo(t, replica);
  await writeRandomly(masterWire, master, 3, 1000);
  await untilDead(masterWire);
  await compared(replicaWire, masterWire, `${replica.name} behind ${master.name} from the beginning`);
  assert.deepEqual(await syncs(masterWire), { full: 0, partial: 1 });

  // 2. Away for a while: it goes on from where it was.
  await replica.stop();
  await writeRandomly(masterWire, master, 4, 500);
  replica = await startReplica(t, { dir, args });
  replicaWire = await wireTo(t, replica);
  await compared(replicaWire, masterWire, `${replica.name} behind ${master.name} again`);
  assert.deepEqual(await syncs(masterWire), { full: 0, partial: 2 });

  // 3. On its own it writes more than the master has: its place is not in the log, and it takes everything anew.
  assert.equal(await replicaWire.ask('SLAVEOF', 'NO', 'ONE'), '+OK\r\n');
  await writeRandomly(replicaWire, replica, 5, 500);
  assert.equal(await replicaWire.ask('SET', 'alone', 'x'), '+OK\r\n');
  assert.equal(await replicaWire.ask('SLAVEOF', '127.0.0.1', String(master.port)), '+OK\r\n');
  const whole = await compared(replicaWire, masterWire, `${replica.name} behind ${master.name} in full`);
  assert.ok(!whole.has('TYPE alone'));
  assert.equal((await syncs(masterWire)).full, 1);

  // 4. The other way round, without a pause: the new master's log goes on from the old one's.
  assert.equal(await replicaWire.ask('SLAVEOF', 'NO', 'ONE'), '+OK\r\n');
  await writeRandomly(replicaWire, replica, 6, 300);
  // Refused until it has noticed that its replica has gone.
  await until(
    () => masterWire.ask('SLAVEOF', '127.0.0.1', String(replica.port)),
    (reply) => reply === '+OK\r\n',
  );
  await compared(masterWire, replicaWire, `${master.name} behind its former replica`);
  assert.deepEqual(await syncs(replicaWire), { full: 0, partial: 1 });
}

test(
  'Kvrocks replicates from Holdfast: from the beginning, again, in full, and the other way round',
  {
    skip: kvrocksMissing,
  },
  (t) => follow(t, holdfast, kvrocks),
);

test(
  'Holdfast replicates from Kvrocks: from the beginning, again, in full, and the other way round',
  {
    skip: kvrocksMissing,
  },
  (t) => follow(t, kvrocks, holdfast),
);

test(
  'master and replica of a cluster, one of each, follow the topology they are given',
  {
    skip: kvrocksMissing,
  },
  async (t) => {
    const ids = ['a', 'b'].map((letter) => letter.repeat(40));
    const servers = [
      await holdfast(t, { dir: scratchDirectory('peer'), args: cluster }),
      await kvrocks(t, { dir: scratchDirectory('peer'), args: cluster }),
    ];
    const wires = await Promise.all(servers.map((server) => wireTo(t, server)));
    for (const [i, wire] of wires.entries())
      assert.equal(await wire.ask('CLUSTERX', 'SETNODEID', ids[i] as string), '+OK\r\n');
    for (const [version, master] of [0, 1].entries()) {
      const lines = servers.map(({ port }, i) =>
        i === master
          ? `${ids[i]} 127.0.0.1 ${port} master - 0-16383`
          : `${ids[i]} 127.0.0.1 ${port} slave ${ids[master]}`,
      );
      for (const wire of wires) {
        assert.equal(await wire.ask('CLUSTERX', 'SETNODES', lines.join('\n'), String(version + 1)), '+OK\r\n');
      }
      const [of, at] = [wires[master], wires[1 - master]] as [Wire, Wire];
      if (version === 0) await writeEverything(of, servers[master] as Server);
      await writeRandomly(of, servers[master] as Server, 7 + version, 500);
      await untilDead(of);
      assert.equal(await at.ask('READONLY'), '+OK\r\n');
      await compared(at, of, `${servers[1 - master]?.name} behind ${servers[master]?.name} by topology`);
    }
  },
);
