/**
 * The quick subset of the bench, as a report: that figures come out, never how good they are, since tests run on shared and
 * noisy machines. The ratios are printed as diagnostics.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';
import { cellsOf, ratio } from '../bench/compare.ts';
import { checkReport, type Report } from '../bench/report.ts';

const root = join(import.meta.dirname, '..');

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): { child: ChildProcess; ended: Promise<Ended> } {
  const command = join(root, 'tools', 'run.sh');
  const child = spawn(command, ['bench/main.ts', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)]).then(
    ([[status], stdout, stderr]) => ({ status: status as number | null, stdout, stderr }),
  );
  return { child, ended };
}

const lacksClient = ({ stderr }: Ended): boolean => stderr.includes('redis-benchmark is not installed');
const noClient = 'redis-benchmark is not installed';

test('the quick bench measures every server that is there and leaves nothing behind', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-bench-test-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const json = join(dir, 'report.json');
  const svg = join(dir, 'report.svg');
  const args = ['--quick', '--scale', '0.005', '--keyspace', '1000', '--tests', 'PING,SET,GET,RPOP,ZADD'];
  // Kvrocks is compared where somebody asks for it, not in passing.
  const env = { ...process.env, KVROCKS_BIN: '' };
  const result = await start([...args, '--dir', dir, '--json', json, '--svg', svg], env).ended;
  if (lacksClient(result)) return t.skip(noClient);
  const { status, stdout, stderr } = result;
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^PING P16 64 B /m);
  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  assert.deepEqual(checkReport(report), []);
  const servers = report.servers.map(({ name }) => name);
  assert.ok(servers.includes('holdfast') && servers.includes('bare'), servers.join());
  for (const cell of cellsOf(report.measurements)) {
    const own = report.measurements.filter((one) => one.test === cell.test && one.pipeline === cell.pipeline);
    const expected = servers.filter((name) => name !== 'bare' || ['PING', 'SET', 'GET'].includes(cell.test));
    assert.deepEqual(own.map(({ server }) => server).sort(), [...expected].sort(), cell.test);
    for (const { perSecond, p50Ms, p99Ms, p999Ms } of own)
      assert.ok(perSecond > 0 && p50Ms <= p99Ms && p99Ms <= p999Ms);
    const ratios = expected
      .filter((name) => name !== 'holdfast')
      .map((name) => `${ratio(report.measurements, cell, [name], 'perSecond')?.toFixed(2)} x ${name}`);
    t.diagnostic(`${cell.test} P${cell.pipeline}: ${ratios.join(', ')} (a report; this machine is not quiet)`);
  }
  assert.match(readFileSync(svg, 'utf8'), /<\/svg>/);
  assert.deepEqual(readdirSync(dir).sort(), ['report.json', 'report.svg']);
});

test('Ctrl-C ends all servers and removes their directories', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-bench-test-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const args = ['--only', 'core', '--servers', 'holdfast', '--tests', 'SET', '--scale', '1000', '--dir', dir];
  const { child, ended } = start(args);
  /** The first server's, once it has written it down. */
  const serverPid = (): number => {
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
    const file = files.find((name) => name.endsWith('kvrocks.pid'));
    return file === undefined ? 0 : Number(readFileSync(join(dir, file), 'utf8'));
  };
  const exits = { now: false };
  void ended.then(() => (exits.now = true));
  while (serverPid() === 0 && !exits.now) await new Promise((resolve) => setTimeout(resolve, 10));
  if (exits.now && lacksClient(await ended)) return t.skip(noClient);
  assert.equal(exits.now, false, 'the bench ended before its first server ran');
  const pid = serverPid();
  assert.doesNotThrow(() => process.kill(pid, 0));
  child.kill('SIGINT');
  const { status, stderr } = await ended;
  assert.equal(status, 130, stderr);
  assert.deepEqual(readdirSync(dir), []);
  // Killed before its directory was removed; it is gone when the kernel has taken it apart.
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
});

/** A process that has ended and that nobody waited for (its parent is gone) is dead too. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('a server that fails is said so and does not cost the others their figures', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-bench-test-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const fake = join(dir, 'kvrocks');
  writeFileSync(fake, '#!/bin/sh\n[ "$1" = -v ] && echo kvrocks 9.9.9 && exit\necho no room >&2\nexit 1\n', {
    mode: 0o755,
  });
  const json = join(dir, 'report.json');
  const args = ['--quick', '--scale', '0.001', '--tests', 'PING', '--servers', 'kvrocks-1,bare', '--json', json];
  const result = await start(args, { ...process.env, KVROCKS_BIN: fake }).ended;
  if (lacksClient(result)) return t.skip(noClient);
  const { status, stdout, stderr } = result;
  assert.equal(status, 1, stderr);
  assert.match(stdout, /^FAILED: core: Kvrocks, 1 worker: .*no room/m);
  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  assert.deepEqual(checkReport(report), []);
  assert.deepEqual(new Set(report.measurements.map(({ server }) => server)), new Set(['holdfast', 'bare']));
});
