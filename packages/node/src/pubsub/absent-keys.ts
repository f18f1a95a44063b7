/**
 * Events of keys that were not there when a command began: `new` (class n) for those that it makes, `keymiss` (class m) for
 * those that it wanted to read. Nobody notes them where they happen, so the keys that a command names are looked up before
 * it runs, while one of the classes is asked for; both are left out of `A`, since they cost that.
 */
import { keysOf, type Call, type CommandDefinition } from '@holdfast/commands';
import type { Namespace, Span } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';

/** Groups whose keys are for routing: no value is looked up. */
const keylessGroups: readonly string[] = ['pubsub', 'scripting', 'cluster', 'transactions'];

export interface KeyLookup {
  exists(namespace: Namespace, key: Buffer, nowMs: number): boolean;
}

export class AbsentKeys {
  readonly #lookup: KeyLookup;
  /** Keys of the running command that it may make, one character per byte. */
  readonly #absent = new Set<string>();

  constructor(lookup: KeyLookup) {
    this.#lookup = lookup;
  }

  /** A command that writes is about to run. */
  writes(call: Call, definition: CommandDefinition, request: Request): void {
    this.#absent.clear();
    this.#each(call, definition, request, (key) => void this.#absent.add(key.toString('latin1')));
  }

  /** A command that reads is about to run: `missed` is told each of its keys that is not there. */
  reads(call: Call, definition: CommandDefinition, request: Request, missed: (key: Buffer) => void): void {
    this.#absent.clear();
    this.#each(call, definition, request, missed);
  }

  /** Something was done to `key`. @returns whether it is the first that is said of a key which was not there. */
  isNew({ buffer, start, end }: Span): boolean {
    return this.#absent.size > 0 && this.#absent.delete(buffer.latin1Slice(start, end));
  }

  #each(call: Call, definition: CommandDefinition, request: Request, tell: (key: Buffer) => void): void {
    if (keylessGroups.includes(definition.group)) return;
    for (const index of keysOf(definition, request)) {
      const key = request.bytes(index);
      if (!this.#lookup.exists(call.namespace, key, call.nowMs)) tell(key);
    }
  }
}
