/**
 * Libraries of functions: the database has their texts, Lua has what they registered. They are loaded when somebody first
 * asks for one, and compared with the database whenever it may have changed.
 */
import type { Logger } from '@holdfast/base';
import {
  flagsOfWords,
  parseLibraryHead,
  type FunctionFacts,
  type LibraryFacts,
  type ScriptFlags,
} from '@holdfast/commands';
import type { Freshness } from './freshness.ts';
import type { PropagateRecords } from './propagate-records.ts';
import type { ScriptRunner } from './script-runner.ts';

const nameBytesMax = 256;

interface Library extends LibraryFacts {
  /** Its functions' names in Lua begin with it. */
  readonly prefix: string;
}

export interface LibraryFunctionEntry {
  readonly id: string;
  readonly name: string;
  readonly flags: ScriptFlags;
}

export interface LibrariesEnvironment {
  readonly runner: ScriptRunner;
  readonly records: PropagateRecords;
  readonly freshness: Freshness;
  readonly logger: Logger;
}

export class Libraries {
  readonly #env: LibrariesEnvironment;
  #libraries = new Map<string, Library>();
  /** By name in lower case: functions' names ignore case, as in Redis. */
  #functions = new Map<string, LibraryFunctionEntry>();
  #generation = 0;
  #loads = 0;

  constructor(env: LibrariesEnvironment) {
    this.#env = env;
  }

  /** Of those that were loaded; reads nothing. */
  get counts(): { readonly libraries: number; readonly functions: number } {
    return { libraries: this.#libraries.size, functions: this.#functions.size };
  }

  /** In order of names. */
  all(): readonly LibraryFacts[] {
    this.#refresh();
    return [...this.#libraries.values()].sort(byName);
  }

  find(name: string): LibraryFunctionEntry | undefined {
    this.#refresh();
    return this.#functions.get(name.toLowerCase());
  }

  /** Brings what is loaded in line with the database. */
  #refresh(): void {
    const { runner, records, freshness, logger } = this.#env;
    if (runner.generation === this.#generation && !freshness.isStale) return;
    if (runner.generation !== this.#generation) {
      this.#libraries.clear();
      this.#functions.clear();
      this.#generation = runner.generation;
    }
    const stored = records.libraries();
    for (const library of this.#libraries.values()) {
      const same = stored.some(({ name, code }) => name === library.name && code.equals(library.code));
      if (!same) this.#forget(library);
    }
    for (const { name, code } of stored) {
      if (this.#libraries.has(name)) continue;
      const loaded = this.#load(code);
      if (typeof loaded === 'string') logger.error('a stored library cannot be loaded', { name, error: loaded });
      else this.#add(loaded);
    }
    freshness.read();
  }

  #load(code: Buffer): Library | string {
    const head = parseLibraryHead(code);
    if (typeof head === 'string') return head;
    const prefix = `library ${++this.#loads} `;
    const functions = this.#env.runner.load(prefix, code, head.from);
    if (typeof functions === 'string') return functions;
    if (functions.length === 0) return 'ERR No functions registered';
    const long = functions.find(({ name }) => name.length > nameBytesMax);
    if (long !== undefined) return `ERR the name of a function has at most ${nameBytesMax} characters`;
    return { name: head.name, code, prefix, functions: [...functions].sort(byName) };
  }

  #add(library: Library): void {
    this.#libraries.set(library.name, library);
    for (const { name, flags } of library.functions) {
      this.#functions.set(name.toLowerCase(), { id: library.prefix + name, name, flags: flagsOfWords(flags) });
    }
  }

  #forget(library: Library): void {
    this.#libraries.delete(library.name);
    this.#unload(library);
    for (const { name } of library.functions) {
      if (this.#functions.get(name.toLowerCase())?.id === library.prefix + name) {
        this.#functions.delete(name.toLowerCase());
      }
    }
  }

