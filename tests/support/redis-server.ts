/** A redis-server that a test starts for itself, to compare replies with; gone when the test ends. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePorts } from '@holdfast/base/testing';

/** @returns its port; undefined, with the test skipped for that reason, where none is installed. */
export async function startRedis(t: TestContext): Promise<number | undefined> {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    t.skip('redis-server is not installed');
    return undefined;
  }
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
  const [port = 0] = await freePorts(1);
  const child = spawn('redis-server', ['--port', String(port), '--dir', dir, '--save', '', '--bind', '127.0.0.1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(dir, { recursive: true, force: true });
  });
  let output = '';
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (output.includes('accept connections')) break;
  }
  return port;
}
