/** A whole trial: rounds of random commands and kills, and at its end a compaction, after which the directory is counted. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { freePorts } from '@holdfast/base/testing';
import { startNode, until, type NodeProcess } from '../support/node-process.ts';
import { scratchDirectory } from '../support/scratch-directory.ts';
import { assertStored } from './stored.ts';
import { Trial } from './trial.ts';
import { Wire } from './wire.ts';

const coldEverywhere = join(import.meta.dirname, 'cold-everywhere.ts');
const nodeId = 'a'.repeat(40);

/** What is to be done at the end of a test. */
export interface Ends {
  after(fn: () => Promise<void> | void): void;
}

export interface TrialShape {
  readonly seed: number;
  readonly isCluster: boolean;
  /** Kills; before each one so many units are run. */
  readonly kills: number;
  readonly unitsPerKill: number;
  /** Records that lookups need are often not in memory (cold-everywhere.ts). */
  readonly isCold?: boolean;
}

/** Row caches of the starts, in turn: one that evicts all the time, one that holds everything, none. */
const rowCacheSizes = ['16kb', '64mb', '0'] as const;

interface Start {
  readonly dir: string;
  readonly port: number;
  readonly shape: TrialShape;
  readonly rowCacheSize: string;
}

async function startWith(ends: Ends, { dir, port, shape, rowCacheSize }: Start): Promise<NodeProcess> {
  const { isCluster } = shape;
  const args = ['--resp3-enabled', 'yes', '--cluster-enabled', isCluster ? 'yes' : 'no'];
  args.push('--row-cache-size', rowCacheSize);
  const environment: Record<string, string> = {};
  if (shape.isCold === true) environment['NODE_OPTIONS'] = `--import=${coldEverywhere}`;
  const node = await startNode(ends, { dir, port, args, environment });
  if (!isCluster) return node;
  const wire = await Wire.connect(node.controlPort);
  await wire.ask('CLUSTERX', 'SETNODEID', nodeId);
  await wire.ask('CLUSTERX', 'SETNODES', `${nodeId} 127.0.0.1 ${port} master - 0-16383`, '1');
  wire.close();
  return node;
}

/** Compacts everything, twice: sub keys of a key that has just died go once its record is gone. */
async function compact(trial: Trial): Promise<void> {
  for (let times = 0; times < 2; times++) {
    assert.equal(await trial.also('COMPACT'), '+OK\r\n');
    await until(
      () => trial.also('INFO', 'rocksdb'),
      (text) => text.includes('is_compacting:no'),
    );
  }
}

/** @returns what was done, in a line. @throws AssertionError with the seed and the last commands. */
export async function runTrial(ends: Ends, shape: TrialShape): Promise<string> {
  const { seed, kills, unitsPerKill } = shape;
  const dir = scratchDirectory('model');
  const [port = 0] = await freePorts(1);
  let starts = 0;
  const start = (): Promise<NodeProcess> => {
    const rowCacheSize = rowCacheSizes[starts++ % rowCacheSizes.length] as string;
    return startWith(ends, { dir, port, shape, rowCacheSize });
  };
  const trial = new Trial({ seed, start });
  await trial.start();
  for (let kill = 0; kill < kills; kill++) {
    await trial.go(unitsPerKill);
    await trial.kill();
  }
  await trial.go(unitsPerKill / 2);
  await compact(trial);
  await trial.compareAll();
  const coldReads = /cold_reads:(\d+)/.exec(await trial.also('INFO', 'stats'))?.[1];
  await trial.stop();
  const subkeys = await assertStored(dir, shape.isCluster, trial.keys);
  const found = `${trial.unacknowledgedFound} units found that were not acknowledged`;
  return `${trial.units} units, ${trial.kills} kills, ${found}, ${subkeys} sub keys at the end, ${coldReads} records read from disk since the last`;
}
