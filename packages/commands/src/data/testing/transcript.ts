/**
 * Transcripts: rows of a command line and its reply, so that a test reads like a session. A reply is compared without
 * its line ends: `:1`, `+OK`, `$hello` (a bulk string with its bytes), `nil`, `[$a $b]`, `-ERR …`.
 */
import assert from 'node:assert/strict';
import type { CommandRunner } from './command-runner.ts';

/** A reply in the short form. */
export function short(reply: string): string {
  const { text, end } = shortFrom(reply, 0);
  assert.equal(end, reply.length, `more than one reply: ${JSON.stringify(reply)}`);
  return text;
}

function shortFrom(reply: string, at: number): { text: string; end: number } {
  const lineEnd = reply.indexOf('\r\n', at);
  const head = reply.slice(at + 1, lineEnd);
  const count = Number(head);
  const end = lineEnd + 2;
  switch (reply[at]) {
    case '$':
      if (count < 0) return { text: 'nil', end };
      return { text: `$${reply.slice(end, end + count)}`, end: end + count + 2 };
    case '_':
      return { text: 'nil', end };
    case '*':
      return count < 0 ? { text: 'nil-array', end } : many(reply, end, count, '[]');
    case '%':
      return many(reply, end, 2 * count, '{}');
    default:
      return { text: reply.slice(at, lineEnd), end };
  }
}

function many(reply: string, from: number, count: number, brackets: string): { text: string; end: number } {
  const texts: string[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    const { text, end } = shortFrom(reply, at);
    texts.push(text);
    at = end;
  }
  return { text: `${brackets[0]}${texts.join(' ')}${brackets[1]}`, end: at };
}

/** Runs rows in order. `''` as an argument stands for an empty string; a number row moves the clock by that many ms. */
export function transcript(runner: CommandRunner, rows: readonly (readonly [string, string] | number)[]): void {
  for (const row of rows) {
    if (typeof row === 'number') {
      runner.nowMs += row;
      continue;
    }
    const args = row[0].split(' ').map((word) => (word === "''" ? '' : word.replaceAll('_', ' ')));
    assert.equal(short(runner.run(...args)), row[1], row[0]);
  }
}
