import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { freePort, freePorts } from './free-ports.ts';

test('ports are different, can be listened on, and are below those of outgoing connections', async () => {
  const ports = await freePorts(20);
  assert.equal(new Set(ports).size, 20);
  for (const port of ports) assert(port < 32_768);
  const server = createServer().listen(ports[0], '127.0.0.1');
  await once(server, 'listening');
  server.close();
});

test('a port that was given is not given to another process while this one lives', async () => {
  const port = await freePort();
  const rival = createSocket('udp4').bind(port, '127.0.0.1');
  const [error] = (await once(rival, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'EADDRINUSE');
  rival.close();
});

test('a port that somebody listens on is drawn again', async (t) => {
  const first = 31_000;
  // Any that is free just now: other test runs of this machine draw from the same ones.
  const taken = createServer();
  t.after(() => taken.close());
  let port = 0;
  while (!taken.listening) {
    port = first + Math.floor(Math.random() * (32_768 - first));
    taken.listen(port, '127.0.0.1');
    await once(taken, 'listening').catch(() => undefined);
  }
  const draws = Array<number>(2).fill((port - first + 0.5) / (32_768 - first));
  let drawn = 0;
  const [given] = await freePorts(1, () => draws[drawn++] ?? Math.random());
  assert.ok(drawn > 2, `${drawn} draws`);
  assert.notEqual(given, port);
});

test('a process that reserves ports ends as if it had not', async () => {
  const script = `import { freePorts } from ${JSON.stringify(`${import.meta.dirname}/free-ports.ts`)}; await freePorts(3); console.log('done');`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(stdout, 'done\n');
});
