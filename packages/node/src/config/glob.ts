/**
 * Redis' glob patterns over ASCII words: `*`, `?`, `[a-z]`, `[^x]`, backslash. For CONFIG GET; case is ignored.
 * Linear in practice: only the last `*` is ever taken up again.
 */
export function globMatches(pattern: string, text: string): boolean {
  return new Glob(pattern.toLowerCase(), text.toLowerCase()).matches();
}

class Glob {
  readonly #pattern: string;
  readonly #text: string;

  constructor(pattern: string, text: string) {
    this.#pattern = pattern;
    this.#text = text;
  }

  matches(): boolean {
    let at = 0;
    let from = 0;
    let star = -1;
    let starAt = 0;
    while (at < this.#text.length) {
      if (this.#pattern[from] === '*') {
        star = from++;
        starAt = at;
        continue;
      }
      const next = from < this.#pattern.length ? this.#one(from, this.#text[at] ?? '') : -1;
      if (next >= 0) {
        from = next;
        at++;
      } else if (star >= 0) {
        from = star + 1;
        at = ++starAt;
      } else return false;
    }
    while (this.#pattern[from] === '*') from++;
    return from === this.#pattern.length;
  }

  /** Matches one character at `from` of the pattern. The position behind it, or -1. */
  #one(from: number, character: string): number {
    const symbol = this.#pattern[from];
    if (symbol === '?') return from + 1;
    if (symbol === '[') return this.#set(from, character);
    if (symbol === '\\' && from + 1 < this.#pattern.length)
      return this.#pattern[from + 1] === character ? from + 2 : -1;
    return symbol === character ? from + 1 : -1;
  }

  #set(from: number, character: string): number {
    const pattern = this.#pattern;
    const negated = pattern[from + 1] === '^';
    let at = negated ? from + 2 : from + 1;
    let found = false;
    while (at < pattern.length && pattern[at] !== ']') {
      if (pattern[at] === '\\' && at + 1 < pattern.length) at++;
      const first = pattern[at] ?? '';
      const isRange = pattern[at + 1] === '-' && at + 2 < pattern.length && pattern[at + 2] !== ']';
      const last = isRange ? (pattern[at + 2] ?? '') : first;
      found ||= between(first, character, last);
      at += isRange ? 3 : 1;
    }
    return found !== negated ? Math.min(at + 1, pattern.length) : -1;
  }
}

/** Whether `character` lies between two others, given in either order. */
function between(one: string, character: string, other: string): boolean {
  return one <= other ? one <= character && character <= other : other <= character && character <= one;
}
