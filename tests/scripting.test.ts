/**
 * Scripts and functions against real nodes: atomic across a crash, ended by SCRIPT KILL and by role changes, known to replicas
 * and to the next process, and kept to the slots of their node.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { encodeCommand, itemsOf, textOf, type RespClient } from '@holdfast/resp';
import { ask, idA, idB, keepLeased, report, shard, topology, type Peer } from './support/fenced-peers.ts';
import { startNode, until, type NodeProcess } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

const library =
  "#!lua name=lib\nredis.register_function{function_name='twice', callback=function(_, a) return a[1] * 2 end, flags={'no-writes'}}";
const endless = 'while true do end';

/** What a command is answered, errors as their text. */
async function answer(client: RespClient, ...args: string[]): Promise<string> {
  return ask(client, ...args).catch((error: unknown) => (error as Error).message);
}

function peerOf(t: TestContext, node: NodeProcess, ...commands: string[][]): RawPeer {
  const peer = new RawPeer(node.port);
  t.after(() => peer.destroy());
  peer.send(Buffer.concat(commands.map((words) => encodeCommand(words))).toString('latin1'));
  return peer;
}

test('a script is there as a whole or not at all after kill -9', async (t) => {
  const dir = scratchDirectory('eval');
  const keys = Array.from({ length: 40 }, (_, i) => `key${i}`);
  // More than a batch would hold outside of a script: 1 MiB in all.
  const script =
    "for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1] .. ':' .. string.rep('x', 30000)) end return 'done'";
  const done = '$4\r\ndone\r\n';
  let round = 0;
  for (let crash = 0; crash < 3; crash++) {
    const node = await startNode(t, { dir });
    const from = round;
    const commands = Array.from({ length: 60 }, () => ['EVAL', script, String(keys.length), ...keys, String(++round)]);
    const writer = peerOf(t, node, ...commands);
    await writer.until(() => writer.received > (3 + crash * 7) * done.length);
    node.signal('SIGKILL');
    await node.exited();
    const acknowledged = Math.floor(writer.received / done.length);
    const again = await startNode(t, { dir });
    const client = await again.client();
    const found = (itemsOf(await client.command('MGET', ...keys)) ?? []).map(
      (item) => textOf(item)?.split(':')[0] ?? 'none',
    );
    assert.equal(new Set(found).size, 1, `torn: ${found.join(' ')}`);
    assert.ok(Number(found[0]) >= from + acknowledged, `${found[0]} is older than ${from + acknowledged}`);
    client.close();
    again.signal('SIGKILL');
    await again.exited();
  }
});

test('a script that takes long holds others, then they are told; SCRIPT KILL ends it', async (t) => {
  const node = await startNode(t, { args: ['--lua-time-limit', '300'] });
  const client = await node.client();
  assert.equal(await answer(client, 'SCRIPT', 'KILL'), 'NOTBUSY No scripts in execution right now.');
  const running = peerOf(t, node, ['EVAL', endless, '0'], ['PING']);
  const busy = 'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.';
  await until(
    () => answer(client, 'PING'),
    (text) => text === busy,
  );
  assert.equal(await answer(client, 'SET', 'a', '1'), busy);
  assert.equal(await answer(client, 'FUNCTION', 'KILL'), busy);
  assert.match(await answer(client, 'FUNCTION', 'STATS'), /./);
  assert.equal(await answer(client, 'SCRIPT', 'KILL'), 'OK');
  assert.equal(
    await until(
      () => answer(client, 'PING'),
      (text) => text === 'PONG',
    ),
    'PONG',
  );
  await running.until(() => running.text.endsWith('+PONG\r\n'));
  assert.match(
    running.text,
    /^-ERR .*killed by user with SCRIPT KILL\. script: [0-9a-f]{40}, on @user_script:1\.\r\n\+PONG\r\n$/,
  );
  assert.equal(await answer(client, 'EVAL', 'return 1', '0'), '1');
});

