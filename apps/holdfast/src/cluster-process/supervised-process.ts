/**
 * One process of a cluster: started, watched, started again with back-off when it dies, and stopped within a bound.
 *
 * Until `keepAlive` a death is final and `endedEarly` says how it happened, so that a start that cannot work ends with
 * one line instead of a loop. Each process leads a group of its own: Ctrl-C on the terminal reaches only the parent,
 * which stops the others in order. They end with the parent, however it ends (HOLDFAST_PARENT_PID, main.ts).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readSync, fstatSync } from 'node:fs';

/** First pause before a restart; doubled each time. */
const backOffMs = { least: 200, most: 5_000, forgottenAfter: 30_000 } as const;

export interface ProcessSpec {
  /** For people and for the log's name. */
  readonly name: string;
  /** The executable and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Standard output and error are appended here. */
  readonly logPath: string;
  /** Says what happens, one line each. */
  readonly say: (line: string) => void;
}

export class SupervisedProcess {
  readonly #spec: ProcessSpec;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #startedAtMs = 0;
  #pauseMs: number = backOffMs.least;
  #retry: NodeJS.Timeout | undefined;
  #isKeptAlive = false;
  #isStopping = false;
  #endedEarly: string | undefined;

  constructor(spec: ProcessSpec) {
    this.#spec = spec;
  }

  get name(): string {
    return this.#spec.name;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** One line about a process that died before `keepAlive`. */
  get endedEarly(): string | undefined {
    return this.#endedEarly;
  }

  start(): void {
    const { command, logPath } = this.#spec;
    const [file, ...args] = command;
    const log = openSync(logPath, 'a');
    const child = spawn(file, args, {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid) },
    });
    closeSync(log);
    this.#child = child;
    this.#startedAtMs = performance.now();
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    const onEnd = (how: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      ended.resolve();
      if (!this.#isStopping) this.#onDeath(child.pid, how);
    };
    child.once('error', (error) => onEnd(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) =>
      onEnd(signal === null ? `ended with status ${String(code)}` : `was ended by ${signal}`),
    );
  }

  /** From now on it is started again when it dies. */
  keepAlive(): void {
    this.#isKeptAlive = true;
    if (this.#endedEarly === undefined) return;
    this.#spec.say(this.#endedEarly);
    this.#endedEarly = undefined;
    this.start();
  }

  /**
   * SIGTERM, and SIGKILL when it still runs after `graceMs`. Works on a stopped process too: SIGKILL needs no waking up.
   * @returns what happened.
   */
  async stop(graceMs: number): Promise<'not running' | 'ended' | 'killed'> {
    this.#isStopping = true;
    clearTimeout(this.#retry);
    const child = this.#child;
    if (child === undefined) return 'not running';
    child.kill('SIGTERM');
    let killed = false;
    const timer = setTimeout(() => {
      killed = true;
      child.kill('SIGKILL');
    }, graceMs);
    await this.#ended;
    clearTimeout(timer);
    return killed ? 'killed' : 'ended';
  }

  #onDeath(pid: number | undefined, how: string): void {
    const { name, logPath, say } = this.#spec;
    if (!this.#isKeptAlive) {
      const last = lastLine(logPath);
      this.#endedEarly = `${name} ${how} while starting${last === '' ? '' : `: ${last}`} (log: ${logPath})`;
      return;
    }
    if (performance.now() - this.#startedAtMs > backOffMs.forgottenAfter) this.#pauseMs = backOffMs.least;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, backOffMs.most);
    say(`${name} (pid ${String(pid)}) ${how}; starting it again in ${pauseMs} ms (log: ${logPath})`);
    this.#retry = setTimeout(() => {
      this.start();
      say(`${name} started again (pid ${String(this.pid)})`);
    }, pauseMs);
  }
}

/** The last line of a log that has text, shortened; of a JSON line its message. */
function lastLine(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const tail = Buffer.alloc(Math.min(size, 4096));
    readSync(fd, tail, 0, tail.length, size - tail.length);
    const line = tail.toString().trimEnd().split('\n').at(-1) ?? '';
    return messageIn(line).slice(0, 300);
  } finally {
    closeSync(fd);
  }
}

function messageIn(line: string): string {
  try {
    const { msg } = JSON.parse(line) as { msg?: unknown };
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line;
  }
}
