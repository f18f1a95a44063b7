/**
 * Random commands from a seed. Each type has keys of its own, which its commands mostly use; now and then they take
 * another's, so that types change and wrong ones are refused. Keys stand under three hash tags: a command of several keys
 * stays within one, so that it runs in a cluster too.
 */
import { randomBelow, seededRandom, type Random } from '@holdfast/base';

export class Generator {
  readonly random: Random;
  /** Names of types; the keys that exist are these under each tag. */
  readonly #kinds: readonly string[];
  readonly #apart: readonly string[];
  readonly #mixed: readonly string[];
  #tag = 'a';
  /** Within a script or a kill only commands whose replies and effects follow from what was sent. */
  exactOnly = false;

  /** @param apart kinds whose keys only their own commands use. */
  constructor(seed: number, kinds: readonly string[], apart: readonly string[] = []) {
    this.random = seededRandom(seed);
    this.#kinds = kinds;
    this.#apart = apart;
    this.#mixed = kinds.filter((kind) => !apart.includes(kind));
  }

  below(limit: number): number {
    return randomBelow(this.random, limit);
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  /** Chooses where the keys of the next command stand. */
  nextTag(): void {
    this.#tag = this.pick(['a', 'b', 'c']);
  }

  key(kind: string): string {
    const name = !this.#apart.includes(kind) && this.chance(20) ? this.pick(this.#mixed) : kind;
    return `{${this.#tag}}${name}${this.pick(['', '2'])}`;
  }

  anyKey(): string {
    return this.key(this.pick(this.#mixed));
  }

  get keys(): string[] {
    return ['a', 'b', 'c'].flatMap((tag) => this.#kinds.flatMap((kind) => [`{${tag}}${kind}`, `{${tag}}${kind}2`]));
  }

  some<T>(make: () => T, most = 4): T[] {
    return Array.from({ length: 1 + this.below(most) }, make);
  }

  maybe(...words: string[]): string[] {
    return this.chance(3) ? words : [];
  }

  int(low: number, high: number): string {
    return String(low + this.below(high - low + 1));
  }

  text(): string {
    if (this.chance(12)) return '';
    if (this.chance(30)) return 'long'.repeat(1 + this.below(800));
    return this.pick(['a', 'b', 'value', '\x00\xff\r\n', 'x y', '{}']);
  }

  member(): string {
    return this.pick(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'aa', 'ab', '\x00', '\xff', '1', '2', '']);
  }
}

export type Make = (g: Generator) => string[];
/** How often a command is to be made, and how. */
export type Choice = readonly [weight: number, make: Make];
