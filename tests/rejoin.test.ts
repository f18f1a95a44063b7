/** A deposed master whose log holds what its successor lacks: real processes, from the divergence to the operator's hand. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { realClock, realRandom } from '@holdfast/base/real';
import { Engine } from '@holdfast/engine';
import { ask, idA, idB, keepLeased, report, shard, topology, type Peer } from './support/fenced-peers.ts';
import { startNode, until, type NodeProcess } from './support/node-process.ts';

const args = [
  ...['--cluster-enabled', 'yes', '--use-rsid-psync', 'yes', '--replication-mode', 'async'],
  ...['--log-dir', 'stdout', '--log-level', 'info'],
];
const holdfast = join(import.meta.dirname, '..', 'bin', 'holdfast');

async function start(t: TestContext, id: string, former?: NodeProcess): Promise<Peer> {
  const place = former && { dir: former.dir, port: former.port, controlPort: former.controlPort };
  const node = await startNode(t, { args, ...place });
  const control = await node.client(node.controlPort);
  if (former === undefined) assert.equal(await ask(control, 'CLUSTERX', 'SETNODEID', id), 'OK');
  return { id, node, control };
}

async function leased(peer: Peer, epoch: number): Promise<() => void> {
  const stop = keepLeased(peer, epoch);
  await until(
    () => report(peer, epoch),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  return stop;
}

async function killed({ node, control }: Peer): Promise<void> {
  control.close();
  node.signal('SIGKILL');
  await node.exited();
}

/** A wrote 20 keys that B lacks and is killed; B is master of epoch 2 and wrote 10 of its own. */
async function diverged(
  t: TestContext,
  afterDeath: (dir: string) => Promise<void> = () => Promise.resolve(),
): Promise<{
  a: Peer;
  b: Peer;
  logId: string;
}> {
  let [a, b] = [await start(t, idA), await start(t, idB)];
  await topology([a, b], a, b, 1);
  for (const each of [a, b]) assert.equal(await shard(each, 1, a), 'OK');
  const stopFirst = await leased(a, 1);
  const client = await a.node.client();
  for (let i = 0; i < 30; i++) assert.equal(await ask(client, 'SET', `key${i}`, 'shared'), 'OK');
  const { sequence } = Object.fromEntries(await report(a, 1));
  await until(
    () => report(b, 1),
    (facts) => facts.get('sequence') === sequence,
  );
  await killed(b);
  for (let i = 0; i < 20; i++) assert.equal(await ask(client, 'SET', `key${i}`, 'lost'), 'OK');
  await ask(client, 'HSET', 'hash', 'field', 'lost');
  const logId = (await report(a, 1)).get('log_id') ?? '';
  client.close();
  stopFirst();
  await killed(a);
  await afterDeath(a.node.dir);

  b = await start(t, idB, b.node);
  assert.equal(await shard(b, 2, b), 'OK');
  await topology([b], b, a, 2);
  t.after(await leased(b, 2));
  const second = await b.node.client();
  for (let i = 20; i < 30; i++) assert.equal(await ask(second, 'SET', `key${i}`, 'kept'), 'OK');
  second.close();
  a = await start(t, idA, a.node);
  return { a, b, logId };
}

/** A follows B, and has exactly what B has. */
async function joined(a: Peer, b: Peer): Promise<void> {
  assert.equal(await shard(a, 2, b), 'OK');
  await topology([a], b, a, 2);
  const { sequence } = Object.fromEntries(await report(b, 2));
  await until(
    () => report(a, 2),
    (facts) => facts.get('master_link_status') === 'up' && facts.get('sequence') === sequence,
  );
  const reader = await a.node.client();
  assert.equal(await ask(reader, 'READONLY'), 'OK');
  for (let i = 0; i < 30; i++) assert.equal(await ask(reader, 'GET', `key${i}`), i < 20 ? 'shared' : 'kept');
  assert.equal(await ask(reader, 'EXISTS', 'hash'), '0');
  reader.close();
}

function ctl(dir: string, ...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(holdfast, ['ctl', 'rollback', ...words, '--dir', dir], { encoding: 'utf8' });
}

test('rewinds, keeps its log id and what it gave up, and follows its successor', async (t) => {
  const { a, b, logId } = await diverged(t);
  await joined(a, b);
  assert.equal((await report(a, 2)).get('log_id'), logId, 'no full sync: the log is the same, shortened');
  assert.doesNotMatch(a.node.output(), /full sync begins/);
  assert.equal(existsSync(join(a.node.dir, 'rewind.marker')), false);
  const client = await a.node.client();
  await until(
    () => ask(client, 'INFO', 'persistence'),
    (text) => /rollback_bytes:[1-9]/.test(text),
  );
  client.close();

  const [entry] = (JSON.parse(ctl(a.node.dir, 'list', '--output', 'json').stdout) as { rollback: Entry[] }).rollback;
  assert.ok(entry);
  assert.deepEqual(
    [entry.epoch, entry.mode, entry.acknowledged, entry.records],
    [1, 'async', 'possible', entry.last - entry.first + 1],
  );
  const { status, stdout } = ctl(a.node.dir, 'export', entry.name);
  assert.equal(status, 0);
  assert.equal(stdout.match(/\r\nSET\r\n/g)?.length, 20);
  assert.match(stdout, /\*4\r\n\$4\r\nHSET\r\n\$4\r\nhash\r\n\$5\r\nfield\r\n\$4\r\nlost\r\n/);

  // What was taken back does not come back with a restart.
  await killed(a);
  const again = await start(t, idA, a.node);
  await joined(again, b);
});

interface Entry {
  readonly name: string;
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  readonly records: number;
  readonly mode: string;
  readonly acknowledged: string;
}

test('stays out of service while the disk has no room for what it must keep, and rejoins when it has', async (t) => {
  const { a, b } = await diverged(t);
  // More than any disk has: the same question as on a full one.
  const operator = await a.node.client();
  assert.equal(await ask(operator, 'CONFIG', 'SET', 'min-free-mb', '1000000000'), 'OK');
  operator.close();
  assert.equal(await shard(a, 2, b), 'OK');
  await topology([a], b, a, 2);
  await until(
    () => Promise.resolve(a.node.output()),
    (text) => text.includes('MiB of the disk are free, less than'),
  );
  assert.equal((await report(a, 2)).get('master_link_status'), 'down');
  const client = await a.node.client();
  assert.equal(await ask(client, 'READONLY'), 'OK');
  assert.match(await ask(client, 'GET', 'key0'), /^MASTERDOWN /);
  assert.equal(existsSync(join(a.node.dir, 'rewind.marker')), false);
  assert.equal(existsSync(join(a.node.dir, 'rollback')) && readdirSync(join(a.node.dir, 'rollback')).length > 0, false);
  assert.equal(await ask(client, 'CONFIG', 'SET', 'min-free-mb', '1'), 'OK');
  client.close();
  await joined(a, b);
  assert.equal(readdirSync(join(a.node.dir, 'rollback')).length, 1);
});

test('copies its successor when a table holds what it must give up, and keeps that all the same', async (t) => {
  const { a, b, logId } = await diverged(t, async (dir) => {
    const engine = await Engine.open({
      path: join(dir, 'db'),
      slotPrefixed: true,
      clock: realClock,
      random: realRandom,
    });
    await engine.database.flush();
    await engine.close();
  });
  await joined(a, b);
  assert.notEqual((await report(a, 2)).get('log_id'), logId);
  assert.equal(readdirSync(join(a.node.dir, 'rollback')).length, 1);
});
