import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { seededRandom } from '@holdfast/base';
import type { Engine } from '@holdfast/engine';
import { openTestEngine } from '@holdfast/engine/testing';
import { summarizeBatch } from '@holdfast/replication';
import { OwnHistory } from './own-history.ts';

async function opened(t: TestContext): Promise<{ engine: Engine; history: OwnHistory }> {
  const test = await openTestEngine();
  t.after(() => test[Symbol.asyncDispose]());
  return { engine: test.engine, history: new OwnHistory(test.engine) };
}

/** Commits the open tick. @returns its batches. */
function commit({ engine, history }: { engine: Engine; history: OwnHistory }): Buffer[] {
  history.checkBeforeCommit();
  const done = engine.commit();
  if (done === undefined) return [];
  history.committed(done);
  let at = 0;
  return Array.from(done.lengths.subarray(0, done.count), (length) => {
    at += length;
    return done.packed.subarray(at - length, at);
  });
}

function write(engine: Engine, key: string): void {
  engine.beginCommand();
  engine.putPropagate(Buffer.from(key), Buffer.from('x'));
}

test('an epoch begins with one batch of its own, which holds the new replication id too and ends with the epoch', async (t) => {
  const world = await opened(t);
  const { engine, history } = world;
  write(engine, 'before');
  commit(world);
  history.beginEpoch(3);
  history.beginId(seededRandom(1));
  history.write();
  write(engine, 'after');
  const [first, second] = commit(world).map((batch) => summarizeBatch(batch));
  assert.deepEqual([first?.sequence, first?.count, first?.replicationId], [2, 2, engine.replicationId]);
  assert.deepEqual([first?.lastPut?.key.toString(), first?.lastPut?.value.toString()], ['holdfast_epoch', '3:2']);
  assert.equal(second?.lastPut?.key.toString(), 'after');
  assert.deepEqual(history.outline, { history: [{ epoch: 3, firstSequence: 2 }], latestSequence: 4 });
  assert.deepEqual([history.lastEpoch, history.due, history.ids.lastId], [3, false, engine.replicationId]);
});

test('nothing of an epoch may be committed before its record', async (t) => {
  const world = await opened(t);
  world.history.beginEpoch(1);
  write(world.engine, 'too early');
  assert.throws(() => world.history.checkBeforeCommit(), /epoch 1 has no record yet/);
  assert.throws(() => world.history.write(), /stands before everything else/);
});

test('a record that was dropped with its tick is written again, one that was committed is not', async (t) => {
  const world = await opened(t);
  const { engine, history } = world;
  history.beginEpoch(1);
  history.write();
  engine.dropTick();
  history.tickDropped();
  assert.equal(history.lastEpoch, 0);
  history.write();
  history.write();
  assert.equal(commit(world).length, 1);
  history.tickDropped();
  history.beginEpoch(1);
  history.write();
  assert.equal(engine.openTickBytes, 0);
  assert.equal(history.lastEpoch, 1);
});

test('a commit whose outcome was unknown is looked up', async (t) => {
  const world = await opened(t);
  const { engine, history } = world;
  history.beginEpoch(1);
  history.write();
  engine.dropTick();
  history.commitFailed();
  assert.equal(history.due, true, 'it did not get in');
  history.write();
  engine.commit();
  history.commitFailed();
  assert.deepEqual([history.due, history.lastEpoch], [false, 1], 'it did');
});

test('a database that is opened, and batches of a master, say what they are', async (t) => {
  const world = await opened(t);
  const { engine, history } = world;
  history.beginEpoch(2);
  history.write();
  const batches = commit(world);
  assert.equal(new OwnHistory(engine).lastEpoch, 2);

  const follower = await opened(t);
  for (const batch of batches) follower.engine.applyReplicated(batch, Uint32Array.of(batch.length), 1);
  follower.history.applied(batches.map((batch) => summarizeBatch(batch)));
  assert.deepEqual(follower.history.outline, history.outline);
});

test('who follows takes back what it alone has put into the open tick', async (t) => {
  const world = await opened(t);
  const { engine, history } = world;
  history.beginEpoch(1);
  history.beginId(seededRandom(1));
  history.write();
  history.end();
  assert.deepEqual([engine.openTickBytes, engine.replicationId, history.due], [0, undefined, false]);
});
