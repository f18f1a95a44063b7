/** The only controller, with the store of its own, is killed in the middle of a failover of real processes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcknowledgedWrites } from './support/acknowledged-writes.ts';
import { eventually, UpCluster } from './up-cluster.ts';

test(
  'a controller killed with -9 between the new epoch and the promotion is started again and finishes the failover',
  { timeout: 120_000 },
  async (t) => {
    const cluster = await UpCluster.start({ shards: 1 });
    t.after(() => cluster.stop());
    const before = await cluster.shard(0);
    const writes = new AcknowledgedWrites(before.lb_address);
    t.after(() => writes.stop());
    await writes.more(500);
    // A replica that was slow for a moment has left the in-sync replicas, and could not take over.
    await cluster.whole();
    const master = before.nodes.find(({ role }) => role === 'master') ?? assert.fail();
    process.kill(await cluster.pidOf(master.addr), 'SIGSTOP');
    const controller = cluster.pidOfFolder('controller');
    const middle = await cluster.inFailover(before.epoch + 1);
    process.kill(controller, 'SIGKILL');
    assert.equal(middle.phase, 'failover', 'the epoch was taken and nobody promoted yet');
    await eventually(async () => ((await cluster.status()).shards[0]?.phase === 'stable' ? true : undefined));
    await writes.more(500);
    const after = await cluster.shard(0);
    assert.notEqual(after.nodes.find(({ role }) => role === 'master')?.id, master.id);
    await writes.stop();
    assert.deepEqual(await writes.lost(), []);
    assert.ok(writes.acknowledged.size >= 1000);
  },
);
