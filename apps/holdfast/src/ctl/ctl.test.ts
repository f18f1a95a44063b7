import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ClusterEvent, ClusterStatus, NodeStatus } from '../controller-client.ts';
import { formatEvent } from './events.ts';
import { formatStatus } from './status.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function holdfast(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  await once(child, 'close');
  return { status: child.exitCode, stdout, stderr };
}

/** Status, body, and with 307 where to go. */
type Route = (request: IncomingMessage, body: string) => [number, unknown, string?];

/** A controller that answers as told; returns its URL and what it was asked. */
async function startController(t: TestContext, route: Route): Promise<{ api: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${body}`.trim());
      const [status, answer, location] = route(request, body);
      const headers = { 'content-type': 'application/json', ...(location === undefined ? {} : { location }) };
      response.writeHead(status, headers).end(JSON.stringify(answer));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const master: NodeStatus = {
  id: 'a'.repeat(40),
  addr: '127.0.0.1:6661',
  control_addr: '127.0.0.1:16661',
  role: 'master',
  alive: true,
  last_reply_ms_ago: 12.4,
  sequence: 1017,
  lag: 0,
  version: 3,
  epoch: 2,
  armed: true,
  process_id: 'cafebabe12345678',
  in_isr: true,
  lb_address: '127.0.0.1:7000',
};
const replica: NodeStatus = {
  ...master,
  id: 'b'.repeat(40),
  addr: '127.0.0.1:6662',
  role: 'slave',
  alive: false,
  last_reply_ms_ago: null,
  lag: 5,
  in_isr: false,
  lb_address: '127.0.0.1:7100',
};
const status: ClusterStatus = {
  cluster: 'local',
  version: 3,
  lease_ms: 1000,
  fences: ['lb', 'lease'],
  shards: [
    {
      index: 0,
      epoch: 2,
      slot_ranges: ['0-16383'],
      phase: 'stable',
      step: null,
      lb_address: '127.0.0.1:7000',
      replica_lb_address: '127.0.0.1:7100',
      lease_valid_for_ms: 873.2,
      nodes: [master, replica],
    },
  ],
  bindings: [
    { address: '127.0.0.1:7000', desired: '127.0.0.1:6661', observed: '127.0.0.1:6661', connections: 3 },
    { address: '127.0.0.1:7100', desired: '127.0.0.1:6662', observed: null, connections: 0 },
  ],
};
const prefix = '/api/v1/namespaces/holdfast/clusters/local';

test('status shows shards, nodes and bindings, and what is wrong stands out', async (t) => {
  const { api, asked } = await startController(t, () => [200, { data: status }]);
  const { status: exit, stdout, stderr } = await holdfast(['ctl', 'status'], { HOLDFAST_API: `${api}/` });
  assert.equal(exit, 0, stderr);
  assert.deepEqual(asked, [`GET ${prefix}/status`]);
  const rows = stdout.split('\n').map((line) =>
    line
      .split('│')
      .map((cell) => cell.trim())
      .join('|'),
  );
  assert.equal(rows[0], 'cluster local, topology version 3, lease 1000 ms, fences lb,lease');
  const expected = [
    '|0|0-16383|stable|2|873 ms|master|in|127.0.0.1:6661|127.0.0.1:7000|1017||',
    '|0||DOWN|||replica|out|127.0.0.1:6662|127.0.0.1:7100|1017|5|',
    '|127.0.0.1:7000|127.0.0.1:6661|3|ok|',
    '|127.0.0.1:7100|-|0|WANTED 127.0.0.1:6662|',
  ];
  for (const row of expected) assert(rows.includes(row), `${row} is not in\n${stdout}`);
});

test('status names living nodes that the balancer does not reach', () => {
  const [shard] = status.shards;
  const nodes = [
    { ...master, balancer: { reachable: false, last_answer_ms_ago: 1204.4 } },
    { ...master, addr: '127.0.0.1:6663', balancer: { reachable: false, last_answer_ms_ago: null } },
    { ...master, addr: '127.0.0.1:6664', balancer: { reachable: true, last_answer_ms_ago: 3 } },
    { ...replica, balancer: { reachable: false, last_answer_ms_ago: 1204 } },
  ];
  const text = formatStatus({ ...status, shards: shard === undefined ? [] : [{ ...shard, nodes }] });
  assert.deepEqual(
    text.split('\n').filter((line) => line.startsWith('the balancer')),
    [
      'the balancer does not reach 127.0.0.1:6661 (no answer for 1204 ms)',
      'the balancer does not reach 127.0.0.1:6663 (no answer since it was first asked)',
    ],
  );
});

test('json output is versioned and is nothing but json', async (t) => {
  const { api } = await startController(t, () => [200, { data: status }]);
  const shown = await holdfast(['ctl', '--api', api, 'status', '--output', 'json']);
  const { version, ...topology } = status;
  assert.deepEqual(JSON.parse(shown.stdout), { version: 1, command: 'status', ...topology, topology_version: version });
  const nodes = JSON.parse((await holdfast(['ctl', 'nodes', '--output', 'json', '--api', api])).stdout) as object;
  assert.deepEqual(nodes, {
    version: 1,
    command: 'nodes',
    cluster: 'local',
    nodes: [
      { shard: 0, ...master },
      { shard: 0, ...replica },
    ],
  });
});

test('several addresses: one that is down is passed over, no leader is waited for, a follower is followed', async (t) => {
  const down = createServer().listen(0, '127.0.0.1');
  await once(down, 'listening');
  const nowhere = `http://127.0.0.1:${(down.address() as AddressInfo).port}`;
  down.close();
  await once(down, 'close');
  let answers = 0;
  const { api, asked } = await startController(t, () =>
    answers++ === 0
      ? [503, { error: { message: 'no leader now, please retry later' }, data: null }]
      : [200, { data: { new_master_id: master.id, duration_ms: 7 } }],
  );
  const { status: exit, stderr } = await holdfast([
    'ctl',
    '--api',
    `${nowhere},${api}`,
    'failover',
    '0',
    '--accept-data-loss',
    '--output',
    'json',
  ]);
  assert.equal(exit, 0, stderr);
  const failover = `POST ${prefix}/shards/0/failover {"preferred_node_id":"","accept_data_loss":true}`;
  assert.deepEqual(asked, [failover, failover]);
});

