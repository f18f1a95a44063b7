/** What the model knows of one type. */
import type { Choice } from './generator.ts';
import type { Models, Value } from './keyspace.ts';

export interface Family {
  readonly kind: string;
  readonly models: Models;
  readonly choices: readonly Choice[];
  /** Commands that show all of a key of this type. */
  readonly probes?: Readonly<Record<string, (key: string, value: Value) => string[][]>>;
}
