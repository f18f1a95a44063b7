/**
 * What the process that the user started and the one inside the network tell each other, as messages of Node's own channel
 * between parent and child.
 */
import { FatalError, OperationError } from '@holdfast/base';
import type { NetworkPlan } from './network.ts';

export interface InsidePlan {
  readonly network: NetworkPlan;
  readonly directory: string;
  /** File system of each node that has one of its own, by place. */
  readonly disks: ReadonlyMap<string, string>;
}

export type ToInside =
  | {
      readonly kind: 'begin';
      readonly plan: InsidePlan;
      readonly module: string;
      readonly name: string;
      readonly input: unknown;
    }
  | { readonly kind: 'abort'; readonly reason: string };

export type ToOutside =
  | { readonly kind: 'progress'; readonly line: string }
  | { readonly kind: 'done'; readonly output: unknown }
  | { readonly kind: 'failed'; readonly error: SentError };

/** An error of another process: what decides how it is shown. */
export interface SentError {
  readonly kind: 'operation' | 'fatal' | 'range' | 'bug';
  readonly message: string;
  readonly stack: string;
  readonly code: string;
  readonly exitStatus: number;
}

export function sentError(error: unknown): SentError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const common = { message, stack: stack ?? message, code: '', exitStatus: 0 };
  if (error instanceof OperationError) return { ...common, kind: 'operation', code: error.code };
  if (error instanceof FatalError) return { ...common, kind: 'fatal', exitStatus: error.exitStatus };
  return { ...common, kind: error instanceof RangeError ? 'range' : 'bug' };
}

/** The error as it was, as far as anybody looks. */
export function receivedError({ kind, message, stack, code, exitStatus }: SentError): Error {
  if (kind === 'operation') return new OperationError(code, message, { outcome: 'unknown' });
  if (kind === 'fatal') return new FatalError(message, exitStatus);
  if (kind === 'range') return new RangeError(message);
  const bug = new Error(message);
  bug.stack = stack;
  return bug;
}
