/**
 * The content of a store at one revision, and what a transaction makes of it. Pure: the same function decides in
 * memory, in the embedded store and in the simulator, so they cannot differ.
 *
 * A keyspace is never changed; a transaction that writes makes a new one. Copying the map costs O(keys), a few hundred
 * at most, and buys that a commit that fails to reach the disk is undone by forgetting it.
 */
import { assert } from '@holdfast/base';
import { limits } from './limits.ts';
import { leaderKey, membersPrefix } from './metadata-store.ts';
import type { Change, Conflict, Entry, Guard, Transaction, TransactionResult } from './metadata-store.ts';

export interface Keyspace {
  /** 0 for an empty store that was never written. */
  readonly revision: number;
  readonly entries: ReadonlyMap<string, Entry>;
}

export const emptyKeyspace: Keyspace = { revision: 0, entries: new Map() };

export interface Evaluation {
  readonly result: TransactionResult;
  /** The same object as before when nothing was written. */
  readonly next: Keyspace;
  readonly changes: readonly Change[];
}

/** Decides one transaction against `space`. The leadership is not looked at; the caller adds its guard. */
export function evaluate(space: Keyspace, { guards, puts = [], removes = [] }: Transaction): Evaluation {
  const conflicts = guards.flatMap((guard) => conflictOf(space, guard));
  if (conflicts.length > 0) return { result: { ok: false, conflicts }, next: space, changes: [] };
  const gone = removes.filter((key) => space.entries.has(key));
  if (puts.length === 0 && gone.length === 0)
    return { result: { ok: true, revision: space.revision }, next: space, changes: [] };
  const revision = space.revision + 1;
  const entries = new Map(space.entries);
  const changes: Change[] = [];
  for (const { key, value } of puts) {
    const entry: Entry = { key, value, revision };
    entries.set(key, entry);
    changes.push({ key, entry, revision });
  }
  for (const key of gone) {
    entries.delete(key);
    changes.push({ key, entry: undefined, revision });
  }
  return { result: { ok: true, revision }, next: { revision, entries }, changes };
}

function conflictOf(space: Keyspace, { key, expected }: Guard): Conflict[] {
  const current = space.entries.get(key);
  const holds = expected === 'absent' ? current === undefined : current?.revision === expected;
  return holds ? [] : [{ key, expected, current }];
}

/** Without the keys that live only as long as the process that put them; the revision stays. */
export function withoutPresence({ revision, entries }: Keyspace): Keyspace {
  const lasting = [...entries].filter(([key]) => key !== leaderKey && !key.startsWith(membersPrefix));
  return { revision, entries: new Map(lasting) };
}

/** All entries with the prefix, ascending. */
export function entriesWithPrefix(space: Keyspace, prefix: string): Entry[] {
  const found = [...space.entries.values()].filter((entry) => entry.key.startsWith(prefix));
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/**
 * Asserts what a caller must get right and returns what data may get wrong.
 * @returns the sentence for METADATA_TOO_LARGE, or undefined when the transaction is within the limits.
 */
export function checkTransaction({ guards, puts = [], removes = [], leadership }: Transaction): string | undefined {
  const written = [...puts.map(({ key }) => key), ...removes];
  assert(new Set(written).size === written.length, `a transaction writes a key twice: ${written.join(', ')}`);
  for (const key of [...guards.map((guard) => guard.key), ...written]) {
    assert(key.length > 0 && key.length <= limits.keyLengthMax, `key of ${key.length} characters: ${key.slice(0, 80)}`);
    // A lone surrogate would not come back from UTF-8 as it went in.
    assert(key.isWellFormed(), `key is not well-formed Unicode: ${JSON.stringify(key)}`);
  }
  // The leadership is one guard more.
  const operations = guards.length + written.length + (leadership === undefined ? 0 : 1);
  if (operations > limits.operationsMax)
    return `a transaction of ${operations} guards and writes; the limit is ${limits.operationsMax}`;
  for (const { key, value } of puts) {
    assert(value.isWellFormed(), `value of ${key} is not well-formed Unicode`);
    const bytes = Buffer.byteLength(value);
    if (bytes > limits.valueBytesMax)
      return `the value of ${key} has ${bytes} bytes; the limit is ${limits.valueBytesMax}`;
  }
  return undefined;
}
