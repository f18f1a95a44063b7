/**
 * Servers under way and their directories. Whatever way the bench ends, `clear` leaves neither: it is called at the end,
 * by Ctrl-C and by an error. What is started is also tied to the bench, and ends with it when that is killed.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@holdfast/base';
import { realTimers, tcpConnector } from '@holdfast/base/real';
import { freePort } from '@holdfast/base/testing';
import { RespClient } from '@holdfast/resp';
import { readUsage, type ProcessUsage } from './proc.ts';
import type { Directive, Launch, ServerKind } from './servers.ts';

const host = '127.0.0.1';
const startMs = 120_000;
/** What of a program's last words is shown when it ends unasked. */
const shownBytes = 2000;

/** setpriv (util-linux) asks the kernel to kill it with its parent, and then becomes the program. */
const tie = ['setpriv', '--pdeathsig', 'KILL', '--'];
const tiesToParent = spawnSync('setpriv', [...tie.slice(1), 'true']).status === 0;

export interface Program extends Launch {
  /** Asked to end (SIGTERM) rather than killed with the stage: it has more to put away than its process. */
  readonly endsGently?: boolean;
}

/** A program that is no server under test: a load client, a balancer. */
export interface Companion {
  readonly child: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals>;
  /** The last of what it wrote to stdout and stderr. */
  words(): string;
}

export class Stage {
  readonly #dir: string;
  /** With the signal that ends it. */
  readonly #children = new Map<ChildProcess, NodeJS.Signals>();
  #entries = 0;
  #isLeaving = false;

  /** @param parent where the bench's own directory is made; on a disk if bytes written are to mean anything. */
  constructor(parent: string) {
    this.#dir = mkdtempSync(join(parent, 'holdfast-bench-'));
  }

  /** A fresh directory of its own, gone at the latest with the stage. */
  directory(name: string): string {
    const dir = join(this.#dir, `${name}-${++this.#entries}`);
    mkdirSync(dir);
    return dir;
  }

  /** Starts any program; it is killed with the stage. */
  run({ command, args, endsGently = false }: Program, onOutput?: (text: string) => void): Companion {
    if (this.#isLeaving) throw new Error('the bench is ending');
    const words = endsGently || !tiesToParent ? [command, ...args] : [...tie, command, ...args];
    const child = spawn(words[0] as string, words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.set(child, endsGently ? 'SIGTERM' : 'SIGKILL');
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-shownBytes);
        if (stream === child.stdout) onOutput?.(text);
      });
    }
    const exited = new Promise<number | NodeJS.Signals>((resolve, reject) => {
      child.once('error', (error) => reject(new Error(`${command} cannot be started: ${messageOf(error)}`)));
      child.once('close', (code, signal) => resolve(code ?? (signal as NodeJS.Signals)));
    });
    exited.catch(() => undefined).finally(() => this.#children.delete(child));
    return { child, exited, words: () => output };
  }

  /** Starts a server and waits until it answers PING. */
  async start(kind: ServerKind, options: StartOptions = {}): Promise<RunningServer> {
    const dir = options.dir ?? this.directory(kind.name);
    const port = await freePort();
    const launch = kind.launch({ dir, port, directives: options.directives ?? [] });
    const startedAt = performance.now();
    const niceLaunch = { command: 'nice', args: ['-n', '19', launch.command, ...launch.args] };
    const companion = this.run(options.isNice === true ? niceLaunch : launch);
    await untilPong(port, companion, kind.title);
    return new RunningServer({ kind, dir, port, companion, startedInMs: performance.now() - startedAt });
  }

