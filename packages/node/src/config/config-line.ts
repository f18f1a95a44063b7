/**
 * One line of kvrocks.conf: `key value`, comments, quotes (src/config/config_util.cc of Kvrocks).
 *
 * The first blank ends the key. The value is the trimmed rest, or one quoted string with nothing but a comment behind
 * it; `#` begins a comment anywhere outside quotes.
 */

export type ConfigLine =
  | { readonly kind: 'blank' }
  | { readonly kind: 'entry'; readonly key: string; readonly value: string | undefined; readonly comment: string }
  | { readonly kind: 'bad'; readonly message: string };

const escapes: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  t: '\t',
  r: '\r',
  n: '\n',
  v: '\v',
  f: '\f',
  b: '\b',
};
const blank = /[ \t\r\n\v\f]/;

/**
 * Reads one line without its line feed. `value` is undefined when there is none (the line is then ignored); `comment`
 * is what follows the value, from its `#` on. A backslash before any other character stands for itself.
 */
export function parseConfigLine(line: string): ConfigLine {
  const [head = '', key = ''] = /^[ \t\r\n\v\f]*([^ \t\r\n\v\f#]*)[ \t\r\n\v\f]*/.exec(line) ?? [];
  if (key === '') return { kind: 'blank' };
  const at = head.length;
  const quote = line[at];
  if (quote === '"' || quote === "'") return quoted(line, at, key, quote);
  const hash = line.indexOf('#', at);
  const end = hash < 0 ? line.length : hash;
  const value = line.slice(at, end).replace(/[ \t\r\n\v\f]+$/, '');
  return { kind: 'entry', key, value: value === '' ? undefined : value, comment: line.slice(end) };
}

function quoted(line: string, open: number, key: string, quote: string): ConfigLine {
  let value = '';
  let at = open + 1;
  for (; at < line.length && line[at] !== quote; at++) {
    const next = line[at + 1];
    const escaped = line[at] === '\\' && next !== undefined ? escapes[next] : undefined;
    value += escaped ?? line[at];
    if (escaped !== undefined) at++;
  }
  if (at >= line.length) return { kind: 'bad', message: 'config line ends unexpectedly in quoted string' };
  at++;
  while (at < line.length && blank.test(line[at] ?? '')) at++;
  if (at < line.length && line[at] !== '#') return { kind: 'bad', message: 'more than 2 item in config line' };
  return { kind: 'entry', key, value, comment: line.slice(at) };
}

/** A line that `parseConfigLine` reads back as the same key and value. */
export function formatConfigLine(key: string, value: string): string {
  return `${key} ${needsQuotes(value) ? `"${escape(value)}"` : value}`;
}

function needsQuotes(value: string): boolean {
  return value === '' || /^[ "']|[ ]$|[#\t\r\n\v\f\b]/.test(value);
}

function escape(value: string): string {
  const backward = new Map(Object.entries(escapes).map(([letter, character]) => [character, letter]));
  backward.delete("'");
  return Array.from(value, (character) => {
    const letter = backward.get(character);
    return letter === undefined ? character : `\\${letter}`;
  }).join('');
}
