/** Failover and switchover by a controller that dies at any of their steps: the next one completes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterAtWork, node, of, statusOf } from './testing/cluster-at-work.ts';
import type { World } from './testing/world.ts';

/** Kills the controller before its `dieAt`-th effect of the deed, starts another 50 ms later, and lets it finish. */
async function interrupted(dieAt: number | undefined, deed: (world: World) => Promise<void>): Promise<World> {
  const world = await clusterAtWork();
  world.killController();
  await world.startController(dieAt);
  await world.run(1200);
  await deed(world);
  if (world.isControllerDead) {
    await world.run(50);
    await world.startController();
  }
  return world;
}

async function hang(world: World): Promise<void> {
  node(world, 0).stop();
  for (let ms = 0; ms < 1500 && !world.isControllerDead; ms += 50) await world.run(50);
}

async function switchOver(world: World): Promise<void> {
  if (world.isControllerDead) return;
  await world.call({ operation: 'switchover', ...of, shard: 0, preferredId: undefined });
  if (!world.isControllerDead) await world.run(100);
}

test('a failover that is interrupted before any effect is completed by the next controller', async () => {
  const whole = (await interrupted(undefined, hang)).effects;
  assert.ok(whole.filter((effect) => effect === 'transact').length >= 3, whole.join(' '));
  assert.ok(whole.includes('SHARD') && whole.includes('SETNODES') && whole.includes('apply'));
  for (let dieAt = 0; dieAt < whole.length; dieAt++) {
    const world = await interrupted(dieAt, hang);
    await world.run(3500);
    const status = await statusOf(world);
    const what = `died before effect ${dieAt} ${whole[dieAt] ?? ''}`;
    assert.equal(status.shards[0]?.phase, 'stable', what);
    assert.equal(node(world, 1).isBelieved, true, what);
    assert.equal(status.bindings[0]?.observed, '127.0.0.1:6662', what);
    node(world, 0).resume();
    await world.run(500);
    assert.equal(node(world, 0).record.epoch, status.shards[0]?.epoch, what);
    assert.equal(node(world, 0).version, status.version, what);
    assert.deepEqual(world.violations, [], what);
  }
});

test('a switchover that is interrupted before any effect ends with one master', async () => {
  const whole = (await interrupted(undefined, switchOver)).effects;
  assert.ok(whole.includes('HOLD') && whole.includes('RESIGN') && whole.includes('RELEASE'), whole.join(' '));
  for (let dieAt = 0; dieAt < whole.length; dieAt++) {
    const world = await interrupted(dieAt, switchOver);
    await world.run(3000);
    const status = await statusOf(world);
    const what = `died before effect ${dieAt} ${whole[dieAt] ?? ''}`;
    assert.equal(status.shards[0]?.phase, 'stable', what);
    assert.equal(world.nodes.filter((each) => each.isBelieved).length, 1, what);
    assert.deepEqual(world.violations, [], what);
    const master = world.nodes.find((each) => each.isBelieved);
    assert.equal(status.bindings[0]?.observed, master?.addr, what);
  }
});
