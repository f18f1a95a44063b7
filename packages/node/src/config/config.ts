/**
 * The node's configuration: typed values for the code, text for CONFIG, listeners for what changes at run time.
 *
 * Values come from the settings (file and command line) over the defaults of the table. Only CONFIG SET, SLAVEOF and
 * NAMESPACE change them afterwards; a listener may refuse a change, and then nothing has changed.
 */
import { assert, messageOf } from '@holdfast/base';
import { Glob } from '@holdfast/engine';
import type { DirectiveValue } from './directive.ts';
import {
  directiveNames,
  directiveOf,
  findDirective,
  type ConfigValue,
  type DirectiveName,
  type Directives,
} from './directives.ts';
import { namespaceProblem, type Settings } from './parse-config.ts';
import { formatRename, formatValue, parseValue } from './value.ts';

/** Directives CONFIG SET may change. */
export type RunTimeName = {
  [Name in DirectiveName]: Directives[Name]['when'] extends 'run' ? Name : never;
}[DirectiveName];

/** Takes over a changed value, or returns (or throws) why it cannot. */
export type ChangeListener<Name extends DirectiveName> = (value: ConfigValue<Name>) => string | undefined | void;

/** What CONFIG GET answers for one directive. */
export interface ShownDirective {
  readonly name: string;
  readonly value: string;
}

interface Change {
  readonly name: DirectiveName;
  readonly written: string;
  readonly value: DirectiveValue;
  readonly before: DirectiveValue;
}

/** Length of a name that a refusal repeats. */
const shownNameMax = 128;

function shownName(written: string): string {
  return written.slice(0, shownNameMax);
}

function setRefusal(written: string, reason: string): string {
  return `ERR CONFIG SET failed (possibly related to argument '${shownName(written)}') - ${reason}`;
}

export class Config {
  readonly #values: Map<DirectiveName, DirectiveValue>;
  readonly #namespaces: Map<string, string>;
  readonly #listeners = new Map<DirectiveName, ChangeListener<never>[]>();

  /** @param settings without errors. */
  constructor(settings: Pick<Settings, 'values' | 'namespaces'> = { values: new Map(), namespaces: new Map() }) {
    this.#values = new Map(settings.values);
    this.#namespaces = new Map(settings.namespaces);
  }

  get<Name extends DirectiveName>(name: Name): ConfigValue<Name> {
    return this.#value(name) as ConfigValue<Name>;
  }

  /** Tokens by namespace. */
  get namespaces(): ReadonlyMap<string, string> {
    return this.#namespaces;
  }

  /** Adds, replaces (or, with undefined, removes) a namespace; the rules are the caller's. */
  setNamespace(name: string, token: string | undefined): void {
    if (token === undefined) this.#namespaces.delete(name);
    else this.#namespaces.set(name, token);
  }

  /** Calls `listener` after each change at run time. */
  onChange<Name extends RunTimeName>(name: Name, listener: ChangeListener<Name>): void {
    const listeners = this.#listeners.get(name) ?? [];
    this.#listeners.set(name, [...listeners, listener as ChangeListener<never>]);
  }

  /** Sets a value from inside the node (SLAVEOF), whenever it may be set; tells no listener. */
  put<Name extends DirectiveName>(name: Name, value: ConfigValue<Name>): void {
    this.#values.set(name, value as DirectiveValue);
  }

  /** CONFIG GET: directives whose name matches one of the glob patterns, in the order of the table. */
  show(patterns: readonly string[]): ShownDirective[] {
    const globs = patterns.map((pattern) => new Glob(Buffer.from(pattern.toLowerCase())));
    const shown: ShownDirective[] = [];
    for (const name of directiveNames) {
      const { alias } = directiveOf(name);
      for (const one of alias === undefined ? [name] : [name, alias])
        if (globs.some((glob) => glob.matches({ buffer: Buffer.from(one), start: 0, end: one.length })))
          for (const value of this.#texts(name)) shown.push({ name: one, value });
    }
    return shown;
  }

  /** One text, or as many as there are lines of it in a file. */
  #texts(name: DirectiveName): readonly string[] {
    if (name !== 'rename-command') return [this.text(name)];
    const renames = this.get(name);
    return renames.length === 0 ? [''] : renames.map(formatRename);
  }

