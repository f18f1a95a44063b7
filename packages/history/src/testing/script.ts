/** Short ways to write operations down in tests. */
import type {
  Add,
  CountReading,
  Delivery,
  Entry,
  Increment,
  ListReading,
  Operation,
  Outcome,
  Phase,
  Pop,
  Push,
  Read,
  StreamReading,
  Write,
} from '../operation.ts';

interface Extra {
  readonly outcome?: Outcome;
  readonly node?: string | null;
  readonly key?: string;
  readonly client?: string;
  readonly phase?: Phase;
  readonly shard?: number;
}

function fields(fromMs: number, toMs: number | null, extra: Extra): Omit<Operation, 'op' | 'value'> {
  return {
    client: extra.client ?? 'c0',
    phase: extra.phase ?? 'load',
    key: extra.key ?? 'k',
    shard: extra.shard ?? 0,
    invokedMs: fromMs,
    completedMs: toMs,
    outcome: extra.outcome ?? 'ok',
    reason: null,
    address: '127.0.0.1:7000',
    node: extra.node ?? null,
  };
}

/** A write of `value` from `fromMs` to `toMs`, acknowledged unless `extra` says otherwise. */
export function write(value: string, fromMs: number, toMs: number | null, extra: Extra = {}): Write {
  return { op: 'write', value, ...fields(fromMs, toMs, extra) };
}

/** A read that saw `value` (null: absent). */
export function read(value: string | null, fromMs: number, toMs: number | null, extra: Extra = {}): Read {
  return { op: 'read', value, ...fields(fromMs, toMs, extra) };
}

/** RPUSH of `value`. */
export function push(value: string, fromMs: number, toMs: number | null, extra: Extra = {}): Push {
  return { op: 'push', value, ...fields(fromMs, toMs, extra) };
}

/** LPOP or BLPOP that took `value` (null: nothing, or nobody knows). */
export function pop(value: string | null, fromMs: number, toMs: number | null, extra: Extra = {}): Pop {
  return { op: 'pop', value, ...fields(fromMs, toMs, extra) };
}

/** A read of a whole list. */
export function list(values: readonly string[], fromMs: number, toMs: number | null, extra: Extra = {}): ListReading {
  return { op: 'list', values, ...fields(fromMs, toMs, extra) };
}

/** XADD of `value`, which was given the id `entry`. */
export function add(
  [entry, value]: readonly [string | null, string],
  fromMs: number,
  toMs: number | null,
  extra: Extra = {},
): Add {
  return { op: 'add', value, entry, ...fields(fromMs, toMs, extra) };
}

/** A read of a whole stream. */
export function entries(all: readonly Entry[], fromMs: number, toMs: number | null, extra: Extra = {}): StreamReading {
  return { op: 'entries', entries: all, ...fields(fromMs, toMs, extra) };
}

/** Entries delivered as new ones. */
export function deliver(some: readonly Entry[], fromMs: number, toMs: number | null, extra: Extra = {}): Delivery {
  return { op: 'deliver', entries: some, isAgain: false, ...fields(fromMs, toMs, extra) };
}

/** A script that came to `count`. */
export function increment(count: number | null, fromMs: number, toMs: number | null, extra: Extra = {}): Increment {
  return { op: 'increment', count, ...fields(fromMs, toMs, extra) };
}

/** A read of a counter. */
export function counted(count: number, fromMs: number, toMs: number | null, extra: Extra = {}): CountReading {
  return { op: 'count', count, ...fields(fromMs, toMs, extra) };
}
