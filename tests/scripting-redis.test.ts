/**
 * The same scripts on a node and on a real redis-server, fixed ones and random ones: values, libraries fed with junk, errors
 * and where they were raised. Skipped where redis-server is not installed. HOLDFAST_SEED=<n> draws others.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import { ReplyError, RespClient, type Reply } from '@holdfast/resp';
import { realTimers, tcpConnector } from '@holdfast/base/real';
import { startNode, until } from './support/node-process.ts';
import { startRedis } from './support/redis-server.ts';

const seed = Number(process.env['HOLDFAST_SEED'] ?? 1);

const fixed = [
  'return {1, 2.5, "a", true, false, nil, 4}',
  'return {ok="a b"}',
  'return {err="A b"}',
  'return redis.call()',
  'return redis.call({})',
  "return redis.call('nosuch')",
  "return redis.call('get')",
  "return redis.call('multi')",
  "return redis.pcall('incr', KEYS[1]).err",
  "return redis.call('incr', KEYS[1])",
  'return foo',
  'redis.call = 1',
  'error("x")',
  'error()',
  'error({err="A b"})',
  'local x = nil + 1',
  '\n\nlocal t = {} return t.a.b',
  'syntax error here',
  'return redis.sha1hex()',
  'return redis.sha1hex("a", "b")',
  'redis.setresp(5)',
  'redis.log()',
  'return redis.error_reply("A b")',
  'return redis.error_reply("x")',
  'return redis.status_reply("x")',
  'return tostring(cjson.null)',
  'return cjson.encode({[1]=1,[1000]=2})',
  'return cjson.encode(function() end)',
  'return cjson.encode({[true]=1})',
  'return cjson.encode(0/0)',
  'local a = {} a.a = a return cjson.encode(a)',
  'return cmsgpack.pack()',
  'return struct.pack("z", 1)',
  'return struct.unpack(">I4", "ab")',
  'return struct.size("!8bdi3s")',
  'return redis.acl_check_cmd("nosuch")',
  'return redis.acl_check_cmd("get", "a")',
  'return string.rep("ab", 3) .. ("x"):upper() .. #("abc")',
  'return {pcall(error, {1, 2})}',
  'return {select(2, pcall(error, "x"))}',
  'return redis.call("set", KEYS[1], 1e15) and redis.call("get", KEYS[1])',
  'return redis.call("set", KEYS[1], -12.0) and redis.call("get", KEYS[1])',
  'math.randomseed(42) return {tostring(math.random()), math.random(10), math.random(5, 9)}',
  'return load("return 1")',
  'return table.concat({1, 2, 3}, ",")',
  'return unpack({1, 2})',
  'return coroutine.wrap(function() coroutine.yield(7) end)()',
  'return bit.tohex(-1, -4) .. bit.tohex(255)',
  'return {tonumber("0x10"), tonumber("z", 36), tostring(1e100)}',
];

function pick<T>(random: Random, from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

/** A Lua expression. Objects have one key at most: the order of more depends on the build of Lua. */
function value(random: Random, depth: number): string {
  const kind = randomBelow(random, depth > 0 ? 9 : 6);
  if (kind === 0) return String(randomBelow(random, 300) - 150);
  if (kind === 1)
    return pick(random, ['0.5', '-1.25', '1e15', '2^31', '-2^31', '2^53', '1/3', '1e100', '65536', '-129']);
  if (kind === 2) return pick(random, ['true', 'false']);
  if (kind < 6) return text(random, randomBelow(random, 40));
  if (kind === 6) return `{${pick(random, ['a', 'key', 'b1'])}=${value(random, depth - 1)}}`;
  return `{${Array.from({ length: randomBelow(random, 4) }, () => value(random, depth - 1)).join(',')}}`;
}

function text(random: Random, length: number): string {
  return `"${Array.from(random.bytes(length), (byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`;
}

function json(random: Random): string {
  const alphabet = [
    '[',
    ']',
    '{',
    '}',
    '"a"',
    ':',
    ',',
    '1',
    '-2.5',
    'true',
    'null',
    '"\\u00e9"',
    '"\\x"',
    ' ',
    '0x1f',
    '01',
    '"',
  ];
  return Array.from({ length: 1 + randomBelow(random, 7) }, () => pick(random, alphabet)).join('');
}

