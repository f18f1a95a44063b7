import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value';
const now = 1_700_000_000_000;

test('SET takes each of its options, and refuses what contradicts', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SET a 1', '+OK'],
    ['set a 2 nx', 'nil'],
    ['SET b 2 NX', '+OK'],
    ['SET c 1 XX', 'nil'],
    ['SET a 3 XX GET', '$1'],
    ['SET c 1 GET', 'nil'],
    ['SET a 4 NX GET', '$3'],
    ['SET a 5 EX 10', '+OK'],
    ['PTTL a', ':10000'],
    ['SET a 6 KEEPTTL', '+OK'],
    ['PTTL a', ':10000'],
    ['SET a 7', '+OK'],
    ['PTTL a', ':-1'],
    [`SET a 8 PXAT ${now + 5}`, '+OK'],
    5,
    ['GET a', '$8'],
    1,
    ['GET a', 'nil'],
    ['SET b x EXAT 1', '+OK'],
    ['EXISTS b', ':0'],
    ['SET a 1 NX XX', '-ERR syntax error'],
    ['SET a 1 NX IFEQ 2', '-ERR syntax error'],
    ['SET a 1 EX 10 PX 10', '-ERR syntax error'],
    ['SET a 1 EX 10 KEEPTTL', '-ERR syntax error'],
    ['SET a 1 EX', '-ERR syntax error'],
    ['SET a 1 GET GET', '-ERR syntax error'],
    ['SET a 1 EX 0', "-ERR invalid expire time in 'set' command: out of numeric range"],
    ['SET a 1 PX -5', "-ERR invalid expire time in 'set' command"],
    ['SET a 1 EX 9223372036854775807', "-ERR invalid expire time in 'set' command"],
    ['SET a 1 EX x', '-ERR value is not an integer or out of range: not started as an integer'],
    ['SET a 1 EX 1x', '-ERR value is not an integer or out of range: encounter non-integer characters'],
    ['SET a 1 EX 99999999999999999999', '-ERR value is not an integer or out of range'],
    ['SET a 1 EX 10 PX 10', '-ERR syntax error'],
    ['SET a 1 EX 10 KEEPTTL', '-ERR syntax error'],
    ['SET twice 1 EX 10 EX 20', '+OK'],
    ['TTL twice', ':20'],
    ['GETEX twice EX 20 EX 30', '$1'],
    ['TTL twice', ':30'],
    ['CAS twice 1 2 PXAT 1800000000000 PXAT 1800000000001', ':1'],
    ['PEXPIRETIME twice', ':1800000000001'],
  ]);
});

test('SET and DELEX compare with the value or its digest', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SET k x IFEQ y', 'nil'],
    ['EXISTS k', ':0'],
    ['SET k Hello_world IFNE y', '+OK'],
    ['SET k x IFNE Hello_world', 'nil'],
    ['SET k v2 IFEQ Hello_world GET', '$Hello world'],
    ['SET k v3 IFEQ wrong GET', '$v2'],
    ['GET k', '$v2'],
    ['SET k Hello_world', '+OK'],
    ['DIGEST k', '$b6acb9d84a38ff74'],
    ['SET k x IFDEQ 0000000000000000', 'nil'],
    ['SET k x IFDNE b6acb9d84a38ff74', 'nil'],
    ['SET k x IFDEQ B6ACB9D84A38FF74', '+OK'],
    ['SET k x IFDEQ b6ac', '-ERR IFDEQ digest must be exactly 16 hexadecimal characters'],
    ['DELEX k IFEQ y', ':0'],
    ['DELEX k IFNE x', ':0'],
    ['DELEX k IFEQ x', ':1'],
    ['DELEX k IFNE x', ':0'],
    ['DELEX k', ':0'],
    ['DELEX k FOO x', '-ERR syntax error'],
    ['DIGEST k', 'nil'],
    ['HSET h f v', ':1'],
    ['SET h x IFEQ x', wrongType],
    ['SET h x GET', wrongType],
    ['DELEX h IFEQ x', wrongType],
    ['DELEX h', ':1'],
  ]);
});

