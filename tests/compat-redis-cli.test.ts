/** One node as the usual clients see it: redis-cli in its modes, ioredis and node-redis, over RESP2 and RESP3. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { startNode, type NodeProcess } from './support/node-process.ts';

type Cli = (...args: string[]) => Promise<string>;

async function cliOf(t: TestContext, ...nodeArgs: string[]): Promise<{ node: NodeProcess; cli: Cli }> {
  const node = await startNode(t, { args: nodeArgs });
  const cli: Cli = async (...args) => {
    const { stdout } = await promisify(execFile)('redis-cli', ['-p', String(node.port), ...args]);
    return stdout.trimEnd();
  };
  return { node, cli };
}

/** redis-cli with text on its standard input. */
async function piped(node: NodeProcess, args: readonly string[], input: string): Promise<string> {
  const child = spawn('redis-cli', ['-p', String(node.port), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdin.end(input);
  await once(child, 'close');
  return output;
}

test('redis-cli: strings, hashes and errors', async (t) => {
  const { cli } = await cliOf(t);
  assert.equal(await cli('ping'), 'PONG');
  assert.equal(await cli('set', 'key', 'value with blanks', 'EX', '100'), 'OK');
  assert.equal(await cli('get', 'key'), 'value with blanks');
  assert.equal(await cli('get', 'absent'), '');
  assert.equal(await cli('--no-raw', 'get', 'absent'), '(nil)');
  assert.equal(await cli('--no-raw', 'incrby', 'n', '41'), '(integer) 41');
  assert.equal(await cli('hset', 'h', 'a', '1', 'b', '2'), '2');
  assert.equal(await cli('--no-raw', 'hgetall', 'h'), '1) "a"\n2) "1"\n3) "b"\n4) "2"');
  assert.equal(await cli('incr', 'key'), 'ERR value is not an integer or out of range');
  assert.match(await cli('hget', 'key', 'f'), /^WRONGTYPE/);
  assert.equal(await cli('--csv', 'mget', 'key', 'n', 'absent'), '"value with blanks","41",NULL');
});

test('redis-cli -3 gets maps and nulls of RESP3', async (t) => {
  const { cli } = await cliOf(t, '--resp3-enabled', 'yes');
  await cli('hset', 'h', 'a', '1');
  assert.equal(await cli('-3', '--no-raw', 'hgetall', 'h'), '1# "a" => "1"');
  assert.equal(await cli('-3', '--no-raw', 'get', 'absent'), '(nil)');
  assert.match(await cli('-3', '--no-raw', 'hello'), /"proto" => \(integer\) 3/);
  assert.match(await cli('-3', 'info', 'server'), /redis_version:/);
});

test('redis-cli: --scan, --pipe, -x, -n and transactions', async (t) => {
  const { node, cli } = await cliOf(t);
  const lines = Array.from({ length: 1000 }, (_, i) => `SET key:${i} ${i}\r\n`).join('');
  assert.match(await piped(node, ['--pipe'], lines), /errors: 0, replies: 1000/);
  const keys = (await cli('--scan', '--pattern', 'key:*')).split('\n');
  assert.equal(new Set(keys).size, 1000);
  assert.equal(keys.length, 1000);
  const session = await piped(node, [], 'MULTI\nINCR key:1\nHSET h f v\nEXEC\n');
  assert.equal(session.trimEnd(), 'OK\nQUEUED\nQUEUED\n2\n1');
  assert.equal(await cli('-n', '3', 'get', 'key:2'), '2', 'SELECT has no effect, as in Kvrocks');
  assert.equal(await piped(node, ['-x', 'set', 'from-input'], 'text'), 'OK\n');
  assert.equal(await cli('get', 'from-input'), 'text');
});

test('redis-cli: a password by -a, and none at all', async (t) => {
  const node = await startNode(t);
  const cli = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('redis-cli', ['-p', String(node.port), ...args])).stdout.trimEnd();
  assert.equal(await cli('config', 'set', 'requirepass', 'secret'), 'OK');
  assert.equal(await cli('get', 'a'), 'NOAUTH Authentication required.');
  assert.equal(await cli('--no-auth-warning', '-a', 'secret', 'ping'), 'PONG');
  assert.equal(await cli('--no-auth-warning', '--user', 'default', '--pass', 'secret', '-3', 'ping'), 'PONG');
});

test('redis-cli understands the command table and its documentation', async (t) => {
  const { cli } = await cliOf(t);
  const count = Number(await cli('command', 'count'));
  assert.ok(count > 80);
  assert.match(await cli('command', 'docs', 'get'), /summary/);
  assert.equal(await cli('command', 'getkeys', 'mset', 'a', '1', 'b', '2'), 'a\nb');
  assert.match(await cli('--no-raw', 'command', 'info', 'get'), /1\) 1\) "get"\n +2\) \(integer\) 2/);
});

