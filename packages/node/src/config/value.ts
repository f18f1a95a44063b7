/** Values of directives from and to text, and what is allowed in words: one row per type of directive. */
import { eventLetters, normalEventLetters } from '../pubsub/event-classes.ts';
import { normalOutputLimits } from './output-limits.ts';
import type { CommandRename, ConfiguredEndpoint, Directive, DirectiveValue } from './directive.ts';

export const intMax = 2_147_483_647;

/** A value, or the reason against it: `expected …`. */
export type ParsedValue = { readonly value: DirectiveValue } | { readonly problem: string };

const bad = Symbol('bad');

interface ValueType<D extends Directive> {
  /** What is accepted, as a noun phrase for error messages and the reference page. */
  allowed(directive: D): string;
  /** The value of a text, or `bad`. */
  read(directive: D, text: string): DirectiveValue | typeof bad;
  /** The text of a value; `String` when absent. */
  format?(value: DirectiveValue): string;
}

type ValueTypes = { readonly [T in Directive['type']]: ValueType<Extract<Directive, { type: T }>> };

/** Powers of 1024 with and without the `b`, as in Kvrocks (Redis: `k` is 1000). */
const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1024,
  m: 1_048_576,
  mb: 1_048_576,
  g: 1_073_741_824,
  gb: 1_073_741_824,
};

const types: ValueTypes = {
  int: {
    allowed: ({ min = 0, max = intMax, because }) =>
      because === undefined
        ? `a whole number from ${min} to ${max}`
        : `${min === max ? min : `${min} to ${max}`} (${because})`,
    read: (directive, text) => (/^-?[0-9]{1,16}$/.test(text) ? within(directive, Number(text)) : bad),
  },
  bytes: {
    allowed: ({ min = 0, max = intMax }) => `bytes from ${min} to ${max}, with k, kb, m, mb, g or gb if you like`,
    read: (directive, text) => {
      const [, digits = '', unit = ''] = /^([0-9]{1,16})([a-z]{0,2})$/.exec(text.toLowerCase()) ?? [];
      const factor = byteUnits[unit];
      return digits === '' || factor === undefined ? bad : within(directive, Number(digits) * factor);
    },
  },
  octal: {
    allowed: () => 'a file mode in octal digits, 0 to 0777',
    read: (_directive, text) => (/^0?[0-7]{1,3}$/.test(text) ? parseInt(text, 8) : bad),
    format: (value) => `0${(value as number).toString(8)}`,
  },
  'yes-no': {
    allowed: () => 'yes or no',
    read: (_directive, text) => (/^(yes|no)$/i.test(text) ? text.toLowerCase() === 'yes' : bad),
    format: (value) => (value === true ? 'yes' : 'no'),
  },
  word: {
    allowed: ({ allowed }) => `one of ${allowed.filter((word) => word !== '').join(', ')}`,
    read: ({ allowed }, text) => (allowed.includes(text.toLowerCase()) ? text.toLowerCase() : bad),
  },
  text: {
    allowed: ({ required }) => (required === true ? 'text that is not empty' : 'text'),
    read: ({ required }, text) => (text === '' && required === true ? bad : text),
  },
  list: {
    allowed: () => 'words separated by blanks',
    read: (_directive, text) => wordsOf(text),
    format: (value) => (value as readonly string[]).join(' '),
  },
  endpoint: {
    allowed: () => '`host port` with a port from 1 to 65535, or `no one`',
    read: (_directive, text) => readEndpoint(text),
    format: (value) => {
      const endpoint = value as ConfiguredEndpoint | undefined;
      return endpoint === undefined ? '' : `${endpoint.host} ${endpoint.port}`;
    },
  },
  cron: {
    allowed: () => 'groups of five cron fields (minute hour day month weekday; numbers, *, */n, lists, ranges)',
    read: (_directive, text) => (isCron(text) ? wordsOf(text).join(' ') : bad),
  },
  hours: {
    allowed: () => 'two hours, `from-to`, each 0 to 24',
    read: (_directive, text) => (text === '' || isHours(text) ? text : bad),
  },
  events: {
    allowed: () => `event classes, letters of \`${eventLetters}\``,
    read: (_directive, text) => normalEventLetters(text) ?? bad,
  },
  'output-limits': {
    allowed: () => 'one or more of `<normal|replica|pubsub> <hard bytes> <soft bytes> <soft seconds>`',
    read: (directive, text) => normalOutputLimits(text, directive.default) ?? bad,
  },
  renames: {
    allowed: () => 'two words, the old name and the new one (`""` removes the command)',
    read: (_directive, text) => readRename(text),
    format: (value) => (value as readonly CommandRename[]).map(formatRename).join(' '),
  },
};

