/**
 * Scripts and libraries in the database, as Kvrocks keeps them (docs/formats/keys.md: propagate family): they go to replicas
 * like any record, and are found again after a restart or a change of the master.
 */
import { family, Scratch, type Engine } from '@holdfast/engine';
import { encodeCommand } from '@holdfast/resp';

const scriptPrefix = 'lua_f_';
const functionPrefix = 'lua_func_lib_';
const libraryPrefix = 'lua_lib_code_';

/** Behind every key with this prefix. */
function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end[end.length - 1] as number) + 1;
  return end;
}

export class PropagateRecords {
  readonly #engine: Engine;
  readonly #key = new Scratch();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  script(sha: string): Buffer | undefined {
    return this.#engine.getPropagate(Buffer.from(scriptPrefix + sha, 'latin1'));
  }

  putScript(sha: string, body: Buffer): void {
    this.#engine.putPropagate(Buffer.from(scriptPrefix + sha, 'latin1'), body);
  }

  /** Forgets every script. The record behind the range makes stock replicas forget what they have compiled. */
  deleteScripts(): void {
    this.#engine.tick.deleteRange(family.propagate, Buffer.from(scriptPrefix), endOf(scriptPrefix));
    this.#engine.putPropagate(Buffer.from('script'), encodeCommand(['script', 'flush']));
  }

  /** Every library's name and text, in order of names. */
  libraries(): { name: string; code: Buffer }[] {
    const found: { name: string; code: Buffer }[] = [];
    const iterator = this.#engine.iterate(family.propagate, {
      gte: Buffer.from(libraryPrefix),
      lt: endOf(libraryPrefix),
    });
    try {
      while (iterator.next()) {
        const name = iterator.key.copy().toString('latin1', libraryPrefix.length);
        found.push({ name, code: iterator.value.copy() });
      }
    } finally {
      iterator.close();
    }
    return found;
  }

  /** Several records as one of the log. */
  atomically(run: () => void): void {
    const { tick } = this.#engine;
    if (tick.isAtomic) {
      run();
      return;
    }
    tick.beginAtomic();
    try {
      run();
    } catch (error) {
      tick.rollbackAtomic();
      throw error;
    }
    tick.endAtomic();
  }

  putLibrary(name: string, code: Buffer, functions: readonly string[]): void {
    for (const one of functions) {
      this.#engine.putPropagate(Buffer.from(functionPrefix + one, 'latin1'), Buffer.from(name, 'latin1'));
    }
    this.#engine.putPropagate(Buffer.from(libraryPrefix + name, 'latin1'), code);
  }

  deleteLibrary(name: string, functions: readonly string[]): void {
    for (const one of functions) this.#delete(functionPrefix + one);
    this.#delete(libraryPrefix + name);
  }

  deleteLibraries(): void {
    for (const prefix of [functionPrefix, libraryPrefix]) {
      this.#engine.tick.deleteRange(family.propagate, Buffer.from(prefix), endOf(prefix));
    }
  }

  #delete(key: string): void {
    this.#key.reset();
    this.#key.bytes(Buffer.from(key, 'latin1'));
    this.#engine.tick.delete(family.propagate, this.#key);
  }
}
