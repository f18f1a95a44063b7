/** When SET, DELEX and MSETEX act: NX, XX, or a comparison with the value or its digest (Redis 8.4, Kvrocks 2.16). */
import { sameBytes, type Span } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';
import { spanOfArgument } from '../data/arguments.ts';
import { digestOf } from '../data/digest.ts';

export type ConditionKind = 'nx' | 'xx' | 'ifeq' | 'ifne' | 'ifdeq' | 'ifdne';

export interface Condition {
  readonly kind: ConditionKind;
  /** What is compared with; unset for NX and XX. */
  readonly operand: Span | undefined;
}

const comparisons: readonly ConditionKind[] = ['ifeq', 'ifne', 'ifdeq', 'ifdne'];
const digestDigits = 16;

export const nx: Condition = { kind: 'nx', operand: undefined };
export const xx: Condition = { kind: 'xx', operand: undefined };

/**
 * Reads IFEQ, IFNE, IFDEQ or IFDNE and its operand at `index`.
 * @returns undefined when the argument is none of them, or has no operand.
 */
export function parseComparison(request: Request, index: number): Condition | Refusal | undefined {
  if (index + 1 >= request.count) return undefined;
  for (const kind of comparisons) {
    if (!request.is(index, kind)) continue;
    const isDigest = kind === 'ifdeq' || kind === 'ifdne';
    if (isDigest && !/^[0-9a-fA-F]{16}$/.test(request.latin1(index + 1))) {
      return new Refusal(`ERR ${kind.toUpperCase()} digest must be exactly ${digestDigits} hexadecimal characters`);
    }
    return { kind, operand: spanOfArgument(request, index + 1) };
  }
  return undefined;
}

/** Whether a condition needs the value, so that other types are refused. */
export function comparesValue(condition: Condition): boolean {
  return condition.operand !== undefined;
}

/** @param value the string that is there; undefined when there is no key. */
export function holds({ kind, operand }: Condition, value: Span | undefined): boolean {
  switch (kind) {
    case 'nx':
      return value === undefined;
    case 'xx':
      return value !== undefined;
    case 'ifeq':
      return value !== undefined && sameBytes(value, operand as Span);
    case 'ifne':
      return value === undefined || !sameBytes(value, operand as Span);
    case 'ifdeq':
      return value !== undefined && hasDigest(value, operand as Span);
    case 'ifdne':
      return value === undefined || !hasDigest(value, operand as Span);
    default:
      return kind satisfies never;
  }
}

function hasDigest(value: Span, { buffer, start, end }: Span): boolean {
  return buffer.latin1Slice(start, end).toLowerCase() === digestOf(value);
}
