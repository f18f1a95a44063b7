/**
 * A client program at work: a process that uses a client library and prints what it does, a JSON object a line (the form:
 * drills/clients/README.md). Here the lines become a history. An operation that began and has no end is unknown, however
 * its program ended.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { OperationError, type Timers } from '@holdfast/base';
import type { Operation } from '@holdfast/history';

export interface ProgramLane {
  readonly name: string;
  /** Hash tag of the keys it writes. */
  readonly tag: string;
  /** The one key it writes again and again. */
  readonly register: string;
  /** Registers of other lanes. */
  readonly reads: readonly string[];
}

/** The last argument of a program, as JSON. */
export interface ProgramConfig {
  readonly mode: 'cluster' | 'single';
  readonly settings: 'default' | 'recommended';
  readonly reads: 'master' | 'replicas';
  readonly masters: readonly string[];
  readonly replica: string | null;
  readonly paceMs: number;
  readonly lanes: readonly ProgramLane[];
  readonly cache: string | null;
}

export interface ProgramStart {
  readonly command: readonly [string, ...string[]];
  readonly config: ProgramConfig;
  /** Shard of each lane, by its name. */
  readonly shards: ReadonlyMap<string, number>;
  readonly timers: Timers;
  /** What CLOCK_MONOTONIC showed when the run's clock stood at 0, in milliseconds. */
  readonly originMs: number;
}

export interface About {
  readonly library: string;
  readonly version: string;
}

/** An error that a library told beside its answers. */
export interface ToldError {
  readonly text: string;
  readonly atMs: number;
}

interface Begun {
  readonly lane: string;
  readonly shard: number;
  readonly key: string;
  /** The value written; absent for a read. */
  readonly value: string | undefined;
  readonly invokedMs: number;
}

type Fields = Readonly<Record<string, unknown>>;

const keptErrorText = 2000;

/** What it left behind when it ended. */
export interface ProgramEnd {
  /** It had to be killed. */
  readonly killed: boolean;
  /** How it ended although nobody had asked it to; undefined when it did not. */
  readonly early: string | undefined;
}

export class ClientProgram {
  /** Resolves when the client object is connected. @throws OperationError CLIENT_PROGRAM when it will not be. */
  readonly hello: Promise<About>;
  readonly toldErrors: ToldError[] = [];
  readonly #start: ProgramStart;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<void>;
  readonly #open = new Map<number, Begun>();
  readonly #closed: Operation[] = [];
  /** When the last acknowledged write of each lane began. */
  readonly #lastWriteMs = new Map<string, number>();
  #errorText = '';
  #isStopping = false;
  #early: string | undefined;
  #fault: OperationError | undefined;
  #onHello: (about: About) => void = () => undefined;
  #onNoHello: (error: OperationError) => void = () => undefined;

