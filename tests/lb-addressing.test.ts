/**
 * Load balancer addresses on a real node: what SETNODES accepts and refuses, what is kept, who sees which address.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ReplyError, textOf, type RespClient } from '@holdfast/resp';
import { startNode } from './support/node-process.ts';

const id = (letter: string): string => letter.repeat(40);

/** Six nodes, an LB address on one master and on one replica only, as the original request has it. */
function six(ownPort: number): string {
  return [
    `${id('a')} 127.0.0.1 ${ownPort} master - 0-5460 10.0.0.100 7000`,
    `${id('b')} 127.0.0.1 30002 slave ${id('a')} lb.example.org 7100`,
    `${id('c')} 127.0.0.1 30003 master - 5461-10921`,
    `${id('d')} 127.0.0.1 30004 slave ${id('c')}`,
    `${id('e')} 127.0.0.1 30005 master - 10922-16382 16383`,
    `${id('f')} 127.0.0.1 30006 slave ${id('e')}`,
  ].join('\n');
}

async function ask(client: RespClient, ...args: string[]): Promise<string> {
  const reply = await client.command(...args);
  return reply instanceof ReplyError ? reply.message : (textOf(reply) ?? 'nil');
}

test('LB addresses are accepted, kept over a restart, and shown to clients in place of internal ones', async (t) => {
  const args = ['--cluster-enabled', 'yes'];
  const first = await startNode(t, { args });
  const client = await first.client();
  assert.equal(await ask(client, 'CLUSTERX', 'SETNODEID', id('a')), 'OK');
  assert.equal(await ask(client, 'CLUSTERX', 'SETNODES', six(first.port), '1'), 'OK');
  const internal = await ask(client, 'CLUSTERX', 'NODES');
  assert.equal(internal.trim(), six(first.port).replace('10922-16382 16383', '10922-16383'));
  first.signal('SIGTERM');
  assert.equal(await first.exited(), 0);

  const { dir, port, controlPort } = first;
  const node = await startNode(t, { dir, port, controlPort, args });
  const again = await node.client();
  assert.equal(await ask(again, 'CLUSTERX', 'VERSION'), '1');
  assert.equal(await ask(again, 'CLUSTERX', 'NODES'), internal);
  const shown = await ask(again, 'CLUSTER', 'NODES');
  assert.match(shown, new RegExp(`^${id('a')} 10\\.0\\.0\\.100:7000@${controlPort} myself,master`, 'm'));
  assert.match(shown, new RegExp(`^${id('b')} lb\\.example\\.org:7100@`, 'm'));
  assert.match(shown, new RegExp(`^${id('c')} 127\\.0\\.0\\.1:30003@40003 master`, 'm'));
  assert.ok(!shown.includes(`:${port}`), 'a client never learns an internal address that has an LB address');
  assert.match(await ask(again, 'GET', 'foo'), /^MOVED 12182 127\.0\.0\.1:30005$/);
  assert.equal(await ask(again, 'CONFIG', 'SET', 'cluster-client-view', 'internal'), 'OK');
  assert.match(await ask(again, 'CLUSTER', 'NODES'), new RegExp(`127\\.0\\.0\\.1:${port}@`));
});

test('every refusal of an LB pair leaves topology and nodes.conf untouched', async (t) => {
  const node = await startNode(t, { args: ['--cluster-enabled', 'yes'] });
  const client = await node.client();
  assert.equal(await ask(client, 'CLUSTERX', 'SETNODEID', id('a')), 'OK');
  assert.equal(await ask(client, 'CLUSTERX', 'SETNODES', six(node.port), '1'), 'OK');
  const file = join(node.dir, 'nodes.conf');
  assert.ok(existsSync(file));
  const before = [readFileSync(file, 'utf8'), await ask(client, 'CLUSTERX', 'NODES')];
  const master = `${id('a')} 127.0.0.1 ${node.port} master - 0-16383`;
  const refused: readonly (readonly [string, RegExp])[] = [
    [`${master} lb`, /line|^ERR Invalid cluster nodes info: 1: /],
    [`${master} lb 0`, /^ERR Invalid cluster nodes info: 1: /],
    [`${master} lb 65536`, /^ERR Invalid cluster nodes info: 1: /],
    [`${master} lb 7000 more`, /^ERR Invalid cluster nodes info: 1: /],
    [`${master} -bad-.host 7000`, /^ERR Invalid cluster nodes info: 1: /],
    [`${master} 300.1.1.1x_ 7000`, /^ERR Invalid cluster nodes info: 1: /],
    [`${master} lb 7000\n${id('b')} 127.0.0.1 30002 slave ${id('a')} lb 7000`, /^ERR Invalid cluster nodes info: 2: /],
    [
      `${id('a')} 127.0.0.1 ${node.port} master - 0-100 lb 7000\n${id('c')} 127.0.0.1 30003 master - 101-200 lb 7000`,
      /^ERR Invalid cluster nodes info: 2: /,
    ],
    [
      `${master}\n${id('b')} 127.0.0.1 30002 slave ${id('a')} 127.0.0.1 ${node.port}`,
      /^ERR Invalid cluster nodes info: 2: /,
    ],
    [`${master} ${id('b')} 127.0.0.1 30002 slave ${id('a')}`, /^ERR Invalid nodes definition: Missing newline/],
    [`${master} 16384`, /^ERR Slot is out of range/],
    [`${master}\r`, /^ERR /],
  ];
  for (const [payload, error] of refused) {
    for (const force of [[], ['force']]) {
      assert.match(await ask(client, 'CLUSTERX', 'SETNODES', payload, '2', ...force), error, payload);
      assert.deepEqual([readFileSync(file, 'utf8'), await ask(client, 'CLUSTERX', 'NODES')], before, payload);
    }
  }
});
