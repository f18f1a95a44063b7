/** Reads from disk of real nodes: data in files, block cache empty after a restart, no row cache. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ReplyError, textOf, type CommandArgument, type RespClient } from '@holdfast/resp';
import { startNode, until, type NodeProcess } from './support/node-process.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

type Command = [CommandArgument, ...CommandArgument[]];

const keys = 4000;
const padding = 'x'.repeat(400);

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

function valueOf(key: number): string {
  return `${key}:${padding}`;
}

async function fill(client: RespClient): Promise<void> {
  for (let from = 0; from < keys; from += 500) {
    const pairs = Array.from({ length: 500 }, (_, i) => [`k${from + i}`, valueOf(from + i)]).flat();
    assert.equal(await ask(client, 'MSET', ...pairs), 'OK');
  }
  await ask(client, 'HSET', 'h', ...Array.from({ length: 200 }, (_, i) => [`f${i}`, `v${i}`]).flat());
  await ask(client, 'RPUSH', 'l', 'one', 'two');
  assert.equal(await ask(client, 'COMPACT'), 'OK');
  await until(
    () => ask(client, 'INFO', 'rocksdb'),
    (text) => text.includes('is_compacting:no'),
  );
}

/** What the kernel keeps of a directory's files is written and forgotten: a reader of few records would not be put off. */
function forgetFiles(dir: string): void {
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.sst'))
      execFileSync('dd', [
        'status=none',
        'if=/dev/null',
        `of=${join(dir, name)}`,
        'oflag=nocache',
        'conv=notrunc,fdatasync',
        'count=0',
      ]);
}

/** A node that has everything in files and nothing in memory. */
async function startCold(t: TestContext, ...more: string[]): Promise<NodeProcess> {
  const dir = scratchDirectory('cold');
  const args = ['--row-cache-size', '0', ...more];
  const first = await startNode(t, { dir, args });
  await fill(await first.client());
  first.signal('SIGTERM');
  await first.exited();
  forgetFiles(dir);
  return startNode(t, { dir, args });
}

test('clients that read what is on disk get it, in their order, beside others; INFO counts', async (t) => {
  const node = await startCold(t);
  const clients = await Promise.all(Array.from({ length: 8 }, () => node.client()));
  const answers = await Promise.all(
    clients.map((client, of) =>
      Promise.all(
        Array.from({ length: 200 }, (_, i) => {
          const key = (of * 211 + i * 37) % keys;
          return i % 10 === 3 ? ask(client, 'INCR', `n${of}`) : ask(client, 'GET', `k${key}`);
        }),
      ),
    ),
  );
  answers.forEach((of, index) => {
    const expected = of.map((_, i) =>
      i % 10 === 3 ? String((i - 3) / 10 + 1) : valueOf((index * 211 + i * 37) % keys),
    );
    assert.deepEqual(of, expected);
  });
  const [client] = clients as [RespClient];
  const [reads, commands] = [await figure(client, 'cold_reads'), await figure(client, 'cold_commands')];
  assert.ok(commands > 0 && reads >= commands, `${commands} commands, ${reads} reads`);
  assert.equal(await figure(client, 'cold_reads_in_flight'), 0);
  assert.equal(await figure(client, 'keyspace_hits'), 8 * 200 - 8, 'all but the first of each counter');
  await ask(client, 'CONFIG', 'RESETSTAT');
  assert.equal(await figure(client, 'cold_reads'), 0);
});

test('no update is lost among clients that write and read the same keys while those go to disk again and again', async (t) => {
  const node = await startCold(t, '--rocksdb.block_cache_size', '1');
  const clients = await Promise.all(Array.from({ length: 6 }, () => node.client()));
  const [control] = [await node.client()];
  const [counters, rounds] = [300, 6];
  const seen = Array.from({ length: counters }, (): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const compacting = ask(control, 'COMPACT');
    await Promise.all(
      clients.flatMap((client, of) =>
        Array.from({ length: counters }, async (_, i) => {
          const counter = (i * 7 + of * 53) % counters;
          const others = ask(client, 'MGET', `k${(i * 13 + of) % keys}`, `n${counter}`);
          seen[counter]?.push(Number(await ask(client, 'INCR', `n${counter}`)));
          const [padded, number = ''] = (await others).split(' ');
          assert.equal(padded, valueOf((i * 13 + of) % keys));
          assert.ok(number === 'nil' || Number(number) > 0);
        }),
      ),
    );
    assert.equal(await compacting, 'OK');
    await until(
      () => ask(control, 'INFO', 'rocksdb'),
      (text) => text.includes('is_compacting:no'),
    );
  }
  const whole = Array.from({ length: clients.length * rounds }, (_, i) => i + 1);
  seen.forEach((numbers, counter) =>
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      whole,
      `n${counter}`,
    ),
  );
  assert.ok((await figure(control, 'cold_reads')) > counters);
});

