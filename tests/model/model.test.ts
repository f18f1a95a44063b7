/** Random commands against a plain model, on a real node that is killed in between (docs/operating/model-test.md). */
import { test } from 'node:test';
import { runTrial } from './run-trial.ts';

for (const isCluster of [false, true]) {
  const seed = isCluster ? 2 : 1;
  const where = isCluster ? ' in a cluster' : '';
  test(`random commands${where} agree with the model through kill -9 and compaction, seed ${seed}`, async (t) => {
    t.diagnostic(await runTrial(t, { seed, isCluster, kills: 5, unitsPerKill: 900 }));
  });
}

test('random commands agree with the model where commands are taken back at any lookup to read from disk, seed 3', async (t) => {
  t.diagnostic(await runTrial(t, { seed: 3, isCluster: false, kills: 5, unitsPerKill: 900, isCold: true }));
});
