/**
 * All that a server holds, as its read commands show it: for every key its type, its lifetime and everything in it, read in
 * several ways. Two servers that hold the same give the same, one of them a Kvrocks 2.10 even: what it is known to show
 * otherwise is made equal here, with the reason.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { leavesOf } from '../model/reply.ts';
import type { Wire } from '../model/wire.ts';

/** What was asked, in words, with what was answered. */
export type State = ReadonlyMap<string, string>;

const items: readonly string[] = Array.from({ length: 40 }, (_, i) => `item${i * 13}`);
/** Within and around fragments of a bitmap, and around what the writes set. */
const offsets: readonly number[] = [
  ...Array.from({ length: 80 }, (_, i) => i),
  ...Array.from({ length: 60 }, (_, i) => 8160 + i),
  ...[9592, 9599, 9600, 9607, 9608, 16_383, 16_384, 99_999, 100_000, 100_001],
];

/** The reads of a key by its type. */
const readsOf: Readonly<Record<string, readonly string[]>> = {
  string: ['GET KEY', 'STRLEN KEY', 'GETRANGE KEY 1 -2'],
  hash: ['HLEN KEY', 'HGETALL KEY', 'HKEYS KEY', 'HVALS KEY', 'HRANGEBYLEX KEY [a [n', 'HSCAN KEY 0 COUNT 10000'],
  list: ['LLEN KEY', 'LRANGE KEY 0 -1', 'LRANGE KEY 1 -2', 'LINDEX KEY 0', 'LINDEX KEY -1', 'LPOS KEY b RANK -1'],
  set: ['SCARD KEY', 'SMEMBERS KEY', 'SSCAN KEY 0 COUNT 10000', 'SMISMEMBER KEY x y 1 a'],
  zset: [
    'ZCARD KEY',
    'ZRANGE KEY 0 -1 WITHSCORES',
    // Not ZREVRANGE, which begins with the wrong one where several scores are infinite in Kvrocks.
    'ZREVRANGEBYSCORE KEY 1e9 -1e9 WITHSCORES',
    'ZRANGEBYSCORE KEY -inf +inf WITHSCORES',
    'ZCOUNT KEY (0 3',
    'ZRANGEBYLEX KEY - +',
    'ZSCORE KEY one',
    'ZSCORE KEY a',
    'ZRANK KEY one',
    'ZSCAN KEY 0 COUNT 10000',
    'GEOHASH KEY Palermo Catania',
  ],
  bitmap: [
    'BITCOUNT KEY',
    'BITCOUNT KEY 1 -2',
    'BITPOS KEY 1',
    'BITPOS KEY 0',
    ...offsets.map((offset) => `GETBIT KEY ${offset}`),
  ],
  hyperloglog: ['PFCOUNT KEY'],
  'MBbloom--': ['BF.CARD KEY', 'BF.INFO KEY', `BF.MEXISTS KEY ${items.join(' ')}`],
  'ReJSON-RL': ['JSON.GET KEY', 'JSON.TYPE KEY $', 'JSON.OBJKEYS KEY $', 'JSON.ARRLEN KEY $', 'JSON.INFO KEY'],
  sortedint: [
    'SICARD KEY',
    'SIRANGEBYVALUE KEY 0 18446744073709551615',
    'SIREVRANGEBYVALUE KEY 1000000 2',
    'SIRANGE KEY 3 CURSOR 1',
  ],
  stream: ['XLEN KEY', 'XRANGE KEY - +', 'XREVRANGE KEY + - COUNT 3', 'XINFO STREAM KEY'],
};

/** What every server of a comparison knows besides keys (every-write.ts). */
const scripts: readonly (readonly string[])[] = [
  ['EVALSHA_RO', createHash('sha1').update("return 'loaded'").digest('hex'), '0'],
  ['FCALL_RO', 'peer', '0'],
];

function commandsFor(key: string, type: string): string[][] {
  const lines = readsOf[type];
  assert.ok(lines !== undefined, `no reads are known for ${type}`);
  return lines.map((line) => line.split(' ').map((word) => (word === 'KEY' ? key : word)));
}

/** Fields of XINFO that both have, by their names before them. */
const streamFields = new Set(['length', 'last-generated-id', 'max-deleted-entry-id', 'entries-added']);

const number = /^-?\d[\d.]*(?:e[+-]?\d+)?$/;

/** Replies whose parts are never missing. Kvrocks 2.10 gives an empty string as one that is. */
const withoutNil =
  /^(GETRANGE|HGETALL|HKEYS|HVALS|HRANGEBYLEX|HSCAN|LRANGE|SMEMBERS|SSCAN|ZRANGE|ZREVRANGEBYSCORE|ZRANGEBYSCORE|ZRANGEBYLEX|ZSCAN|XRANGE|XREVRANGE)$/;