test('commands of all kinds answer the same from disk, in EXEC and in scripts as well', async (t) => {
  const node = await startCold(t);
  const client = await node.client();
  const field = (i: number): string[] => [`f${i}`, `f${199 - i}`];
  assert.equal(await ask(client, 'HMGET', 'h', ...field(3), 'none'), 'v3 v196 nil');
  assert.equal(await ask(client, 'HSET', 'h', 'f5', 'new', 'added', '1'), '1');
  assert.equal(await ask(client, 'HLEN', 'h'), '201');
  assert.equal(await ask(client, 'LPOP', 'l'), 'one');
  assert.equal(await ask(client, 'BLPOP', 'l', '1'), 'l two');
  assert.equal(await ask(client, 'EXISTS', 'l', 'k77', 'none'), '1');
  assert.equal(await ask(client, 'INCR', 'k100'), 'ERR value is not an integer or out of range');
  assert.match(await ask(client, 'LPUSH', 'k200', 'x'), /^WRONGTYPE/);
  assert.equal(await ask(client, 'RENAME', 'k300', 'renamed'), 'OK');
  assert.equal(await ask(client, 'GET', 'renamed'), valueOf(300));
  assert.equal(await ask(client, 'APPEND', 'k400', '!'), String(valueOf(400).length + 1));
  assert.ok((await figure(client, 'cold_commands')) > 0);
  const transaction = await Promise.all([
    ask(client, 'MULTI'),
    ask(client, 'GET', 'k500'),
    ask(client, 'GET', 'k600'),
    ask(client, 'EXEC'),
  ]);
  assert.deepEqual(transaction, ['OK', 'QUEUED', 'QUEUED', `${valueOf(500)} ${valueOf(600)}`]);
  const script = "return redis.call('GET', KEYS[1])";
  assert.equal(await ask(client, 'EVAL', script, '1', 'k700'), valueOf(700));
});

test('with cold-reads loop nothing is put off', async (t) => {
  const node = await startCold(t, '--cold-reads', 'loop');
  const client = await node.client();
  assert.equal(await ask(client, 'GET', 'k1'), valueOf(1));
  assert.equal(await figure(client, 'cold_commands'), 0);
  assert.equal(await ask(client, 'CONFIG', 'SET', 'cold-reads', 'worker'), 'OK');
  assert.equal(await ask(client, 'GET', 'k2000'), valueOf(2000));
  assert.equal(await figure(client, 'cold_commands'), 1);
});

test('a master that becomes a replica while it reads from disk writes nothing more of its own', async (t) => {
  const [node, master] = [await startCold(t), await startNode(t)];
  const [writer, control, other] = [await node.client(), await node.client(), await master.client()];
  await ask(other, 'SET', 'of the master', '1');
  const pushes = Array.from({ length: 64 }, (_, i) => ask(writer, 'APPEND', `k${i * 60}`, '!').catch(() => 'cut'));
  assert.equal(await ask(control, 'SLAVEOF', '127.0.0.1', String(master.port)), 'OK');
  for (const reply of await Promise.all(pushes)) assert.match(reply, /^(\d+|cut|READONLY .*|UNBLOCKED .*|LOADING .*)$/);
  const reader = await node.client();
  await until(
    () => ask(reader, 'GET', 'of the master').catch(() => ''),
    (value) => value === '1',
  );
  assert.equal(await ask(reader, 'DBSIZE', 'SCAN').then(() => ask(reader, 'EXISTS', 'k0')), '0');
});
