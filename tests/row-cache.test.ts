/** The row cache of real nodes: what INFO says, CONFIG SET, and reads of a replica that follow its master. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyError, textOf, type CommandArgument, type RespClient } from '@holdfast/resp';
import { startNode, until } from './support/node-process.ts';

type Command = [CommandArgument, ...CommandArgument[]];

async function ask(client: RespClient, ...args: Command): Promise<string> {
  const reply = await client.command(...args);
  if (Array.isArray(reply)) return reply.map((part) => textOf(part) ?? 'nil').join(' ');
  return reply instanceof ReplyError ? reply.message : (textOf(reply) ?? String(reply));
}

async function figure(client: RespClient, name: string): Promise<number> {
  const found = new RegExp(`^${name}:([0-9.]+)\r$`, 'm').exec(await ask(client, 'INFO', 'stats'));
  assert.ok(found !== null, `INFO has no ${name}`);
  return Number(found[1]);
}

test('records that are read again come from the row cache, which INFO counts and CONFIG SET resizes', async (t) => {
  const node = await startNode(t, { args: ['--row-cache-size', '1mb'] });
  const client = await node.client();
  assert.equal(await figure(client, 'row_cache_size'), 1 << 20);
  assert.equal(await figure(client, 'row_cache_bytes'), 0);
  await ask(client, 'SET', 'k', 'one');
  await ask(client, 'HSET', 'h', 'f', 'v');
  for (let i = 0; i < 4; i++)
    assert.deepEqual([await ask(client, 'GET', 'k'), await ask(client, 'HGET', 'h', 'f')], ['one', 'v']);
  assert.equal(await ask(client, 'INCR', 'n'), '1');
  assert.equal(await ask(client, 'INCR', 'n'), '2');
  const [hits, entries] = [await figure(client, 'row_cache_hits'), await figure(client, 'row_cache_entries')];
  assert.ok(hits >= 10 && entries === 4, `${hits} hits, ${entries} records`);
  assert.ok((await figure(client, 'row_cache_bytes')) <= 1 << 20);
  assert.equal(await figure(client, 'keyspace_hits'), 9);
  assert.equal(await figure(client, 'keyspace_misses'), 2);
  assert.equal(await ask(client, 'CONFIG', 'SET', 'row-cache-size', '0'), 'OK');
  assert.equal(await figure(client, 'row_cache_bytes'), 0);
  assert.deepEqual([await ask(client, 'GET', 'k'), await ask(client, 'GET', 'n')], ['one', '2']);
  assert.equal(await figure(client, 'row_cache_entries'), 0);
  assert.equal(await ask(client, 'CONFIG', 'SET', 'row-cache-size', '2mb'), 'OK');
  assert.equal(await ask(client, 'GET', 'k'), 'one');
  assert.equal(await figure(client, 'row_cache_entries'), 1);
  assert.equal(await ask(client, 'FLUSHALL'), 'OK');
  assert.equal(await ask(client, 'MGET', 'k', 'n', 'h'), 'nil nil nil');
  await ask(client, 'CONFIG', 'RESETSTAT');
  assert.equal(await figure(client, 'row_cache_hits'), 0);
});

test('a replica that has read a key shows what its master writes to it, and its own writes once it is a master', async (t) => {
  const [master, replica] = [await startNode(t), await startNode(t)];
  const [writer, reader] = [await master.client(), await replica.client()];
  const read = (): Promise<string> => ask(reader, 'MGET', 'k', 'gone', 'new');
  await ask(reader, 'SET', 'k', 'before it was a replica');
  assert.equal(await read(), 'before it was a replica nil nil');
  await ask(writer, 'MSET', 'k', '1', 'gone', 'here', 'last', '0');
  assert.equal(await ask(reader, 'SLAVEOF', '127.0.0.1', String(master.port)), 'OK');
  const arrived = async (last: string): Promise<void> =>
    void (await until(
      () => ask(reader, 'GET', 'last'),
      (value) => value === last,
    ));
  await arrived('0');
  assert.equal(await read(), '1 here nil');
  for (let round = 1; round <= 5; round++) {
    await ask(writer, 'SET', 'k', 'x'.repeat(round * 7));
    await ask(writer, ...((round % 2 === 0 ? ['SET', 'gone', 'here'] : ['DEL', 'gone']) as Command));
    await ask(writer, 'HSET', 'new', 'field', String(round));
    await ask(writer, 'RPUSH', 'list', ...Array.from({ length: 1500 }, (_, i) => `${round}.${i}`));
    await ask(writer, 'SET', 'last', String(round));
    await arrived(String(round));
    assert.equal(await ask(reader, 'GET', 'k'), 'x'.repeat(round * 7));
    assert.equal(await ask(reader, 'EXISTS', 'gone'), round % 2 === 0 ? '1' : '0');
    assert.equal(await ask(reader, 'HGET', 'new', 'field'), String(round));
    assert.equal(await ask(reader, 'LINDEX', 'list', '1400'), `${round}.1400`);
    // So many elements go with one deleted range.
    await ask(writer, 'LTRIM', 'list', '1500', '-1');
  }
  assert.ok((await figure(reader, 'row_cache_hits')) > 0);
  await ask(writer, 'FLUSHALL');
  await ask(writer, 'SET', 'last', 'flushed');
  await arrived('flushed');
  assert.equal(await read(), 'nil nil nil');
  assert.equal(await ask(reader, 'SLAVEOF', 'NO', 'ONE'), 'OK');
  await until(
    () => ask(reader, 'SET', 'k', 'my own'),
    (reply) => reply === 'OK',
  );
  assert.equal(await read(), 'my own nil nil');
});
