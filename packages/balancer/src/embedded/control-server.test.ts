import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { FatalError, OperationError, silentLogger } from '@holdfast/base';
import { freePort } from '@holdfast/base/testing';
import { connectTo, startBackend } from '../testing/sockets.ts';
import { startBalancer, type BalancerOptions, type RunningBalancer } from './balancer-process.ts';
import { embeddedDriver } from './http-driver.ts';
import { tokenMatches } from './token-file.ts';

interface Rig {
  readonly options: BalancerOptions;
  readonly running: RunningBalancer;
  readonly url: string;
  readonly token: string;
}

function optionsIn(t: TestContext): BalancerOptions {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-lb-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return {
    directory,
    controlHost: '127.0.0.1',
    controlPort: 0,
    tokenFile: join(directory, 'token'),
    logger: silentLogger,
  };
}

async function startRig(t: TestContext): Promise<Rig> {
  const options = optionsIn(t);
  const running = await startBalancer(options);
  t.after(() => running.close());
  const token = readFileSync(options.tokenFile, 'utf8').trim();
  return { options, running, url: `http://127.0.0.1:${running.controlPort}`, token };
}

function failure(code: string, outcome: string, pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof OperationError);
    assert.deepEqual([error.code, error.outcome], [code, outcome]);
    assert.match(error.message, pattern);
    return true;
  };
}

test('the driver applies, observes and cuts through the control port', async (t) => {
  const { url, token } = await startRig(t);
  const driver = embeddedDriver({ url, token });
  const backend = await startBackend(t);
  const address = `127.0.0.1:${await freePort()}`;
  const bindings = [{ address, backend: backend.address, drainMs: null }];
  assert.deepEqual(await driver.observe(), { revision: 0, bindings: [], probes: [] });
  assert.deepEqual(await driver.apply({ revision: 3, bindings }), { revision: 3, failed: [] });
  const client = await connectTo(t, address);
  client.socket.write('x');
  await client.receive(1);
  assert.deepEqual(await driver.observe(), {
    revision: 3,
    bindings: [
      {
        address,
        backend: backend.address,
        listening: true,
        error: null,
        connections: [{ backend: backend.address, count: 1 }],
      },
    ],
    probes: [],
  });
  assert.equal(await driver.cut(address, backend.address), 1);
  assert.equal(await client.ended, 'ECONNRESET');
});

test('the driver has backends probed, bound or not, and hears how they answer', async (t) => {
  const { url, token } = await startRig(t);
  const driver = embeddedDriver({ url, token });
  const backend = await startBackend(t, (socket) => socket.on('data', () => socket.write('+PONG\r\n')));
  const backends = [`127.0.0.1:${await freePort()}`, backend.address];
  for (;;) {
    const [refusing, answering] = (await driver.probe?.({ backends, periodMs: 20 })) ?? [];
    assert.deepEqual([refusing?.backend, answering?.backend], backends);
    if (answering?.reachable !== true || (refusing?.failures ?? 0) < 2) continue;
    assert.match(refusing?.error ?? '', /ECONNREFUSED/);
    break;
  }
  const { probes } = await driver.observe();
  assert.deepEqual(
    probes?.map(({ reachable }) => reachable),
    [false, true],
  );
  await assert.rejects(
    driver.probe?.({ backends: ['nowhere'], periodMs: 20 }) ?? Promise.resolve(),
    failure('BALANCER_REFUSED', 'not-applied', /backends\.0 is not host:port/),
  );
});

test('a driver whose token was replaced reads it again', async (t) => {
  const { url, token } = await startRig(t);
  const tokens = [`${token}x`, token];
  let reads = 0;
  const driver = embeddedDriver({ url, token: () => tokens[reads++] ?? 'none' });
  await assert.rejects(driver.observe(), failure('BALANCER_REFUSED', 'not-applied', /token is missing or wrong/));
  await driver.observe();
  await driver.observe();
  assert.equal(reads, 2, 'a good one is kept');
});

test('refusals of the balancer arrive at the driver with their reason', async (t) => {
  const { url, token } = await startRig(t);
  const driver = embeddedDriver({ url, token });
  await driver.apply({ revision: 3, bindings: [] });
  await assert.rejects(
    driver.apply({ revision: 2, bindings: [] }),
    failure('BALANCER_STALE_REVISION', 'not-applied', /^revision 2 is older than 3/),
  );
  await assert.rejects(
    driver.apply({ revision: 4, bindings: [{ address: 'nowhere', backend: null, drainMs: 0 }] }),
    failure('BALANCER_REFUSED', 'not-applied', /bindings\.0\.address is not host:port/),
  );
  await assert.rejects(
    embeddedDriver({ url, token: 'wrong' }).observe(),
    failure('BALANCER_REFUSED', 'not-applied', /token is missing or wrong/),
  );
  const noFile = (): string => {
    throw new FatalError('cannot read the token file x');
  };
  await assert.rejects(
    embeddedDriver({ url, token: noFile }).observe(),
    failure('BALANCER_UNREACHABLE', 'not-applied', /token file x/),
  );
});

