import assert from 'node:assert/strict';
import { test } from 'node:test';
import { family } from '@holdfast/engine';
import { ReplyWriter, Request } from '@holdfast/resp';
import type { Session } from '../session.ts';
import { openTestCommands, type CommandRunner } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value';
const badOffset = '-ERR bit offset is not an integer or out of range';

/** Sub keys and their values, without the prefix of the only key. */
function fragmentsOf(runner: CommandRunner, keyLength: number): Record<string, string> {
  const prefixLength = 1 + '__namespace'.length + 4 + keyLength + 8;
  const found: Record<string, string> = {};
  const entries = runner.types.engine.iterate(family.subkey, {});
  try {
    while (entries.next()) {
      const name = entries.key.view().subarray(prefixLength).toString();
      found[name] = entries.value
        .view()
        .toString('hex')
        .replace(/(00)+$/, (zeros) => `+${zeros.length / 2}`);
    }
  } finally {
    entries.close();
  }
  return found;
}

test('bits are set, read, counted and found, and the bitmap is the string that Redis has', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SETBIT b 1 1', ':0'],
    ['SETBIT b 7 1', ':0'],
    ['SETBIT b 7 1', ':1'],
    ['GET b', '$A'],
    ['SETBIT b 19 0', ':0'],
    ['GET b', '$A\0\0'],
    ['TYPE b', '+bitmap'],
    ['GETBIT b 1', ':1'],
    ['GETBIT b 2', ':0'],
    ['GETBIT b 4294967295', ':0'],
    ['GETBIT none 0', ':0'],
    ['BITCOUNT b', ':2'],
    ['BITCOUNT b 2 7 BIT', ':1'],
    ['BITCOUNT b -3 -3', ':2'],
    ['BITCOUNT none', ':0'],
    ['BITPOS b 1', ':1'],
    ['BITPOS b 1 2 -1 BIT', ':7'],
    ['BITPOS b 1 1', ':-1'],
    ['BITPOS b 0 7 7 BIT', ':-1'],
    ['BITPOS none 0', ':0'],
    ['BITPOS none 1', ':-1'],
    ['SETBIT ones 0 1', ':0'],
    ['BITFIELD ones SET u8 0 255', '[:128]'],
    ['BITPOS ones 0', ':8'],
    ['BITPOS ones 0 0', ':8'],
    ['BITPOS ones 0 0 -1', ':-1'],
    ['APPEND b x', wrongType],
    ['STRLEN b', wrongType],
  ]);
});

test('bit commands refuse what is no bit, offset, range or operator', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SETBIT b -1 1', badOffset],
    ['SETBIT b 4294967296 1', badOffset],
    ['SETBIT b x 1', badOffset],
    ['SETBIT b 0 2', '-ERR bit is not an integer or out of range'],
    ['GETBIT b 4294967296', badOffset],
    ['BITCOUNT b 0', '-ERR syntax error'],
    ['BITCOUNT b 0 x', '-ERR value is not an integer or out of range'],
    ['BITCOUNT b 0 1 word', '-ERR syntax error'],
    ['BITCOUNT b 0 1 BIT x', '-ERR syntax error'],
    ['BITPOS b 2', '-ERR The bit argument must be 1 or 0.'],
    ['BITPOS b x', '-ERR value is not an integer or out of range'],
    ['BITPOS b 1 x', '-ERR value is not an integer or out of range'],
    ['BITOP NAND d b', '-ERR syntax error'],
    ['BITOP NOT d b c', '-ERR BITOP NOT must be called with a single source key.'],
    ['BITFIELD b GET u8', '-ERR syntax error'],
    ['BITFIELD b SHIFT u8 0', '-ERR syntax error'],
    ['BITFIELD b OVERFLOW never', '-ERR Invalid OVERFLOW type specified'],
    ['BITFIELD b SET u8 -1 1', badOffset],
    ['BITFIELD b SET u8 0 x', '-ERR value is not an integer or out of range'],
    ['EXISTS b', ':0'],
    ['RPUSH l x', ':1'],
    ['SETBIT l 0 1', wrongType],
    ['BITFIELD l GET u8 0', wrongType],
    ['BITOP OR d l', wrongType],
  ]);
  const reading = opened.runner.line('BITFIELD_RO b GET u8 0 SET u8 0 1');
  assert.equal(short(reading), '-ERR BITFIELD_RO only supports the GET subcommand');
  for (const type of ['u64', 'i65', 'u0', 'i', '8', 'x8', 'i08']) {
    assert.match(opened.runner.line(`BITFIELD b GET ${type} 0`), /^-ERR Invalid bitfield type\. Use/, type);
  }
});

test('fields of any width are read, set and increased, and what does not fit wraps, stays at the end, or fails', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['BITFIELD f', '[]'],
    ['BITFIELD f GET u8 0', '[:0]'],
    ['EXISTS f', ':0'],
    ['BITFIELD f SET u8 0 65 SET u8 #1 66', '[:0 :0]'],
    ['GET f', '$AB'],
    ['BITFIELD f INCRBY u8 0 -66', '[:255]'],
    ['BITFIELD f OVERFLOW SAT INCRBY u8 0 100 OVERFLOW FAIL INCRBY u8 0 1 GET u8 0', '[:255 nil :255]'],
    ['BITFIELD f SET i64 3 -9223372036854775808 INCRBY i64 3 -1', '[:-427841964600197120 :9223372036854775807]'],
    ['BITFIELD f OVERFLOW FAIL INCRBY i5 900 100', '[nil]'],
    ['BITCOUNT f 100 112', ':0'],
    ['BITPOS f 0 114', ':-1'],
    ['BITPOS f 0 113', ':904'],
    ['BITPOS f 0 112', ':896'],
  ]);
});

