/** `make soak`: trials of the model test, seed after seed, for so many seconds; the first failure ends it with its seed. */
import { runTrial } from './run-trial.ts';

const seconds = Number(process.env['SECONDS'] ?? 300);
const only = process.env['SEED'];
const endMs = Date.now() + seconds * 1000;

async function trial(seed: number): Promise<void> {
  const ends: (() => Promise<void> | void)[] = [];
  const isCluster = seed % 2 === 0;
  const isCold = seed % 3 === 0;
  const shape = { seed, isCluster, isCold, kills: 20, unitsPerKill: 1500 };
  try {
    const done = await runTrial({ after: (fn) => void ends.unshift(fn) }, shape);
    console.log(`seed ${seed}${isCluster ? ', in a cluster' : ''}: ${done}`);
  } finally {
    for (const end of ends) await end();
  }
}

let seed = Number(only ?? Date.now() % 1_000_000);
do await trial(seed++);
while (only === undefined && Date.now() < endMs);
