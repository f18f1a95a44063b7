/**
 * What a model expects as reply, apart from the protocol, and the bytes it must have come as.
 *
 * Strings have one character per byte. A reply that is not known exactly (what was drawn at random, an estimate, a time
 * that is left) is a `Check`: it looks at the reply as it came and says what is wrong.
 */

/** Looks at the bytes of a reply. @returns what is wrong, or undefined. */
export interface Check {
  readonly check: (bytes: string, protocol: 2 | 3) => string | undefined;
}

export type Expected =
  | number
  | string
  | null
  | readonly Expected[]
  | { readonly status: string }
  | { readonly error: string }
  | { readonly double: number }
  /** `rows`: in RESP2 a pair each, not one row. */
  | { readonly map: readonly (readonly [Expected, Expected])[]; readonly rows?: boolean }
  | { readonly set: readonly Expected[] }
  /** Members with scores: pairs in RESP3, one row in RESP2. */
  | { readonly pairs: readonly (readonly Expected[])[] }
  /** `*-1` in RESP2. */
  | { readonly nothing: 'array' }
  | Check;

export const ok: Expected = { status: 'OK' };

export class Refusal extends Error {}

export function isCheck(reply: Expected): reply is Check {
  return typeof reply === 'object' && reply !== null && 'check' in reply;
}

function isRow(reply: Expected): reply is readonly Expected[] {
  return Array.isArray(reply);
}

export function doubleText(value: number): string {
  if (value === Infinity) return 'inf';
  // Redis prints what fits into a long long as that, with every digit.
  if (Number.isInteger(value) && Math.abs(value) <= 2 ** 62) return BigInt(value).toString();
  return value === -Infinity ? '-inf' : String(value);
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

function many(mark: string, count: number, items: readonly Expected[], protocol: 2 | 3): string {
  return `${mark}${count}\r\n${items.map((item) => bytesOf(item, protocol)).join('')}`;
}

/** @throws when part of the reply is a check. */
export function bytesOf(reply: Expected, protocol: 2 | 3): string {
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return bulk(reply);
  if (reply === null) return protocol === 3 ? '_\r\n' : '$-1\r\n';
  if (isRow(reply)) return many('*', reply.length, reply, protocol);
  if ('status' in reply) return `+${reply.status}\r\n`;
  if ('error' in reply) return `-${reply.error}\r\n`;
  if ('double' in reply) {
    const text = doubleText(reply.double);
    return protocol === 3 ? `,${text}\r\n` : bulk(text);
  }
  if ('map' in reply) {
    const { map } = reply;
    if (protocol === 2 && reply.rows === true) return bytesOf(map, protocol);
    return many(protocol === 3 ? '%' : '*', map.length * (protocol === 3 ? 1 : 2), map.flat(), protocol);
  }
  if ('set' in reply) return many(protocol === 3 ? '~' : '*', reply.set.length, reply.set, protocol);
  if ('pairs' in reply) return bytesOf(protocol === 3 ? reply.pairs : reply.pairs.flat(), protocol);
  if ('nothing' in reply) return protocol === 3 ? '_\r\n' : '*-1\r\n';
  throw new Error('a check has no bytes');
}

/** What a script gets and hands on: RESP2 without null arrays. */
export function throughLua(reply: Expected): Expected {
  if (reply === null || typeof reply !== 'object') return reply;
  if (isRow(reply)) return reply.map(throughLua);
  if ('double' in reply) return doubleText(reply.double);
  if ('map' in reply) return (reply.rows === true ? reply.map : reply.map.flat()).map(throughLua);
  if ('set' in reply) return reply.set.map(throughLua);
  if ('pairs' in reply) return reply.pairs.flat().map(throughLua);
  if ('nothing' in reply) return null;
  if ('status' in reply || 'error' in reply) return reply;
  throw new Error('scripts run commands with known replies');
}

/** Texts and numbers of a reply in the order they come, without what holds them together. */
export function leavesOf(bytes: string): string[] {
  const leaves: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const line = bytes.slice(at + 1, lineEnd);
    const mark = bytes[at];
    at = lineEnd + 2;
    if (mark === '$' && Number(line) >= 0) {
      leaves.push(bytes.slice(at, at + Number(line)));
      at += Number(line) + 2;
    } else if (mark === ':' || mark === ',' || mark === '+' || mark === '-') leaves.push(line);
  }
  return leaves;
}

/** An integer reply within bounds, both included. */
export function between(low: number, high: number): Expected {
  return {
    check: (bytes) => {
      const value = /^:(-?\d+)\r\n$/.exec(bytes)?.[1];
      return value !== undefined && Number(value) >= low && Number(value) <= high
        ? undefined
        : `not an integer from ${low} to ${high}`;
    },
  };
}

/** Errors to which we add a reason behind Redis' text, as Kvrocks does. */
const reasons = /(?<=-ERR hash value is not (?:an integer|a float)): [^\r\n]*/g;

/** @returns what is wrong with a reply, or undefined. */
export function differs(bytes: string, expected: Expected, protocol: 2 | 3): string | undefined {
  if (isCheck(expected)) return expected.check(bytes, protocol);
  const wanted = bytesOf(expected, protocol);
  return bytes.replace(reasons, '') === wanted ? undefined : `expected ${JSON.stringify(wanted.slice(0, 2000))}`;
}
