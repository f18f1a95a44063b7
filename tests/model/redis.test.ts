/**
 * The random commands of the model test on a node and on a real redis-server: the same replies, byte for byte.
 *
 * Left out: what only we have (sorted integers, Bloom filters, JSON), what is drawn at random, and times that are left. Bitmaps
 * and HyperLogLogs are types of their own here and strings there, and ranges by bytes have no meaning over several scores: keys of
 * these are used by their own commands only.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startNode } from '../support/node-process.ts';
import { startRedis } from '../support/redis-server.ts';
import type { Family } from './family.ts';
import { Generator } from './generator.ts';
import { hashes } from './hashes.ts';
import { keyCommands } from './keys.ts';
import { lists } from './lists.ts';
import { leavesOf } from './reply.ts';
import { hyperLogLogs, sets } from './sets.ts';
import { restartIds, streams } from './streams.ts';
import { strings } from './strings.ts';
import { requestsOf, type Unit } from './unit.ts';
import { Wire } from './wire.ts';
import { zsets } from './zsets.ts';

const families: readonly Family[] = [strings, hashes, lists, sets, zsets, streams, keyCommands];
const kinds = ['string', 'hash', 'list', 'set', 'zset', 'lex', 'geo', 'stream', 'bitmap', 'hyperloglog'];
const apart = ['bitmap', 'hyperloglog', 'lex'];

/** Redis answers these in an order of its own; ours is that of the bytes. */
const unordered = /^(HGETALL|HKEYS|HVALS|SMEMBERS|SINTER|SUNION|SDIFF|KEYS)$/;

/** Texts that Kvrocks' suite asks for, and reasons that are said behind Redis' text. */
const texts: readonly (readonly [RegExp, string])[] = [
  [/-ERR hash value is not (an integer|a float): [^\r\n]*/g, '-ERR hash value is not $1'],
  [/-BUSYGROUP [^\r\n]*/g, '-BUSYGROUP'],
  [/-NOGROUP No such consumer group '?(\w+)'? for key name '?([^'\s]+)'?/g, '-NOGROUP $1 $2'],
];

function comparable(reply: string, command: readonly string[]): string {
  const plain = texts.reduce((text, [pattern, to]) => text.replace(pattern, to), reply);
  if (!unordered.test(command[0] as string) || plain.startsWith('-')) return plain;
  return `${plain.slice(0, plain.indexOf('\r\n'))} ${JSON.stringify(leavesOf(plain).sort())}`;
}

/** Commands whose replies are known to differ, with the reason. */
const differing: readonly (readonly [reason: string, is: (command: readonly string[]) => boolean])[] = [
  ['a key copied over itself is left alone, as in Kvrocks', ([name, from, to]) => name === 'COPY' && from === to],
  [
    'an error on a key that does not exist, as Kvrocks',
    ([name, , from, to]) => name === 'ZLEXCOUNT' && from === '+' && to === '-',
  ],
  [
    'a string with bits stays a string there and becomes a bitmap here',
    ([name, key = '']) => name === 'SETBIT' && !key.includes('bitmap'),
  ],
  ['a bitmap is no string', ([name, , , key = '']) => name === 'BITOP' && !key.includes('bitmap')],
];

function randomCommand(g: Generator, from: readonly Family[]): string[] {
  for (;;) {
    const { choices } = g.pick(from);
    let at = g.below(choices.reduce((sum, [weight]) => sum + weight, 0));
    const command = (choices.find(([weight]) => (at -= weight) < 0) as (typeof choices)[number])[1](g);
    if (!differing.some(([, is]) => is(command))) return command;
  }
}

async function compare(t: TestContext, g: Generator, from: readonly Family[], batches: number): Promise<void> {
  const redis = await startRedis(t);
  if (redis === undefined) return;
  const ports = [redis, (await startNode(t, { args: ['--resp3-enabled', 'yes'] })).port];
  const wires = await Promise.all(ports.map((port) => Wire.connect(port)));
  t.after(() => wires.forEach((wire) => wire.close()));
  const past: string[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const protocol = g.pick(['2', '3']);
    for (const wire of wires) await wire.ask('HELLO', protocol);
    const requests: (readonly string[])[] = [];
    for (let i = 0; i < 100; i++) {
      g.nextTag();
      const kind = g.chance(10) ? 'transaction' : 'command';
      const commands = Array.from({ length: kind === 'command' ? 1 : 1 + g.below(4) }, () => randomCommand(g, from));
      // A reply without an order cannot be told within a transaction.
      const unit: Unit = { kind: commands.some(([name = '']) => unordered.test(name)) ? 'command' : kind, commands };
      requests.push(...requestsOf(unit));
    }
    for (const wire of wires) wire.send(requests);
    const [theirs = [], ours = []] = await Promise.all(wires.map((wire) => wire.replies(requests.length)));
    requests.forEach((command, i) => {
      past.push(JSON.stringify(command));
      const key = command.find((word) => /^\{[abc]\}/.test(word));
      const shown = [
        ...past.filter((line) => key !== undefined && line.includes(`"${key}"`)).slice(-30),
        ...past.slice(-9),
      ];
      assert.equal(
        comparable(ours[i] ?? 'the connection ended', command),
        comparable(theirs[i] as string, command),
        `RESP${protocol}, the last commands:\n${shown.join('\n')}`,
      );
    });
    past.splice(0, past.length - 5000);
  }
}

test('random commands of all types that both have are answered as by redis-server, seed 1', async (t) => {
  restartIds();
  const g = new Generator(1, kinds, apart);
  g.exactOnly = true;
  await compare(t, g, families, Number(process.env['BATCHES'] ?? 60));
});

test('thousands of random PFADD, PFCOUNT and PFMERGE are answered as by redis-server, seed 2', async (t) => {
  await compare(t, new Generator(2, kinds, apart), [hyperLogLogs], Number(process.env['BATCHES'] ?? 60));
});
