/**
 * Tells who listens that keys were written: WATCH, and clients that wait. Which keys a command wrote is taken from the
 * records it put into the tick, so nothing is to be done by the command itself, and one that changed nothing (SREM of a
 * member that is not there) has written nothing; while nobody listens it costs two comparisons.
 */
import type { CommandDefinition } from '@holdfast/commands';
import type { KeyVisitor, Namespace } from '@holdfast/engine';

/** Keys are the namespace's prefix and the user key, one character per byte. */
export interface KeyListener {
  readonly empty: boolean;
  touch(key: string): void;
  /** Every key that begins with `prefix` was deleted. */
  deletedAll(prefix: string): void;
  /** Anything may have been written. */
  replacedAll(): void;
}

/** What knows the keys of the command that has just run. */
export interface WrittenRecords {
  visitWrittenKeys(visitor: KeyVisitor): void;
}

export class WrittenKeys implements KeyVisitor {
  readonly #listeners: readonly [KeyListener, KeyListener];

  constructor(watched: KeyListener, waiting: KeyListener) {
    this.#listeners = [watched, waiting];
  }

  /** Somebody wants to know. */
  get wanted(): boolean {
    return !this.#listeners[0].empty || !this.#listeners[1].empty;
  }

  /** A command that may write has run, in `namespace`. */
  note({ name, group }: CommandDefinition, namespace: Namespace, records: WrittenRecords): void {
    // The commands of a script are noted one by one.
    if (group === 'scripting') return;
    if (name === 'flushdb') this.#deletedAll(prefixOf(namespace));
    else if (name === 'flushall') this.#deletedAll('');
    else records.visitWrittenKeys(this);
  }

  /** Everything may have been written. */
  noteAll(): void {
    for (const listener of this.#listeners) listener.replacedAll();
  }

  #deletedAll(prefix: string): void {
    for (const listener of this.#listeners) listener.deletedAll(prefix);
  }

  /** A range of keys is gone, by no command that says which. */
  deletedRange(): void {
    this.noteAll();
  }

  /** One key was written. */
  wrote(key: string): void {
    for (const listener of this.#listeners) listener.touch(key);
  }
}

/** A namespace as the beginning of a key of a listener. */
export function prefixOf({ prefix }: Namespace): string {
  return Buffer.from(prefix.buffer, prefix.byteOffset, prefix.length).toString('latin1');
}
