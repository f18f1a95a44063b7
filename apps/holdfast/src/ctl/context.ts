import type { ControllerClient } from '../controller-client.ts';

/** What a subcommand of `ctl` works with. */
export interface CtlContext {
  readonly client: ControllerClient;
  readonly output: 'table' | 'json';
  /** One line, or one block, of data. */
  write(text: string): void;
  /** For people, beside the data. */
  note(text: string): void;
}

/**
 * Version of the JSON output. Fields may be added within a version; a field that goes or changes its meaning raises it.
 */
export const jsonVersion = 1;

/** JSON output of one answer. */
export function jsonText(command: string, data: object): string {
  return JSON.stringify({ version: jsonVersion, command, ...data }, null, 2);
}
