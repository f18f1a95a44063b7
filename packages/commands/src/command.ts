/**
 * A command is declared once: name, arity, flags, keys, how its arguments are parsed and what it does. Dispatch, arity
 * checks, slot routing, read-only checks, COMMAND and the reference page all read this one declaration.
 *
 * `parse` ends every syntax error before anything is touched; `run` is synchronous and touches only the engine's open
 * tick and the reply writer, so that its effects can be rolled back and the command can be run again or replayed.
 * Families that need more than data (connections, configuration, topology, replication) are built by a factory that
 * takes a narrow port, which the node implements: `stringCommands(strings)`, `clusterCommands(port)`.
 */
import type { Namespace } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { KeyEvents } from './events.ts';
import type { Session } from './session.ts';
import type { SlicePort } from './sliced.ts';
import type { TurnPort } from './turns.ts';
import type { WaitPort } from './waiting.ts';

/** What the dispatcher and clients must know of a command. `write` and `readonly` exclude each other. */
export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'admin'
  | 'fast'
  | 'slow'
  | 'loading' // may run while a checkpoint is being restored
  | 'stale' // may run on a replica whose link is down with slave-serve-stale-data no
  | 'noauth' // may run before AUTH
  | 'no-multi' // refused inside MULTI
  | 'no-script'
  | 'exclusive' // ends the open tick before and after: runs alone
  | 'transaction' // MULTI, EXEC, DISCARD, WATCH, UNWATCH, RESET, QUIT: never queued
  | 'pubsub'
  | 'cluster'
  | 'replication'
  | 'blocking'
  | 'no-dbsize-check'; // allowed when max-db-size is reached

/** Positions of keys among the arguments, the command's name being 0. A negative `last` counts from the end. */
export interface KeySpec {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

/** No keys: exempt from slot routing. */
export const noKeys: KeySpec = { first: 0, last: 0, step: 0 };
/** One key, the first argument. */
export const firstKey: KeySpec = { first: 1, last: 1, step: 1 };

/** A command's arguments were refused: the whole error line, prefix included, e.g. `ERR syntax error`. */
export class Refusal {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** What one execution of a command may use besides its parsed input. */
export interface Call {
  /** Unix time in ms, read once per command: the instant at which expiry is judged. */
  readonly nowMs: number;
  /** The namespace whose keys the connection sees. */
  readonly namespace: Namespace;
  readonly session: Session;
  /** Undefined where nothing may wait (EXEC, scripts): the command then answers as if its time were up. */
  readonly waits?: WaitPort | undefined;
  /** Undefined where a reply must be whole (EXEC, scripts). */
  readonly slices?: SlicePort | undefined;
  /** Undefined where a command must end in its turn (EXEC): it then goes on until it has ended, whatever that takes. */
  readonly turns?: TurnPort | undefined;
  /** Undefined while nobody listens to keyspace notifications. */
  readonly events?: KeyEvents | undefined;
}

/** One sub-command for COMMAND and the reference page. */
export interface SubCommandFacts {
  /** Lower case. */
  readonly name: string;
  /** Number of arguments with both names; negative: at least that many. */
  readonly arity: number;
  /** How it is written after its name; empty when it takes nothing. */
  readonly usage: string;
  readonly summary: string;
}

/** @typeParam Input what `parse` makes of the arguments and `run` works on. */
export interface CommandDefinition<Input = unknown> {
  /** Lower case. */
  readonly name: string;
  /** Number of arguments with the name; negative: at least that many. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly keys: KeySpec;
  /** Keys that depend on the arguments (numkeys): indexes of the key arguments. Replaces `keys` for routing. */
  readonly keyIndexes?: (request: Request) => readonly number[];
  /** Flags that depend on the sub-command; replaces `flags` for one request. */
  readonly flagsOf?: (request: Request) => readonly CommandFlag[];
  /**
   * `string`, `hash`, `list`, `set`, `sorted-set`, `geo`, `bitmap`, `hyperloglog`, `stream`, `json`, `bloom`, `sortedint`,
   * `generic`, `connection`, `server`, `transactions`, `scripting`, `pubsub`, `cluster`, `replication`.
   */
  readonly group: string;
  /** Version of Redis or Kvrocks it appeared in. */
  readonly since: string;
  readonly complexity: string;
  readonly summary: string;
  /** Of a command whose first argument says what to do: how each of its words is used. */
  readonly subCommands?: readonly SubCommandFacts[];
  /**
   * Pure. `request` is a window on the connection's buffer: valid until `run` has returned, never longer; copy what is
   * kept. When a command is queued by MULTI it is parsed again at EXEC from a copied request.
   */
  parse(request: Request): Input | Refusal;
  /** Synchronous. A refusal found while running is written with `reply.error`, before anything was changed. */
  run(call: Call, input: Input, reply: ReplyWriter): void;
}

/**
 * Erases the input type for the table; `parse` and `run` of one definition always belong together. All definitions get the
 * same fields in the same order, or each look at one of them while a command runs would be a search.
 */
export function define<Input>(definition: CommandDefinition<Input>): CommandDefinition {
  const { name, arity, flags, keys, keyIndexes, flagsOf, group, since, complexity, summary, subCommands } = definition;
  const { parse, run } = definition;
  const facts = { name, arity, flags, keys, keyIndexes, flagsOf, group, since, complexity, summary, subCommands };
  return { ...facts, parse, run } as CommandDefinition;
}

export const errors = {
  syntax: 'ERR syntax error',
  notInteger: 'ERR value is not an integer or out of range',
  notFloat: 'ERR value is not a valid float',
  wrongType: 'WRONGTYPE Operation against a key holding the wrong kind of value',
  noSuchKey: 'ERR no such key',
  outOfRange: 'ERR value is out of range, must be positive',
  overflow: 'ERR increment or decrement would overflow',
  notFoundAdmin: 'ERR admin permission required to perform the command',
} as const;