test('transactions beside a script that takes long: none is executed by half', async (t) => {
  const node = await startNode(t, { args: ['--lua-time-limit', '50'] });
  const [before, during, client] = [await node.client(), await node.client(), await node.client()];
  await before.command('MULTI');
  await before.command('INCR', 'a');
  const running = peerOf(t, node, ['EVAL', endless, '0']);
  const busy = 'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.';
  await until(
    () => answer(client, 'PING'),
    (text) => text === busy,
  );
  assert.equal(await answer(before, 'EXEC'), `EXECABORT Transaction discarded because of: ${busy}`);
  assert.equal(await answer(before, 'DISCARD'), 'ERR DISCARD without MULTI');
  assert.equal(await answer(during, 'MULTI'), 'OK');
  assert.equal(await answer(during, 'INCR', 'a'), busy);
  assert.equal(await answer(client, 'SCRIPT', 'KILL'), 'OK');
  await running.until(() => running.text.endsWith('\r\n'));
  assert.equal(await answer(during, 'INCR', 'a'), 'QUEUED');
  assert.match(await answer(during, 'EXEC'), /^EXECABORT/);
  assert.equal(await answer(client, 'EXISTS', 'a'), '0');
});

test('what calls in a loop is killed too, also inside pcall', async (t) => {
  const node = await startNode(t, { args: ['--lua-time-limit', '50'] });
  const client = await node.client();
  const script = "while true do pcall(function() while true do redis.call('GET', 'a') end end) end";
  const running = peerOf(t, node, ['EVAL', script, '0']);
  await until(
    () => answer(client, 'PING'),
    (text) => text.startsWith('BUSY'),
  );
  assert.equal(await answer(client, 'SCRIPT', 'KILL'), 'OK');
  await running.until(() => running.text.endsWith('\r\n'));
  assert.match(running.text, /killed by user/);
});

test('a script that has written is not killed, and SHUTDOWN NOSAVE leaves nothing of it', async (t) => {
  const dir = scratchDirectory('eval');
  const node = await startNode(t, { dir, args: ['--lua-time-limit', '50'] });
  const client = await node.client();
  assert.equal(await answer(client, 'SET', 'before', '1'), 'OK');
  peerOf(t, node, ['EVAL', `redis.call('SET', KEYS[1], 1) ${endless}`, '1', 'a']);
  await until(
    () => answer(client, 'PING'),
    (text) => text.startsWith('BUSY'),
  );
  assert.match(await answer(client, 'SCRIPT', 'KILL'), /^UNKILLABLE /);
  await answer(client, 'SHUTDOWN', 'NOSAVE');
  await node.exited();
  const again = await startNode(t, { dir });
  const reader = await again.client();
  assert.equal(await ask(reader, 'EXISTS', 'before', 'a'), '1');
});

test('in MULTI a script belongs to the transaction, and its time is bounded', async (t) => {
  const node = await startNode(t, { args: ['--lua-time-limit', '50'] });
  const client = await node.client();
  const replies = await Promise.all([
    answer(client, 'MULTI'),
    answer(client, 'EVAL', "return redis.call('INCR', KEYS[1])", '1', 'a'),
    answer(client, 'INCR', 'a'),
    client.command('EXEC'),
  ]);
  assert.deepEqual(replies[3], [1, 2]);
  await Promise.all([answer(client, 'MULTI'), answer(client, 'EVAL', endless, '0'), answer(client, 'INCR', 'a')]);
  const [ended, next] = itemsOf(await client.command('EXEC')) ?? [];
  assert.match(String((ended as unknown as Error).message), /may not take longer than lua-time-limit/);
  assert.equal(next, 3);
});

