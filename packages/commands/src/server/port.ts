/** What the server commands need of the node. */
import type { Namespace } from '@holdfast/engine';
import type { CommandTable } from '../table.ts';

/** The configuration as CONFIG sees it; the node's Config has this shape. */
export interface ConfigurationPort {
  /** Directives whose name matches one of the glob patterns. */
  show(patterns: readonly string[]): readonly { readonly name: string; readonly value: string }[];
  /** @returns undefined when it was set, else what to say after `CONFIG SET '<name>' error: `. */
  set(name: string, value: string): string | undefined;
}

export interface ServerPort {
  readonly configuration: ConfigurationPort;
  /** CONFIG REWRITE. Calls `answer` once with the error line of a refusal, or undefined; it may be later. */
  rewriteConfiguration(answer: (refusal: string | undefined) => void): void;
  /** CONFIG RESETSTAT. */
  resetStatistics(): void;
  /** The text of INFO: everything when `sections` is empty; unknown sections add nothing. Lower case. */
  info(sections: readonly string[]): string;
  /** Keys of a namespace, as last counted. */
  keyCount(namespace: Namespace): number;
  /** Begins to count the keys of a namespace in the background. */
  startKeyCount(namespace: Namespace): void;
  /** Deletes every key of a namespace, or of all when undefined, in the open tick. */
  flush(namespace: Namespace | undefined): void;
  /** Ends the process cleanly, soon. */
  shutDown(): void;
  /** Stops the event loop for so long. For tests of what a stalled node does. */
  stall(ms: number): void;
  /** Every command of the node. */
  readonly commands: CommandTable;
}
