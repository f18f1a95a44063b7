/**
 * Real etcd for tests: processes of Debian's `etcd-server` on free loopback ports, with their data in a temporary
 * directory. They can be stopped (SIGSTOP), killed and started again on the same data and ports.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { freePorts } from '@holdfast/base/testing';

/**
 * Why tests with etcd cannot run here; undefined when they can.
 * @throws where CI is set: tools/setup.sh installs the package there, so its absence is a failure.
 */
export function etcdIsMissing(): string | undefined {
  if (spawnSync('etcd', ['--version']).status === 0) return undefined;
  const reason = 'no etcd here: apt-get install etcd-server';
  if (process.env['CI'] !== undefined && process.env['CI'] !== '') throw new Error(reason);
  return reason;
}

export interface EtcdTlsServer {
  readonly certFile: string;
  readonly keyFile: string;
  /** Given: clients have to show a certificate of this authority. */
  readonly clientCaFile?: string;
}

export interface EtcdMember {
  /** `host:port` for clients. */
  readonly endpoint: string;
  /** Starts it, on what it had. */
  start(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. Returns when no thread of it runs any more. */
  stop(): void;
  /** SIGCONT. */
  resume(): void;
  /** kill -9; resolves when it has ended. */
  kill(): Promise<void>;
  /** Resolves when it says that it is in working order (leader known). */
  healthy(): Promise<void>;
}

interface Ports {
  readonly client: number;
  readonly peer: number;
  readonly metrics: number;
}

const started = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});

/** Starts `count` members that are one cluster; they are gone when the test ends. */
export async function startEtcd(
  t: Pick<TestContext, 'after'>,
  { count = 1, tls }: { readonly count?: number; readonly tls?: EtcdTlsServer } = {},
): Promise<EtcdMember[]> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-etcd-'));
  const ports = await portsOf(count);
  const cluster = ports.map(({ peer }, index) => `m${index}=http://127.0.0.1:${peer}`).join(',');
  const members = ports.map((own, index) => new Member({ own, index, directory, cluster, tls }));
  t.after(async () => {
    await Promise.all(members.map((member) => member.kill()));
    rmSync(directory, { recursive: true, force: true });
  });
  await Promise.all(members.map((member) => member.start()));
  return members;
}

interface MemberOptions {
  readonly own: Ports;
  readonly index: number;
  readonly directory: string;
  readonly cluster: string;
  readonly tls: EtcdTlsServer | undefined;
}

class Member implements EtcdMember {
  readonly endpoint: string;
  readonly #options: MemberOptions;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(options: MemberOptions) {
    this.#options = options;
    this.endpoint = `127.0.0.1:${options.own.client}`;
  }

  async start(): Promise<void> {
    const child = spawn('etcd', this.#arguments(), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#output = '';
    started.add(child);
    child.once('exit', () => started.delete(child));
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.#output = `${this.#output}${chunk.toString()}`.slice(-20_000)));
    await this.healthy();
  }

  stop(): void {
    process.kill(this.#pid(), 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.#pid(), 'SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async healthy(): Promise<void> {
    const url = `http://127.0.0.1:${this.#options.own.metrics}/health`;
    for (;;) {
      const answer = await fetch(url).then(
        (response) => response.text(),
        () => '',
      );
      if (answer.includes('"true"')) return;
      const child = this.#child;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null)
        throw new Error(`etcd ended:\n${this.#output}`);
      await pause(50);
    }
  }

  #pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('etcd was not started');
    return pid;
  }

  #arguments(): string[] {
    const { own, index, directory, cluster, tls } = this.#options;
    const scheme = tls === undefined ? 'http' : 'https';
    const flags: Record<string, string> = {
      name: `m${index}`,
      'data-dir': join(directory, `m${index}`),
      'listen-client-urls': `${scheme}://${this.endpoint}`,
      'advertise-client-urls': `${scheme}://${this.endpoint}`,
      'listen-peer-urls': `http://127.0.0.1:${own.peer}`,
      'initial-advertise-peer-urls': `http://127.0.0.1:${own.peer}`,
      'listen-metrics-urls': `http://127.0.0.1:${own.metrics}`,
      'initial-cluster': cluster,
      'initial-cluster-state': 'new',
      'heartbeat-interval': '100',
      'election-timeout': '1000',
      ...(tls === undefined ? {} : { 'cert-file': tls.certFile, 'key-file': tls.keyFile }),
    };
    if (tls?.clientCaFile !== undefined) flags['trusted-ca-file'] = tls.clientCaFile;
    const list = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    return tls?.clientCaFile === undefined ? list : [...list, '--client-cert-auth'];
  }
}

/** Three for each member. */
async function portsOf(members: number): Promise<Ports[]> {
  const numbers = await freePorts(members * 3);
  return Array.from({ length: members }, (_, index) => {
    const [client = 0, peer = 0, metrics = 0] = numbers.slice(index * 3, index * 3 + 3);
    return { client, peer, metrics };
  });
}
