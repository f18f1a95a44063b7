/** Three controllers and an etcd as processes: whichever of them stands still or dies, masters go on and nothing is undone. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { AcknowledgedWrites } from './support/acknowledged-writes.ts';
import { eventually, UpCluster, type Status } from './up-cluster.ts';

describe('three controllers', { timeout: 240_000 }, () => {
  let cluster: UpCluster;
  before(async () => {
    cluster = await UpCluster.start({ shards: 1, controllers: 3 });
  });
  after(() => cluster.stop());

  /** Folder of the controller that leads. */
  function leaderOf({ controllers }: Status): string | undefined {
    const address = controllers.find(({ leader, alive }) => leader && alive)?.address;
    return address === undefined ? undefined : `controller-${cluster.apis.indexOf(address) + 1}`;
  }

  function leader(): Promise<string> {
    return eventually(async () => leaderOf(await cluster.status()));
  }

  /** What a deposed controller could change. */
  function decided({ version, bindings, shards }: Status): unknown {
    return [
      version,
      bindings.map(({ address, desired }) => [address, desired]),
      shards.map(({ epoch, isr, phase }) => [epoch, [...isr].sort(), phase]),
    ];
  }

  test('an etcd that stands still for ten seconds costs no write', async (t) => {
    const { epoch, lb_address: address } = await cluster.shard(0);
    const writes = new AcknowledgedWrites(address);
    t.after(() => writes.stop());
    await writes.more(200);
    const etcd = cluster.pidOfFolder('etcd');
    process.kill(etcd, 'SIGSTOP');
    await pause(10_000);
    await writes.more(200);
    process.kill(etcd, 'SIGCONT');
    await leader();
    await writes.more(200);
    await writes.stop();
    assert.deepEqual(writes.failures, []);
    assert.deepEqual(await writes.lost(), []);
    assert.equal((await cluster.shard(0)).epoch, epoch, await cluster.told());
  });

  test('a leader that stands still is followed by another, and changes nothing when it wakes up', async (t) => {
    const writes = new AcknowledgedWrites((await cluster.shard(0)).lb_address);
    t.after(() => writes.stop());
    await writes.more(200);
    const old = await leader();
    const before = await cluster.status();
    const pid = cluster.pidOfFolder(old);
    process.kill(pid, 'SIGSTOP');
    try {
      await eventually(async () => {
        const now = leaderOf(await cluster.status());
        return now !== undefined && now !== old ? now : undefined;
      });
      await writes.more(200);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const woken = cluster.apis[Number(old.split('-')[1]) - 1] ?? '';
    await eventually(async () => {
      const answer = await fetch(`${woken}/api/v1/controllers`).catch(() => undefined);
      const { data } = (await answer?.json()) as { data: { controllers: Status['controllers'] } };
      const own = data.controllers.find(({ address }) => address === woken);
      return own?.alive === true && !own.leader ? true : undefined;
    });
    await writes.more(200);
    await writes.stop();
    assert.deepEqual(decided(await cluster.status()), decided(before), await cluster.told());
    assert.deepEqual(writes.failures, []);
    assert.deepEqual(await writes.lost(), []);
  });

  test('a leader killed with -9 between the new epoch and the promotion: the next one finishes', async (t) => {
    const before = await cluster.shard(0);
    const writes = new AcknowledgedWrites(before.lb_address);
    t.after(() => writes.stop());
    await writes.more(500);
    // A replica that was slow for a moment has left the in-sync replicas, and could not take over.
    await cluster.whole();
    const master = before.nodes.find(({ role }) => role === 'master') ?? assert.fail();
    const masterPid = await cluster.pidOf(master.addr);
    const leaderPid = cluster.pidOfFolder(await leader());
    process.kill(masterPid, 'SIGSTOP');
    const middle = await cluster.inFailover(before.epoch + 1);
    process.kill(leaderPid, 'SIGKILL');
    const killedMs = performance.now();
    assert.equal(middle.phase, 'failover', 'the epoch was taken and nobody promoted yet');
    const acknowledged = writes.acknowledged.size;
    while (writes.acknowledged.size === acknowledged) await pause(5);
    t.diagnostic(`written again ${Math.round(performance.now() - killedMs)} ms after the leader was killed`);
    await writes.more(500);
    process.kill(masterPid, 'SIGCONT');
    await cluster.whole();
    await writes.stop();
    assert.notEqual((await cluster.shard(0)).nodes.find(({ role }) => role === 'master')?.id, master.id);
    assert.deepEqual(await writes.lost(), []);
  });
});