test('the control port answers in HTTP as documented', async (t) => {
  const { url, token } = await startRig(t);
  const authorization = `Bearer ${token}`;
  const ask = async (path: string, init: RequestInit = {}): Promise<{ status: number; code: string | undefined }> => {
    const response = await fetch(`${url}${path}`, init);
    const body = (await response.json()) as { error?: { code: string } };
    return { status: response.status, code: body.error?.code };
  };
  const json = { authorization, 'content-type': 'application/json' };
  assert.deepEqual(await ask('/v1/health'), { status: 200, code: undefined });
  const unauthorized = { status: 401, code: 'BALANCER_UNAUTHORIZED' };
  assert.deepEqual(await ask('/v1/bindings'), unauthorized);
  assert.deepEqual(await ask('/v1/bindings', { headers: { authorization: token } }), unauthorized);
  assert.deepEqual(await ask('/v1/bindings', { headers: { authorization: `${authorization}x` } }), unauthorized);
  assert.deepEqual(await ask('/v1/cut', { method: 'POST' }), unauthorized);
  assert.deepEqual(await ask('/nowhere'), unauthorized);
  assert.deepEqual(await ask('/nowhere', { headers: json }), { status: 404, code: 'BALANCER_NOT_FOUND' });
  assert.deepEqual(await ask('/v1/bindings', { headers: json }), { status: 200, code: undefined });
  const bad = { status: 400, code: 'BALANCER_BAD_REQUEST' };
  const put = (body: string): Promise<unknown> => ask('/v1/bindings', { method: 'PUT', headers: json, body });
  assert.deepEqual(await put('{'), bad);
  assert.deepEqual(await put('{"revision":1}'), bad);
  assert.deepEqual(await put('{"revision":1,"bindings":[]}'), { status: 200, code: undefined });
  assert.deepEqual(await put('{"revision":1,"bindings":[{"address":"127.0.0.1:1","backend":null,"drainMs":0}]}'), {
    status: 409,
    code: 'BALANCER_STALE_REVISION',
  });
  assert.deepEqual(await ask('/v1/cut', { method: 'POST', headers: json, body: '{"address":"a"}' }), bad);
  assert.deepEqual(
    await ask('/v1/probes', { method: 'POST', headers: json, body: '{"backends":[],"periodMs":1}' }),
    bad,
  );
  const large = JSON.stringify({ revision: 2, bindings: ['x'.repeat(2_000_000)] });
  assert.deepEqual(await put(large), { status: 413, code: 'BALANCER_BAD_REQUEST' });
});

test('a balancer that is not there was not asked; one that does not answer may have acted', async (t) => {
  const nobody = embeddedDriver({ url: `http://127.0.0.1:${await freePort()}`, token: 't' });
  await assert.rejects(nobody.observe(), failure('BALANCER_UNREACHABLE', 'not-applied', /ECONNREFUSED/));
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  await assert.rejects(
    embeddedDriver({ url, token: 't', timeoutMs: 50 }).apply({ revision: 1, bindings: [] }),
    failure('BALANCER_NO_ANSWER', 'unknown', /no answer within 50 ms/),
  );
  const rude = createServer((socket) => socket.once('data', () => socket.resetAndDestroy())).listen(0, '127.0.0.1');
  await once(rude, 'listening');
  t.after(() => rude.close());
  await assert.rejects(
    embeddedDriver({ url: `http://127.0.0.1:${(rude.address() as AddressInfo).port}`, token: 't' }).cut('a', 'b'),
    failure('BALANCER_NO_ANSWER', 'unknown', /connection lost/),
  );
});

test('the token file is made for its owner only, kept over restarts, and refused when others may read it', async (t) => {
  const options = optionsIn(t);
  await (await startBalancer(options)).close();
  const token = readFileSync(options.tokenFile, 'utf8');
  assert.equal(statSync(options.tokenFile).mode & 0o777, 0o600);
  assert(token.trim().length >= 40);
  await (await startBalancer(options)).close();
  assert.equal(readFileSync(options.tokenFile, 'utf8'), token);
  const fatal = (pattern: RegExp) => (error: unknown) =>
    error instanceof FatalError && error.exitStatus === 3 && pattern.test(error.message);
  chmodSync(options.tokenFile, 0o640);
  await assert.rejects(startBalancer(options), fatal(/has mode 640; run: chmod 600/));
  chmodSync(options.tokenFile, 0o600);
  writeFileSync(options.tokenFile, 'short\n');
  await assert.rejects(startBalancer(options), fatal(/has 5 characters; at least 16/));
  await assert.rejects(
    startBalancer({ ...options, tokenFile: '/proc/nowhere/token' }),
    fatal(/cannot create the token file/),
  );
});

test('a start that fails leaves nothing behind: the directory and the addresses can be used at once', async (t) => {
  const { options, running, url, token } = await startRig(t);
  const address = `127.0.0.1:${await freePort()}`;
  await embeddedDriver({ url, token }).apply({ revision: 1, bindings: [{ address, backend: null, drainMs: 0 }] });
  const inUse = (error: unknown): boolean =>
    error instanceof FatalError && /is in use by another balancer/.test(error.message);
  await assert.rejects(startBalancer(options), inUse);
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  const { port } = blocker.address() as AddressInfo;
  await running.close();
  await assert.rejects(
    startBalancer({ ...options, controlPort: port }),
    (error) =>
      error instanceof FatalError && error.message === `the balancer's control port 127.0.0.1:${port} is taken`,
  );
  blocker.close();
  const again = await startBalancer(options);
  t.after(() => again.close());
  const health = await fetch(`http://127.0.0.1:${again.controlPort}/v1/health`);
  assert.equal(((await health.json()) as { revision: number }).revision, 1);
  assert(existsSync(join(options.directory, 'bindings.json')));
  assert.equal(await (await connectTo(t, address)).ended, 'ECONNRESET');
});

test('only the whole token matches', () => {
  assert(tokenMatches('secret-token', 'secret-token'));
  for (const guess of ['', 'secret-toke', 'secret-tokenx', 'Secret-token'])
    assert(!tokenMatches('secret-token', guess));
});
