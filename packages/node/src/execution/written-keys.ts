/**
 * Tells who listens that keys were written: WATCH, and clients that wait. What a command writes is taken from its declared
 * keys, so nothing is to be done by the command itself; while nobody listens it costs two comparisons.
 */
import type { CommandDefinition } from '@holdfast/commands';
import type { Namespace } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';

/** Keys are the namespace's prefix and the user key, one character per byte. */
export interface KeyListener {
  readonly empty: boolean;
  touch(key: string): void;
  /** Every key that begins with `prefix` was deleted. */
  deletedAll(prefix: string): void;
  /** Anything may have been written. */
  replacedAll(): void;
}

export class WrittenKeys {
  readonly #listeners: readonly [KeyListener, KeyListener];

  constructor(watched: KeyListener, waiting: KeyListener) {
    this.#listeners = [watched, waiting];
  }

  /** Somebody wants to know. */
  get wanted(): boolean {
    return !this.#listeners[0].empty || !this.#listeners[1].empty;
  }

  /** A command that may write has run. */
  note(definition: CommandDefinition, request: Request, namespace: Namespace): void {
    // What a script declares it need not write: its own commands are noted.
    if (definition.group === 'scripting') return;
    const prefix = prefixOf(namespace);
    if (definition.keyIndexes !== undefined) {
      for (const index of definition.keyIndexes(request)) this.noteKey(prefix + request.latin1(index));
      return;
    }
    const { first, last, step } = definition.keys;
    if (first === 0) {
      if (definition.name === 'flushdb') this.#deletedAll(prefix);
      else if (definition.name === 'flushall') this.#deletedAll('');
      else this.noteAll();
      return;
    }
    const end = last < 0 ? request.count + last : last;
    for (let i = first; i <= end && i < request.count; i += step) this.noteKey(prefix + request.latin1(i));
  }

  /** Everything may have been written. */
  noteAll(): void {
    for (const listener of this.#listeners) listener.replacedAll();
  }

  #deletedAll(prefix: string): void {
    for (const listener of this.#listeners) listener.deletedAll(prefix);
  }

  /** One key was written. */
  noteKey(key: string): void {
    for (const listener of this.#listeners) listener.touch(key);
  }
}

/** A namespace as the beginning of a key of a listener. */
export function prefixOf({ prefix }: Namespace): string {
  return Buffer.from(prefix.buffer, prefix.byteOffset, prefix.length).toString('latin1');
}
