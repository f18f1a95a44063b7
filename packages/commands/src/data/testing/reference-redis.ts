/**
 * A real redis-server to compare replies with: started in a directory of its own, without a port, and gone when it is
 * disposed of. Where none is installed a test skips with the reason.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Argument } from './command-runner.ts';

/** Whether redis-server can be run; if not, the test says why it is skipped. */
export function hasReferenceRedis(t: TestContext): boolean {
  const found = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (found.status === 0) return true;
  t.skip('redis-server is not installed');
  return false;
}

/** Where the reply that begins at `at` ends; -1 when it has not arrived whole. */
function replyEnd(bytes: string, at: number): number {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return -1;
  const end = lineEnd + 2;
  const count = Number(bytes.slice(at + 1, lineEnd));
  const kind = bytes[at] as string;
  if (kind === '$' || kind === '=') {
    if (count < 0) return end;
    return end + count + 2 <= bytes.length ? end + count + 2 : -1;
  }
  let next = end;
  const replies = '*~>'.includes(kind) ? count : kind === '%' ? 2 * count : 0;
  for (let i = 0; i < replies && next >= 0; i++) next = replyEnd(bytes, next);
  return next;
}

function encoded(args: readonly Argument[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.from(arg as string);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

export class ReferenceRedis implements AsyncDisposable {
  readonly #dir: string;
  readonly #process: ChildProcess;
  readonly #socket: Socket;
  #received = '';
  #arrived: () => void = () => undefined;

  private constructor(dir: string, process: ChildProcess, socket: Socket) {
    this.#dir = dir;
    this.#process = process;
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      this.#received += String(chunk);
      this.#arrived();
    });
  }

  static async start(): Promise<ReferenceRedis> {
    const dir = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
    const path = join(dir, 'socket');
    const options = ['--port', '0', '--unixsocket', path, '--dir', dir, '--save', '', '--appendonly', 'no'];
    const process = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    for await (const chunk of process.stdout) {
      output += String(chunk);
      if (output.includes('accept connections')) break;
    }
    const socket = connect(path);
    await once(socket, 'connect');
    return new ReferenceRedis(dir, process, socket);
  }

  /** Sends commands in one go. @returns their replies as they came, one character per byte. */
  async run(commands: readonly (readonly Argument[])[]): Promise<string[]> {
    this.#socket.write(Buffer.concat(commands.map(encoded)));
    const replies: string[] = [];
    let at = 0;
    while (replies.length < commands.length) {
      const end = replyEnd(this.#received, at);
      if (end < 0) {
        await new Promise<void>((resolve) => (this.#arrived = resolve));
        continue;
      }
      replies.push(this.#received.slice(at, end));
      at = end;
    }
    this.#received = this.#received.slice(at);
    return replies;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
