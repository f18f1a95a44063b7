/** `holdfast up` and `holdfast ctl` as an operator meets them: real processes, real data. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { randomBelow } from '@holdfast/base';
import { realRandom } from '@holdfast/base/real';
import { defaultSettings, onFreePorts, type LayoutSettings } from '../cluster-process/index.ts';
import type { ClusterStatus } from '../controller-client.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

interface Running {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<string>;
}

function run(t: TestContext, args: readonly string[]): Running {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args]);
  t.after(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = once(child, 'close').then(() => String(child.signalCode ?? child.exitCode));
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}

/** Waits for a condition of other processes; a test that never gets there runs into its time limit. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(20);
}

/** One command to one port; the first line of the answer, or why there was none. */
function ask(port: number, command: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let answer = '';
    socket.setTimeout(1_000, () => socket.destroy());
    socket.once('error', (error) => resolve(error.message));
    socket.once('close', () => resolve(answer));
    socket.once('connect', () => socket.write(`${command}\r\n`));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      // An answer of text comes with its length in a line before it.
      if (answer.split('\r\n').length > (answer.startsWith('$') && !answer.startsWith('$-') ? 2 : 1)) socket.destroy();
    });
  });
}

function flags(directory: string, settings: LayoutSettings): string[] {
  const { shards, port, replicaPort, nodePort, apiPort, lbControlPort } = settings;
  const values = { shards, port, 'replica-port': replicaPort, 'node-port': nodePort, 'api-port': apiPort };
  const pairs = Object.entries({ ...values, 'lb-control-port': lbControlPort });
  return ['--dir', directory, ...pairs.flatMap(([name, value]) => [`--${name}`, String(value)])];
}

/** Pids of the processes whose command line names the directory. */
function processesOf(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${directory}/`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

test('up serves through LB addresses, outlives a dead master, continues after a stop, and leaves nothing when killed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-up-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const settings = await onFreePorts({ ...defaultSettings, shards: 1 }, (limit) => randomBelow(realRandom, limit));
  const { port, replicaPort, apiPort } = settings;
  const api = ['--api', `http://127.0.0.1:${apiPort}`];
  const status = async (): Promise<ClusterStatus> => {
    const ctl = run(t, ['ctl', ...api, 'status', '--output', 'json']);
    assert.equal(await ctl.ended, '0', ctl.stderr());
    return JSON.parse(ctl.stdout()) as ClusterStatus;
  };

  const first = run(t, ['up', ...flags(directory, settings)]);
  await Promise.race([until(() => first.stdout().includes('Ctrl-C stops')), first.ended]);
  assert.match(first.stdout(), new RegExp(`│ 0 +│ master +│ 127\\.0\\.0\\.1:${port} +│`), first.stderr());
  assert.equal(await ask(port, 'SET greeting hello'), '+OK\r\n');
  await until(async () => (await ask(replicaPort, 'GET greeting')).startsWith('-MOVED'));

  const switchover = run(t, ['ctl', ...api, 'switchover', '0']);
  assert.equal(await switchover.ended, '0', switchover.stderr());
  assert.match(
    switchover.stdout(),
    new RegExp(`^shard 0: switchover done in \\d+ ms, 127\\.0\\.0\\.1:${settings.nodePort + 1} is master\\n$`),
  );
  assert.equal(await ask(port, 'GET greeting'), '$5\r\nhello\r\n');

  const [victim] = processesOf(`${directory}/node-2`);
  process.kill(victim ?? assert.fail('node-2 has no process'), 'SIGKILL');
  await until(() => /^node-2 \(pid \d+\) was ended by SIGKILL.*\n(.*\n)*node-2 started again/m.test(first.stderr()));
  await until(async () => (await ask(port, 'SET after death')) === '+OK\r\n');
  const { shards } = await status();
  assert((shards[0]?.epoch ?? 0) >= 3);

  first.child.kill('SIGINT');
  assert.equal(await first.ended, '0');
  const order = [...first.stderr().matchAll(/^(controller|lb|node-\d) ended$/gm)].map((match) => match[1]);
  assert.deepEqual(
    [order.slice(0, 2), order.slice(2).sort()],
    [
      ['controller', 'lb'],
      ['node-1', 'node-2'],
    ],
  );

  const second = run(t, ['up', '--dir', directory]);
  await Promise.race([until(() => second.stdout().includes('Ctrl-C stops')), second.ended]);
  assert.equal(await ask(port, 'GET greeting'), '$5\r\nhello\r\n', second.stderr());
  assert.equal(await ask(port, 'GET after'), '$5\r\ndeath\r\n');
  assert.deepEqual(
    (await status()).shards[0]?.nodes.map(({ id }) => id).sort(),
    shards[0]?.nodes.map(({ id }) => id).sort(),
  );

  const third = run(t, ['up', '--dir', directory]);
  assert.equal(await third.ended, '3');
  assert.match(third.stderr(), /^holdfast up: .* is in use by another cluster that runs; .*\n$/);

  assert.equal(processesOf(directory).length, 4);
  second.child.kill('SIGKILL');
  await second.ended;
  await until(() => processesOf(directory).length === 0);
});
