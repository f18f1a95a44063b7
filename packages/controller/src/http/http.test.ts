import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiCall } from '../api.ts';
import { httpApp } from './app.ts';
import { startHttpServer } from './http-server.ts';

const id = 'a'.repeat(40);
const base = '/api/v1/namespaces';

async function called(method: 'GET' | 'POST' | 'DELETE', url: string, body?: unknown) {
  const calls: ApiCall[] = [];
  const app = httpApp(async (call) => {
    calls.push(call);
    return { status: 200, body: { data: null } };
  });
  const response = await app.inject({ method, url, ...(body === undefined ? {} : { payload: body as object }) });
  await app.close();
  return { calls, status: response.statusCode, body: response.json() as { error?: { message: string }; data: null } };
}

test('each route becomes its call', async () => {
  const cluster = { namespace: 'n', cluster: 'c' };
  const rows: readonly (readonly ['GET' | 'POST' | 'DELETE', string, unknown, ApiCall])[] = [
    ['GET', '/healthz', undefined, { operation: 'health' }],
    ['GET', base, undefined, { operation: 'list-namespaces' }],
    ['POST', base, { namespace: 'n' }, { operation: 'create-namespace', namespace: 'n' }],
    ['GET', `${base}/n`, undefined, { operation: 'get-namespace', namespace: 'n' }],
    ['DELETE', `${base}/n`, undefined, { operation: 'delete-namespace', namespace: 'n' }],
    ['GET', `${base}/n/clusters`, undefined, { operation: 'list-clusters', namespace: 'n' }],
    ['GET', `${base}/n/clusters/c`, undefined, { operation: 'get-cluster', ...cluster }],
    ['DELETE', `${base}/n/clusters/c`, undefined, { operation: 'delete-cluster', ...cluster }],
    ['GET', `${base}/n/clusters/c/status`, undefined, { operation: 'get-status', ...cluster }],
    ['GET', `${base}/n/clusters/c/shards`, undefined, { operation: 'list-shards', ...cluster }],
    [
      'GET',
      `${base}/n/clusters/c/events?after=7&limit=2`,
      undefined,
      { operation: 'list-events', ...cluster, after: 7, limit: 2 },
    ],
    ['GET', `${base}/n/clusters/c/events`, undefined, { operation: 'list-events', ...cluster, after: 0, limit: 100 }],
    ['GET', `${base}/n/clusters/c/shards/1`, undefined, { operation: 'get-shard', ...cluster, shard: 1 }],
    ['GET', `${base}/n/clusters/c/shards/1/nodes`, undefined, { operation: 'list-nodes', ...cluster, shard: 1 }],
    [
      'POST',
      `${base}/n/clusters/c/shards/1/failover`,
      { preferred_node_id: id },
      { operation: 'failover', ...cluster, shard: 1, preferredId: id, acceptDataLoss: false },
    ],
    [
      'POST',
      `${base}/n/clusters/c/shards/1/failover`,
      { accept_data_loss: true },
      { operation: 'failover', ...cluster, shard: 1, preferredId: undefined, acceptDataLoss: true },
    ],
    ['GET', '/api/v1/controllers', undefined, { operation: 'list-controllers' }],
    ['DELETE', '/api/v1/controllers/c0ffee', undefined, { operation: 'delete-controller', controller: 'c0ffee' }],
    [
      'POST',
      `${base}/n/clusters/c/shards/1/switchover`,
      undefined,
      { operation: 'switchover', ...cluster, shard: 1, preferredId: undefined },
    ],
    [
      'POST',
      `${base}/n/clusters/c/shards/1/switchover`,
      { preferred_node_id: '' },
      { operation: 'switchover', ...cluster, shard: 1, preferredId: undefined },
    ],
  ];
  for (const [method, url, body, call] of rows) {
    const { calls, status } = await called(method, url, body);
    assert.deepEqual([status, calls], [200, [call]], `${method} ${url}`);
  }
});

test('a write that another controller leads is sent there with its path', async () => {
  const app = httpApp(async () => ({ status: 307, body: null, redirectTo: 'http://127.0.0.1:9381' }));
  const response = await app.inject({ method: 'POST', url: `${base}/n/clusters/c/shards/1/failover` });
  await app.close();
  assert.deepEqual(
    [response.statusCode, response.headers.location],
    [307, `http://127.0.0.1:9381${base}/n/clusters/c/shards/1/failover`],
  );
});

test('a new cluster is read with the defaults of the Kvrocks controller', async () => {
  const { calls } = await called('POST', `${base}/n/clusters`, { name: 'c', nodes: ['127.0.0.1:1'], replicas: 0 });
  const request = { name: 'c', nodes: ['127.0.0.1:1'], replicas: 1, password: '', masterLbs: [], replicaLbs: [] };
  assert.deepEqual(calls, [{ operation: 'create-cluster', namespace: 'n', request }]);
});

test('what no schema allows is a 400 with the reason and never becomes a call', async () => {
  const rows: readonly (readonly ['GET' | 'POST', string, unknown, RegExp])[] = [
    ['POST', base, { namespace: '' }, /namespace/],
    ['POST', base, { namespace: '../x' }, /namespace/],
    ['POST', base, undefined, /expected object/],
    ['POST', `${base}/n/clusters`, { name: 'c', nodes: 'x' }, /nodes/],
    ['POST', `${base}/n/clusters`, { name: 'c', nodes: [], replicas: 1.5 }, /replicas/],
    ['GET', `${base}/n/clusters/c/shards/x`, undefined, /shard/],
    ['GET', `${base}/n/clusters/c/shards/`, undefined, /shard/],
    ['POST', `${base}/n/clusters/c/shards//failover`, {}, /shard/],
    ['GET', `${base}/n/clusters/c/events?limit=0`, undefined, /limit/],
  ];
  for (const [method, url, body, reason] of rows) {
    const { calls, status, body: answer } = await called(method, url, body);
    assert.equal(status, 400, `${method} ${url}`);
    assert.match(answer.error?.message ?? '', reason);
    assert.deepEqual([calls, answer.data], [[], null]);
  }
});

test('an unknown route and a body that is no JSON have the error shape too', async () => {
  assert.deepEqual((await called('GET', '/api/v1/nowhere')).body, { error: { message: 'not found' }, data: null });
  const app = httpApp(async () => ({ status: 200, body: null }));
  const headers = { 'content-type': 'application/json' };
  const response = await app.inject({ method: 'POST', url: base, headers, payload: '{' });
  assert.equal(response.statusCode, 400);
  assert.match((response.json() as { error: { message: string } }).error.message, /no JSON/);
  await app.close();
});

test('the HTTP thread carries calls to the controller and says when its port is taken', async () => {
  const calls: ApiCall[] = [];
  const options = {
    host: '127.0.0.1',
    port: 0,
    call: async (call: ApiCall) => {
      calls.push(call);
      return { status: 201, body: { data: { made: true } } };
    },
    onFailure: (error: unknown) => assert.fail(String(error)),
  };
  const server = await startHttpServer(options);
  try {
    const url = `http://127.0.0.1:${server.port}${base}`;
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ namespace: 'n' }) });
    assert.equal(response.status, 201);
    assert.deepEqual(await response.json(), { data: { made: true } });
    assert.deepEqual(calls, [{ operation: 'create-namespace', namespace: 'n' }]);
    await assert.rejects(
      startHttpServer({ ...options, port: server.port }),
      /cannot serve the API on 127\.0\.0\.1:\d+: .*EADDRINUSE/,
    );
  } finally {
    await server.close();
  }
});