test('in a script nothing waits: what could take an element answers at once, only BLPOP is refused', async (t) => {
  const node = await startNode(t, {});
  const client = await node.client();
  const calls = [
    "'BRPOP', KEYS[1], 0",
    "'BLMPOP', 0, 1, KEYS[1], 'LEFT'",
    "'BLMOVE', KEYS[1], KEYS[1], 'LEFT', 'LEFT', 0",
    "'BZPOPMIN', KEYS[1], 0",
    "'BZPOPMAX', KEYS[1], 0",
    "'BZMPOP', 0, 1, KEYS[1], 'MIN'",
  ];
  for (const call of calls) {
    assert.equal(await answer(client, 'EVAL', `return redis.pcall(${call})`, '1', 'missing'), 'nil', call);
  }
  assert.match(
    await answer(client, 'EVAL', "return redis.pcall('BLPOP', KEYS[1], 0)", '1', 'missing'),
    /^ERR This Redis command is not allowed from script/,
  );
});

test('scripts and libraries are found after a restart, and on a replica until the master forgets them', async (t) => {
  const dir = scratchDirectory('eval');
  const first = await startNode(t, { dir });
  const before = await first.client();
  const sha = await ask(before, 'SCRIPT', 'LOAD', 'return ARGV[1]');
  assert.equal(await ask(before, 'EVAL', 'return 7', '0'), '7');
  assert.equal(await ask(before, 'FUNCTION', 'LOAD', library), 'lib');
  before.close();
  first.signal('SIGKILL');
  await first.exited();

  const master = await startNode(t, { dir });
  const client = await master.client();
  assert.equal(await ask(client, 'EVALSHA', sha, '0', 'x'), 'x');
  assert.equal(await ask(client, 'FCALL', 'Twice', '0', '21'), '42');
  assert.equal(
    await answer(client, 'FUNCTION', 'LOAD', library),
    "ERR library already exists: Library 'lib' already exists",
  );

  const replica = await startNode(t);
  const reader = await replica.client();
  assert.equal(await ask(reader, 'SLAVEOF', '127.0.0.1', String(master.port)), 'OK');
  await until(
    () => answer(reader, 'EVALSHA_RO', sha, '0', 'y'),
    (text) => text === 'y',
  );
  assert.equal(await ask(reader, 'FCALL', 'twice', '0', '4'), '8', 'a function without writes runs on a replica');
  assert.match(await answer(reader, 'EVAL', "return redis.call('SET', 'a', 1)", '1', 'a'), /^READONLY /);
  assert.match(await answer(reader, 'FUNCTION', 'DELETE', 'lib'), /^READONLY /);
  assert.equal(await ask(client, 'FUNCTION', 'LOAD', 'REPLACE', library.replace('* 2', '* 20')), 'lib');
  await until(
    () => answer(reader, 'FCALL_RO', 'twice', '0', '4'),
    (text) => text === '80',
  );
  assert.equal(await ask(client, 'SCRIPT', 'FLUSH'), 'OK');
  assert.equal(await ask(client, 'FUNCTION', 'DELETE', 'lib'), 'OK');
  await until(
    () => answer(reader, 'EVALSHA_RO', sha, '0', 'y'),
    (text) => text.startsWith('NOSCRIPT'),
  );
  await until(
    () => answer(reader, 'FCALL_RO', 'twice', '0', '4'),
    (text) => text.startsWith('ERR Function not found'),
  );
});

test('FUNCTION DUMP and RESTORE move libraries, all or none', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  const other = library.replace('lib', 'other').replace('twice', 'thrice');
  for (const code of [library, other]) await ask(client, 'FUNCTION', 'LOAD', code);
  const dumped = (await client.command('FUNCTION', 'DUMP')) as Buffer;
  assert.equal(await ask(client, 'FUNCTION', 'DELETE', 'lib'), 'OK');
  const restore = async (...args: (string | Buffer)[]): Promise<string> =>
    client.command('FUNCTION', 'RESTORE', dumped, ...args).then(
      (reply) => textOf(reply) ?? (reply as unknown as Error).message,
      (error: unknown) => (error as Error).message,
    );
  assert.match(await restore(), /Library other already exists/);
  assert.match(await answer(client, 'FCALL', 'twice', '0', '1'), /not found/);
  assert.equal(await restore('REPLACE'), 'OK');
  assert.equal(await ask(client, 'FCALL', 'twice', '0', '1'), '2');
  assert.equal(await restore('FLUSH'), 'OK');
  assert.equal(await ask(client, 'FCALL', 'thrice', '0', '1'), '2');
  assert.match(await answer(client, 'FUNCTION', 'RESTORE', 'junk'), /payload version or checksum/);
});

