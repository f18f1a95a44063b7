/** Readers of option values, for commander: a wrong value is refused with what is allowed. */
import { InvalidArgumentError } from 'commander';

/** A whole number within bounds, in plain decimal. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]{1,15}$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`A whole number from ${least} to ${most} is expected.`);
  };
}

/** A TCP port that can be listened on. */
export const port: (text: string) => number = wholeNumber(1, 65_535);

/** One of the given words. */
export function oneOf<T extends string>(...words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Allowed: ${words.join(', ')}.`);
  };
}

/** F1, F2 and F3. */
export type Fence = 'lb' | 'lease' | 'sync';

export type Replication = 'sync' | 'async';

export const allFences: readonly Fence[] = ['lb', 'lease', 'sync'];

/** Some of `lb,lease,sync`, or `none`. */
export function fenceList(text: string): readonly Fence[] {
  if (text === 'none') return [];
  const fences = text.split(',').map(oneOf<Fence>('lb', 'lease', 'sync'));
  if (new Set(fences).size !== fences.length) throw new InvalidArgumentError('A fence is named twice.');
  return fences;
}

/** F3 without F2: it shows what a lease is for, and is no way to keep data. */
export function isSyncAlone(fences: readonly Fence[]): boolean {
  return fences.includes('sync') && !fences.includes('lease');
}

/**
 * Fences and replication as they belong together: `sync` in the list is synchronous replication.
 * @param fences as asked; undefined: all.
 * @param replication as asked; undefined: what the list says.
 * @param refuse ends with the reason when the two contradict each other, or are for drills only (`isSyncAlone`).
 */
export function replicationOf(
  fences: readonly Fence[] | undefined,
  replication: Replication | undefined,
  refuse: (reason: string) => never,
  isForDrills: boolean = false,
): { readonly fences: readonly ('lb' | 'lease')[]; readonly replication: Replication } {
  const asked = fences ?? allFences;
  const listed: Replication = asked.includes('sync') ? 'sync' : 'async';
  if (fences !== undefined && replication !== undefined && replication !== listed)
    return refuse(
      `error: --fences ${fences.join(',') || 'none'} and --replication ${replication} contradict each other`,
    );
  if (isSyncAlone(asked) && !isForDrills)
    return refuse('error: sync needs lease: without it a master that was replaced goes on to answer reads');
  return { fences: asked.filter((fence) => fence !== 'sync'), replication: replication ?? listed };
}

/** `http://host:port`, without a path. */
export function apiUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '')
    throw new InvalidArgumentError('A URL such as http://127.0.0.1:9379 is expected.');
  return text.replace(/\/+$/, '');
}

/** Several API addresses, separated by commas. */
export function apiUrls(text: string): readonly string[] {
  return text.split(',').map(apiUrl);
}

/** `http://host:port,…` of etcd's members. */
export function etcdEndpoints(text: string): readonly string[] {
  const urls = text.split(',').map(apiUrl);
  if (urls.some((url) => new URL(url).port === '')) throw new InvalidArgumentError('Each endpoint needs its port.');
  return urls;
}