interface Smoke {
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<unknown>;
  hGetAll(key: string): Promise<unknown>;
  command(...args: string[]): Promise<unknown>;
  transaction(): Promise<unknown>;
}

/** The same session for every library. */
async function smoke(client: Smoke): Promise<void> {
  assert.equal(await client.set('key', 'välue'), 'OK');
  assert.equal(await client.get('key'), 'välue');
  assert.equal(await client.get('absent'), null);
  await client.command('HSET', 'hash', 'a', '1', 'b', '2');
  assert.deepEqual({ ...((await client.hGetAll('hash')) as object) }, { a: '1', b: '2' });
  await assert.rejects(client.command('HSET', 'key', 'f', 'v'), /WRONGTYPE/);
  assert.deepEqual(await client.transaction(), ['OK', 42]);
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`many:${i}`, String(i))));
  const found = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.get(`many:${i}`)));
  assert.ok(found.every((value, i) => value === String(i)));
}

test('ioredis: commands, pipelines, transactions', async (t) => {
  const { node } = await cliOf(t);
  const redis = new Redis(node.port, '127.0.0.1', { lazyConnect: true, connectionName: 'io' });
  await redis.connect();
  await smoke({
    set: (key, value) => redis.set(key, value),
    get: (key) => redis.get(key),
    hGetAll: (key) => redis.hgetall(key),
    command: (name = '', ...args) => redis.call(name, ...args),
    transaction: async () => (await redis.multi().set('n', '41').incr('n').exec())?.map(([, reply]) => reply),
  });
  const pipelined = await redis.pipeline().set('p', '1').incr('p').hset('key', 'f', 'v').exec();
  assert.deepEqual(
    pipelined?.map(([error, reply]) => error?.message.slice(0, 9) ?? reply),
    ['OK', 2, 'WRONGTYPE'],
  );
  const seen = new Set<string>();
  for await (const keys of redis.scanStream({ match: 'many:*', count: 100 })) {
    for (const key of keys as string[]) seen.add(key);
  }
  assert.equal(seen.size, 1000);
  redis.disconnect();
});

for (const protocol of [2, 3] as const) {
  test(`node-redis over RESP${protocol}: commands, pipelines, transactions`, async (t) => {
    const { node } = await cliOf(t, '--resp3-enabled', 'yes');
    const client = createClient({ url: `redis://127.0.0.1:${node.port}`, RESP: protocol, name: 'nr' });
    client.on('error', () => undefined);
    await client.connect();
    await smoke({
      set: (key, value) => client.set(key, value),
      get: (key) => client.get(key),
      hGetAll: (key) => client.hGetAll(key),
      command: (...args) => client.sendCommand(args),
      transaction: () => client.multi().set('n', '41').incr('n').exec(),
    });
    const watching = client.duplicate();
    await watching.connect();
    await watching.watch('n');
    await client.set('n', '0');
    await assert.rejects(watching.multi().incr('n').exec(), /watch/i);
    const names = (await client.sendCommand(['CLIENT', 'LIST'])) as unknown as string;
    assert.match(names, new RegExp(`name=nr .*resp=${protocol} lib-name=node-redis`));
    watching.destroy();
    client.destroy();
  });
}
