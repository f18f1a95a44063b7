/** A command definition prepared for the dispatcher: flags as bits, and its statistics. */
import type { CommandDefinition, CommandFlag } from '@holdfast/commands';
import type { CommandKind } from '@holdfast/fencing';

export const flagBits = {
  write: 1,
  readonly: 2,
  admin: 4,
  loading: 8,
  stale: 16,
  noauth: 32,
  'no-multi': 64,
  exclusive: 128,
  transaction: 256,
  'no-dbsize-check': 512,
  other: 0,
} as const;

/** Flags the dispatcher looks at; the others are for COMMAND alone. */
export function bitsOf(flags: readonly CommandFlag[]): number {
  let bits = 0;
  for (const flag of flags) if (flag in flagBits) bits |= flagBits[flag as keyof typeof flagBits];
  return bits;
}

export interface CommandEntry {
  readonly definition: CommandDefinition;
  readonly bits: number;
  calls: number;
  usec: number;
  rejectedCalls: number;
  failedCalls: number;
}

export function commandEntry(definition: CommandDefinition): CommandEntry {
  return { definition, bits: bitsOf(definition.flags), calls: 0, usec: 0, rejectedCalls: 0, failedCalls: 0 };
}

/** Groups whose reads touch neither keys nor topology: they need no lease. */
const controlGroups: readonly string[] = ['connection', 'server', 'replication', 'transactions'];

/** What the lease gate must know of a command. */
export function kindOf(definition: CommandDefinition, bits: number): CommandKind {
  if ((bits & flagBits.write) !== 0) return 'write';
  if ((bits & flagBits.readonly) === 0) return 'control';
  return controlGroups.includes(definition.group) ? 'control' : 'read';
}