function format(random: Random): string {
  const options = ['b', 'B', 'h', 'H', 'i4', 'I2', 'l', 'L', 'i8', 'f', 'd', '>', '<', '!', '!4', ' ', 'x', 'I3'];
  return Array.from({ length: 1 + randomBelow(random, 5) }, () => pick(random, options)).join('');
}

function script(random: Random): string {
  const [a, b] = [value(random, 3), value(random, 2)];
  const number = (): string => pick(random, ['0', '1', '-1', '255', '2^31', '-2^31', '2^32+5', '1.5', '33', '-7']);
  const quoted = (raw: string): string => `[==[${raw}]==]`;
  return pick(random, [
    `return ${a}`,
    `return {${a},${b}}`,
    `return cjson.encode(${a})`,
    `return cjson.encode({${a},${b}})`,
    `return cjson.encode(cjson.decode(${quoted(json(random))}))`,
    `return cmsgpack.pack(${a},${b})`,
    `return {cmsgpack.unpack(cmsgpack.pack(${a},${b}))}`,
    `return {cmsgpack.unpack(${text(random, 1 + randomBelow(random, 6))})}`,
    `return {cmsgpack.unpack_limit(cmsgpack.pack(${a},${b},1), ${randomBelow(random, 3) + 1})}`,
    `return struct.pack("${format(random)}", 1, -2, 3, 4, 5)`,
    `return {struct.unpack("${format(random)}", ${text(random, randomBelow(random, 40))})}`,
    `return struct.size("${format(random)}")`,
    `return {bit.band(${number()},${number()}), bit.bxor(${number()},${number()}), bit.bnot(${number()})}`,
    `return {bit.lshift(${number()},${number()}), bit.rshift(${number()},${number()}), bit.arshift(${number()},${number()})}`,
    `return {bit.rol(${number()},${number()}), bit.ror(${number()},${number()}), bit.bswap(${number()}), bit.tobit(${number()})}`,
    `return bit.tohex(${number()},${randomBelow(random, 20) - 10})`,
    `return redis.sha1hex(${text(random, randomBelow(random, 130))})`,
    `redis.call("set", KEYS[1], ${text(random, 20)}) return redis.call("get", KEYS[1])`,
    `return {redis.call("set", KEYS[1], ${number()}), redis.call("get", KEYS[1]), redis.pcall("incr", KEYS[1])}`,
  ]);
}

/** The reply as text; errors without what our texts have beyond Redis'. */
function shown(reply: Reply): unknown {
  if (reply instanceof ReplyError) {
    return { error: reply.message.replace(/: Script attempted to create global variable '[^']*'/, '') };
  }
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  return Array.isArray(reply) ? reply.map(shown) : reply;
}

async function redisClient(t: TestContext): Promise<RespClient | undefined> {
  const port = await startRedis(t);
  if (port === undefined) return undefined;
  const open = (): Promise<RespClient | undefined> =>
    RespClient.connect(
      tcpConnector,
      { host: '127.0.0.1', port },
      { connectTimeoutMs: 1000, commandTimeoutMs: 20_000, timers: realTimers },
    ).catch(() => undefined);
  const client = (await until(open, (opened) => opened !== undefined)) as RespClient;
  t.after(() => client.close());
  return client;
}

test('fixed and random scripts are answered as by redis-server', async (t) => {
  const theirs = await redisClient(t);
  if (theirs === undefined) return;
  const ours = await (await startNode(t)).client();
  const random = seededRandom(seed);
  const scripts = [...fixed, ...Array.from({ length: 1500 }, () => script(random))];
  const different: unknown[] = [];
  for (const one of scripts) {
    const [expected, found] = await Promise.all([
      theirs.command('EVAL', one, '1', 'key'),
      ours.command('EVAL', one, '1', 'key'),
    ]);
    if (!isDeepStrictEqual(shown(found), shown(expected))) {
      different.push({ script: one, found: shown(found), expected: shown(expected) });
    }
  }
  assert.deepEqual(different.slice(0, 20), [], `seed ${seed}: ${different.length} of ${scripts.length} differ`);
});