  /** Ends what runs and waits for it. Directories stay, and the stage can be used again. */
  async endPrograms(): Promise<void> {
    const ends = [...this.#children].map(([child, signal]) => {
      const gone = once(child, 'close');
      child.kill(signal);
      return gone;
    });
    await Promise.all(ends);
  }

  /** Nothing is to be started any more. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** The bench is ended from outside: as `endPrograms`, and for good. What has to put things away is waited for. */
  leave(): Promise<void> {
    this.#isLeaving = true;
    return this.endPrograms();
  }

  /** Kills what still runs and removes every directory, at once. */
  clear(): void {
    for (const child of this.#children.keys()) child.kill('SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

export interface StartOptions {
  /** Of an earlier server, whose data are served again. */
  readonly dir?: string;
  readonly directives?: readonly Directive[];
  /** Gives way to everything else on this machine: it is needed, and not what is measured. */
  readonly isNice?: boolean;
}

/** A connection for commands of the bench itself. */
export function connectTo(port: number): Promise<RespClient> {
  const options = { timers: realTimers, connectTimeoutMs: 5000, commandTimeoutMs: 600_000 };
  return RespClient.connect(tcpConnector, { host, port }, options);
}

/** Asks until it holds, every few milliseconds. @throws Error that says what was waited for, when the time is up. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s in vain: ${what}`);
    await pause(5);
  }
}

/** @returns what `work` comes to. @throws Error that says what was waited for, when the time is up; the work is left alone. */
export async function within<T>(what: string, work: Promise<T>, timeoutMs: number): Promise<T> {
  const timer = new AbortController();
  const inVain = pause(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`waited ${timeoutMs / 1000} s in vain: ${what}`);
  });
  inVain.catch(() => undefined); // nobody waits for it any more
  try {
    return await Promise.race([work, inVain]);
  } finally {
    timer.abort();
  }
}

/** CPU time of a program so far. */
export function cpuSecondsOf({ child }: Companion): number {
  return usageOf(child.pid as number).cpuSeconds;
}

function usageOf(pid: number): ProcessUsage {
  const text = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'utf8');
  let io: string | undefined;
  try {
    io = text('io');
  } catch {
    io = undefined; // not ours to read
  }
  return readUsage({ stat: text('stat'), io, status: text('status') });
}

/** Whether a server on this port says PONG. */
export async function answersPing(port: number): Promise<boolean> {
  try {
    const client = await connectTo(port);
    const reply = await client.command('PING');
    client.close();
    return reply === 'PONG';
  } catch {
    return false; // not listening yet
  }
}

async function untilPong(port: number, companion: Companion, title: string): Promise<void> {
  let ended: number | string | undefined;
  companion.exited.then((status) => (ended = status)).catch((error: unknown) => (ended = messageOf(error)));
  const answers = (): Promise<boolean> => {
    if (ended !== undefined) throw new Error(`${title} ended with ${ended} at its start: ${companion.words()}`);
    return answersPing(port);
  };
  await until(`${title} answers PING on port ${port}`, answers, startMs);
}

interface Parts {
  readonly kind: ServerKind;
  readonly dir: string;
  readonly port: number;
  readonly companion: Companion;
  readonly startedInMs: number;
}

export class RunningServer {
  readonly kind: ServerKind;
  readonly dir: string;
  readonly port: number;
  /** From starting the process to its first PONG. */
  readonly startedInMs: number;
  readonly #companion: Companion;

  constructor({ kind, dir, port, companion, startedInMs }: Parts) {
    this.kind = kind;
    this.dir = dir;
    this.port = port;
    this.startedInMs = startedInMs;
    this.#companion = companion;
  }

  get pid(): number {
    return this.#companion.child.pid as number;
  }

  get exited(): Promise<number | NodeJS.Signals> {
    return this.#companion.exited;
  }

  client(): Promise<RespClient> {
    return connectTo(this.port);
  }

  usage(): ProcessUsage {
    return usageOf(this.pid);
  }

  /** Kills it and waits for its end. Its directory stays when it is to be started again, else it goes. */
  async end(signal: NodeJS.Signals = 'SIGKILL', keepsData = false): Promise<void> {
    const { child } = this.#companion;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill(signal);
      await gone;
    }
    if (!keepsData) rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}
