/** Short ways to write operations down in tests. */
import type { Operation, Outcome, Phase, Read, Write } from '../operation.ts';

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
