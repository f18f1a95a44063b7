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
import { formatValue, parseValue } from './value.ts';

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
          shown.push({ name: one, value: this.text(name) });
    }
    return shown;
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
   * CONFIG SET of one directive, by a name as it was written.
   * @returns undefined when it was set, else the reason as Kvrocks words it: `Unsupported CONFIG parameter: k`,
   *   `invalid value: …`, `failed to set new value: …`.
   */
  set(written: string, text: string): string | undefined {
    const name = findDirective(written);
    if (name === undefined || directiveOf(name).when === 'start') return `Unsupported CONFIG parameter: ${written}`;
    const parsed = parseValue(directiveOf(name), text);
    if ('problem' in parsed) return `invalid value: ${parsed.problem}`;
    const before = this.#value(name);
    this.#values.set(name, parsed.value);
    const refusal = this.#namespaceProblem() ?? this.#tell(name, parsed.value, before);
    if (refusal === undefined) return undefined;
    this.#values.set(name, before);
    return `failed to set new value: ${refusal}`;
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
