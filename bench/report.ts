/**
 * The report of one run: what `--json` writes, bench/history keeps and everything shown is made from. bench/README.md
 * says what each field is. Fields may be added within a version; one that goes or changes its meaning raises it.
 */
import { serverNames, type ServerName } from './servers.ts';

export const reportVersion = 1;

/** One run of the load client against one server. */
export interface Measurement {
  readonly test: string;
  readonly pipeline: number;
  readonly valueBytes: number;
  readonly server: ServerName;
  /** From 1. */
  readonly round: number;
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Of the server process, per million requests. */
  readonly cpuSecondsPerMillion: number;
  /** Bytes sent to disk per byte of keys and values, of a command that writes; null: it does not, or it is not known. */
  readonly writtenPerUserByte: number | null;
}

/** Memory of one server in one round of the core tests. */
export interface MemoryMeasurement {
  readonly server: ServerName;
  readonly round: number;
  /** After its start, before the first client. */
  readonly idleBytes: number;
  /** The most it ever had. */
  readonly peakBytes: number;
}

/** A figure of one of the other sections, one value per repetition. */
export interface Figure {
  readonly section: string;
  /** What was measured, unique within its section and server. */
  readonly name: string;
  /** Whose it is; a ServerName, or what the section compares. */
  readonly of: string;
  readonly unit: string;
  readonly values: readonly number[];
}

/** What this run has no figures of. */
export interface Skipped {
  readonly what: string;
  readonly reason: string;
  /** Something went wrong; else it is not there, or not meant to be measured. */
  readonly failed: boolean;
}

export interface Noise {
  readonly loadBefore: readonly number[];
  readonly loadAfter: readonly number[];
  /** Part of the processors' time that this machine's host gave to others. */
  readonly stolenShare: number;
  /** Part of the processors' time that processes took which are not the bench's. */
  readonly othersShare: number;
  /** Of requests per second between rounds, over all tests and servers: (largest - smallest) / median. */
  readonly spreadMedian: number;
  readonly spreadMax: number;
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly client: string;
}

export type Verdict = 'aim' | 'must' | 'missed' | 'unknown';

/** A goal of the project and what this run says of it. */
export interface Judgement {
  readonly goal: string;
  /** Ratios, or bytes for memory; null: there is none. */
  readonly must: number | null;
  readonly aim: number | null;
  readonly better: 'higher' | 'lower';
  /** Null: not measured in this run. */
  readonly value: number | null;
  readonly verdict: Verdict;
}

export interface Report {
  readonly version: typeof reportVersion;
  readonly holdfast: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly quick: boolean;
  readonly rounds: number;
  readonly clients: number;
  readonly keyspace: number;
  readonly machine: Machine;
  readonly noise: Noise;
  readonly servers: readonly { readonly name: ServerName; readonly title: string; readonly version: string }[];
  readonly measurements: readonly Measurement[];
  readonly memory: readonly MemoryMeasurement[];
  readonly figures: readonly Figure[];
  readonly skipped: readonly Skipped[];
  readonly goals: readonly Judgement[];
}

type Shape = { readonly [field: string]: 'number' | 'string' | 'boolean' | 'numberOrNull' | 'list' | 'object' };

const shapes = {
  report: {
    version: 'number',
    holdfast: 'string',
    startedAt: 'string',
    seconds: 'number',
    quick: 'boolean',
    rounds: 'number',
    clients: 'number',
    keyspace: 'number',
    machine: 'object',
    noise: 'object',
    servers: 'list',
    measurements: 'list',
    memory: 'list',
    figures: 'list',
    skipped: 'list',
    goals: 'list',
  },
  machine: {
    processor: 'string',
    cores: 'number',
    memoryBytes: 'number',
    kernel: 'string',
    node: 'string',
    client: 'string',
  },
  noise: {
    loadBefore: 'list',
    loadAfter: 'list',
    stolenShare: 'number',
    othersShare: 'number',
    spreadMedian: 'number',
    spreadMax: 'number',
  },
  servers: { name: 'string', title: 'string', version: 'string' },
  measurements: {
    test: 'string',
    pipeline: 'number',
    valueBytes: 'number',
    server: 'string',
    round: 'number',
    requests: 'number',
    perSecond: 'number',
    p50Ms: 'number',
    p99Ms: 'number',
    p999Ms: 'number',
    cpuSecondsPerMillion: 'number',
    writtenPerUserByte: 'numberOrNull',
  },
  memory: { server: 'string', round: 'number', idleBytes: 'number', peakBytes: 'number' },
  figures: { section: 'string', name: 'string', of: 'string', unit: 'string', values: 'list' },
  skipped: { what: 'string', reason: 'string', failed: 'boolean' },
  goals: {
    goal: 'string',
    must: 'numberOrNull',
    aim: 'numberOrNull',
    better: 'string',
    value: 'numberOrNull',
    verdict: 'string',
  },
} satisfies Readonly<Record<string, Shape>>;

/** @returns one sentence per thing that is wrong with what should be a report; none when it is one. */
export function checkReport(value: unknown): string[] {
  const errors = checkShape('report', shapes.report, value);
  if (errors.length > 0) return errors;
  const report = value as Report;
  if (report.version !== reportVersion) errors.push(`version is ${report.version}, and ${reportVersion} is known`);
  errors.push(
    ...checkShape('machine', shapes.machine, report.machine),
    ...checkShape('noise', shapes.noise, report.noise),
  );
  for (const list of ['servers', 'measurements', 'memory', 'figures', 'skipped', 'goals'] as const)
    report[list].forEach((item, i) => errors.push(...checkShape(`${list}[${i}]`, shapes[list], item)));
  const known = new Set<string>(serverNames);
  for (const { server } of [...report.measurements, ...report.memory])
    if (!known.has(server)) errors.push(`${server} is no server`);
  return errors;
}

function checkShape(name: string, shape: Shape, value: unknown): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${name} is no object`];
  const object = value as Readonly<Record<string, unknown>>;
  return Object.entries(shape)
    .filter(([field, kind]) => !isOf(kind, object[field]))
    .map(([field, kind]) => `${name}.${field} is ${JSON.stringify(object[field]) ?? 'absent'}, not a ${kind}`);
}

function isOf(kind: Shape[string], value: unknown): boolean {
  switch (kind) {
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'numberOrNull':
      return value === null || (typeof value === 'number' && Number.isFinite(value));
    case 'list':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'string':
    case 'boolean':
      return typeof value === kind;
  }
}
