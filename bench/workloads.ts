/**
 * What is measured: commands as redis-benchmark has them (same keys, one hash, list, set and sorted set), with the data
 * that must be there before. `__rand_int__` becomes twelve digits below the keyspace, drawn anew at every place.
 */

export type Fill =
  /** `key:<n>` for the whole keyspace. */
  | { readonly kind: 'strings' }
  /** Fields `element:<n>` of one hash for the whole keyspace. */
  | { readonly kind: 'hash'; readonly key: string }
  /** Elements of a list: a number, or as many as requests will be made. */
  | { readonly kind: 'list'; readonly key: string; readonly elements: number | 'requests' };

export interface Workload {
  readonly name: string;
  /** The command with its arguments. @param value what is stored, where something is. */
  command(value: string): readonly string[];
  readonly writes: boolean;
  readonly fill?: Fill;
  /** How many requests are made of it, as a part of those of SET: heavy commands fewer, light ones more. */
  readonly weight: number;
  /** The bare Node server has it. */
  readonly bare: boolean;
  /** Measured with all sizes of values, not with the smallest only. */
  readonly sized: boolean;
}

const key = 'key:__rand_int__';
const element = 'element:__rand_int__';

function workload(
  name: string,
  command: (value: string) => readonly string[],
  options: Partial<Omit<Workload, 'name' | 'command'>> = {},
): Workload {
  return { name, command, writes: false, weight: 1, bare: false, sized: false, ...options };
}

const write = { writes: true };

export const workloads: readonly Workload[] = [
  workload('PING', () => ['PING'], { weight: 3, bare: true }),
  workload('SET', (value) => ['SET', key, value], { ...write, bare: true, sized: true, fill: { kind: 'strings' } }),
  workload('GET', () => ['GET', key], { weight: 2, bare: true, sized: true, fill: { kind: 'strings' } }),
  workload('INCR', () => ['INCR', 'counter:__rand_int__'], write),
  workload('MSET', (value) => ['MSET', ...Array.from({ length: 10 }, () => [key, value]).flat()], {
    ...write,
    weight: 0.1,
    fill: { kind: 'strings' },
  }),
  workload('HSET', (value) => ['HSET', 'myhash', element, value], { ...write, fill: { kind: 'hash', key: 'myhash' } }),
  workload('HGET', () => ['HGET', 'myhash', element], { weight: 2, fill: { kind: 'hash', key: 'myhash' } }),
  workload('LPUSH', (value) => ['LPUSH', 'mylist', value], write),
  workload('RPOP', () => ['RPOP', 'poplist'], {
    ...write,
    fill: { kind: 'list', key: 'poplist', elements: 'requests' },
  }),
  workload('SADD', () => ['SADD', 'myset', element], write),
  workload('ZADD', () => ['ZADD', 'myzset', '__rand_int__', element], { ...write, weight: 0.5 }),
  workload('LRANGE_100', () => ['LRANGE', 'rangelist', '0', '99'], {
    weight: 0.1,
    fill: { kind: 'list', key: 'rangelist', elements: 1000 },
  }),
  workload('XADD', (value) => ['XADD', 'mystream', '*', 'field', value], { ...write, weight: 0.5 }),
];

/** One cell of the core table. */
export interface Test {
  readonly workload: Workload;
  readonly pipeline: number;
  readonly valueBytes: number;
  readonly requests: number;
}

/** Requests of a test of weight 1 at scale 1, by pipeline: some seconds each. */
const requestsAt = (pipeline: number): number => (pipeline === 1 ? 100_000 : 400_000);
/** Larger values take longer by their bytes. */
const sizeWeight = (valueBytes: number): number => Math.min(1, 512 / valueBytes);

export interface TestChoice {
  /** Names of commands; undefined: all. */
  readonly commands: readonly string[] | undefined;
  readonly pipelines: readonly number[];
  /** The first is that of all commands. */
  readonly valueBytes: readonly number[];
  readonly scale: number;
}

/** @returns the tests in the order in which they are run. */
export function chooseTests({ commands, pipelines, valueBytes, scale }: TestChoice): Test[] {
  const tests: Test[] = [];
  for (const workload of workloads) {
    if (commands !== undefined && !commands.includes(workload.name)) continue;
    for (const bytes of workload.sized ? valueBytes : valueBytes.slice(0, 1)) {
      for (const pipeline of pipelines) {
        const wanted = requestsAt(pipeline) * workload.weight * sizeWeight(bytes) * scale;
        tests.push({ workload, pipeline, valueBytes: bytes, requests: Math.max(1000, Math.round(wanted)) });
      }
    }
  }
  return tests;
}

/** @returns keys, fields, elements and values that one command brings, in bytes: all its arguments but the name. */
export function userBytes(workload: Workload, valueBytes: number): number {
  let bytes = 0;
  for (const argument of workload.command('x'.repeat(valueBytes)).slice(1)) bytes += argument.length;
  return bytes;
}

/** @returns letters and digits that no compression makes much smaller, always the same ones. */
export function valueOf(bytes: number): string {
  let state = 0x2545f491;
  let value = '';
  while (value.length < bytes) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    value += (state >>> 4).toString(36);
  }
  return value.slice(0, bytes);
}