test('a follower that sends a write to a leader that is gone is asked again, until another leads', async (t) => {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const nowhere = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
  gone.close();
  await once(gone, 'close');
  const leader = await startController(t, () => [200, { data: { new_master_id: master.id, duration_ms: 7 } }]);
  let answers = 0;
  const path = `${prefix}/shards/0/switchover`;
  const follower = await startController(t, () => [307, null, `${answers++ === 0 ? nowhere : leader.api}${path}`]);
  const { status: exit, stderr } = await holdfast([
    'ctl',
    '--api',
    follower.api,
    'switchover',
    '0',
    '--output',
    'json',
  ]);
  assert.equal(exit, 0, stderr);
  assert.deepEqual([follower.asked.length, leader.asked], [2, [`POST ${path} {"preferred_node_id":""}`]]);
});

test('controllers: who leads, who follows, who is gone', async (t) => {
  const controllers = ['a', 'b', 'c'].map((id, index) => ({
    id,
    address: `http://${id}`,
    leader: index === 1,
    alive: index < 2,
  }));
  const { api } = await startController(t, () => [200, { data: { controllers } }]);
  const { stdout } = await holdfast(['ctl', '--api', api, 'controllers']);
  const states = stdout.split('\n').flatMap((line) => /│ (?:a|b|c) +│ http\S+ +│ (\w+)/.exec(line)?.[1] ?? []);
  assert.deepEqual(states, ['follower', 'leader', 'DOWN']);
});

test('a switchover names the new master; the controller is told which replica was wanted', async (t) => {
  const { api, asked } = await startController(t, (request) =>
    request.method === 'POST'
      ? [200, { data: { new_master_id: replica.id, epoch: 3, duration_ms: 41.6 } }]
      : [200, { data: status }],
  );
  const { status: exit, stdout } = await holdfast(['ctl', '--api', api, 'switchover', '0', '--to', replica.id]);
  assert.deepEqual([exit, stdout], [0, 'shard 0: switchover done in 42 ms, 127.0.0.1:6662 is master\n']);
  assert.equal(asked[0], `POST ${prefix}/shards/0/switchover {"preferred_node_id":"${replica.id}"}`);
  await holdfast(['ctl', '--api', api, 'failover', '0']);
  assert(asked.includes(`POST ${prefix}/shards/0/failover {"preferred_node_id":"","accept_data_loss":false}`));
});

