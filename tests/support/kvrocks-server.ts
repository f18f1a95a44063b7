/**
 * A real Kvrocks for tests that hold us to it: the program that KVROCKS_BIN names, in a directory that may have been ours
 * before. Nothing of it comes with this repository.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { freePorts } from '@holdfast/base/testing';
import { Wire } from '../model/wire.ts';

export interface KvrocksProcess {
  readonly port: number;
  readonly dir: string;
  /** Ends it as an operator would, and waits until its directory is free. */
  stop(): Promise<void>;
}

export interface KvrocksOptions {
  /** Its own, which goes with the test, when none is named. */
  readonly dir?: string;
  readonly args?: readonly string[];
}

/** Why tests with a real Kvrocks are skipped here, to be given as a test's `skip`; false: they run. */
export const kvrocksMissing: string | false =
  process.env['KVROCKS_BIN'] === undefined ? 'KVROCKS_BIN names no Kvrocks server to compare with' : false;

async function untilAnswering(port: number, ended: () => string | undefined): Promise<void> {
  for (;;) {
    const status = ended();
    if (status !== undefined) throw new Error(`kvrocks ended with ${status}`);
    try {
      const wire = await Wire.connect(port);
      const reply = await wire.ask('PING');
      wire.close();
      if (!reply.startsWith('-LOADING')) return;
    } catch {
      // Not listening yet: asked again below.
    }
    await pause(20);
  }
}

/** Starts a Kvrocks with one worker on a free port of the loopback and waits until it answers. The test's end kills it. */
export async function startKvrocks(t: TestContext, options: KvrocksOptions = {}): Promise<KvrocksProcess> {
  const binary = process.env['KVROCKS_BIN'] ?? '';
  if (!existsSync(binary)) throw new Error(`KVROCKS_BIN names ${binary}, which is not there`);
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'holdfast-kvrocks-'));
  const [port = 0] = await freePorts(1);
  const settings = ['--bind', '127.0.0.1', '--port', String(port), '--dir', dir, '--workers', '1'];
  const child = spawn(binary, [...settings, '--log-dir', 'stdout', ...(options.args ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
  }
  let status: string | undefined;
  const exit = once(child, 'exit').then(([code, signal]) => {
    status = `${String(code ?? signal)}: ${output}`;
    return (code ?? signal) as number | string;
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await exit;
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
  });
  await untilAnswering(port, () => status);
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const ended = await exit;
    if (ended !== 0) throw new Error(`kvrocks ended with ${String(status)}`);
  };
  return { port, dir, stop };
}