/** A reply as it is compared: whole, but for what Kvrocks 2.10 shows in another form. */
function comparable([name = '', ...args]: readonly string[], original: string): string {
  const reply = withoutNil.test(name) ? original.replaceAll('$-1\r\n', '$0\r\n\r\n') : original;
  switch (name) {
    // Kvrocks writes 17 digits, we as many as are needed.
    case 'ZRANGE':
    case 'ZREVRANGEBYSCORE':
    case 'ZRANGEBYSCORE':
    case 'ZSCORE':
    case 'ZSCAN':
      return JSON.stringify(leavesOf(reply).map((leaf) => (number.test(leaf) ? String(Number(leaf)) : leaf)));
    case 'XINFO': {
      if (args[0] !== 'STREAM') return reply;
      const all = leavesOf(reply);
      return JSON.stringify(all.flatMap((leaf, i) => (streamFields.has(leaf) ? [[leaf, all[i + 1]]] : [])));
    }
    default:
      return reply;
  }
}

/** Names and values that XINFO GROUPS tells of each; the first is the group's name. */
const fieldsOfGroup = 12;

/** The reads of a stream's groups: who has what, without how long ago. */
async function addGroups(wire: Wire, key: string, state: Map<string, string>): Promise<void> {
  const fields = leavesOf((await wire.ask('XINFO', 'GROUPS', key)).replaceAll('$-1\r\n', '+nil\r\n'));
  const names = fields.filter((_, i) => i % fieldsOfGroup === 1);
  for (const [i, name] of names.entries()) {
    // By name: Kvrocks shows them in the order of their records, shorter names first. Without the lag, which is last:
    // it tells what it stored when the group last read, we count anew.
    const shownOfGroup = fields.slice(i * fieldsOfGroup, (i + 1) * fieldsOfGroup - 2);
    state.set(`XINFO GROUPS ${key} ${name}`, JSON.stringify(shownOfGroup));
    const pending = leavesOf(await wire.ask('XPENDING', key, name, '-', '+', '1000'));
    // Id, consumer, idle time, deliveries.
    state.set(`XPENDING ${key} ${name} - + 1000`, JSON.stringify(pending.filter((_, at) => at % 4 !== 2)));
    // Kvrocks shows the consumers of other groups behind those of the one that was asked for.
    if (names.length > 1) continue;
    const consumers = leavesOf(await wire.ask('XINFO', 'CONSUMERS', key, name));
    const known = consumers.flatMap((leaf, at) =>
      leaf === 'name' ? [`${consumers[at + 1]} ${consumers[at + 3]}`] : [],
    );
    state.set(`XINFO CONSUMERS ${key} ${name}`, JSON.stringify(known.sort()));
  }
}

/** Reads everything. The connection speaks RESP2. */
export async function stateOf(wire: Wire): Promise<State> {
  const state = new Map<string, string>();
  const keys = leavesOf(await wire.ask('KEYS', '*')).sort();
  state.set('KEYS *', JSON.stringify(keys));
  const about = keys.flatMap((key) => [
    ['TYPE', key],
    ['PEXPIRETIME', key],
    ['EXISTS', key, key],
  ]);
  wire.send(about);
  const answers = await wire.replies(about.length);
  about.forEach((command, i) => state.set(command.join(' '), answers[i] as string));
  for (const [i, key] of keys.entries()) {
    const type = (answers[i * 3] ?? '').slice(1, -2);
    // It died between the two.
    if (type === 'none') continue;
    const commands = commandsFor(key, type);
    wire.send(commands);
    const replies = await wire.replies(commands.length);
    commands.forEach((command, at) => state.set(command.join(' '), comparable(command, replies[at] as string)));
    if (type === 'stream') await addGroups(wire, key, state);
  }
  for (const command of scripts) state.set(command.join(' '), await wire.ask(...command));
  return state;
}

const shownDifferences = 40;

function shown(text: string | undefined): string {
  return JSON.stringify(text ?? 'not there').slice(0, 400);
}

/** Fails with the first differences, by the words that were asked. */
export function assertSameState(found: State, expected: State, what: string): void {
  const asked = [...new Set([...expected.keys(), ...found.keys()])];
  const different = asked.filter((words) => found.get(words) !== expected.get(words));
  const lines = different
    .slice(0, shownDifferences)
    .map((words) => `${shown(words)}\n  found    ${shown(found.get(words))}\n  expected ${shown(expected.get(words))}`);
  assert.equal(different.length, 0, `${what}: ${different.length} of ${asked.length} differ\n${lines.join('\n')}`);
}