  constructor(start: ProgramStart) {
    this.#start = start;
    const [program, ...args] = start.command;
    const child = spawn(program, [...args, JSON.stringify(start.config)], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    this.hello = new Promise((resolve, reject) => {
      this.#onHello = resolve;
      this.#onNoHello = reject;
    });
    this.hello.catch(() => undefined); // Whoever waits for it is told; nobody has to.
    child.stdin.on('error', () => undefined); // It has ended, which is told below.
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errorText = (this.#errorText + text).slice(-keptErrorText);
    });
    createInterface(child.stdout).on('line', (line) => this.#onLine(line));
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#onEnd(error.message);
        resolve();
      });
      child.once('close', (status, signal) => {
        this.#onEnd(signal === null ? `status ${String(status)}` : signal);
        resolve();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How it ended although nobody had asked it to. */
  get early(): string | undefined {
    return this.#early;
  }

  /** When the lane's last acknowledged write began; undefined before its first one. */
  lastWriteMs(lane: string): number | undefined {
    return this.#lastWriteMs.get(lane);
  }

  /**
   * Everything so far, in the order the ends were seen, then what has none.
   * @throws OperationError CLIENT_PROTOCOL when a line was none of the protocol: then nothing of it can be believed.
   */
  operations(): Operation[] {
    if (this.#fault !== undefined) throw this.#fault;
    const open = [...this.#open.values()].map((begun) => operationOf(begun, this.#address(), null, 'no answer'));
    return [...this.#closed, ...open];
  }

  /** Asks the program to end and waits for that; kills it after `graceMs`. Safe to call when it has ended. */
  async stop(graceMs: number): Promise<ProgramEnd> {
    this.#isStopping = true;
    let killed = false;
    const timer = this.#start.timers.after(graceMs, () => (killed = this.#child.kill('SIGKILL')));
    this.#child.stdin.end();
    await this.#ended;
    timer.cancel();
    return { killed, early: this.#early };
  }

  #onEnd(how: string): void {
    const text = this.#errorText.trim().replace(/\s+/g, ' ').slice(-300);
    const why = text === '' ? how : `${how}: ${text}`;
    if (!this.#isStopping) this.#early ??= why;
    this.#onNoHello(new OperationError('CLIENT_PROGRAM', `the client program ended: ${why}`, { outcome: 'unknown' }));
  }

  /** Lines that are no objects come from the library itself (its logger), and are not meant for us. */
  #onLine(line: string): void {
    if (!line.startsWith('{') || this.#fault !== undefined) return;
    try {
      this.#accept(JSON.parse(line) as Fields);
    } catch (error) {
      const message = `line ${JSON.stringify(line)} of a client program: ${error instanceof Error ? error.message : ''}`;
      this.#fault = new OperationError('CLIENT_PROTOCOL', message, { outcome: 'unknown', cause: error });
      this.#onNoHello(this.#fault);
    }
  }

  #accept(fields: Fields): void {
    const atMs = numberOf(fields, 'atNs') / 1e6 - this.#start.originMs;
    if (fields['begin'] !== undefined) this.#begin(fields, atMs);
    else if (fields['end'] !== undefined) this.#end(fields, atMs);
    else if (fields['event'] !== undefined) this.toldErrors.push({ text: textOf(fields, 'event'), atMs });
    else {
      const hello = fields['hello'] as Fields | undefined;
      if (hello === undefined) throw new RangeError('it has none of begin, end, event, hello');
      this.#onHello({ library: textOf(hello, 'library'), version: textOf(hello, 'version') });
    }
  }

  #begin(fields: Fields, invokedMs: number): void {
    const lane = textOf(fields, 'lane');
    const shard = this.#start.shards.get(lane);
    if (shard === undefined) throw new RangeError(`it has no lane ${lane}`);
    const value = fields['op'] === 'write' ? textOf(fields, 'value') : undefined;
    if (value === undefined && fields['op'] !== 'read') throw new RangeError('op is neither read nor write');
    this.#open.set(numberOf(fields, 'begin'), { lane, shard, key: textOf(fields, 'key'), value, invokedMs });
  }

  #end(fields: Fields, completedMs: number): void {
    const id = numberOf(fields, 'end');
    const begun = this.#open.get(id);
    if (begun === undefined) throw new RangeError(`operation ${id} did not begin`);
    const error = fields['error'] === undefined ? null : textOf(fields, 'error');
    const found = fields['value'] === undefined || fields['value'] === null ? null : textOf(fields, 'value');
    this.#open.delete(id);
    this.#closed.push(operationOf(begun, this.#address(), completedMs, error, found));
    if (begun.value !== undefined && error === null) this.#lastWriteMs.set(begun.lane, begun.invokedMs);
  }

  #address(): string {
    return this.#start.config.masters[0] ?? '';
  }
}

/**
 * An error says nothing about what was done: libraries repeat what got no answer, so that even a refusal may be the end of
 * a second try.
 */
function operationOf(
  { lane, shard, key, value, invokedMs }: Begun,
  address: string,
  completedMs: number | null,
  error: string | null,
  found: string | null = null,
): Operation {
  const outcome = error === null ? 'ok' : 'unknown';
  const common = { client: lane, phase: 'load', key, shard, invokedMs, completedMs, outcome } as const;
  const rest = { reason: error, address, node: null } as const;
  if (value !== undefined) return { op: 'write', ...common, ...rest, value };
  return { op: 'read', ...common, ...rest, value: error === null ? found : null };
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw new RangeError(`${name} is no text`);
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === 'number') return value;
  throw new RangeError(`${name} is no number`);
}
