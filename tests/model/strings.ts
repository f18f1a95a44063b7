/** Strings, and the bitmaps that are a type of their own. */
import type { Family } from './family.ts';
import { integerOf, type Keyspace, type Lifetime, type Models } from './keyspace.ts';
import { Refusal, ok, type Expected } from './reply.ts';

/**
 * As Redis takes a slice of a string: an end before the first byte is the first byte, but for a slice that is named backward
 * from the end, which is empty. BITPOS does not look at that.
 */
function bytesOf(length: number, start: number, stop: number, refusesBackward = true): [number, number] {
  if (refusesBackward && start < 0 && stop < 0 && start > stop) return [0, 0];
  const from = Math.max(0, start < 0 ? length + start : start);
  const to = Math.min(length - 1, Math.max(0, stop < 0 ? length + stop : stop));
  return from > to ? [0, 0] : [from, to + 1];
}

function textOf(keys: Keyspace, key: string): string | undefined {
  return keys.find(key, 'string', 'bitmap')?.text;
}

function text(keys: Keyspace, key: string): string | undefined {
  return keys.find(key, 'string')?.text;
}

function put(keys: Keyspace, key: string, value: string, dies?: Lifetime): void {
  keys.put(key, { type: 'string', text: value }, dies);
}

function change(keys: Keyspace, key: string, value: string): void {
  const entry = keys.entries.get(key);
  put(keys, key, value, entry?.dies);
}

function lifetime(keys: Keyspace, unit: string, amount: string): Lifetime {
  const value = integerOf(amount);
  if (unit === 'EX') return keys.after(value * 1000);
  if (unit === 'PX') return keys.after(value);
  const ms = unit === 'EXAT' ? value * 1000 : value;
  return { fromMs: ms, toMs: ms };
}

function set(keys: Keyspace, [key = '', value = '', ...options]: string[]): Expected {
  let dies: Lifetime | undefined;
  const entry = keys.entries.get(key);
  const has = (word: string): boolean => options.includes(word);
  options.forEach((option, i) => {
    if (['EX', 'PX', 'EXAT', 'PXAT'].includes(option)) dies = lifetime(keys, option, options[i + 1] as string);
  });
  const before = has('GET') ? (text(keys, key) ?? null) : undefined;
  if ((has('NX') && entry !== undefined) || (has('XX') && entry === undefined)) return before ?? null;
  put(keys, key, value, has('KEEPTTL') ? entry?.dies : dies);
  return before === undefined ? ok : before;
}

function add(keys: Keyspace, key: string, by: number): Expected {
  const value = integerOf(text(keys, key) ?? '0') + by;
  change(keys, key, String(value));
  return value;
}

const bits = (of: string): number[] =>
  [...of].flatMap((byte) => Array.from({ length: 8 }, (_, i) => (byte.charCodeAt(0) >> (7 - i)) & 1));

function withBit(of: string, at: number, bit: number): string {
  const padded = of.padEnd((at >> 3) + 1, '\0');
  const mask = 0x80 >> (at & 7);
  const byte = padded.charCodeAt(at >> 3);
  return `${padded.slice(0, at >> 3)}${String.fromCharCode(bit === 1 ? byte | mask : byte & ~mask)}${padded.slice((at >> 3) + 1)}`;
}

/** Writes to a string or a bitmap, making a bitmap where nothing is. */
function changeBits(keys: Keyspace, key: string, to: string): void {
  const value = keys.find(key, 'string', 'bitmap');
  if (value === undefined) keys.put(key, { type: 'bitmap', text: to });
  else value.text = to;
}

function bitRange(
  of: string,
  [start, stop, unit]: string[],
  refusesBackward = true,
): { all: number[]; from: number; to: number } {
  const all = bits(of);
  const inBits = unit === 'BIT';
  if (start === undefined) return { all, from: 0, to: all.length };
  const length = inBits ? all.length : of.length;
  const [from, to] = bytesOf(length, integerOf(start), integerOf(stop ?? '-1'), refusesBackward);
  return inBits ? { all, from, to } : { all, from: from * 8, to: to * 8 };
}

function bitop(keys: Keyspace, [operation = '', target = '', ...sources]: string[]): Expected {
  const texts = sources.map((source) => textOf(keys, source) ?? '');
  const length = Math.max(...texts.map((one) => one.length));
  let result = '';
  for (let i = 0; i < length; i++) {
    const bytes = texts.map((one) => (i < one.length ? one.charCodeAt(i) : 0));
    const byte =
      operation === 'NOT'
        ? ~(bytes[0] as number) & 0xff
        : bytes.reduce((a, b) => (operation === 'AND' ? a & b : operation === 'OR' ? a | b : a ^ b));
    result += String.fromCharCode(byte);
  }
  if (length === 0) keys.entries.delete(target);
  else keys.put(target, { type: 'bitmap', text: result });
  return length;
}

