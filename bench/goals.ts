/**
 * What the project is to reach, and whether a run shows it. Throughput and CPU are compared as ratios within one run,
 * since machines differ; the musts and aims are those the project set itself against Kvrocks 2.10.1, Redis 7.0 and Node.
 */
import { ratio, type Quantity } from './compare.ts';
import type { Figure, Judgement, Measurement, Verdict } from './report.ts';
import type { ServerName } from './servers.ts';
import { median } from './statistics.ts';

interface Goal {
  readonly name: string;
  readonly must: number | null;
  readonly aim: number | null;
  readonly better: 'higher' | 'lower';
  /** Undefined: this run does not say. */
  value(run: Run): number | undefined;
}

/** What goals are judged by. */
export interface Run {
  readonly measurements: readonly Measurement[];
  readonly figures: readonly Figure[];
  /** The size of values that goals speak of: that of all commands. */
  readonly valueBytes: number;
}

const kvrocks: readonly ServerName[] = ['kvrocks-1', 'kvrocks-8'];
const inKvrocks = ['SET', 'INCR', 'MSET', 'HSET', 'LPUSH', 'RPOP', 'SADD', 'ZADD', 'XADD'] as const;
const reads = ['GET', 'HGET'] as const;
const everything = ['PING', ...reads, 'LRANGE_100', ...inKvrocks] as const;

interface Comparison {
  readonly tests: readonly string[];
  readonly pipeline: number;
  readonly against: readonly ServerName[];
  readonly name: string;
  readonly must: number | null;
  readonly aim: number | null;
  readonly quantity?: Quantity;
}

function comparisons({ tests, pipeline, against, name, must, aim, quantity = 'perSecond' }: Comparison): Goal[] {
  const isCpu = quantity === 'cpuSecondsPerMillion';
  return tests.map((test) => ({
    name: `${test} P${pipeline}${isCpu ? ', CPU,' : ''} / ${name}`,
    must,
    aim,
    better: isCpu ? 'lower' : 'higher',
    value: ({ measurements, valueBytes }) => ratio(measurements, { test, pipeline, valueBytes }, against, quantity),
  }));
}

/** A goal on a single figure of a section. */
function figureGoal(
  name: string,
  limits: Pick<Goal, 'must' | 'aim' | 'better'>,
  section: string,
  figure: string,
): Goal {
  return { name, ...limits, value: ({ figures }) => medianOf(figures, section, figure, 'holdfast') };
}

function medianOf(figures: readonly Figure[], section: string, name: string, of: string): number | undefined {
  const values = figures.find((one) => one.section === section && one.name === name && one.of === of)?.values ?? [];
  return values.length === 0 ? undefined : median(values);
}

/** Names of figures by which goals are judged; the sections use them. */
export const coldReads = 'cold GET P16';
export const hotBesideCold = 'hot p99 beside cold reads / beside hot ones';
export const idleMemory = 'idle RSS';
export const backgroundWorks = ['flush and compaction', 'checkpoint', 'full sync', 'migration'] as const;
export type BackgroundWork = (typeof backgroundWorks)[number];
export const besideWork = (work: BackgroundWork): string => `p99 beside ${work} / quiet`;

const atLeast = (must: number, aim: number | null) => ({ must, aim, better: 'higher' }) as const;
const atMost = (must: number, aim: number | null) => ({ must, aim, better: 'lower' }) as const;
const cpu = 'cpuSecondsPerMillion';
const bestKvrocks = { against: kvrocks, name: 'Kvrocks' };
const redis = { against: ['redis'] as const, name: 'Redis' };
const bare = { against: ['bare'] as const, name: 'bare Node' };

const goals: readonly Goal[] = [
  ...comparisons({ tests: ['SET', 'INCR', 'LPUSH', 'HSET'], pipeline: 16, ...bestKvrocks, must: 1.5, aim: 3 }),
  ...comparisons({ tests: ['ZADD', 'XADD'], pipeline: 16, ...bestKvrocks, must: 2, aim: 3 }),
  ...comparisons({ tests: reads, pipeline: 16, ...bestKvrocks, must: 1.2, aim: 1.5 }),
  ...comparisons({ tests: everything, pipeline: 1, ...bestKvrocks, must: 1, aim: 1.5 }),
  ...comparisons({ tests: everything, pipeline: 16, ...bestKvrocks, must: 0.6, aim: 0.4, quantity: cpu }),
  ...comparisons({ tests: ['SET'], pipeline: 16, ...redis, must: 0.5, aim: 1 }),
  ...comparisons({ tests: ['GET'], pipeline: 16, ...redis, must: 0.5, aim: null }),
  ...comparisons({ tests: ['SET', 'GET'], pipeline: 1, ...redis, must: 0.65, aim: 0.9 }),
  ...[1, 16].flatMap((pipeline) => [
    ...comparisons({ tests: ['PING'], pipeline, ...bare, must: 0.9, aim: null }),
    ...comparisons({ tests: ['GET'], pipeline, ...bare, must: 0.8, aim: null }),
    ...comparisons({ tests: ['SET'], pipeline, ...bare, must: 0.6, aim: null }),
  ]),
  {
    name: 'cold GET P16 / Kvrocks',
    ...atLeast(1, null),
    value({ figures }) {
      const ours = medianOf(figures, 'cold', coldReads, 'holdfast');
      const theirs = kvrocks
        .map((name) => medianOf(figures, 'cold', coldReads, name))
        .filter((one) => one !== undefined);
      return ours === undefined || theirs.length === 0 ? undefined : ours / Math.max(...theirs);
    },
  },
  figureGoal('p99 of hot keys beside cold reads / beside hot ones', atMost(2, null), 'cold', hotBesideCold),
  figureGoal('RSS of an idle node, MB', atMost(120, null), 'startup', idleMemory),
  ...backgroundWorks.map((work) => figureGoal(besideWork(work), atMost(3, null), 'background', besideWork(work))),
];

/** @returns every goal with what this run says of it, in the order in which they were set. */
export function judge(run: Run): Judgement[] {
  return goals.map((goal) => {
    const { name, must, aim, better } = goal;
    const value = goal.value(run);
    return { goal: name, must, aim, better, value: value ?? null, verdict: verdictOf(goal, value) };
  });
}

function verdictOf({ must, aim, better }: Goal, value: number | undefined): Verdict {
  if (value === undefined) return 'unknown';
  const reaches = (limit: number): boolean => (better === 'higher' ? value >= limit : value <= limit);
  if (aim !== null && reaches(aim)) return 'aim';
  return must === null || reaches(must) ? 'must' : 'missed';
}