/** The row of a directive. The cast is sound: the row is chosen by the directive's own type. */
function typeOf(directive: Directive): ValueType<Directive> {
  return types[directive.type] as ValueType<Directive>;
}

/** What a directive accepts, as a noun phrase for error messages and the reference page. */
export function allowedValues(directive: Directive): string {
  return typeOf(directive).allowed(directive);
}

/** Reads the text of a value, quotes already removed. */
export function parseValue(directive: Directive, text: string): ParsedValue {
  const value = typeOf(directive).read(directive, text);
  return value === bad ? { problem: `expected ${allowedValues(directive)}, got ${shown(text)}` } : { value };
}

/** The text of a value as CONFIG GET shows it and the file holds it (before quoting). */
export function formatValue(directive: Directive, value: DirectiveValue): string {
  return typeOf(directive).format?.(value) ?? String(value);
}

export function formatRename({ from, to }: CommandRename): string {
  return `${from} ${to === '' ? '""' : to}`;
}

function within({ min = 0, max = intMax }: { min?: number; max?: number }, value: number): number | typeof bad {
  return value >= min && value <= max ? value : bad;
}

function wordsOf(text: string): string[] {
  return text.split(/[ \t]+/).filter((word) => word !== '');
}

function readEndpoint(text: string): ConfiguredEndpoint | undefined | typeof bad {
  const words = wordsOf(text);
  if (words.length === 0 || (words.length === 2 && /^no$/i.test(words[0] ?? '') && /^one$/i.test(words[1] ?? '')))
    return undefined;
  const [host = '', port = ''] = words;
  if (words.length !== 2 || !/^[0-9]{1,5}$/.test(port)) return bad;
  const number = Number(port);
  return number >= 1 && number <= 65535 ? { host, port: number } : bad;
}

function readRename(text: string): readonly CommandRename[] | typeof bad {
  const words = wordsOf(text);
  const [from = '', to = ''] = words;
  return words.length === 2 ? [{ from, to: to === '""' || to === "''" ? '' : to }] : bad;
}

/** Smallest and largest value of the five fields. */
const cronFields = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const;

function isCron(text: string): boolean {
  const words = wordsOf(text);
  return words.length % 5 === 0 && words.every((word, i) => word.split(',').every((part) => isCronPart(part, i % 5)));
}

function isCronPart(part: string, field: number): boolean {
  const [min, max] = cronFields[field] ?? [0, 0];
  const match = /^(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:\/([0-9]{1,2}))?$/.exec(part);
  if (match === null) return false;
  const [, from, to, step] = match;
  const inRange = (value: string | undefined): boolean =>
    value === undefined || (Number(value) >= min && Number(value) <= max);
  return inRange(from) && inRange(to) && Number(from ?? 0) <= Number(to ?? max) && step !== '0';
}

function isHours(text: string): boolean {
  const [, from, to] = /^([0-9]{1,2})-([0-9]{1,2})$/.exec(text) ?? [];
  return from !== undefined && Number(from) <= 24 && Number(to) <= 24;
}

/** The text as it was given. Secrets never come here: any text is allowed for them. */
function shown(text: string): string {
  return text === '' ? 'nothing' : `'${text.length > 80 ? `${text.slice(0, 80)}…` : text}'`;
}