test('in a cluster a script keeps to the slots of its node, and to one unless it says otherwise', async (t) => {
  const node = await startNode(t, { args: ['--cluster-enabled', 'yes'] });
  const client = await node.client();
  assert.equal(await ask(client, 'CLUSTERX', 'SETNODEID', idA), 'OK');
  const lines = `${idA} 127.0.0.1 ${node.port} master - 0-10000\n${idB} 127.0.0.1 ${node.port + 1} master - 10001-16383`;
  assert.equal(await ask(client, 'CLUSTERX', 'SETNODES', lines, '1'), 'OK');
  // Slots: bar 5061, test 6918 here; foo 12182 elsewhere.
  const two = "redis.call('SET', 'bar', 1) return redis.call('SET', 'test', 1)";
  assert.equal(await answer(client, 'EVAL', `#!lua flags=allow-cross-slot-keys\n${two}`, '0'), 'OK');
  assert.match(await answer(client, 'EVAL', `#!lua\n${two}`, '0'), /do not hash to the same slot/);
  assert.equal(await answer(client, 'EVAL', two, '0'), 'OK', 'neither flags nor declared keys');
  for (const head of ['', '#!lua\n']) {
    assert.match(await answer(client, 'EVAL', `${head}return redis.call('SET', 'test', 2)`, '1', 'bar'), /same slot/);
    assert.equal(await answer(client, 'EVAL', `${head}return redis.call('SET', '{bar}', 2)`, '1', 'bar'), 'OK');
  }
  for (const head of ['', '#!lua\n', '#!lua flags=allow-cross-slot-keys\n']) {
    assert.match(await answer(client, 'EVAL', `${head}return redis.call('SET', 'foo', 1)`, '0'), /non local key/);
  }
  assert.match(await answer(client, 'EVAL', '#!lua flags=no-cluster\nreturn 1', '0'), /no-cluster/);
  assert.match(await answer(client, 'EVAL', 'return 1', '1', 'foo'), /^MOVED 12182 /);
});

test('a role change ends a script, and nothing of it is kept anywhere', async (t) => {
  const peer = async (id: string): Promise<Peer> => {
    const node = await startNode(t, { args: ['--cluster-enabled', 'yes', '--use-rsid-psync', 'yes'] });
    const control = await node.client(node.controlPort);
    assert.equal(await ask(control, 'CLUSTERX', 'SETNODEID', id), 'OK');
    return { id, node, control };
  };
  const [a, b] = [await peer(idA), await peer(idB)];
  await topology([a, b], a, b, 1);
  for (const each of [a, b]) assert.equal(await shard(each, 1, a), 'OK');
  t.after(keepLeased(a, 1));
  await until(
    () => report(a, 1),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  await until(
    () => report(b, 1),
    (facts) => facts.get('master_link_status') === 'up',
  );
  const client = await a.node.client();
  assert.equal(await ask(client, 'CONFIG', 'SET', 'lua-time-limit', '20'), 'OK');
  const running = peerOf(t, a.node, ['EVAL', `redis.call('SET', KEYS[1], 'torn') ${endless}`, '1', 'a']);
  await until(
    () => answer(client, 'PING'),
    (text) => text.startsWith('BUSY'),
  );
  assert.equal(await shard(a, 2, b), 'OK');
  await running.until(() => running.closed);
  assert.equal(running.text, '');
  await topology([b], b, a, 2);
  assert.equal(await shard(b, 2, b), 'OK');
  t.after(keepLeased(b, 2));
  await until(
    () => report(b, 2),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  assert.equal(await ask(await b.node.client(), 'EXISTS', 'a'), '0');
});
