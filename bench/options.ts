/** The bench's command line. */
import { parseArgs } from 'node:util';
import { serverNames, type ServerName } from './servers.ts';
import { workloads } from './workloads.ts';

export const sectionNames = [
  'core',
  'startup',
  'memory',
  'lb',
  'replication',
  'recovery',
  'failover',
  'background',
  'cold',
] as const;
export type SectionName = (typeof sectionNames)[number];

export interface Options {
  readonly quick: boolean;
  readonly only: readonly SectionName[];
  readonly servers: readonly ServerName[];
  /** Commands of the core tests; undefined: all. */
  readonly tests: readonly string[] | undefined;
  readonly rounds: number;
  readonly pipelines: readonly number[];
  readonly valueBytes: readonly number[];
  readonly clients: number;
  readonly keyspace: number;
  readonly scale: number;
  readonly coldKeys: number;
  readonly memoryKeys: number;
  readonly recoveryGb: number;
  /** Where data are kept; undefined: the directory of temporary files. */
  readonly dir: string | undefined;
  readonly json: string | undefined;
  readonly svg: string | undefined;
}

export const help: string = `make bench BENCH="[options]", or tools/run.sh bench/main.ts [options]

Measures Holdfast beside Redis, Kvrocks and a bare Node server on this machine. Kvrocks: where KVROCKS_BIN names its binary
(KVROCKS_CONF: the kvrocks.conf shipped with it). bench/README.md says what each figure is.

  --quick            small: a minute, figures to look at only
  --only <list>      sections: ${sectionNames.join(', ')} (default: all; with --quick: core)
  --servers <list>   ${serverNames.join(', ')} (default: all that are there; holdfast always is)
  --tests <list>     core commands: ${workloads.map(({ name }) => name).join(', ')}
  --rounds <n>       how often each server has its turn (3; with --quick: 1)
  --pipelines <list> commands sent at once by a connection (1,16,64; with --quick: 1,16)
  --sizes <list>     bytes of values; all commands have the first (64,1024,16384; with --quick: 64)
  --clients <n>      connections (50)
  --keyspace <n>     keys of the core tests, hot in every cache (100000)
  --scale <x>        how many requests, as a part of the usual (1; with --quick: 0.05)
  --cold-keys <n>    keys of section cold, with caches for a tenth (10000000; with --quick: 200000)
  --memory-keys <n>  keys of section memory (10000000; with --quick: 200000)
  --recovery-gb <x>  data that section recovery starts again on, in GB (1; with --quick: 0.05)
  --dir <path>       where data are kept meanwhile; on a disk (the directory of temporary files)
  --json <file>      writes the report as JSON
  --svg <file>       writes a chart
  --help

Exit status: 0 measured (goals are reported, not enforced), 1 something failed, 2 usage, 130 Ctrl-C. Servers and their
directories go in any case.
`;

/** The command line is wrong; the message says how. */
export class UsageError extends Error {}

const textOptions = [
  ...['only', 'servers', 'tests', 'rounds', 'pipelines', 'sizes', 'clients', 'keyspace', 'scale'],
  ...['cold-keys', 'memory-keys', 'recovery-gb', 'dir', 'json', 'svg'],
];

/** @returns the options, or undefined when help is asked for. @throws UsageError */
export function parseOptions(args: readonly string[]): Options | undefined {
  const values = parse(args);
  if (values['help'] === true) return undefined;
  const quick = values['quick'] === true;
  const text = (name: string): string | undefined => values[name] as string | undefined;
  const number = (name: string, usual: number, whole = true): number => {
    const value = text(name);
    return value === undefined ? usual : numberOf(name, value, whole);
  };
  const numbers = (name: string, usual: readonly number[]): readonly number[] =>
    words(text(name))?.map((word) => numberOf(name, word, true)) ?? usual;
  const servers = choose('servers', words(text('servers')), serverNames) ?? serverNames;
  return {
    quick,
    only: choose('only', words(text('only')), sectionNames) ?? (quick ? ['core'] : sectionNames),
    // Everything is compared with Holdfast.
    servers: servers.includes('holdfast') ? servers : ['holdfast', ...servers],
    tests: choose(
      'tests',
      words(text('tests'))?.map((word) => word.toUpperCase()),
      workloads.map(({ name }) => name),
    ),
    rounds: number('rounds', quick ? 1 : 3),
    pipelines: numbers('pipelines', quick ? [1, 16] : [1, 16, 64]),
    valueBytes: numbers('sizes', quick ? [64] : [64, 1024, 16_384]),
    clients: number('clients', 50),
    keyspace: number('keyspace', 100_000),
    scale: number('scale', quick ? 0.05 : 1, false),
    coldKeys: number('cold-keys', quick ? 200_000 : 10_000_000),
    memoryKeys: number('memory-keys', quick ? 200_000 : 10_000_000),
    recoveryGb: number('recovery-gb', quick ? 0.05 : 1, false),
    dir: text('dir'),
    json: text('json'),
    svg: text('svg'),
  };
}

function parse(args: readonly string[]): Readonly<Record<string, unknown>> {
  const options: Record<string, { type: 'string' | 'boolean' }> = {
    quick: { type: 'boolean' },
    help: { type: 'boolean' },
  };
  for (const name of textOptions) options[name] = { type: 'string' };
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function words(value: string | undefined): string[] | undefined {
  return value?.split(',').map((word) => word.trim());
}

function choose<T extends string>(
  name: string,
  chosen: readonly string[] | undefined,
  known: readonly T[],
): readonly T[] | undefined {
  const unknown = chosen?.find((word) => !known.includes(word as T));
  if (unknown !== undefined) throw new UsageError(`--${name}: ${unknown || 'nothing'} is none of ${known.join(', ')}`);
  // In the usual order, whatever the order of the option: what is run first must not depend on how it was asked for.
  return chosen === undefined ? undefined : known.filter((word) => chosen.includes(word));
}

function numberOf(name: string, value: string, whole: boolean): number {
  const number = Number(value);
  if (value === '' || !Number.isFinite(number) || number <= 0 || (whole && !Number.isSafeInteger(number)))
    throw new UsageError(`--${name}: ${value || 'nothing'} is no ${whole ? 'whole ' : ''}number above 0`);
  return number;
}
