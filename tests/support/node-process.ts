/** Starts real data nodes for whole-system tests: own directory, free ports, ended by pid. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Connector } from '@holdfast/base';
import { tcpConnector, realTimers } from '@holdfast/base/real';
import { freePorts } from '@holdfast/base/testing';
import { ReplyError, RespClient } from '@holdfast/resp';

const binary = join(import.meta.dirname, '..', '..', 'bin', 'holdfast-server');

export interface NodeProcess {
  readonly port: number;
  readonly controlPort: number;
  readonly dir: string;
  readonly child: ChildProcess;
  /** What it wrote to stdout and stderr so far. */
  output(): string;
  client(port?: number): Promise<RespClient>;
  signal(name: NodeJS.Signals): void;
  /** Resolves to the exit status (or the signal's name). */
  exited(): Promise<number | string>;
}

export interface NodeOptions {
  readonly dir?: string;
  readonly port?: number;
  readonly controlPort?: number;
  /** After all others, so that they win: `--port 0` for one that is reached otherwise. */
  readonly args?: readonly string[];
  /** Beside the environment of the test. */
  readonly environment?: Readonly<Record<string, string>>;
  /** How clients reach it; absent: over TCP. */
  readonly connector?: Connector;
}

/** Starts a node and waits until its port answers. The test's end kills it. */
export async function startNode(
  t: { after(fn: () => Promise<void> | void): void },
  options: NodeOptions = {},
): Promise<NodeProcess> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'holdfast-node-'));
  const [freePort = 0, freeControl = 0] = await freePorts(2);
  const port = options.port ?? freePort;
  const controlPort = options.controlPort ?? freeControl;
  const args = ['--port', String(port), '--control-port', String(controlPort), '--dir', dir, ...(options.args ?? [])];
  const child = spawn(binary, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exit = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await exit;
    }
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
  });
  const node: NodeProcess = {
    port,
    controlPort,
    dir,
    child,
    output: () => output,
    client: (to = port) =>
      RespClient.connect(
        options.connector ?? tcpConnector,
        { host: '127.0.0.1', port: to },
        { timers: realTimers, connectTimeoutMs: 5000, commandTimeoutMs: 20_000 },
      ),
    signal: (name) => void child.kill(name),
    exited: () => exit,
  };
  await untilReady(node, exit);
  return node;
}

async function untilReady(node: NodeProcess, exit: Promise<number | string>): Promise<void> {
  let ended: number | string | undefined;
  void exit.then((status) => (ended = status));
  for (;;) {
    if (ended !== undefined) throw new Error(`the node ended with ${ended}: ${node.output()}`);
    try {
      const client = await node.client();
      const reply = await client.command('PING');
      client.close();
      if (reply === 'PONG' || (reply instanceof ReplyError && reply.message.startsWith('NOAUTH'))) return;
    } catch {
      // Not listening yet, or still loading: asked again below.
    }
    await pause(20);
  }
}

/** Asks until `holds` says yes; a test that waits for ever is ended by the runner's own limit. */
export async function until<T>(ask: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    await pause(10);
  }
}
