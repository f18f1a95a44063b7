/**
 * Who watches executed commands (SLOWLOG, MONITOR, PERFLOG): one observer for the node, told of those that took long enough,
 * so that watching costs one comparison when nobody does. Whoever wants several makes one that asks each of them.
 */
import type { Session } from '@holdfast/commands';
import type { Request } from '@holdfast/resp';
import type { CommandEntry } from './command-entry.ts';

/** Where a command came from: a client, the queue of its EXEC, a script it runs, or a wait that was served. */
export type CommandOrigin = 'client' | 'queue' | 'script' | 'wait';

export interface ExecutedCommand {
  readonly session: Session;
  /** Valid during the call only: copy what is kept. */
  readonly request: Request;
  readonly entry: CommandEntry;
  readonly durationUs: number;
  /** Unix time in ms when it began. */
  readonly nowMs: number;
  readonly origin: CommandOrigin;
  /** False: it waits, and is told of again if it is served. */
  readonly isDone: boolean;
}

export interface CommandObserver {
  /** Before a command runs, when `observesBegins` is set. */
  begins(command: Omit<ExecutedCommand, 'durationUs' | 'isDone'>): void;
  /** After the command; one that waits is told of when it begins to, and again with `wait` when it is served. */
  executed(command: ExecutedCommand): void;
}
