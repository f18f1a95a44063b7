/** What the scripting commands need of the node: scripts by name, libraries of functions, and running them. */
import type { ReplyWriter, Request } from '@holdfast/resp';
import type { Call } from '../command.ts';
import type { ScriptFlags } from './shebang.ts';

/** A request that runs something: its keys stand from index 3 on, its other arguments behind them. */
export interface ScriptCall {
  readonly request: Request;
  /** Number of keys. */
  readonly keys: number;
  /** EVAL_RO and its like. */
  readonly readOnly: boolean;
}

export interface FunctionFacts {
  readonly name: string;
  readonly description: string | undefined;
  readonly flags: readonly string[];
}

export interface LibraryFacts {
  readonly name: string;
  readonly code: Buffer;
  /** In order of names. */
  readonly functions: readonly FunctionFacts[];
}

export interface RunningScript {
  readonly name: string;
  readonly command: readonly Buffer[];
  readonly durationMs: number;
}

export interface FunctionStats {
  readonly running: RunningScript | undefined;
  readonly libraries: number;
  readonly functions: number;
}

export interface ScriptingPort {
  /** EVAL: runs the text at index 1. Writes one reply, or goes on in later turns. */
  evaluate(call: Call, script: ScriptCall, reply: ReplyWriter): void;
  /** EVALSHA: the same with the name of the text at index 1. */
  evaluateKnown(call: Call, script: ScriptCall, reply: ReplyWriter): void;
  /** FCALL. */
  callFunction(call: Call, script: ScriptCall, reply: ReplyWriter): void;
  /** Flags of a script as far as it is known without reading; undefined for one that is not. */
  scriptFlags(sha: string): ScriptFlags | undefined;
  functionFlags(name: string): ScriptFlags | undefined;
  /** SCRIPT LOAD. @returns the script's name, or an error line. */
  load(body: Buffer): { readonly sha: string } | string;
  exists(sha: string): boolean;
  flush(): void;
  /** Ends the running script or function. @returns why not, as an error line. */
  kill(what: 'script' | 'function'): string | undefined;
  /** FUNCTION LOAD. @returns the library's name, or an error line. */
  loadLibrary(code: Buffer, replace: boolean): { readonly name: string } | string;
  /** @returns false when there is no such library. */
  deleteLibrary(name: string): boolean;
  flushLibraries(): void;
  /** In order of names. */
  libraries(): readonly LibraryFacts[];
  stats(): FunctionStats;
  dump(): Buffer;
  /** @returns an error line; then nothing was changed. */
  restore(payload: Buffer, policy: 'append' | 'flush' | 'replace'): string | undefined;
}
