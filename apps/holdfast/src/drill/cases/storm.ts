/**
 * All clients of a shard lose their connection in the same instant and come back at once. What they ask for then must not
 * starve the heartbeats: a second failover would cut them all again.
 */
import { OperationError, seededRandom } from '@holdfast/base';
import { parseEndpoint } from '../connection.ts';
import type { DrillViolation } from '../drill-report.ts';
import type { CaseFacts, CaseRun } from './case-run.ts';
import type { DrillCase } from './drill-case.ts';
import { faultCase } from './fault-case.ts';
import { firstFaultMs } from './schedule.ts';
import { StormClients } from './storm-clients.ts';

export interface Storm {
  readonly connections: number;
  /** Connections that the balancer cut, those of load clients among them; null when it was too busy to say. */
  readonly cut: number | null;
  /** From the cut to the last reply of each connection's first questions, sorted. */
  readonly recoveriesMs: readonly number[];
  /** Connections tried and not served: how many, by reason. */
  readonly failures: ReadonlyMap<string, number>;
}

export interface StormSize {
  /** How many clients there are beside those of the load. */
  readonly connections: number;
  /** How long the cluster is watched at least. */
  readonly stormMs: number;
  /** After that time they may take so much longer to be served again. */
  readonly recoveryLimitMs: number;
}

export function stormCaseOf({ connections, stormMs, recoveryLimitMs }: StormSize): DrillCase {
  return faultCase<Storm>({
    name: 'storm',
    summary: `Cuts ${connections} client connections of a shard in one instant; they all come back at once.`,
    seconds: 20,
    leastSeconds: 8,
    controllers: 1,
    needs: [],
    directTo: 'first-master',
    async script(run) {
      const { lbAddress } = run.before;
      const key = run.load.keysOf(run.plan.shard).fresh('storm');
      const { connector } = run.load.settings;
      const random = seededRandom(run.plan.seed);
      const sleep = (ms: number): Promise<void> => run.sleep(ms);
      const world = { connector, random, sleep, nowMs: () => run.now() };
      const clients = new StormClients(world, parseEndpoint(lbAddress), key, connections);
      try {
        await clients.open();
        run.mark('storm clients', `${connections} connected`);
        await run.load.sleepUntil(run.now() + firstFaultMs(run.plan));
        clients.unleash();
        let cut: number | null = null;
        const { fromMs } = await run.fault({
          name: `${connections} connections cut`,
          expects: { promotions: 'none', writes: 'during', errors: 'any' },
          lastMs: stormMs,
          begin: async () => {
            cut = await cutAll(run, lbAddress);
          },
          end: async () => void (await run.until(() => clients.areServed, recoveryLimitMs)),
        });
        return { connections, cut, recoveriesMs: clients.recoveriesMs(fromMs), failures: clients.failures };
      } finally {
        clients.close();
      }
    },
    measure: (facts) => measureStorm(facts, stormMs + recoveryLimitMs),
  });
}

/** A busy balancer may cut and answer too late: what became of the clients is seen all the same. */
async function cutAll(run: CaseRun, lbAddress: string): Promise<number | null> {
  try {
    const cut = await run.cluster.cutClients(lbAddress);
    run.mark('connections cut', `${cut} by the balancer`);
    return cut;
  } catch (error) {
    if (!(error instanceof OperationError) || error.outcome !== 'unknown') throw error;
    run.mark('connections cut', `the balancer did not say how many: ${error.message}`);
    return null;
  }
}

function failuresText(failures: ReadonlyMap<string, number>): string {
  return failures.size === 0 ? 'none' : [...failures].map(([reason, count]) => `${count} ${reason}`).join(', ');
}

function measureStorm(
  { extra, watch, faults }: CaseFacts<Storm>,
  limitMs: number,
): {
  figures: Record<string, unknown>;
  rows: [string, string][];
  violations: DrillViolation[];
} {
  const { connections, cut, recoveriesMs, failures } = extra;
  const at = (share: number): number =>
    Math.round(recoveriesMs[Math.ceil(share * recoveriesMs.length) - 1] ?? Infinity);
  const [p50Ms, p99Ms, maxMs] = [at(0.5), at(0.99), at(1)];
  const fromMs = faults[0]?.fromMs ?? 0;
  const suspicions = watch.events.filter(
    ({ kind, atMs }) => (kind === 'master-suspected' || kind === 'node-down') && atMs >= fromMs,
  );
  const violations: DrillViolation[] = suspicions.map(({ message }) => {
    return { kind: 'heartbeats-missed', message: `in the storm: ${message}`, operations: [] };
  });
  const lost = connections - recoveriesMs.length;
  if (lost > 0) {
    const message = `${lost} of ${connections} clients were not served again within ${limitMs} ms`;
    violations.push({ kind: 'clients-not-recovered', message, operations: [] });
  }
  return {
    figures: {
      storm: {
        connections,
        cut,
        recovered: recoveriesMs.length,
        p50Ms,
        p99Ms,
        maxMs,
        failures: Object.fromEntries(failures),
      },
      suspicions: suspicions.length,
    },
    rows: [
      ['served again', `${recoveriesMs.length} of ${connections}: p50 ${p50Ms}, p99 ${p99Ms}, longest ${maxMs} ms`],
      ['connections tried in vain', failuresText(failures)],
      ['nodes suspected', String(suspicions.length)],
    ],
    violations,
  };
}
