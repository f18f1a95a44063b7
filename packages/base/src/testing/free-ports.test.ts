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
  const draws = [0.25, 0.25, 0.75];
  const first = 31_000;
  const drawn = (at: number): number => first + Math.floor(at * (32_768 - first));
  const taken = createServer().listen(drawn(0.25), '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  assert.deepEqual(await freePorts(1, () => draws.shift() ?? 0), [drawn(0.75)]);
});

test('a process that reserves ports ends as if it had not', async () => {
  const script = `import { freePorts } from ${JSON.stringify(`${import.meta.dirname}/free-ports.ts`)}; await freePorts(3); console.log('done');`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(stdout, 'done\n');
});
