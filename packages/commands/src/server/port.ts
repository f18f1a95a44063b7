/** What the server commands need of the node. */
import type { Namespace } from '@holdfast/engine';
import type { CommandTable } from '../table.ts';
import type { DebugPort } from './debug.ts';
import type { ObservationPort } from './observation.ts';
import type { SpacePort } from './space.ts';
import type { UpdatesPort } from './updates.ts';
import type { UpkeepPort } from './upkeep.ts';

/** The configuration as CONFIG sees it; the node's Config has this shape. */
export interface ConfigurationPort {
  /** Directives whose name matches one of the glob patterns. */
  show(patterns: readonly string[]): readonly { readonly name: string; readonly value: string }[];
  /**
   * Sets all of some directives or none.
   * @returns undefined when they were set, else the error line.
   */
  set(pairs: readonly (readonly [name: string, value: string])[]): string | undefined;
}

export interface ServerPort extends DebugPort {
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
  /** What the server is and which version, in a line. */
  readonly versionText: string;
  readonly observation: ObservationPort;
  readonly upkeep: UpkeepPort;
  readonly updates: UpdatesPort;
  readonly space: SpacePort;
  /** Every command of the node. */
  readonly commands: CommandTable;
}