/** BITFIELD of unsigned fields of 8 bits at multiples of 8, which wrap around. */
function bitfield(keys: Keyspace, [key = '', ...operations]: string[]): Expected {
  let now = textOf(keys, key) ?? '';
  const replies: Expected[] = [];
  let writes = false;
  for (let at = 0; at < operations.length;) {
    const [operation, , where = '', by = ''] = operations.slice(at, at + 4);
    const index = Number(where.slice(1));
    const old = index < now.length ? now.charCodeAt(index) : 0;
    at += operation === 'GET' ? 3 : 4;
    if (operation === 'GET') {
      replies.push(old);
      continue;
    }
    const value = (operation === 'SET' ? integerOf(by) : old + integerOf(by)) & 0xff;
    replies.push(operation === 'SET' ? old : value);
    now = now.padEnd(index + 1, '\0');
    now = now.slice(0, index) + String.fromCharCode(value) + now.slice(index + 1);
    writes = true;
  }
  if (writes) changeBits(keys, key, now);
  return replies;
}

const models: Models = {
  SET: set,
  GET: (keys, [key = '']) => textOf(keys, key) ?? null,
  SETNX: (keys, [key = '', value = '']) => {
    if (keys.entries.has(key)) return 0;
    put(keys, key, value);
    return 1;
  },
  SETEX: (keys, [key = '', seconds = '', value = '']) => {
    put(keys, key, value, keys.after(integerOf(seconds) * 1000));
    return ok;
  },
  PSETEX: (keys, [key = '', ms = '', value = '']) => {
    put(keys, key, value, keys.after(integerOf(ms)));
    return ok;
  },
  GETSET: (keys, [key = '', value = '']) => {
    const before = text(keys, key) ?? null;
    put(keys, key, value);
    return before;
  },
  GETDEL: (keys, [key = '']) => {
    const before = text(keys, key) ?? null;
    keys.entries.delete(key);
    return before;
  },
  GETEX: (keys, [key = '', unit, amount = '']) => {
    const before = textOf(keys, key) ?? null;
    const entry = keys.entries.get(key);
    if (entry === undefined || unit === undefined) return before;
    entry.dies = unit === 'PERSIST' ? undefined : lifetime(keys, unit, amount);
    return before;
  },
  STRLEN: (keys, [key = '']) => (text(keys, key) ?? '').length,
  APPEND: (keys, [key = '', more = '']) => {
    const value = (text(keys, key) ?? '') + more;
    change(keys, key, value);
    return value.length;
  },
  GETRANGE: (keys, [key = '', start = '', stop = '']) => {
    const value = text(keys, key) ?? '';
    return value.slice(...bytesOf(value.length, integerOf(start), integerOf(stop)));
  },
  SETRANGE: (keys, [key = '', offset = '', more = '']) => {
    const value = text(keys, key) ?? '';
    const at = integerOf(offset);
    if (more === '') return value.length;
    const padded = value.padEnd(at, '\0');
    const result = padded.slice(0, at) + more + padded.slice(at + more.length);
    change(keys, key, result);
    return result.length;
  },
  INCR: (keys, [key = '']) => add(keys, key, 1),
  DECR: (keys, [key = '']) => add(keys, key, -1),
  INCRBY: (keys, [key = '', by = '']) => add(keys, key, integerOf(by)),
  DECRBY: (keys, [key = '', by = '']) => add(keys, key, -integerOf(by)),
  INCRBYFLOAT: (keys, [key = '', by = '']) => {
    const before = text(keys, key) ?? '0';
    if (!/^-?\d+(\.\d+)?$/.test(before)) throw new Refusal('ERR value is not a valid float');
    const value = String(Number(before) + Number(by));
    change(keys, key, value);
    return value;
  },
  MSET: (keys, args) => {
    for (let i = 0; i < args.length; i += 2) put(keys, args[i] as string, args[i + 1] as string);
    return ok;
  },
  MSETNX: (keys, args) => {
    for (let i = 0; i < args.length; i += 2) if (keys.entries.has(args[i] as string)) return 0;
    for (let i = 0; i < args.length; i += 2) put(keys, args[i] as string, args[i + 1] as string);
    return 1;
  },
  MGET: (keys, args) =>
    args.map((key) => {
      const value = keys.entries.get(key)?.value;
      return value?.type === 'string' || value?.type === 'bitmap' ? value.text : null;
    }),
  SETBIT: (keys, [key = '', offset = '', bit = '']) => {
    const before = textOf(keys, key) ?? '';
    const at = integerOf(offset);
    changeBits(keys, key, withBit(before, at, Number(bit)));
    return bits(before)[at] ?? 0;
  },
  GETBIT: (keys, [key = '', offset = '']) => bits(textOf(keys, key) ?? '')[integerOf(offset)] ?? 0,
  BITCOUNT: (keys, [key = '', ...range]) => {
    const { all, from, to } = bitRange(textOf(keys, key) ?? '', range);
    return all.slice(from, to).filter((bit) => bit === 1).length;
  },
  BITPOS: (keys, [key = '', bit = '', ...range]) => {
    const value = textOf(keys, key);
    if (value === undefined) return bit === '1' ? -1 : 0;
    const { all, from, to } = bitRange(value, range, false);
    const found = all.slice(from, to).indexOf(Number(bit));
    if (found >= 0) return from + found;
    // Zeros go on behind the string when no end was named.
    return bit === '0' && range.length < 2 && from < to ? to : -1;
  },
  BITOP: bitop,
  BITFIELD: bitfield,
};

