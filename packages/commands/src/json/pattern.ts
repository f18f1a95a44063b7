/**
 * Regular expressions of `=~` in filters. JavaScript's own may take exponential time on a pattern a client made up, and
 * one such pattern would stop the whole node; so a pattern becomes a small machine whose states are followed all at
 * once (Thompson's construction), which takes time proportional to text times pattern. The syntax is what RedisJSON's
 * engine and others share: literals, `.`, classes, `\d \w \s`, groups, `|`, `* + ? {m,n}` with their lazy forms, `^ $ \b`,
 * and `(?i)` in front. Back references and look-around are refused. A match may lie anywhere in the text.
 */

/** States of one machine, repetitions spelled out. */
const sizeMax = 2000;
const charactersMax = 1024;
const groupsMax = 50;
const repeatsMax = 1000;

/** Code points, as rising pairs of first and last. */
interface CharacterSet {
  readonly ranges: readonly number[];
  readonly isNegated: boolean;
}

type Place = 'start' | 'end' | 'word-edge' | 'no-word-edge';

type Piece =
  | { readonly kind: 'one'; readonly set: CharacterSet }
  | { readonly kind: 'place'; readonly place: Place }
  | { readonly kind: 'sequence' | 'either'; readonly of: readonly Piece[] }
  | { readonly kind: 'repeat'; readonly of: Piece; readonly min: number; readonly max: number };

type State =
  | { readonly kind: 'one'; readonly set: CharacterSet }
  | { readonly kind: 'place'; readonly place: Place }
  | { readonly kind: 'fork'; first: number; second: number }
  | { readonly kind: 'end' };

const digit = [48, 57];
const wordCharacter = [48, 57, 65, 90, 95, 95, 97, 122];
const blank = [9, 13, 32, 32, 0xa0, 0xa0, 0x2028, 0x2029];
const shorthands: Readonly<Record<string, readonly number[]>> = { d: digit, w: wordCharacter, s: blank };
const controls: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11 };

function contains({ ranges, isNegated }: CharacterSet, point: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    if (point >= (ranges[i] as number) && point <= (ranges[i + 1] as number)) return !isNegated;
  }
  return isNegated;
}

/** Makes a pattern. @returns why not, when the text is none. */
export function compilePattern(text: string): Pattern | string {
  if (text.length > charactersMax) return `a pattern may have ${charactersMax} characters`;
  const parser = new PatternParser(text);
  const piece = parser.parse();
  if (typeof piece === 'string') return piece;
  const states: State[] = [];
  if (!emit(piece, states)) return `a pattern may not repeat beyond ${sizeMax} states`;
  states.push({ kind: 'end' });
  return new Pattern(states, parser.ignoresCase);
}

/** What reading a text costs at most, in the measure of `size`. */
export function patternCost(text: string): number {
  return text.length > charactersMax ? 1 : text.length + sizeMax / 4;
}

class PatternParser {
  ignoresCase = false;
  readonly #points: readonly string[];
  #at = 0;
  #groups = 0;
  #failure: string | undefined;

  constructor(text: string) {
    this.ignoresCase = text.startsWith('(?i)');
    this.#points = [...(this.ignoresCase ? text.slice(4) : text)];
  }

