/**
 * What clients did and saw, for the linearizability checker of @holdfast/history. After a loss that was announced
 * (`may be lost`) a key's history cannot be one register's any more: such keys are left out, the judge's checks while the
 * run goes on stay.
 */
import { checkRegister, describeOperation, type Operation } from '@holdfast/history';
import type { Command } from './server-connection.ts';

export interface Recorded {
  readonly client: string;
  readonly key: string;
  readonly value: string | null;
  readonly isWrite: boolean;
  readonly shard: number;
  readonly invokedMs: number;
  readonly completedMs: number | null;
  readonly outcome: 'ok' | 'failed' | 'unknown';
  readonly node: string | null;
}

/** READONLY answers may be arbitrarily old. */
export function judgeable({ isReadonly }: Command): boolean {
  return !isReadonly;
}

export class History {
  readonly #byKey = new Map<string, Operation[]>();

  add({ isWrite, value, ...recorded }: Recorded): void {
    const common = { ...recorded, phase: 'load', reason: null, address: '-' } as const;
    const operation: Operation = isWrite
      ? { ...common, op: 'write', value: value ?? '' }
      : { ...common, op: 'read', value };
    const group = this.#byKey.get(recorded.key);
    if (group === undefined) this.#byKey.set(recorded.key, [operation]);
    else group.push(operation);
  }

  /** The first fault found, in words; undefined when every key's history is linearizable. */
  fault(): string | undefined {
    for (const [key, operations] of this.#byKey) {
      const fault = checkRegister(operations)[0];
      if (fault === undefined) continue;
      const about = Object.values(fault).flatMap((part) => describe(part));
      return `the history of ${key} is not linearizable (${fault.kind}): ${about.join('; ')}`;
    }
    return undefined;
  }
}

function describe(part: unknown): string[] {
  if (typeof part !== 'object' || part === null) return [];
  if ('op' in part) return [describeOperation(part as Operation)];
  const cluster = part as { write?: Operation; reads?: readonly Operation[] };
  return [...(cluster.write === undefined ? [] : [cluster.write]), ...(cluster.reads ?? []).slice(0, 3)].map(
    describeOperation,
  );
}
