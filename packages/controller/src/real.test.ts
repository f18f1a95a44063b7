import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FatalError, silentLogger } from '@holdfast/base';
import { startController, type ControllerOptions } from './real.ts';

function options(change: Partial<ControllerOptions> & { directory: string }): ControllerOptions {
  return {
    bind: '127.0.0.1',
    port: 0,
    store: { kind: 'embedded' },
    advertise: undefined,
    replication: 'async',
    leaseMs: 1000,
    fences: ['lb', 'lease'],
    balancer: undefined,
    logger: silentLogger,
    ...change,
  };
}

test('a controller keeps its store to itself and finds it again', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-controller-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const first = await startController(options({ directory }));
  const base = `http://127.0.0.1:${first.port}`;
  assert.equal((await fetch(`${base}/healthz`)).status, 200);
  const headers = { 'content-type': 'application/json' };
  const made = await fetch(`${base}/api/v1/namespaces`, { method: 'POST', headers, body: '{"namespace":"n"}' });
  assert.equal(made.status, 201);
  await assert.rejects(
    startController(options({ directory })),
    (error) => error instanceof FatalError && error.exitStatus === 3,
  );
  await first.close();
  const second = await startController(options({ directory }));
  const listed = await fetch(`http://127.0.0.1:${second.port}/api/v1/namespaces`);
  assert.deepEqual(await listed.json(), { data: { namespaces: ['n'] } });
  await second.close();
});

test('settings that contradict each other stop the start', async () => {
  const directory = join(tmpdir(), 'holdfast-controller-never-made');
  await assert.rejects(startController(options({ directory, leaseMs: 50 })), /lease-ms 50/);
  const alone = options({ directory, fences: ['lb'], replication: 'sync' });
  await assert.rejects(startController(alone), /synchronous replication needs the lease fence/);
});
