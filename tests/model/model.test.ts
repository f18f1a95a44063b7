/** Random commands against a plain model, on a real node that is killed in between. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { freePorts, startNode, type NodeProcess } from '../support/node-process.ts';
import { Trial } from './trial.ts';
import { Wire } from './wire.ts';

const nodeId = 'a'.repeat(40);

async function startWith(t: TestContext, dir: string, port: number, isCluster: boolean): Promise<NodeProcess> {
  const args = ['--resp3-enabled', 'yes', '--cluster-enabled', isCluster ? 'yes' : 'no'];
  const node = await startNode(t, { dir, port, args });
  if (!isCluster) return node;
  const wire = await Wire.connect(node.controlPort);
  await wire.ask('CLUSTERX', 'SETNODEID', nodeId);
  await wire.ask('CLUSTERX', 'SETNODES', `${nodeId} 127.0.0.1 ${port} master - 0-16383`, '1');
  wire.close();
  return node;
}

async function trial(t: TestContext, seed: number, isCluster: boolean): Promise<Trial> {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-model-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const [port = 0] = await freePorts(1);
  return new Trial({ seed, start: () => startWith(t, dir, port, isCluster) });
}

for (const isCluster of [false, true]) {
  const seed = Number(process.env['SEED'] ?? (isCluster ? 2 : 1));
  test(`random commands agree with the model, through kill -9, seed ${seed}${isCluster ? ', in a cluster' : ''}`, async (t) => {
    const run = await trial(t, seed, isCluster);
    await run.start();
    for (let round = 0; round < 6; round++) {
      await run.go(900);
      await run.kill();
    }
    await run.compareAll();
    await run.stop();
    t.diagnostic(`${run.units} units, ${run.kills} kills, ${run.unacknowledgedFound} units were there unacknowledged`);
  });
}