test('CAS and CAD answer 1, 0, or -1 when there is no key', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['CAS k a b', ':-1'],
    ['CAD k a', ':-1'],
    ['SET k a', '+OK'],
    ['CAS k x b', ':0'],
    ['CAS k a b EX 10', ':1'],
    ['PTTL k', ':10000'],
    ['CAS k b c', ':1'],
    ['PTTL k', ':-1'],
    ['CAS k c d EX', '-ERR syntax error: no more item to parse'],
    ['CAS k c d EX 0', "-ERR invalid expire time in 'cas' command: out of numeric range"],
    ['CAD k x', ':0'],
    ['CAD k c', ':1'],
    ['EXISTS k', ':0'],
  ]);
});

test('numbers in strings count over all of int64 and keep their expiry', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['INCR n', ':1'],
    ['EXPIRE n 100', ':1'],
    ['INCRBY n 41', ':42'],
    ['TTL n', ':100'],
    ['DECRBY n 50', ':-8'],
    ['DECR n', ':-9'],
    ['SET n 9223372036854775806', '+OK'],
    ['INCR n', ':9223372036854775807'],
    ['INCR n', '-ERR increment or decrement would overflow'],
    ['DECRBY n -1', '-ERR increment or decrement would overflow'],
    ['DECRBY n -9223372036854775808', '-ERR decrement would overflow'],
    ['INCRBY n -9223372036854775808', ':-1'],
    ['SET n 9007199254740993', '+OK'],
    ['INCR n', ':9007199254740994'],
    ['SET n 999999999999999', '+OK'],
    ['INCRBY n 4503599627370495', ':5503599627370494'],
    ['SET n 01', '+OK'],
    ['INCR n', '-ERR value is not an integer or out of range'],
    ['INCRBY n 1.0', '-ERR value is not an integer or out of range'],
    ['INCRBYFLOAT f 0.1', '$0.1'],
    ['EXPIRE f 100', ':1'],
    ['INCRBYFLOAT f 0.2', '$0.3'],
    ['TTL f', ':100'],
    ['INCRBYFLOAT f -0.3', '$0'],
    ['INCRBYFLOAT f inf', '-ERR increment would produce NaN or Infinity'],
    ['INCRBYFLOAT f x', '-ERR value is not a valid float'],
    ['SET f x', '+OK'],
    ['INCRBYFLOAT f 1', '-ERR value is not a valid float'],
  ]);
});

test("parts of strings are read and written with Redis' positions", async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['APPEND s Hello', ':5'],
    ['APPEND s _World', ':11'],
    ['STRLEN s', ':11'],
    ['GETRANGE s 0 4', '$Hello'],
    ['GETRANGE s -5 -1', '$World'],
    ['GETRANGE s 6 100', '$World'],
    ['GETRANGE s -1 -5', '$'],
    ['GETRANGE s 5 2', '$'],
    ['GETRANGE s -100 0', '$H'],
    ['GETRANGE s 0 -100', '$H'],
    ['GETRANGE s 0 9223372036854775807', '$Hello World'],
    ['SUBSTR s 0 -7', '$Hello'],
    ['GETRANGE s a 1', '-ERR value is not an integer or out of range'],
    ['SETRANGE s 6 Redis', ':11'],
    ['GET s', '$Hello Redis'],
    ["SETRANGE s 100 ''", ':11'],
    ["SETRANGE new 5 ''", ':0'],
    ['EXISTS new', ':0'],
    ['SETRANGE new 2 x', ':3'],
    ['GET new', '$\0\0x'],
    ['SETRANGE s -1 x', '-ERR offset is out of range'],
    ['SETRANGE s 536870912 x', '-ERR string exceeds maximum allowed size (proto-max-bulk-len)'],
    ['STRLEN none', ':0'],
    ['GETRANGE none 0 -1', '$'],
  ]);
});