  #unload({ prefix, functions }: Library): void {
    for (const { name } of functions) this.#env.runner.forget(prefix + name);
  }

  /**
   * Loads a library and keeps it.
   * @returns its name, or an error line; then nothing was changed.
   */
  load(code: Buffer, replace: boolean): { readonly name: string } | string {
    this.#refresh();
    const head = parseLibraryHead(code);
    if (typeof head === 'string') return head;
    const former = this.#libraries.get(head.name);
    if (former !== undefined && !replace) return alreadyExists(head.name);
    const library = this.#load(code);
    if (typeof library === 'string') return library;
    const taken = this.#takenBy(library, former);
    if (taken !== undefined) {
      this.#unload(library);
      return `ERR Function ${taken} already exists`;
    }
    this.#env.records.atomically(() => this.#keep(library, former));
    return { name: library.name };
  }

  /** A function of another library, or twice of this one, that has one of these names. */
  #takenBy(library: Library, former: Library | undefined): string | undefined {
    const own = new Set<string>();
    for (const { name } of library.functions) {
      const lower = name.toLowerCase();
      const holder = this.#functions.get(lower);
      const isFormer = holder !== undefined && former !== undefined && holder.id.startsWith(former.prefix);
      if (own.has(lower) || (holder !== undefined && !isFormer)) return name;
      own.add(lower);
    }
    return undefined;
  }

  #keep(library: Library, former: Library | undefined): void {
    const { records, freshness } = this.#env;
    if (former !== undefined) {
      this.#forget(former);
      records.deleteLibrary(former.name, namesOf(former.functions));
    }
    this.#add(library);
    records.putLibrary(library.name, library.code, namesOf(library.functions));
    freshness.changed();
  }

  /** @returns false when there is none of this name. */
  delete(name: string): boolean {
    this.#refresh();
    const library = this.#libraries.get(name);
    if (library === undefined) return false;
    this.#forget(library);
    this.#env.records.atomically(() => this.#env.records.deleteLibrary(name, namesOf(library.functions)));
    this.#env.freshness.changed();
    return true;
  }

  flush(): void {
    for (const library of [...this.#libraries.values()]) this.#forget(library);
    this.#env.records.deleteLibraries();
    this.#env.freshness.changed();
  }

  /**
   * Several libraries, all or none.
   * @returns an error line; then nothing was changed.
   */
  restore(codes: readonly Buffer[], policy: 'append' | 'flush' | 'replace'): string | undefined {
    this.#refresh();
    const loaded: Library[] = [];
    const refusal = this.#loadAll(codes, policy, loaded);
    if (refusal !== undefined) {
      for (const library of loaded) this.#unload(library);
      return refusal;
    }
    this.#env.records.atomically(() => {
      if (policy === 'flush') this.flush();
      for (const library of loaded) this.#keep(library, this.#libraries.get(library.name));
    });
    return undefined;
  }

  #loadAll(codes: readonly Buffer[], policy: string, loaded: Library[]): string | undefined {
    const taken = new Map<string, string>();
    const restored = new Set<string>();
    for (const code of codes) {
      const library = this.#load(code);
      if (typeof library === 'string') return library;
      loaded.push(library);
      if (restored.has(library.name) || (policy === 'append' && this.#libraries.has(library.name))) {
        return `ERR Library ${library.name} already exists`;
      }
      restored.add(library.name);
    }
    if (policy !== 'flush') {
      for (const { name, functions } of this.#libraries.values()) {
        if (!restored.has(name)) for (const one of functions) taken.set(one.name.toLowerCase(), one.name);
      }
    }
    for (const { functions } of loaded) {
      for (const { name } of functions) {
        if (taken.has(name.toLowerCase())) return `ERR Function ${name} already exists`;
        taken.set(name.toLowerCase(), name);
      }
    }
    return undefined;
  }
}

/** Kvrocks' words and Redis'. */
function alreadyExists(name: string): string {
  return `ERR library already exists: Library '${name}' already exists`;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function namesOf(functions: readonly FunctionFacts[]): string[] {
  return functions.map(({ name }) => name);
}
