/** A real Redis Cluster: skipped, with the reason, where redis-server is not installed. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { FatalError, messageOf } from '@holdfast/base';
import { onLoopback } from '../../cluster-process/index.ts';
import { isFree } from '../../cluster-process/ports.ts';
import { masterOf, shardOf, type ShardView } from '../cluster.ts';
import { parseEndpoint } from '../connection.ts';
import { keysOf } from '../keys.ts';
import { ask, connectTo } from './node-listener.ts';
import { startRedisCluster, type RedisDrillCluster } from './redis-cluster.ts';
import { findRedisServer } from './redis-process.ts';

const drilled = 1;

function reasonToSkip(): string | false {
  try {
    findRedisServer();
    return false;
  } catch (error) {
    return messageOf(error);
  }
}

describe('a Redis Cluster for drills', { skip: reasonToSkip(), timeout: 60_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-peer-test-'));
  const ending = new AbortController();
  let cluster: RedisDrillCluster | undefined;
  after(async () => {
    await cluster?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function shard(): Promise<ShardView> {
    assert.ok(cluster !== undefined);
    return shardOf(await cluster.view(), drilled);
  }

  async function until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await pause(20);
  }

  test('whole at the start; masters change by switchover and by failover; a woken one becomes a replica; nothing stays', async () => {
    const site = { network: 'loopback', directory, placement: onLoopback, progress: () => undefined } as const;
    cluster = await startRedisCluster({ ...site, signal: ending.signal }, { shards: 3, nodeTimeoutMs: 300 });
    const whole = await cluster.view();
    assert.deepEqual(
      whole.shards.map(({ phase, nodes }) => [phase, nodes.map(({ role, isAlive }) => [role, isAlive])]),
      Array.from({ length: 3 }, () => [
        'stable',
        [
          ['master', true],
          ['slave', true],
        ],
      ]),
    );
    assert.deepEqual(await cluster.events(0), []);
    const planned = masterOf(await shard());
    await cluster.switchOver(drilled);
    const before = await shard();
    const old = masterOf(before);
    assert.ok(old !== undefined && old.id !== planned?.id && cluster.entryOf(before) === old.address);
    const [last] = (await cluster.events(0)).slice(-1);

    await cluster.suspend(cluster.placeOf(old.id));
    await until(async () => masterOf(await shard())?.id !== old.id);
    const events = await cluster.events(last?.id ?? 0);
    const kinds = events.filter((event) => event.shard === drilled).map(({ kind }) => kind);
    assert.deepEqual(kinds, ['master-suspected', 'master-failed', 'promoted', 'lb-moved']);
    const now = await shard();
    assert.ok(now.epoch > before.epoch && now.phase !== 'stable');
    const client = await connectTo(cluster.entryOf(now));
    const [key = ''] = keysOf(now, 1).registers;
    await until(async () => (await client.command('SET', key, 'kept')) === 'OK');
    client.close();

    cluster.resume(cluster.placeOf(old.id));
    await until(async () => {
      const { phase, nodes } = await shard();
      return phase === 'stable' && nodes.every(({ isAlive, sequence }) => isAlive && sequence === nodes[0]?.sequence);
    });
    const woken = await connectTo(old.address);
    await ask(woken, 'READONLY');
    assert.equal(String(await ask(woken, 'GET', key)), 'kept');
    woken.close();

    const addresses = whole.shards.flatMap(({ nodes }) => nodes.map(({ address }) => address));
    await cluster.close();
    await assert.rejects(cluster.suspend('node-1'), /no process runs at node-1/);
    for (const address of addresses) assert.ok(await isFree(parseEndpoint(address).port), `${address} is free`);
  });
});

test('without redis-server the reason names the package that has it', () => {
  assert.throws(
    () => findRedisServer('/nonexistent'),
    (error: unknown) =>
      error instanceof FatalError && error.exitStatus === 3 && /apt-get install .*redis-server/.test(error.message),
  );
});
