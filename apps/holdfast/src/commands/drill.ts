/** `holdfast drill`: fault drills on throw-away clusters. */
import { runDrill } from '../drill/run.ts';
import { startThrowAwayCluster } from '../drill/throw-away-cluster.ts';

/** See docs/operating/drills.md. */
export async function run(args: readonly string[]): Promise<number> {
  const status = await runDrill(args, ({ fences, leaseMs, keep }, say, signal) =>
    startThrowAwayCluster({ fences, leaseMs, keep, say, signal }),
  );
  // An interrupted run leaves clients that would go on to look for the cluster; everything was printed and cleared.
  process.exit(status);
}
