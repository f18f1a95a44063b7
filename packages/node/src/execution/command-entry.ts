/** A command definition prepared for the dispatcher: flags as bits, and its statistics. */
import type { CommandDefinition, CommandFlag } from '@holdfast/commands';
import type { CommandKind } from '@holdfast/fencing';
import type { Request } from '@holdfast/resp';
import { LatencyCounts } from '../observation/latency-counts.ts';

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
  'no-script': 1024,
  other: 0,
} as const;

/** Flags the dispatcher looks at; the others are for COMMAND alone. */
export function bitsOf(flags: readonly CommandFlag[]): number {
  let bits = 0;
  for (const flag of flags) if (flag in flagBits) bits |= flagBits[flag as keyof typeof flagBits];
  return bits;
}

const dataGroups: readonly string[] = [
  ...['string', 'hash', 'list', 'set', 'sorted-set', 'geo', 'bitmap', 'hyperloglog'],
  ...['stream', 'json', 'bloom', 'sortedint', 'generic'],
];
/** Groups whose writes read what they write. Those of others read the metadata of one collection, which is near. */
const readingGroups: readonly string[] = ['string', 'hash', 'set', 'bitmap', 'generic'];
/** They replace what was there without looking at it. */
export const writesBlindly: readonly string[] = ['set', 'mset', 'setex', 'psetex', 'msetex'];
const neverData: readonly CommandFlag[] = ['admin', 'exclusive', 'loading', 'noauth'];

export interface CommandEntry {
  readonly definition: CommandDefinition;
  readonly bits: number;
  /** For the lease gate, unless the flags depend on the request. */
  readonly kind: CommandKind;
  /** It looks up its first argument as a key, and perhaps its second one as an element of that. */
  readonly looksUp: boolean;
  /** It works on keys and nothing else: what it has done can be taken back. */
  readonly isData: boolean;
  readonly latency: LatencyCounts;
  /** Of a command of sub-commands, what is counted of each, `config|get`, in the order of its declaration. */
  readonly subEntries: readonly CommandEntry[] | undefined;
  calls: number;
  usec: number;
  rejectedCalls: number;
  failedCalls: number;
}

export function commandEntry(definition: CommandDefinition): CommandEntry {
  const { name, flags, subCommands } = definition;
  const bits = bitsOf(flags);
  return {
    definition,
    bits,
    kind: kindOf(definition, bits),
    looksUp: looksUp(definition, bits),
    isData: dataGroups.includes(definition.group) && !flags.some((flag) => neverData.includes(flag)),
    latency: new LatencyCounts(),
    subEntries: subCommands?.map((row) =>
      commandEntry({ ...definition, name: `${name}|${row.name}`, subCommands: [] }),
    ),
    calls: 0,
    usec: 0,
    rejectedCalls: 0,
    failedCalls: 0,
  };
}

function looksUp(definition: CommandDefinition, bits: number): boolean {
  const kind = kindOf(definition, bits);
  return (
    kind === 'read' ||
    (kind === 'write' && readingGroups.includes(definition.group) && !writesBlindly.includes(definition.name))
  );
}

/** What a request counts for: its sub-command where it has one. */
export function countedEntry(entry: CommandEntry, request: Request): CommandEntry {
  const rows = entry.definition.subCommands;
  if (entry.subEntries === undefined || rows === undefined || request.count < 2) return entry;
  for (let i = 0; i < rows.length; i++)
    if (request.is(1, (rows[i] as { name: string }).name)) return entry.subEntries[i] as CommandEntry;
  return entry;
}

/** CONFIG RESETSTAT. */
export function resetEntry(entry: CommandEntry): void {
  Object.assign(entry, { calls: 0, usec: 0, rejectedCalls: 0, failedCalls: 0 });
  entry.latency.clear();
}

export interface CommandLookup extends Iterable<CommandDefinition> {
  lookup(request: Request): CommandDefinition | undefined;
}

/** The entry of each command of the table. */
export class CommandEntries implements Iterable<CommandEntry> {
  readonly #commands: CommandLookup;
  readonly #entries = new Map<CommandDefinition, CommandEntry>();
  #last: CommandEntry | undefined;

  constructor(commands: CommandLookup) {
    this.#commands = commands;
    for (const definition of commands) this.#entries.set(definition, commandEntry(definition));
  }

  /** Undefined for a command nobody knows. */
  find(request: Request): CommandEntry | undefined {
    const definition = this.#commands.lookup(request);
    if (definition === undefined) return undefined;
    if (this.#last?.definition === definition) return this.#last;
    return (this.#last = this.#entries.get(definition));
  }

  /** The entry of a declaration of the table. */
  of(definition: CommandDefinition): CommandEntry | undefined {
    return this.#entries.get(definition);
  }

  /** Commands, each followed by its sub-commands. */
  *[Symbol.iterator](): Iterator<CommandEntry> {
    for (const entry of this.#entries.values()) {
      yield entry;
      if (entry.subEntries !== undefined) yield* entry.subEntries;
    }
  }
}

/** The flags of one request as bits. */
export function bitsOfRequest({ definition, bits }: CommandEntry, request: Request): number {
  return definition.flagsOf === undefined ? bits : bitsOf(definition.flagsOf(request));
}

/** Whether the number of arguments fits. */
export function fitsArity({ definition: { arity } }: CommandEntry, request: Request): boolean {
  return arity >= 0 ? request.count === arity : request.count >= -arity;
}

/** Groups whose reads touch neither keys nor topology: they need no lease. */
const controlGroups: readonly string[] = ['connection', 'server', 'replication', 'transactions'];

/** What the lease gate must know of a request with these flags. */
export function kindOfRequest(entry: CommandEntry, bits: number): CommandKind {
  return bits === entry.bits ? entry.kind : kindOf(entry.definition, bits);
}

/** What the lease gate must know of a command. */
export function kindOf(definition: CommandDefinition, bits: number): CommandKind {
  if ((bits & flagBits.write) !== 0) return 'write';
  if ((bits & flagBits.readonly) === 0) return 'control';
  return controlGroups.includes(definition.group) ? 'control' : 'read';
}
