/** Reads paths and the filters in them. Nothing is evaluated here; depth and length are bounded. */
import { isUtf8 } from 'node:buffer';
import { JsonFailure, parseJson, spanOf, type JsonValue } from '@holdfast/engine';
import type { Comparison, Condition, Operand } from './filter.ts';
import type { Path, Selector, Step } from './path.ts';
import { compilePattern } from './pattern.ts';

const charactersMax = 65_536;
/** Parentheses and filters in one another. */
const depthMax = 32;

const comparisons: readonly Comparison[] = ['==', '!=', '<=', '>=', '=~', '<', '>'];
/** Characters that end a name written without quotes. */
const nameEnd = /[\s.[\](){}'",:*?@$&|=<>!~]/;

/** Reads a path. @returns a JsonFailure when it is none. */
export function parsePath(bytes: Buffer): Path | JsonFailure {
  if (bytes.length > charactersMax) return new JsonFailure(`a path may have ${charactersMax} bytes`);
  if (!isUtf8(bytes)) return new JsonFailure('invalid path: it is not UTF-8');
  const text = bytes.toString();
  const isLegacy = !/^\$($|[.[])/.test(text);
  if (!isLegacy) return new PathParser(text, 1).path(false);
  if (text === '.') return { text, isLegacy, steps: [] };
  const parser = new PathParser(text, 0);
  return parser.path(true);
}

class PathParser {
  readonly #text: string;
  #at: number;
  #depth = 0;
  #failure: JsonFailure | undefined;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  path(isLegacy: boolean): Path | JsonFailure {
    const steps: Step[] = [];
    // The older form may begin with a name.
    const first = this.#text[this.#at];
    if (isLegacy && first !== '.' && first !== '[') steps.push(this.#named(false));
    // `.["a"]`
    else if (isLegacy && this.#text.startsWith('.[')) this.#at++;
    steps.push(...this.#steps());
    if (this.#failure === undefined && this.#at < this.#text.length) this.#fail('something stands behind it');
    return this.#failure ?? { text: this.#text, isLegacy, steps };
  }

  /** Steps up to where none follows. */
  #steps(): Step[] {
    const steps: Step[] = [];
    while (this.#failure === undefined) {
      if (this.#takes('..')) steps.push(this.#text[this.#at] === '[' ? this.#bracketed(true) : this.#named(true));
      else if (this.#takes('.')) steps.push(this.#named(false));
      else if (this.#text[this.#at] === '[') steps.push(this.#bracketed(false));
      else break;
    }
    return steps;
  }

  #named(isDeep: boolean): Step {
    if (this.#takes('*')) return { isDeep, selectors: [{ kind: 'all' }] };
    const from = this.#at;
    while (this.#at < this.#text.length && !nameEnd.test(this.#text[this.#at] as string)) this.#at++;
    if (this.#at === from) this.#fail('a name is missing');
    return { isDeep, selectors: [{ kind: 'name', name: this.#text.slice(from, this.#at) }] };
  }

  #bracketed(isDeep: boolean): Step {
    this.#at++;
    const selectors: Selector[] = [];
    do {
      this.#skipBlanks();
      selectors.push(this.#selector());
      this.#skipBlanks();
    } while (this.#failure === undefined && this.#takes(','));
    if (!this.#takes(']')) this.#fail("']' is missing");
    return { isDeep, selectors };
  }

  #selector(): Selector {
    const next = this.#text[this.#at];
    if (next === '*') {
      this.#at++;
      return { kind: 'all' };
    }
    if (next === '"' || next === "'") return { kind: 'name', name: this.#quoted(next) };
    if (next === '?') return this.#filter();
    const start = this.#integer();
    this.#skipBlanks();
    if (this.#text[this.#at] !== ':') {
      if (start === undefined) this.#fail('an index, a name in quotes, * or ?() is expected');
      return { kind: 'index', index: start ?? 0 };
    }
    return this.#slice(start);
  }

  #slice(start: number | undefined): Selector {
    this.#at++;
    this.#skipBlanks();
    const end = this.#integer();
    this.#skipBlanks();
    let step: number | undefined;
    if (this.#takes(':')) {
      this.#skipBlanks();
      step = this.#integer();
      if (step === 0) this.#fail('a step of 0 leads nowhere');
    }
    return {
      kind: 'slice',
      ...(start === undefined ? {} : { start }),
      ...(end === undefined ? {} : { end }),
      step: step ?? 1,
    };
  }

  #integer(): number | undefined {
    const match = /^-?[0-9]{1,15}/.exec(this.#text.slice(this.#at, this.#at + 16));
    if (match === null) return undefined;
    this.#at += match[0].length;
    return Number(match[0]) + 0;
  }

  /** A text in quotes of either kind; escapes as in JSON, and of the quote itself. */
  #quoted(quote: string): string {
    const from = ++this.#at;
    while (this.#at < this.#text.length && this.#text[this.#at] !== quote)
      this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    if (this.#at >= this.#text.length) {
      this.#fail('a text in quotes does not end');
      return '';
    }
    const inside = this.#text.slice(from, this.#at++);
    if (!inside.includes('\\') && !inside.includes('"')) return inside;
    const json = inside.replace(/\\(.)|"/gs, (all, escaped: string | undefined) => {
      if (escaped === undefined) return '\\"';
      return escaped === "'" ? "'" : all;
    });
    const value = parseJson(spanOf(`"${json}"`), 1);
    if (typeof value === 'string') return value;
    this.#fail('an escape is malformed');
    return '';
  }

  #filter(): Selector {
    this.#at++;
    this.#skipBlanks();
    return { kind: 'filter', condition: this.#nested(() => this.#any()) };
  }

  /** Keeps count of the depth of what may hold itself. */
  #nested(read: () => Condition): Condition {
    if (++this.#depth > depthMax) this.#fail(`a filter may nest ${depthMax} levels`);
    const condition = this.#failure === undefined ? read() : nothing;
    this.#depth--;
    return condition;
  }

  #any(): Condition {
    return this.#joined('||', 'any', () => this.#joined('&&', 'all', () => this.#term()));
  }

  #joined(sign: string, kind: 'any' | 'all', read: () => Condition): Condition {
    const of = [read()];
    for (this.#skipBlanks(); this.#failure === undefined && this.#takes(sign); this.#skipBlanks()) of.push(read());
    return of.length === 1 ? (of[0] as Condition) : { kind, of };
  }

  #term(): Condition {
    this.#skipBlanks();
    if (this.#text[this.#at] === '!' && this.#text[this.#at + 1] !== '=') {
      this.#at++;
      return { kind: 'not', of: this.#nested(() => this.#term()) };
    }
    if (this.#takes('(')) {
      const condition = this.#nested(() => this.#any());
      this.#skipBlanks();
      if (!this.#takes(')')) this.#fail("')' is missing");
      return condition;
    }
    return this.#comparison();
  }

  #comparison(): Condition {
    const left = this.#operand();
    this.#skipBlanks();
    const comparison = comparisons.find((sign) => this.#takes(sign));
    if (comparison === undefined) return { kind: 'exists', operand: left };
    this.#skipBlanks();
    const right = comparison === '=~' ? this.#pattern() : this.#operand();
    return { kind: 'compare', comparison, left, right };
  }

  #pattern(): Operand {
    if (this.#text[this.#at] === '@' || this.#text[this.#at] === '$') return this.#operand();
    const quote = this.#text[this.#at];
    let text = '';
    if (quote === '/') text = this.#betweenSlashes();
    else if (quote === '"' || quote === "'") text = this.#quotedPattern(quote);
    else this.#fail('a pattern in quotes is expected behind =~');
    const pattern = compilePattern(text);
    if (typeof pattern !== 'string') return { kind: 'pattern', pattern };
    this.#fail(pattern);
    return { kind: 'literal', value: null };
  }

  /** A pattern in quotes keeps its backslashes but in front of the quote and of themselves. */
  #quotedPattern(quote: string): string {
    const from = ++this.#at;
    while (this.#at < this.#text.length && this.#text[this.#at] !== quote)
      this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    if (this.#at >= this.#text.length) this.#fail('a pattern does not end');
    return this.#text.slice(from, this.#at++).replace(/\\(["'\\])/g, '$1');
  }

  /** `/…/` and `/…/i`. */
  #betweenSlashes(): string {
    const from = ++this.#at;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '/')
      this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    if (this.#at >= this.#text.length) this.#fail('a pattern does not end');
    const text = this.#text.slice(from, this.#at++);
    return this.#takes('i') ? `(?i)${text}` : text;
  }

  #operand(): Operand {
    const next = this.#text[this.#at];
    if (next === '@' || next === '$') {
      this.#at++;
      if (++this.#depth > depthMax) this.#fail(`a filter may nest ${depthMax} levels`);
      const steps = this.#steps();
      this.#depth--;
      return { kind: 'path', isFromRoot: next === '$', steps };
    }
    if (next === '"' || next === "'") return { kind: 'literal', value: this.#quoted(next) };
    const match = /^(-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null)/.exec(
      this.#text.slice(this.#at, this.#at + 400),
    );
    const value = match === null ? undefined : literal(match[0]);
    if (match === null || value === undefined) {
      this.#fail('@, $, a text in quotes, a number, true, false or null is expected');
      return { kind: 'literal', value: null };
    }
    this.#at += match[0].length;
    return { kind: 'literal', value };
  }

  #takes(sign: string): boolean {
    if (!this.#text.startsWith(sign, this.#at)) return false;
    this.#at += sign.length;
    return true;
  }

  #skipBlanks(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #fail(reason: string): void {
    this.#failure ??= new JsonFailure(`invalid path at character ${this.#at + 1}: ${reason}`);
  }
}

const nothing: Condition = { kind: 'any', of: [] };

function literal(text: string): JsonValue | undefined {
  const value = parseJson(spanOf(text), 1);
  return value instanceof JsonFailure ? undefined : value;
}
