/**
 * Links are cut, one way each, and healed, one after the other: between controllers and master, between one controller
 * and master, between master and replica, between balancer and master. Clients that go straight to the nodes keep
 * reaching them all the time, the deposed one too.
 *
 * Which cut may cost the master its place follows from who can still vouch for it. Cut from all controllers it loses its
 * lease; cut from one of three it does not. Cut from its replica it goes on without it. Cut from the balancer it is of no
 * use to clients, so somebody else is to be master.
 */
import type { CaseRun, Expectation } from './case-run.ts';
import type { DrillCase } from './drill-case.ts';
import { faultCase } from './fault-case.ts';
import { firstFaultMs } from './schedule.ts';

export interface PartitionTimes {
  /** How long each cut lasts. */
  readonly cutMs: number;
  /** A master that the controllers still reach is not replaced twice within this time. */
  readonly repeatAfterMs: number;
}

type Link = readonly [from: string, to: string];

interface Cut {
  readonly name: string;
  readonly expects: Expectation;
  /** Between two promotions of a master that can be asked there is time. */
  readonly waitsForRepeat?: boolean;
  links(run: CaseRun): Promise<readonly Link[]> | readonly Link[];
}

const moves: Expectation = { promotions: 'some', writes: 'during', errors: 'any' };
const stays: Expectation = { promotions: 'none', writes: 'during', errors: 'any' };

const cuts: readonly Cut[] = [
  {
    name: 'balancer -> master',
    expects: moves,
    links: (run) => [['lb', run.placeOf(run.master)]],
  },
  {
    name: 'controllers -> master',
    expects: moves,
    links: (run) => toMaster(run),
  },
  {
    name: 'master -> controllers',
    expects: moves,
    links: (run) => reversed(toMaster(run)),
  },
  {
    name: 'controllers <-> master',
    expects: moves,
    links: (run) => [...toMaster(run), ...reversed(toMaster(run))],
  },
  {
    name: 'leader <-> master',
    expects: stays,
    links: async (run) => {
      const leader = await run.cluster.leader();
      const link = toMaster(run).filter(([from]) => from === leader);
      return [...link, ...reversed(link)];
    },
  },
  {
    name: 'master -> replica',
    expects: stays,
    links: (run) => [[run.placeOf(run.master), run.placeOf(run.replica)]],
  },
  {
    name: 'replica -> master',
    expects: stays,
    links: (run) => [[run.placeOf(run.replica), run.placeOf(run.master)]],
  },
  {
    name: 'master -> balancer',
    expects: moves,
    waitsForRepeat: true,
    links: (run) => [[run.placeOf(run.master), 'lb']],
  },
];

function toMaster(run: CaseRun): Link[] {
  const master = run.placeOf(run.master);
  return run.cluster.controllers.map((controller) => [controller, master]);
}

function reversed(links: readonly Link[]): Link[] {
  return links.map(([from, to]) => [to, from]);
}

export function partitionCaseOf({ cutMs, repeatAfterMs }: PartitionTimes): DrillCase {
  return faultCase<void>({
    name: 'partition',
    summary: 'Cuts the links between controllers, balancer, master and replica, one way each, and heals them.',
    seconds: 50,
    leastSeconds: 8,
    controllers: 3,
    needs: ['namespaces', 'etcd'],
    directTo: 'every-node',
    async script(run) {
      await run.load.sleepUntil(firstFaultMs(run.plan));
      for (const cut of cuts) {
        const lastPromotionMs = run.watch.promotions.at(-1)?.atMs ?? -Infinity;
        if (cut.waitsForRepeat === true) await run.load.sleepUntil(lastPromotionMs + repeatAfterMs);
        await cutAndHeal(run, cut, cutMs);
      }
    },
  });
}

async function cutAndHeal(run: CaseRun, { name, expects, links }: Cut, cutMs: number): Promise<void> {
  const { hosts } = run;
  const chosen = await links(run);
  await run.fault({
    name,
    expects,
    lastMs: cutMs,
    begin: () => chosen.forEach(([from, to]) => hosts.cutLink(from, to)),
    end: () => chosen.forEach(([from, to]) => hosts.healLink(from, to)),
  });
  await run.steady();
}
