/**
 * Glob patterns as Redis has them: `*`, `?`, `[a-c]`, `[^x]`, `\` before a byte that is to be taken literally. Compiled
 * once, matched without backtracking further than the last star, so that no pattern takes exponential time.
 */
import type { Span } from './bytes.ts';

const star = -1;
const anyByte = -2;

const ascii = { star: 42, question: 63, open: 91, close: 93, caret: 94, dash: 45, backslash: 92 } as const;

export class Glob {
  /** A byte, `star`, `anyByte`, or 256 + index of a class. */
  readonly #tokens: number[] = [];
  readonly #classes: Uint8Array[] = [];
  /** Bytes every match begins with. */
  readonly prefix: Buffer;
  /** Whether everything that begins with `prefix` matches. */
  readonly isPrefixOnly: boolean;

  constructor(pattern: Buffer) {
    for (let at = 0; at < pattern.length;) at = this.#compile(pattern, at);
    const literal = this.#tokens.findIndex((token) => token < 0 || token > 255);
    this.prefix = Buffer.from(this.#tokens.slice(0, literal < 0 ? this.#tokens.length : literal));
    this.isPrefixOnly = literal >= 0 && literal === this.#tokens.length - 1 && this.#tokens[literal] === star;
  }

  /** Whether all of `text` matches. */
  matches(text: Span): boolean {
    const tokens = this.#tokens;
    let at = text.start;
    let token = 0;
    let starToken = -1;
    let starAt = 0;
    while (at < text.end) {
      if (token < tokens.length && tokens[token] === star) {
        starToken = token++;
        starAt = at;
      } else if (token < tokens.length && this.#matchesByte(tokens[token] as number, text.buffer[at] as number)) {
        token++;
        at++;
      } else if (starToken >= 0) {
        token = starToken + 1;
        at = ++starAt;
      } else return false;
    }
    while (token < tokens.length && tokens[token] === star) token++;
    return token === tokens.length;
  }

  #matchesByte(token: number, byte: number): boolean {
    if (token === anyByte) return true;
    if (token < 256) return token === byte;
    return (this.#classes[token - 256] as Uint8Array)[byte] === 1;
  }

  /** Compiles what begins at `at`. @returns where the next token begins. */
  #compile(pattern: Buffer, at: number): number {
    const byte = pattern[at] as number;
    if (byte === ascii.star) {
      if (this.#tokens.at(-1) !== star) this.#tokens.push(star);
      return at + 1;
    }
    if (byte === ascii.question) {
      this.#tokens.push(anyByte);
      return at + 1;
    }
    if (byte === ascii.open) return this.#compileClass(pattern, at + 1);
    const isEscape = byte === ascii.backslash && at + 1 < pattern.length;
    this.#tokens.push(isEscape ? (pattern[at + 1] as number) : byte);
    return at + (isEscape ? 2 : 1);
  }

  /** A class without its closing bracket ends with the pattern, as in Redis. */
  #compileClass(pattern: Buffer, from: number): number {
    const members = new Uint8Array(256);
    const negated = pattern[from] === ascii.caret;
    let at = negated ? from + 1 : from;
    while (at < pattern.length && pattern[at] !== ascii.close) {
      if (pattern[at] === ascii.backslash && at + 1 < pattern.length) {
        members[pattern[at + 1] as number] = 1;
        at += 2;
      } else if (pattern[at + 1] === ascii.dash && at + 2 < pattern.length) {
        const a = pattern[at] as number;
        const b = pattern[at + 2] as number;
        members.fill(1, Math.min(a, b), Math.max(a, b) + 1);
        at += 3;
      } else members[pattern[at++] as number] = 1;
    }
    if (negated) for (let i = 0; i < 256; i++) members[i] = members[i] === 1 ? 0 : 1;
    this.#tokens.push(256 + this.#classes.length);
    this.#classes.push(members);
    return at + 1;
  }
}