  /** The text of one value. */
  text(name: DirectiveName): string {
    return formatValue(directiveOf(name), this.#value(name));
  }

  /** Whether a value is the one that holds when nothing is set. */
  isDefault(name: DirectiveName): boolean {
    return this.text(name) === formatValue(directiveOf(name), this.#default(name));
  }

  /**
   * CONFIG SET: all of some directives, by names as they were written, or none.
   * @returns undefined when they were set, else the error line, as Redis 7.2 words it.
   */
  set(pairs: readonly (readonly [written: string, text: string])[]): string | undefined {
    const changes = new Map<DirectiveName, Change>();
    for (const [written, text] of pairs) {
      const change = this.#change(written, text, changes);
      if (typeof change === 'string') return change;
      changes.set(change.name, change);
    }
    for (const { name, value } of changes.values()) this.#values.set(name, value);
    const refusal = this.#tellAll([...changes.values()]);
    if (refusal === undefined) return undefined;
    for (const { name, before } of changes.values()) this.#values.set(name, before);
    return refusal;
  }

  #change(written: string, text: string, changes: ReadonlyMap<DirectiveName, Change>): Change | string {
    const name = findDirective(written);
    if (name === undefined) return `ERR Unknown option or number of arguments for CONFIG SET - '${shownName(written)}'`;
    const directive = directiveOf(name);
    if (directive.when === 'start') return setRefusal(written, "can't set immutable config");
    if (changes.has(name)) return setRefusal(written, 'duplicate parameter');
    const parsed = parseValue(directive, text);
    if ('problem' in parsed)
      return setRefusal(written, `${directive.type === 'word' ? 'invalid enum option: ' : ''}${parsed.problem}`);
    return { name, written, value: parsed.value, before: this.#value(name) };
  }

  /** Tells the listeners of all changes; when one refuses, those before it get the old values back. */
  #tellAll(changes: readonly Change[]): string | undefined {
    const problem = this.#namespaceProblem();
    if (problem !== undefined) return setRefusal(changes[0]?.written ?? '', problem);
    for (const [index, { name, written, value, before }] of changes.entries()) {
      const refusal = this.#tell(name, value, before);
      if (refusal === undefined) continue;
      for (const told of changes.slice(0, index)) this.#tell(told.name, told.before, told.value);
      return setRefusal(written, refusal);
    }
    return undefined;
  }

  #namespaceProblem(): string | undefined {
    return namespaceProblem({
      namespaces: this.#namespaces.size,
      password: this.get('requirepass'),
      cluster: this.get('cluster-enabled'),
    });
  }

  /** Tells the listeners in order; when one refuses, those before it get the old value back. */
  #tell(name: DirectiveName, value: DirectiveValue, before: DirectiveValue): string | undefined {
    const listeners = (this.#listeners.get(name) ?? []) as unknown as ((value: DirectiveValue) => string | undefined)[];
    for (const [index, listener] of listeners.entries()) {
      const refusal = call(listener, value);
      if (refusal === undefined) continue;
      for (const told of listeners.slice(0, index)) {
        const again = call(told, before);
        assert(again === undefined, `listener of ${name} refuses the value it had: ${again ?? ''}`);
      }
      return refusal;
    }
    return undefined;
  }

  #value(name: DirectiveName): DirectiveValue {
    const set = this.#values.get(name);
    const directive = directiveOf(name);
    const unset =
      set === undefined || (set === '' && directive.type === 'text' && directive.defaultBelowDir !== undefined);
    return unset ? this.#default(name) : set;
  }

  #default(name: DirectiveName): DirectiveValue {
    const directive = directiveOf(name);
    if (directive.type !== 'text' || directive.defaultBelowDir === undefined) return directive.default;
    const dir = this.#value('dir') as string;
    return directive.defaultBelowDir === '' ? dir : `${dir.replace(/\/+$/, '')}/${directive.defaultBelowDir}`;
  }
}

function call(listener: (value: DirectiveValue) => string | undefined, value: DirectiveValue): string | undefined {
  try {
    return listener(value);
  } catch (error) {
    return messageOf(error);
  }
}
