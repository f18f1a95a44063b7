/** `bin/holdfast up` for whole-system tests: on free ports, in a directory of its own, ended with its children. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RespClient, ReplyError, textOf } from '@holdfast/resp';
import { randomBelow } from '@holdfast/base';
import { realRandom, realTimers, tcpConnector } from '@holdfast/base/real';
import { defaultSettings, onFreePorts } from '../apps/holdfast/src/cluster-process/index.ts';

const binary = join(import.meta.dirname, '..', 'bin', 'holdfast');

export interface StatusNode {
  readonly id: string;
  readonly addr: string;
  readonly role: 'master' | 'slave';
  readonly alive: boolean;
}

export interface UpOptions {
  readonly shards?: number;
  readonly controllers?: number;
}

export interface StatusController {
  readonly id: string;
  readonly address: string;
  readonly leader: boolean;
  readonly alive: boolean;
}

export interface StatusShard {
  readonly isr: readonly string[];
  readonly isr_version: number;
  readonly replication: string;
  readonly index: number;
  readonly phase: string;
  readonly epoch: number;
  readonly slot_ranges: readonly string[];
  readonly lb_address: string;
  readonly replica_lb_address: string | null;
  readonly nodes: readonly StatusNode[];
}

export interface Status {
  readonly version: number;
  readonly controllers: readonly StatusController[];
  readonly bindings: readonly { readonly address: string; readonly desired: string | null }[];
  readonly shards: readonly StatusShard[];
}

/** Asks again and again until `ask` answers something; the test's own timeout is the limit. */
export async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class UpCluster {
  readonly directory: string;
  readonly #process: ChildProcess;
  /** URLs of the controllers' APIs; `controller-1` first. */
  readonly apis: readonly string[];
  #output = '';
  #status: Status = { version: 0, controllers: [], bindings: [], shards: [] };

  private constructor(directory: string, child: ChildProcess, apis: readonly string[]) {
    this.directory = directory;
    this.#process = child;
    this.apis = apis;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
  }

  /** Starts shards (three) of two nodes; resolves when each has a master, living replicas and all of them in sync. */
  static async start({ shards = 3, controllers = 1 }: UpOptions = {}): Promise<UpCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    const settings = {
      ...defaultSettings,
      shards,
      controllers,
      store: controllers === 1 ? 'embedded' : 'etcd',
    } as const;
    const ports = await onFreePorts(settings, (limit) => randomBelow(realRandom, limit));
    const args = ['up', '--dir', directory, '--shards', String(shards), '--controllers', String(controllers)];
    args.push('--port', String(ports.port), '--replica-port', String(ports.replicaPort));
    args.push('--node-port', String(ports.nodePort), '--api-port', String(ports.apiPort));
    args.push('--lb-control-port', String(ports.lbControlPort), '--etcd-port', String(ports.etcdPort));
    const apis = Array.from({ length: controllers }, (_, index) => `http://127.0.0.1:${ports.apiPort + index}`);
    const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const cluster = new UpCluster(directory, child, apis);
    try {
      await cluster.whole();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** LB addresses of the masters, by shard. */
  get lbAddresses(): string[] {
    return this.#status.shards.map((shard) => shard.lb_address);
  }

  /** LB addresses of the replicas, by shard. */
  get replicaLbAddresses(): string[] {
    return this.#status.shards.flatMap(({ replica_lb_address: address }) => (address === null ? [] : [address]));
  }

  /** What a controller that answers says now; tried again while none does. */
  status(): Promise<Status> {
    return eventually(() => this.#fetchStatus());
  }

  /** Pid of the process that keeps its things in this folder of the cluster's directory: `controller-2`, `etcd`, … */
  pidOfFolder(name: string): number {
    const folder = join(this.directory, name);
    for (const pid of readdirSync('/proc')) {
      try {
        if (/^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(folder))
          return Number(pid);
      } catch {
        // It ended meanwhile.
      }
    }
    throw new Error(`no process of ${folder}\n${this.#log()}`);
  }

  async shard(index: number): Promise<StatusShard> {
    const shard = (await this.#fetchStatus())?.shards[index];
    if (shard === undefined) throw new Error(`no status of shard ${index}\n${this.#log()}`);
    return shard;
  }

  /** The last events, a line each: what a failed comparison should show. */
  async told(): Promise<string> {
    const found = await this.#fetch<{ events: { kind: string; message: string }[] }>('events?limit=20');
    return found?.events.map(({ kind, message }) => `${kind}: ${message}`).join('\n') ?? 'no controller answers';
  }

  /**
   * Waits until the only shard's record has `epoch`, and returns what was seen then; asked as fast as it is answered.
   * @throws when nobody can take over: what is waited for will not come.
   */
  async inFailover(epoch: number): Promise<StatusShard> {
    for (;;) {
      const shard = (await this.#fetchStatus())?.shards[0];
      if (shard !== undefined && shard.epoch >= epoch) return shard;
      const events = await this.#fetch<{ events: { kind: string; message: string }[] }>('events?limit=3');
      const waits = events?.events.find(({ kind }) => kind === 'failover-waits');
      if (waits !== undefined) throw new Error(`no failover: ${waits.message}\n${this.#log()}`);
    }
  }

  /** Resolves when every shard is stable and all its nodes live. */
  async whole(): Promise<void> {
    this.#status = await eventually(async () => {
      if (this.#process.exitCode !== null)
        throw new Error(`holdfast up ended: ${this.#process.exitCode}\n${this.#log()}`);
      const status = await this.#fetchStatus();
      return status !== undefined && status.shards.length > 0 && status.shards.every(isWhole) ? status : undefined;
    });
  }

  /** Asks the controller for a planned change of master. */
  async switchOver(shard: number): Promise<void> {
    const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
    const answer = await fetch(
      `${this.apis[0] ?? ''}/api/v1/namespaces/holdfast/clusters/local/shards/${shard}/switchover`,
      request,
    );
    if (!answer.ok) throw new Error(`switchover: ${answer.status} ${await answer.text()}\n${this.#log()}`);
  }

  /** Process of the node at an internal address, by its own INFO. */
  async pidOf(address: string): Promise<number> {
    const [host, port] = address.split(':');
    const client = await RespClient.connect(
      tcpConnector,
      { host: host ?? '', port: Number(port) },
      { timers: realTimers, connectTimeoutMs: 2000, commandTimeoutMs: 2000 },
    );
    const reply = await client.command('INFO', 'server');
    client.close();
    if (reply instanceof ReplyError) throw new Error(`${address}: ${reply.message}`);
    const pid = /^process_id:([0-9]+)\r?$/m.exec(textOf(reply) ?? '')?.[1];
    if (pid === undefined) throw new Error(`${address} does not say its process id`);
    return Number(pid);
  }

  /** Process of the balancer, by its command line. */
  pidOfBalancer(): number {
    for (const name of readdirSync('/proc').filter((entry) => /^[0-9]+$/.test(entry))) {
      const args = commandLine(name);
      if (args.includes('lb') && args.includes(join(this.directory, 'lb'))) return Number(name);
    }
    throw new Error(`no balancer of ${this.directory} runs\n${this.#log()}`);
  }

  /** Ends everything as Ctrl-C does and removes the directory. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGINT');
      await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #fetchStatus(): Promise<Status | undefined> {
    return this.#fetch<Status>('status');
  }

  /** From the first controller that answers; undefined: none does, the caller asks again. */
  async #fetch<T>(path: string): Promise<T | undefined> {
    for (const api of this.apis) {
      try {
        const url = `${api}/api/v1/namespaces/holdfast/clusters/local/${path}`;
        const answer = await fetch(url, { signal: AbortSignal.timeout(1000) });
        if (answer.ok) return ((await answer.json()) as { data: T }).data;
      } catch {
        // Not there yet, or not there any more, or standing still.
      }
    }
    return undefined;
  }

  /** What `up` printed, and the end of each log, for the message of a failed test. */
  #log(): string {
    const logs = join(this.directory, 'logs');
    const tails: string[] = [];
    try {
      for (const name of readdirSync(logs))
        tails.push(`--- ${name}\n${readFileSync(join(logs, name), 'utf8').slice(-1500)}`);
    } catch {
      tails.push(`(no ${logs})`);
    }
    return `${this.#output}\n${tails.join('\n')}`;
  }
}

/** Arguments of a process; none when it has ended meanwhile. */
function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function isWhole(shard: StatusShard): boolean {
  return (
    shard.phase === 'stable' &&
    shard.nodes.every((node) => node.alive) &&
    shard.nodes.some((node) => node.role === 'master') &&
    (shard.replication === 'async' || shard.isr.length === shard.nodes.length)
  );
}