const future = (): number => 4_000_000_000;

export const strings: Family = {
  kind: 'string',
  models,
  choices: [
    [8, (g) => ['SET', g.anyKey(), g.text()]],
    [8, (g) => ['SET', g.key('string'), g.pick([g.text(), g.int(-20, 20)])]],
    [
      6,
      (g) => [
        'SET',
        g.key('string'),
        g.text(),
        ...g.maybe(g.pick(['NX', 'XX'])),
        ...g.maybe('GET'),
        ...g.pick([
          [],
          ['KEEPTTL'],
          ['EX', '1000000'],
          ['PX', '1000000000'],
          ['PXAT', String((future() + g.below(100)) * 1000 + g.below(1000))],
          ['EXAT', String(future() + g.below(100))],
        ]),
      ],
    ],
    [6, (g) => ['GET', g.key('string')]],
    [2, (g) => ['SETNX', g.key('string'), g.text()]],
    [1, (g) => ['SETEX', g.key('string'), '1000000', g.text()]],
    [1, (g) => ['PSETEX', g.key('string'), '1000000000', g.text()]],
    [2, (g) => ['GETSET', g.key('string'), g.text()]],
    [1, (g) => ['GETDEL', g.key('string')]],
    [2, (g) => ['GETEX', g.key('string'), ...g.pick([[], ['PERSIST'], ['EX', '1000000']])]],
    [2, (g) => ['STRLEN', g.key('string')]],
    [3, (g) => ['APPEND', g.key('string'), g.text()]],
    [2, (g) => ['GETRANGE', g.key('string'), g.int(-6, 6), g.int(-6, 6)]],
    [3, (g) => ['SETRANGE', g.key('string'), g.int(0, 40), g.text()]],
    [3, (g) => [g.pick(['INCR', 'DECR']), g.key('string')]],
    [3, (g) => [g.pick(['INCRBY', 'DECRBY']), g.key('string'), g.int(-50, 50)]],
    [2, (g) => ['INCRBYFLOAT', g.key('string'), g.pick(['0.5', '-1.25', '3', '-0.75'])]],
    [2, (g) => ['MSET', ...g.some(() => [g.key('string'), g.text()], 3).flat()]],
    [1, (g) => ['MSETNX', ...g.some(() => [g.key('string'), g.text()], 2).flat()]],
    [3, (g) => ['MGET', ...g.some(() => g.anyKey())]],
    [
      8,
      (g) => [
        'SETBIT',
        g.key(g.pick(['bitmap', 'bitmap', 'string'])),
        g.pick([g.int(0, 40), g.int(8000, 17000)]),
        g.int(0, 1),
      ],
    ],
    [2, (g) => ['GETBIT', g.key('bitmap'), g.int(0, 60)]],
    [
      3,
      (g) => [
        'BITCOUNT',
        g.key('bitmap'),
        ...g.pick([[], [g.int(-9, 9), g.int(-9, 9)], [g.int(-90, 90), g.int(-9, 90), 'BIT']]),
      ],
    ],
    [
      3,
      (g) => [
        'BITPOS',
        g.key('bitmap'),
        g.int(0, 1),
        ...g.pick([[], [g.int(-3, 3)], [g.int(-3, 3), g.int(-3, 9)], [g.int(-9, 30), g.int(-9, 30), 'BIT']]),
      ],
    ],
    [2, (g) => ['BITOP', g.pick(['AND', 'OR', 'XOR']), g.key('bitmap'), ...g.some(() => g.key('bitmap'), 3)]],
    [1, (g) => ['BITOP', 'NOT', g.key('bitmap'), g.key('bitmap')]],
    [
      3,
      (g) => [
        'BITFIELD',
        g.key('bitmap'),
        ...g
          .some(() =>
            g.pick([
              ['GET', 'u8', `#${g.int(0, 5)}`],
              ['SET', 'u8', `#${g.int(0, 5)}`, g.int(0, 255)],
              ['INCRBY', 'u8', `#${g.pick(['0', '3', '1023', '1024'])}`, g.int(-300, 300)],
            ]),
          )
          .flat(),
      ],
    ],
    [2, (g) => ['GET', g.key('bitmap')]],
  ],
  probes: {
    string: (key) => [['GET', key]],
    bitmap: (key) => [
      ['GET', key],
      ['BITCOUNT', key],
    ],
  },
};
