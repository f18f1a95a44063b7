/** Events of keyspace notifications of the string, hash and generic families, as Redis 7.2 says them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands } from './testing/command-runner.ts';

/** Runs lines one after the other; each with the events it is to say, none when it says nothing. */
async function says(rows: readonly (readonly [line: string, ...events: string[]])[]): Promise<void> {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (const [line, ...events] of rows) {
    runner.events = [];
    runner.line(line);
    assert.deepEqual(runner.events, events, line);
  }
}

const past = 1_600_000_000_000;

test('commands that set strings say set, and expire when they give a time', async () => {
  await says([
    ['SET a 1', '$ set a'],
    ['SET a 1 NX'],
    ['SET a 2 XX GET', '$ set a'],
    ['SET a 1 EX 100', '$ set a', 'g expire a'],
    ['SET a 1 KEEPTTL', '$ set a'],
    [`SET a 1 PXAT ${past}`, '$ set a', 'g expire a', 'x expired a'],
    ['SETNX a 1', '$ set a'],
    ['SETNX a 1'],
    ['SETEX a 10 1', '$ set a', 'g expire a'],
    ['PSETEX a 10000 1', '$ set a', 'g expire a'],
    ['GETSET a 2', '$ set a'],
    ['MSET a 1 b 2', '$ set a', '$ set b'],
    ['MSETNX a 1 c 2'],
    ['MSETNX c 1 d 2', '$ set c', '$ set d'],
    ['MSETEX 2 a 1 b 2 EX 10', '$ set a', 'g expire a', '$ set b', 'g expire b'],
    ['CAS a 1 2', '$ set a'],
    ['CAS a 1 2'],
    ['CAD a 2', 'g del a'],
    ['DELEX b IFEQ x'],
    ['DELEX b IFEQ 2', 'g del b'],
  ]);
});

test('commands that change or take strings say what they did', async () => {
  await says([
    ['INCR n', '$ incrby n'],
    ['INCRBY n 5', '$ incrby n'],
    ['DECR n', '$ incrby n'],
    ['DECRBY n 2', '$ incrby n'],
    ['INCRBYFLOAT n 1.5', '$ incrbyfloat n'],
    ['INCR n'],
    ['APPEND s x', '$ append s'],
    ['APPEND s y', '$ append s'],
    ['SETRANGE s 1 z', '$ setrange s'],
    ['GET s'],
    ['GETEX s'],
    ['GETEX s EX 100', 'g expire s'],
    ['GETEX s PERSIST', 'g persist s'],
    ['GETEX s PERSIST'],
    [`GETEX s PXAT ${past}`, 'g del s'],
    ['GETDEL s'],
    ['GETDEL n', 'g del n'],
  ]);
});

test('hash commands say what they did, and del when the last field went', async () => {
  await says([
    ['HSET h f 1 g 2', 'h hset h'],
    ['HSET h f 1', 'h hset h'],
    ['HMSET h f 1', 'h hset h'],
    ['HSETNX h f 1'],
    ['HSETNX h i 1', 'h hset h'],
    ['HINCRBY h f 1', 'h hincrby h'],
    ['HINCRBYFLOAT h f 1.5', 'h hincrbyfloat h'],
    ['HDEL h x'],
    ['HDEL h f x', 'h hdel h'],
    ['HDEL h g i', 'h hdel h', 'g del h'],
    ['HDEL h g'],
    ['HSETEXPIRE h 100 f v', 'h hset h', 'g expire h'],
  ]);
});

test('commands on whole keys say what they did to each of them', async () => {
  await says([
    ['MSET a 1 b 2 c 3', '$ set a', '$ set b', '$ set c'],
    ['DEL a x b', 'g del a', 'g del b'],
    ['UNLINK c', 'g del c'],
    ['SET a 1', '$ set a'],
    ['COPY a b', 'g copy_to b'],
    ['COPY a b'],
    ['COPY a b REPLACE', 'g copy_to b'],
    ['COPY x b REPLACE'],
    ['RENAME a c', 'g rename_from a', 'g rename_to c'],
    ['RENAME c c'],
    ['RENAMENX c b'],
    ['RENAMENX c d', 'g rename_from c', 'g rename_to d'],
    ['RENAME x y'],
    ['EXPIRE d 100', 'g expire d'],
    ['EXPIRE d 50 GT'],
    ['PEXPIREAT d 1800000000000', 'g expire d'],
    ['PERSIST d', 'g persist d'],
    ['PERSIST d'],
    ['EXPIRE x 1'],
    ['EXPIRE d -1', 'g del d'],
    [`EXPIREAT b ${past / 1000}`, 'g del b'],
    ['EXISTS b'],
  ]);
});

test('a command that is refused says nothing', async () => {
  await says([
    ['HSET h f v', 'h hset h'],
    ['APPEND h x'],
    ['INCR h'],
    ['SET h 1 IFEQ x'],
    ['SET s x', '$ set s'],
    ['HSET s f v'],
    ['HINCRBY h f 1'],
    ['INCRBYFLOAT s 1'],
    ['SETRANGE s -1 x'],
  ]);
});