test('APPEND and SETRANGE keep the expiry, the old SETs drop it', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SETEX a 10 x', '+OK'],
    ['APPEND a y', ':2'],
    ['SETRANGE a 0 z', ':2'],
    ['TTL a', ':10'],
    ['GETSET a w', '$zy'],
    ['TTL a', ':-1'],
    ['PSETEX a 10 x', '+OK'],
    ['PTTL a', ':10'],
    ['SETEX a 0 x', "-ERR invalid expire time in 'setex' command"],
    ['PSETEX a -1 x', "-ERR invalid expire time in 'psetex' command"],
    ['SETNX a y', ':0'],
    11,
    ['SETNX a y', ':1'],
    ['PTTL a', ':-1'],
    ['GETDEL a', '$y'],
    ['GETDEL a', 'nil'],
  ]);
});

test('GETEX sets, keeps and removes the expiry', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SET a x', '+OK'],
    ['GETEX a', '$x'],
    ['GETEX a EX 10', '$x'],
    ['PTTL a', ':10000'],
    ['GETEX a', '$x'],
    ['PTTL a', ':10000'],
    ['GETEX a PERSIST', '$x'],
    ['PTTL a', ':-1'],
    [`GETEX a PXAT ${now - 1}`, '$x'],
    ['GETEX a', 'nil'],
    ['GETEX a PERSIST EX', '-ERR syntax error'],
    ['GETEX a EX 0', "-ERR invalid expire time in 'getex' command: out of numeric range"],
  ]);
});

test('several keys are set together or not at all', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['MSET a 1 b 2', '+OK'],
    ['HSET h f v', ':1'],
    ['MGET a h none b', '[$1 nil nil $2]'],
    ['MSETNX c 3 a 4', ':0'],
    ['EXISTS c', ':0'],
    ['MSETNX c 3 d 4 c 5', ':1'],
    ['GET c', '$5'],
    ['MSET a 1 b', "-ERR wrong number of arguments for 'mset' command"],
    ['MSETNX a 1 b', "-ERR wrong number of arguments for 'msetnx' command"],
    ['MSETEX 2 a 1 b 2 EX 10', ':1'],
    ['PTTL b', ':10000'],
    ['MSETEX 2 a 5 e 6 NX', ':0'],
    ['MSETEX 2 a 5 e 6 XX', ':0'],
    ['EXISTS e', ':0'],
    ['MSETEX 2 a 5 c 6 XX KEEPTTL', ':1'],
    ['PTTL a', ':10000'],
    ['PTTL c', ':-1'],
    ['MSETEX 0 a 1', '-ERR invalid numkeys value'],
    ['MSETEX 3 a 1 b 2', "-ERR wrong number of arguments for 'msetex' command"],
    ['MSETEX 1 a 1 EX 10 PX 10', '-ERR syntax error'],
    ['MSETEX 1 a 1 FOO', '-ERR syntax error'],
    [`MSETEX 2 a 1 b 2 PXAT ${now - 1}`, ':1'],
    ['EXISTS a b', ':0'],
  ]);
});

test('LCS answers the text, its length, or its matches', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['MSET a ohmytext b mynewtext', '+OK'],
    ['LCS a b', '$mytext'],
    ['LCS a b LEN', ':6'],
    ['LCS a b IDX', '[$matches [[[:4 :7] [:5 :8]] [[:2 :3] [:0 :1]]] $len :6]'],
    ['LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN', '[$matches [[[:4 :7] [:5 :8] :4]] $len :6]'],
    ['LCS a none', '$'],
    ['LCS a b LEN IDX', '-ERR If you want both the length and indexes, please just use IDX.'],
    ['LCS a b FOO', '-ERR syntax error'],
  ]);
  opened.runner.run('SET', 'a', 'x'.repeat(5000));
  opened.runner.run('SET', 'b', 'x'.repeat(5000));
  assert.match(opened.runner.line('LCS a b'), /^-ERR Insufficient memory/);
});

test('values keep every byte, also those that mean something elsewhere', async () => {
  await using opened = await openTestCommands();
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  opened.runner.run('SET', bytes, bytes);
  assert.equal(short(opened.runner.run('GET', bytes)), `$${bytes.toString('latin1')}`);
  opened.runner.commit();
  assert.equal(short(opened.runner.run('GET', bytes)), `$${bytes.toString('latin1')}`);
});