  parse(): Piece | string {
    const piece = this.#either();
    if (this.#failure === undefined && this.#at < this.#points.length) this.#fail("')' without '('");
    return this.#failure ?? piece;
  }

  #either(): Piece {
    const of = [this.#sequence()];
    while (this.#take('|')) of.push(this.#sequence());
    return of.length === 1 ? (of[0] as Piece) : { kind: 'either', of };
  }

  #sequence(): Piece {
    const of: Piece[] = [];
    for (;;) {
      const next = this.#points[this.#at];
      if (next === undefined || next === '|' || next === ')' || this.#failure !== undefined) break;
      of.push(this.#repeated(this.#one()));
    }
    return { kind: 'sequence', of };
  }

  #repeated(piece: Piece): Piece {
    let repeated = piece;
    for (let count = 0; ; count++) {
      const bounds = this.#bounds();
      if (bounds === undefined) return repeated;
      if (count === 3) break;
      // A lazy quantifier changes what is matched, not whether.
      this.#take('?');
      repeated = { kind: 'repeat', of: repeated, ...bounds };
    }
    this.#fail('a quantifier follows quantifiers');
    return repeated;
  }

  #bounds(): { min: number; max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity };
    if (this.#take('+')) return { min: 1, max: Infinity };
    if (this.#take('?')) return { min: 0, max: 1 };
    if (this.#points[this.#at] !== '{') return undefined;
    const close = this.#points.indexOf('}', this.#at);
    const inside = close < 0 ? '' : this.#points.slice(this.#at + 1, close).join('');
    const match = /^(\d{1,4})(,(\d{0,4}))?$/.exec(inside);
    if (match === null) {
      this.#fail('a repetition is malformed');
      return undefined;
    }
    this.#at = close + 1;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3]);
    if (min > max || min > repeatsMax || (max > repeatsMax && max !== Infinity))
      this.#fail('a repetition is too large');
    return { min, max };
  }

  #one(): Piece {
    const next = this.#points[this.#at++] as string;
    switch (next) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'one', set: this.#class() };
      case '.':
        return { kind: 'one', set: { ranges: [10, 10], isNegated: true } };
      case '^':
        return { kind: 'place', place: 'start' };
      case '$':
        return { kind: 'place', place: 'end' };
      case '\\':
        return this.#escaped();
      case '*':
      case '+':
      case '?':
      case '{':
        this.#fail('a quantifier stands behind nothing');
        break;
      default:
    }
    return literal(next);
  }

  #group(): Piece {
    if (this.#take('?') && !this.#take(':')) this.#fail('of groups with ?, only (?:…) is known');
    if (++this.#groups > groupsMax) this.#fail(`a pattern may have ${groupsMax} groups`);
    if (this.#failure !== undefined) return literal('');
    const piece = this.#either();
    if (!this.#take(')')) this.#fail("'(' without ')'");
    return piece;
  }

  #escaped(): Piece {
    const next = this.#points[this.#at++];
    if (next === 'b') return { kind: 'place', place: 'word-edge' };
    if (next === 'B') return { kind: 'place', place: 'no-word-edge' };
    const ranges = this.#escapedRanges(next);
    const isNegated = next !== undefined && /[DWS]/.test(next);
    return { kind: 'one', set: { ranges, isNegated } };
  }

  /** What `\` and a character stand for; of the negated shorthands, what they leave out. */
  #escapedRanges(next: string | undefined): readonly number[] {
    if (next === undefined) this.#fail('it ends with a backslash');
    const name = next ?? '';
    const shorthand = shorthands[name.toLowerCase()];
    if (shorthand !== undefined) return shorthand;
    const control = controls[name];
    if (control === undefined && /[0-9A-Za-z]/.test(name)) this.#fail(`\\${name} is not known`);
    const point = control ?? name.codePointAt(0) ?? 0;
    return [point, point];
  }

  #class(): CharacterSet {
    const isNegated = this.#take('^');
    const ranges: number[] = [];
    for (let isFirst = true; ; isFirst = false) {
      const next = this.#points[this.#at++];
      if (next === undefined) {
        this.#fail("'[' without ']'");
        break;
      }
      if (next === ']' && !isFirst) break;
      ranges.push(...this.#classItem(next));
      if (this.#failure !== undefined) break;
    }
    return { ranges, isNegated };
  }

  #classItem(next: string): readonly number[] {
    const first = next === '\\' ? this.#classEscape() : [point(next), point(next)];
    const isRange = this.#points[this.#at] === '-' && this.#points[this.#at + 1] !== ']';
    if (!isRange) return first;
    this.#at++;
    const end = this.#points[this.#at++] ?? '';
    const last = end === '\\' ? this.#classEscape() : [point(end), point(end)];
    const from = first[0] as number;
    const to = last[1] as number;
    // A shorthand such as \d is no end of a range.
    if (from !== first[1] || to !== last[0] || from > to) this.#fail('a range in a class is malformed');
    return [from, to];
  }

  #classEscape(): readonly number[] {
    const next = this.#points[this.#at++];
    if (next !== undefined && /[DWS]/.test(next)) this.#fail(`\\${next} is not known in a class`);
    return this.#escapedRanges(next);
  }

  #take(character: string): boolean {
    if (this.#points[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #fail(reason: string): void {
    this.#failure ??= `the pattern is malformed: ${reason}`;
  }
}

function point(character: string): number {
  return character.codePointAt(0) ?? 0;
}

function literal(character: string): Piece {
  return { kind: 'one', set: { ranges: [point(character), point(character)], isNegated: false } };
}

/** Appends the states of a piece. @returns false when they would be too many. */
function emit(piece: Piece, states: State[]): boolean {
  if (states.length > sizeMax) return false;
  switch (piece.kind) {
    case 'one':
    case 'place':
      states.push(piece);
      return true;
    case 'sequence':
      return piece.of.every((each) => emit(each, states));
    case 'either':
      return emitEither(piece.of, states);
    case 'repeat':
      return emitRepeat(piece.of, piece.min, piece.max, states);
    default:
      return piece satisfies never;
  }
}

function fork(states: State[]): Extract<State, { kind: 'fork' }> {
  const state: State = { kind: 'fork', first: states.length + 1, second: states.length + 1 };
  states.push(state);
  return state;
}

function emitEither(of: readonly Piece[], states: State[]): boolean {
  const ends: Extract<State, { kind: 'fork' }>[] = [];
  for (const [index, each] of of.entries()) {
    const isLast = index === of.length - 1;
    const choice = isLast ? undefined : fork(states);
    if (!emit(each, states)) return false;
    if (!isLast) ends.push(fork(states));
    if (choice !== undefined) choice.second = states.length;
  }
  for (const end of ends) end.first = end.second = states.length;
  return true;
}

function emitRepeat(piece: Piece, min: number, max: number, states: State[]): boolean {
  const before = states.length;
  for (let i = 0; i < min; i++) {
    if (!emit(piece, states)) return false;
    // Nothing, however often: `(){1000}`, and that in another.
    if (states.length === before) break;
  }
  if (max === Infinity) {
    const start = states.length;
    const choice = fork(states);
    if (!emit(piece, states)) return false;
    const back = fork(states);
    back.first = back.second = start;
    choice.second = states.length;
    return true;
  }
  const choices: Extract<State, { kind: 'fork' }>[] = [];
  for (let i = min; i < max; i++) {
    choices.push(fork(states));
    if (!emit(piece, states)) return false;
  }
  for (const choice of choices) choice.second = states.length;
  return true;
}

export class Pattern {
  readonly #states: readonly State[];
  readonly #ignoresCase: boolean;
  #size = 0;

  constructor(states: readonly State[], ignoresCase: boolean) {
    this.#states = states;
    this.#ignoresCase = ignoresCase;
    const looks = ignoresCase ? 3 : 1;
    for (const state of states) this.#size += 1 + (state.kind === 'one' ? looks * (state.set.ranges.length >> 1) : 0);
  }

  /** Ranges of characters in all states: a match costs at most the length of the text times this. */
  get size(): number {
    return this.#size;
  }

  /** Whether the pattern matches somewhere in the text. */
  isFoundIn(text: string): boolean {
    const points = Array.from(text, (character) => point(character));
    const marks = new Int32Array(this.#states.length).fill(-1);
    let current: number[] = [];
    for (let at = 0; at <= points.length; at++) {
      // A match may begin at every place.
      const reached: number[] = [];
      for (const state of current) this.#follow(state, at, { points, marks, reached });
      this.#follow(0, at, { points, marks, reached });
      if (reached.includes(this.#states.length - 1)) return true;
      current = at === points.length ? [] : this.#step(reached, points[at] as number);
    }
    return false;
  }

  /** States behind those that take a character. */
  #step(reached: readonly number[], character: number): number[] {
    const next: number[] = [];
    for (const index of reached) {
      const state = this.#states[index] as State;
      if (state.kind === 'one' && this.#takes(state.set, character)) next.push(index + 1);
    }
    return next;
  }

  #takes(set: CharacterSet, character: number): boolean {
    if (!this.#ignoresCase) return contains(set, character);
    const text = String.fromCodePoint(character);
    const lower = point(text.toLowerCase());
    const upper = point(text.toUpperCase());
    if (set.isNegated) return contains(set, character) && contains(set, lower) && contains(set, upper);
    return contains(set, character) || contains(set, lower) || contains(set, upper);
  }

  /** Notes every state that can be reached from one without taking a character. */
  #follow(
    from: number,
    at: number,
    run: { readonly points: readonly number[]; readonly marks: Int32Array; readonly reached: number[] },
  ): void {
    const waiting = [from];
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      if (run.marks[index] === at) continue;
      run.marks[index] = at;
      const state = this.#states[index] as State;
      if (state.kind === 'fork') waiting.push(state.second, state.first);
      else if (state.kind !== 'place') run.reached.push(index);
      else if (isAt(state.place, run.points, at)) waiting.push(index + 1);
    }
  }
}

function isAt(place: Place, points: readonly number[], at: number): boolean {
  if (place === 'start') return at === 0;
  if (place === 'end') return at === points.length;
  const set: CharacterSet = { ranges: wordCharacter, isNegated: false };
  const before = at > 0 && contains(set, points[at - 1] as number);
  const behind = at < points.length && contains(set, points[at] as number);
  return (before !== behind) === (place === 'word-edge');
}
