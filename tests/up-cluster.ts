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

export interface StatusShard {
  readonly index: number;
  readonly phase: string;
  readonly epoch: number;
  readonly slot_ranges: readonly string[];
  readonly lb_address: string;
  readonly replica_lb_address: string | null;
  readonly nodes: readonly StatusNode[];
}

export interface Status {
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
  readonly #apiPort: number;
  #output = '';
  #status: Status = { shards: [] };

  private constructor(directory: string, child: ChildProcess, apiPort: number) {
    this.directory = directory;
    this.#process = child;
    this.#apiPort = apiPort;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
  }

  /** Starts three shards of two nodes; resolves when every shard has a master and living replicas. */
  static async start(): Promise<UpCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    const ports = await onFreePorts(defaultSettings, (limit) => randomBelow(realRandom, limit));
    const args = ['up', '--dir', directory, '--port', String(ports.port), '--replica-port', String(ports.replicaPort)];
    args.push('--node-port', String(ports.nodePort), '--api-port', String(ports.apiPort));
    args.push('--lb-control-port', String(ports.lbControlPort));
    const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const cluster = new UpCluster(directory, child, ports.apiPort);
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

  async shard(index: number): Promise<StatusShard> {
    const shard = (await this.#fetchStatus())?.shards[index];
    if (shard === undefined) throw new Error(`no status of shard ${index}\n${this.#log()}`);
    return shard;
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
    const answer = await fetch(`${this.#clusterUrl}/shards/${shard}/switchover`, request);
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

  get #clusterUrl(): string {
    return `http://127.0.0.1:${this.#apiPort}/api/v1/namespaces/holdfast/clusters/local`;
  }

  async #fetchStatus(): Promise<Status | undefined> {
    try {
      const answer = await fetch(`${this.#clusterUrl}/status`);
      return answer.ok ? ((await answer.json()) as { data: Status }).data : undefined;
    } catch {
      return undefined; // Not there yet, or not there any more: the caller asks again.
    }
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
    shard.nodes.some((node) => node.role === 'master')
  );
}
