import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { masterOf, shardOf } from '../cluster.ts';
import { hear, viewOf, type Change, type PeerShard } from './majority.ts';
import type { NodeWord } from './node-word.ts';
import { recordedHang, shardsOf, type Moment } from './testing/recording.ts';

const clusterSize = 6;
const drilled = 1;

interface Heard extends Change {
  readonly atMs: number;
  readonly phase: Moment['phase'];
}

function replay(moments: readonly Moment[]): { shards: readonly PeerShard[]; heard: Heard[] } {
  assert.ok(moments[0] !== undefined);
  let shards: readonly PeerShard[] = shardsOf(moments[0]);
  const heard: Heard[] = [];
  for (const { words, atMs, phase } of moments) {
    const step = hear(shards, words, clusterSize);
    shards = step.shards;
    heard.push(...step.changes.map((change) => ({ ...change, atMs, phase })));
  }
  return { shards, heard };
}

function shardAt(shards: readonly PeerShard[], index: number): PeerShard {
  const shard = shards[index];
  assert.ok(shard !== undefined);
  return shard;
}

/** The word of a node that holds another node to be master of the drilled shard, or thinks otherwise of its health. */
function changed(
  word: NodeWord,
  from: string,
  to: { owner?: string; epoch?: number; health?: 'suspected' | 'failed' },
): NodeWord {
  const ranges = word.known.find(({ id }) => id === from)?.slotRanges ?? [];
  const known = word.known.map((node) => {
    const isOwner = node.id === (to.owner ?? from);
    const slotRanges = isOwner ? ranges : node.id === from ? [] : node.slotRanges;
    const configEpoch = isOwner ? (to.epoch ?? node.configEpoch) : node.configEpoch;
    return { ...node, slotRanges, configEpoch, health: node.id === from ? (to.health ?? node.health) : node.health };
  });
  return { ...word, known };
}

describe('what the majority of Redis nodes believes', () => {
  const moments = recordedHang();
  const first = moments[0];
  assert.ok(first !== undefined);
  const start = shardsOf(first);
  const [oldMaster, replica] = shardAt(start, drilled).nodes;
  assert.ok(oldMaster !== undefined && replica !== undefined);

  test('a recorded hang: suspected, failed, its replica promoted and told to clients, and nothing after the resume', () => {
    const { shards, heard } = replay(moments);
    assert.deepEqual(
      heard.map(({ kind, shard, epoch, phase }) => [kind, shard, epoch, phase]),
      [
        ['master-suspected', drilled, 2, 'stopped'],
        ['master-failed', drilled, 2, 'stopped'],
        ['promoted', drilled, 7, 'stopped'],
        ['lb-moved', drilled, 7, 'stopped'],
      ],
    );
    const { masterId, epoch, health } = shardAt(shards, drilled);
    assert.deepEqual([masterId, epoch, health], [replica.id, 7, 'well']);
  });

  test('a promotion happened after its node last said it was a replica, and before most knew', () => {
    const promoted = replay(moments).heard.find(({ kind }) => kind === 'promoted');
    assert.ok(promoted?.earliestMs !== undefined);
    const own = moments.flatMap(({ words }) => words.filter(({ id }) => id === replica.id));
    const asReplica = own.filter(({ role }) => role === 'slave').map(({ atMs }) => atMs);
    assert.equal(promoted.earliestMs, Math.max(...asReplica));
    assert.ok(promoted.earliestMs < promoted.atMs);
  });

  test('the woken master believes in itself at first, and is outvoted', () => {
    const believing = moments.filter(
      ({ words, phase }) =>
        phase === 'resumed' && words.some(({ id, role }) => id === oldMaster.id && role === 'master'),
    );
    assert.ok(believing.length > 0, 'the recording has such a moment');
    const until = moments.filter(({ atMs }) => atMs <= (believing.at(-1)?.atMs ?? 0));
    assert.equal(shardAt(replay(until).shards, drilled).masterId, replica.id);
  });

  test('half of the nodes is no majority', () => {
    const promoted = first.words.map((word, i) =>
      i < clusterSize / 2 ? changed(word, oldMaster.id, { owner: replica.id, epoch: 9 }) : word,
    );
    const { shards, changes } = hear(start, promoted, clusterSize);
    assert.deepEqual(changes, []);
    assert.equal(shardAt(shards, drilled).masterId, oldMaster.id);
  });

  test('those who are not heard count against a majority, not for one', () => {
    const promoted = first.words.map((word) => changed(word, oldMaster.id, { owner: replica.id, epoch: 9 }));
    assert.deepEqual(hear(start, promoted.slice(0, 3), clusterSize).changes, []);
    const { changes } = hear(start, promoted.slice(0, 4), clusterSize);
    assert.deepEqual(
      changes.map(({ kind, epoch }) => [kind, epoch]),
      [
        ['promoted', 9],
        ['lb-moved', 9],
      ],
    );
  });

  test('a planned switchover is a promotion without suspicion', () => {
    const promoted = first.words.map((word) => changed(word, oldMaster.id, { owner: replica.id, epoch: 8 }));
    const { changes } = hear(start, promoted, clusterSize);
    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ['promoted', 'lb-moved'],
    );
  });

  test('a suspicion is told once while it lasts, and again when it returns', () => {
    const suspecting = first.words.map((word) => changed(word, oldMaster.id, { health: 'suspected' }));
    const kinds: string[] = [];
    let shards: readonly PeerShard[] = start;
    for (const words of [suspecting, suspecting, first.words, suspecting]) {
      const step = hear(shards, words, clusterSize);
      shards = step.shards;
      kinds.push(...step.changes.map(({ kind }) => kind));
    }
    assert.deepEqual(kinds, ['master-suspected', 'master-suspected']);
  });

  test('the epoch follows the master also without a promotion', () => {
    const words = first.words.map((word) => changed(word, oldMaster.id, { epoch: 12 }));
    const { shards, changes } = hear(start, words, clusterSize);
    assert.deepEqual([changes, shardAt(shards, drilled).epoch], [[], 12]);
  });
});