test('what the controller refuses is said in its words, with status 1', async (t) => {
  const { api } = await startController(t, () => [409, { error: { message: 'no replica in shard' }, data: null }]);
  const ended = await holdfast(['ctl', '--api', api, 'failover', '0']);
  assert.deepEqual(ended, { status: 1, stdout: '', stderr: 'holdfast ctl: no replica in shard\n' });
});

test('nobody there is status 3, no answer is status 1, wrong usage is status 2', async (t) => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => {
    silent.close();
    silent.closeAllConnections();
  });
  const { port } = silent.address() as AddressInfo;
  const late = await holdfast(['ctl', '--api', `http://127.0.0.1:${port}`, '--timeout-ms', '100', 'switchover', '1']);
  assert.equal(late.status, 1);
  assert.match(late.stderr, /no answer within 100 ms.*may have happened/);
  silent.close();
  silent.closeAllConnections();
  const nobody = await holdfast(['ctl', '--api', `http://127.0.0.1:${port}`, 'status']);
  assert.equal(nobody.status, 3);
  assert.match(nobody.stderr, /^holdfast ctl: no controller at http:\/\/127\.0\.0\.1:\d+ \(.*ECONNREFUSED.*\n$/);
  for (const args of [['ctl'], ['ctl', 'nothing'], ['ctl', 'failover'], ['ctl', 'failover', 'x'], ['nothing'], []])
    assert.equal((await holdfast(args)).status, 2, args.join(' '));
});

test('help and version are answered with status 0', async () => {
  assert.match((await holdfast(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  const help = await holdfast(['--help']);
  assert.equal(help.status, 0);
  for (const name of ['up', 'ctl', 'drill', 'server', 'controller', 'lb'])
    assert.match(help.stdout, new RegExp(`^  ${name} `, 'm'));
  const lb = await holdfast(['lb', '--help']);
  assert.equal(lb.status, 0);
  assert.match(lb.stdout, /--token-file/);
});

test('events show the newest, one line each, and follow what comes', async (t) => {
  const events: ClusterEvent[] = [1, 2, 3].map((id) => ({
    id,
    at: `2026-01-01T00:00:0${id}.000Z`,
    kind: 'promoted',
    shard: id,
    epoch: 7,
    cause: null,
    message: `event ${id}`,
  }));
  const { api } = await startController(t, (request) => {
    const after = Number(new URL(request.url ?? '', 'http://x').searchParams.get('after'));
    return [200, { data: { events: events.filter(({ id }) => id > after) } }];
  });
  const two = await holdfast(['ctl', '--api', api, 'events', '--limit', '2', '--output', 'json']);
  const lines = two.stdout.trim().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    events.slice(1).map((event) => ({ version: 1, ...event })),
  );
  const args = ['--disable-warning=ExperimentalWarning', main, 'ctl', '--api', api, 'events', '--follow'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  while (!stdout.includes('event 3')) await once(child.stdout, 'data');
  events.push({ ...(events[0] ?? assert.fail()), id: 4, message: 'event 4' });
  while (!stdout.includes('event 4')) await once(child.stdout, 'data');
  child.kill('SIGTERM');
  assert.equal(stdout.match(/event 3/g)?.length, 1);
});

test('an event says when, where and what; the last one of a change how long', () => {
  const event = { id: 1, at: '2026-01-01T00:00:00.000Z', shard: 2, epoch: 5, cause: null, message: 'shard 2: m' };
  const timings = { lease_ended_ms: 790, promoted_ms: 1210 };
  assert.equal(
    formatEvent({ ...event, kind: 'failover-done', timings }),
    '2026-01-01T00:00:00.000Z  shard 2 epoch 5   failover-done       m  [lease ended 790 ms, promoted 1210 ms]',
  );
  assert.match(formatEvent({ ...event, kind: 'promoted', timings }), /promoted {12}m$/);
  assert.match(
    formatEvent({ ...event, kind: 'node-down', shard: null, epoch: null }),
    /Z {20}node-down {11}shard 2: m$/,
  );
});