test('a fragment grows to what is needed or is doubled, and one that was never written is not stored', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const steps: readonly [string, Record<string, string>][] = [
    ['SETBIT b 0 1', { 0: '01' }],
    ['SETBIT b 15 1', { 0: '0180' }],
    ['SETBIT b 23 1', { 0: '018080+1' }],
    ['SETBIT b 100 1', { 0: '01808000000000000000000010' }],
    ['SETBIT b 24576 0', { 0: '01808000000000000000000010', 3072: '+1' }],
    ['BITFIELD b SET u16 24568 65535', { 0: '01808000000000000000000010', 2048: `${'00'.repeat(1023)}ff`, 3072: 'ff' }],
  ];
  for (const [line, fragments] of steps) {
    runner.line(line);
    assert.deepEqual(fragmentsOf(runner, 1), { ...fragments, ...zeroTails(fragments) }, line);
  }
});

/** Values as `fragmentsOf` writes them. */
function zeroTails(fragments: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fragments).map(([name, text]) => [
      name,
      text.includes('+') ? text : text.replace(/(00)+$/, (zeros) => `+${zeros.length / 2}`),
    ]),
  );
}

test('a bitmap of 512 MiB with one bit is counted, searched and combined by what is stored of it', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SETBIT far 4294967295 1', ':0'],
    ['SETBIT near 3 1', ':0'],
    ['GETBIT far 4294967295', ':1'],
    ['BITCOUNT far', ':1'],
    ['BITPOS far 1', ':4294967295'],
    ['BITPOS far 0', ':0'],
    ['BITPOS far 1 0 -2', ':-1'],
    ['BITOP OR both far near', ':536870912'],
    ['BITCOUNT both', ':2'],
    ['BITPOS both 1 4 -1 BIT', ':4294967295'],
    ['BITOP AND none far near', ':536870912'],
    ['BITCOUNT none', ':0'],
    ['BITOP XOR near near near', ':1'],
    ['GET near', '$\0'],
    ['BITOP OR both x y', ':0'],
    ['EXISTS both', ':0'],
  ]);
  assert.match(opened.runner.line('GET far'), /^-ERR Operation aborted: The size of the bitmap is 536870912 bytes/);
});

test('a string stays a string, and the result of BITOP is a bitmap', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  transcript(runner, [
    ['SET s A EX 100', '+OK'],
    ['SETBIT s 6 1', ':0'],
    ['GET s', '$C'],
    ['SETBIT s 15 1', ':0'],
    ['GET s', '$C\x01'],
    ['BITFIELD s INCRBY u8 0 2', '[:69]'],
    ['TTL s', ':100'],
    ['TYPE s', '+string'],
    ['BITOP NOT d s', ':2'],
    ['TYPE d', '+bitmap'],
    ['BITOP NOT d d', ':2'],
    ['GET d', '$E\x01'],
  ]);
});

test('GETEX answers a bitmap as a string and changes its expiry', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SETBIT b 1 1', ':0'],
    ['GETEX b EX 10', '$@'],
    ['TTL b', ':10'],
    ['GETEX b', '$@'],
    ['TTL b', ':10'],
    ['GETEX b PERSIST', '$@'],
    ['TTL b', ':-1'],
    ['GETBIT b 1', ':1'],
  ]);
});

test('bit commands say what they did, and nothing when nothing changed', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.events = [];
  const lines = [
    'SETBIT b 0 1',
    'SETBIT b 0 1',
    'BITFIELD b SET u8 0 128',
    'BITFIELD b GET u8 0',
    'BITFIELD b SET u8 0 1',
  ];
  lines.push('BITOP OR d b', 'BITOP OR d none', 'BITOP OR d none');
  for (const line of lines) runner.line(line);
  assert.deepEqual(runner.events, ['$ setbit b', '$ setbit b', '$ set d', 'g del d']);
  assert.equal(short(runner.line('GET b')), '$\x01');
});

/** A request of very many arguments, which cannot be spread. */
function requestOf(first: readonly string[], key: string, count: number): Request {
  const request = new Request();
  const words = [...first, key];
  request.buffer = Buffer.from(words.join(''));
  request.count = first.length + count;
  request.bounds = new Int32Array(2 * request.count);
  let at = 0;
  for (let index = 0; index < request.count; index++) {
    const length = (words[Math.min(index, first.length)] as string).length;
    request.bounds[2 * index] = at;
    request.bounds[2 * index + 1] = at + length;
    if (index < first.length) at += length;
  }
  return request;
}

test('BITOP takes as many sources as a request can have, and those that do not exist count as zeros', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('SETBIT d 12 1');
  const bitop = runner.definitions.get('bitop');
  assert.ok(bitop !== undefined);
  const request = requestOf(['BITOP', 'OR', 'd', 'd'], 'none', 200_000);
  const reply = new ReplyWriter();
  const { nowMs, namespace } = runner;
  bitop.run({ nowMs, namespace, session: {} as Session }, bitop.parse(request), reply);
  assert.equal(reply.take().toString(), ':2\r\n');
  transcript(runner, [
    ['BITCOUNT d', ':1'],
    ['BITOP AND e d none d', ':2'],
    ['BITCOUNT e', ':0'],
    ['BITOP XOR e none d', ':2'],
    ['BITPOS e 1', ':12'],
  ]);
});
