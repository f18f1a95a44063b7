import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CommandDefinition } from '../command.ts';
import { openTestCommands, type Argument, type CommandRunner } from '../data/testing/command-runner.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';
import { short, transcript } from '../data/testing/transcript.ts';
import { crc64 } from '../rdb/crc64.ts';
import { rdbCommand } from './load-file.ts';

/** Lets `runner` load these bytes as the file `file`. */
function offer(runner: CommandRunner, bytes: Buffer): void {
  const read = (path: string): Buffer | string => (path === 'file' ? bytes : `no file ${path}`);
  (runner.definitions as Map<string, CommandDefinition>).set('rdb', rdbCommand(runner.types, { read }));
}

test('a file that Redis saved is loaded: every type, expiries, the database asked for', async (t) => {
  if (!hasReferenceRedis(t)) return;
  await using redis = await ReferenceRedis.start();
  await using opened = await openTestCommands();
  const { runner } = opened;
  const far = '4102444800123';
  const make: Argument[][] = [
    ['SET', 'text', 'value', 'PXAT', far],
    ['SET', 'long', 'ab'.repeat(5000)],
    ['RPUSH', 'list', ...Array.from({ length: 500 }, (_, i) => `element ${i}`)],
    ['SADD', 'numbers', '1', '70000', '-3'],
    ['SADD', 'set', 'a', 'b', 'x'.repeat(100)],
    ['HSET', 'hash', 'f', 'v', 'g', ''],
    ['ZADD', 'zset', '1.5', 'a', '-inf', 'b'],
    ['XADD', 'stream', '1-1', 'f', 'v'],
    ['XGROUP', 'CREATE', 'stream', 'readers', '0'],
    ['XREADGROUP', 'GROUP', 'readers', 'alice', 'STREAMS', 'stream', '>'],
    ['SELECT', '3'],
    ['SET', 'other', 'database'],
    ['SAVE'],
    ['CONFIG', 'GET', 'dir'],
  ];
  const replies = await redis.run(make);
  const dir = /\r\n(\/.*)\r\n$/.exec(replies.at(-1) as string)?.[1] as string;
  offer(runner, readFileSync(join(dir, 'dump.rdb')));
  transcript(runner, [
    ['SET list before', '+OK'],
    ['RDB LOAD file NX', '+OK'],
    ['GET list', '$before'],
    ['RDB LOAD file', '+OK'],
    ['LLEN list', ':500'],
    ['LINDEX list 499', '$element 499'],
    ['PEXPIRETIME text', `:${far}`],
    ['GET text', '$value'],
    ['STRLEN long', ':10000'],
    ['SMEMBERS numbers', '[$-3 $1 $70000]'],
    ['SCARD set', ':3'],
    ['HGETALL hash', '[$f $v $g $]'],
    ['ZRANGE zset 0 -1 WITHSCORES', '[$b $-inf $a $1.5]'],
    ['XRANGE stream - +', '[[$1-1 [$f $v]]]'],
    ['EXISTS other', ':0'],
    ['RDB LOAD file DB 3', '+OK'],
    ['GET other', '$database'],
  ]);
  assert.match(runner.line('XPENDING stream readers - + 10'), /alice/);
});

function fileOf(version: string, body: number[], text = ''): Buffer {
  const head = Buffer.concat([
    Buffer.from(`REDIS${version}`),
    Buffer.from(body),
    Buffer.from(text, 'latin1'),
    Buffer.of(255),
  ]);
  return Buffer.concat([head, crc64(head)]);
}

test('a file that is damaged loads nothing', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const good = fileOf('0006', [254, 0, 0], '\x01k\x01v');
  const rows: [Buffer, RegExp][] = [
    [Buffer.from('nothing'), /Wrong signature/],
    [fileOf('0099', []), /version 99/],
    [good.subarray(0, 12), /ends within its header/],
    [Buffer.concat([good.subarray(0, -9), good.subarray(-8)]), /checksum/],
    [fileOf('0009', [0], '\x01k\x01v\x00\x02'), /announced/],
    [fileOf('0009', [0], '\x01k\x01v\x07\x01m'), /type 7/],
    [fileOf('0009', [245, 1, 65]), /opcode 245/],
  ];
  const before = runner.types.engine.visibleSequence();
  for (const [bytes, problem] of rows) {
    offer(runner, bytes);
    const reply = runner.line('RDB LOAD file');
    assert.match(reply, /^-ERR file: /);
    assert.match(reply, problem);
    assert.equal(runner.types.engine.visibleSequence(), before, String(problem));
  }
  offer(runner, good);
  transcript(runner, [
    ['RDB LOAD other', '-ERR no file other'],
    ['RDB SAVE file', '-ERR unknown subcommand'],
    ['RDB LOAD file DB x', '-ERR value is not an integer or out of range'],
    ['RDB LOAD file DB', '-ERR syntax error'],
    ['RDB LOAD file', '+OK'],
    ['GET k', '$v'],
  ]);
  // What has died is passed over; 0 stands for a checksum that was not computed.
  const dead = fileOf('0006', [253, 1, 0, 0, 0, 248, 5, 249, 1, 0], '\x01d\x01v');
  dead.fill(0, dead.length - 8);
  offer(runner, dead);
  assert.equal(short(runner.line('RDB LOAD file')), '+OK');
  assert.equal(short(runner.line('EXISTS d')), ':0');
});