describe('the view of a Redis Cluster', () => {
  const moments = recordedHang();
  const timeoutMs = 500;

  function viewAt(moment: Moment): ReturnType<typeof viewOf> {
    const { shards } = replay(moments.filter(({ atMs }) => atMs <= moment.atMs));
    const latest = new Map(
      moments.flatMap(({ atMs, words }) => (atMs <= moment.atMs ? words : [])).map((word) => [word.id, word]),
    );
    return viewOf(shards, latest, (word) => moment.words.includes(word), timeoutMs);
  }

  test('whole: stable, masters by slots, everybody alive, the node timeout in the place of the lease', () => {
    const before = moments.findLast(({ phase }) => phase === 'before');
    assert.ok(before !== undefined);
    const view = viewAt(before);
    assert.equal(view.leaseMs, timeoutMs);
    assert.deepEqual(
      view.shards.map(({ slotRanges, phase }) => [slotRanges, phase]),
      [
        [[[0, 5460]], 'stable'],
        [[[5461, 10922]], 'stable'],
        [[[10923, 16383]], 'stable'],
      ],
    );
    for (const shard of view.shards) {
      assert.deepEqual(
        shard.nodes.map(({ role, isAlive, sequence }) => [role, isAlive, sequence]),
        [
          ['master', true, 0],
          ['slave', true, 0],
        ],
      );
      assert.equal(shard.lbAddress, masterOf(shard)?.address);
    }
  });

  test('a master that stands still: not alive, then failed, then replaced, and its shard settles only with it', () => {
    const stopped = moments.filter(({ phase }) => phase === 'stopped');
    const phases = stopped.map((moment) => shardOf(viewAt(moment), drilled).phase);
    // The recording has the stopped node unheard from its stop on; hence the first of them.
    const turns = phases.filter((phase, i) => phase !== phases[i - 1]);
    assert.deepEqual(turns, ['settling', 'master suspected', 'master failed', 'settling']);
    const last = stopped.at(-1);
    assert.ok(last !== undefined);
    assert.deepEqual(
      shardOf(viewAt(last), drilled).nodes.map(({ role, isAlive }) => [role, isAlive]),
      [
        ['slave', false],
        ['master', true],
      ],
    );
    assert.equal(phases.at(-1), 'settling');
    const end = moments.at(-1);
    assert.ok(end !== undefined);
    assert.equal(shardOf(viewAt(end), drilled).phase, 'stable');
  });
});
