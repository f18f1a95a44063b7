/**
 * The command table: every definition under its name, found from a request without making a string.
 *
 * Names are hashed over their bytes with ASCII letters folded to lower case, into open-addressed buckets; the name is
 * then compared byte by byte. The table is built once at start and only read afterwards.
 */
import type { Request } from '@holdfast/resp';
import type { CommandDefinition } from './command.ts';

/** FNV-1a over lower-cased bytes. */
function hashName(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    hash = Math.imul(hash ^ (byte >= 65 && byte <= 90 ? byte | 32 : byte), 0x01000193);
  }
  return hash >>> 0;
}

/** A name clients call, and what it means. */
interface Called {
  readonly name: string;
  readonly definition: CommandDefinition;
}

export class CommandTable implements Iterable<CommandDefinition> {
  /** By the name clients call. */
  readonly #byName = new Map<string, CommandDefinition>();
  readonly #declared: CommandDefinition[] = [];
  /** What was asked for last: pipelines repeat themselves. */
  #last: Called | undefined;
  #buckets: (Called | undefined)[] = new Array<Called | undefined>(64).fill(undefined);

  /**
   * Adds definitions.
   * @throws Error when a name is not lower case, or is taken.
   */
  add(definitions: readonly CommandDefinition[]): this {
    for (const definition of definitions) {
      const { name, flags } = definition;
      if (name !== name.toLowerCase() || name === '') throw new Error(`command name '${name}' is not lower case`);
      if (this.#byName.has(name)) throw new Error(`command '${name}' is defined twice`);
      if (flags.includes('write') && flags.includes('readonly')) throw new Error(`'${name}' both reads and writes`);
      this.#byName.set(name, definition);
      this.#declared.push(definition);
    }
    this.#rebuild();
    return this;
  }

  /**
   * Removes a command or lets it be called by another name (`rename-command`); an empty name disables it. The declaration
   * keeps its own name: messages, statistics and COMMAND tell of that.
   * @returns false when there is no such command.
   * @throws Error when the new name is taken.
   */
  rename(from: string, to: string): boolean {
    const called = from.toLowerCase();
    const definition = this.#byName.get(called);
    if (definition === undefined) return false;
    const name = to.toLowerCase();
    if (name !== called && this.#byName.has(name)) throw new Error(`command '${name}' is defined twice`);
    this.#byName.delete(called);
    if (name !== '') this.#byName.set(name, definition);
    this.#rebuild();
    return true;
  }

  /** Every declaration, those that were removed by `rename` included. */
  get declared(): readonly CommandDefinition[] {
    return this.#declared;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): CommandDefinition | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  [Symbol.iterator](): IterableIterator<CommandDefinition> {
    return this.#byName.values();
  }

  /** The command that a request calls. */
  lookup(request: Request): CommandDefinition | undefined {
    if (this.#last !== undefined && request.is(0, this.#last.name)) return this.#last.definition;
    const buckets = this.#buckets;
    const mask = buckets.length - 1;
    let at = hashName(request.buffer, request.start(0), request.end(0)) & mask;
    for (let found = buckets[at]; found !== undefined; found = buckets[at]) {
      if (request.is(0, found.name)) {
        this.#last = found;
        return found.definition;
      }
      at = (at + 1) & mask;
    }
    return undefined;
  }

  #rebuild(): void {
    let size = 64;
    while (size < this.#byName.size * 4) size *= 2;
    const buckets = new Array<Called | undefined>(size).fill(undefined);
    for (const [name, definition] of this.#byName) {
      const bytes = Buffer.from(name);
      let at = hashName(bytes, 0, bytes.length) & (size - 1);
      while (buckets[at] !== undefined) at = (at + 1) & (size - 1);
      buckets[at] = { name, definition };
    }
    this.#buckets = buckets;
    this.#last = undefined;
  }
}

/** Whether a request has a number of arguments that the definition allows. */
export function arityFits(definition: CommandDefinition, request: Request): boolean {
  return definition.arity >= 0 ? request.count === definition.arity : request.count >= -definition.arity;
}

/** Indexes of the key arguments of a request whose arity fits. */
export function keysOf(definition: CommandDefinition, request: Request): readonly number[] {
  if (definition.keyIndexes !== undefined) return definition.keyIndexes(request);
  const { first, last, step } = definition.keys;
  const indexes: number[] = [];
  if (first === 0) return indexes;
  const end = last < 0 ? request.count + last : last;
  for (let i = first; i <= end && i < request.count; i += step) indexes.push(i);
  return indexes;
}
