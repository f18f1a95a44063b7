/**
 * A whole cluster on this machine: every node, the balancer, the controllers and, for several of them, an etcd as
 * processes of their own below one directory. Used by `holdfast up` and by the drills.
 *
 *   <dir>/up.json  up.lock        settings of the cluster; held while it runs
 *   <dir>/node-<n>/               data of a node, kvrocks.conf (unless its placement says where)
 *   <dir>/controller/  lb/        metadata store; bindings, token
 *   <dir>/controller-<n>/  etcd/  ids of several controllers; what they share
 *   <dir>/logs/<name>.log         output of each process
 *
 * Starting again on the same directory continues: the ports come from up.json, the topology from the controller's
 * store, the bindings from the balancer's file, the data from the nodes.
 */
import { closeSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { FatalError, OperationError, messageOf } from '@holdfast/base';
import { embeddedDriver, readToken } from '@holdfast/balancer/real';
import { lockFile } from '@holdfast/base/real';
import { ControllerClient, type ClusterStatus } from '../controller-client.ts';
import { isSyncAlone } from '../option-values.ts';
import { settleSettings, writeSettings } from './layout-file.ts';
import { etcdCommand } from './etcd.ts';
import { planLayout, type ControllerPlace, type Layout, type LayoutSettings } from './layout.ts';
import { writeNodeConfig } from './node-config.ts';
import { onLoopback, type Placement } from './placement.ts';
import { requireFree } from './ports.ts';
import { answersOk, answersPing } from './probe.ts';
import { missingFrom } from './readiness.ts';
import { SupervisedProcess } from './supervised-process.ts';

/** Where the cluster stands in the controller's store. */
export const clusterNames = { namespace: 'holdfast', cluster: 'local' } as const;

/** How long each kind of process may take to end before it is killed. */
const graceMs = { controller: 3_000, balancer: 2_000, node: 10_000, etcd: 5_000 } as const;
const readyWithinMs = 60_000;
const probeEveryMs = 50;

export interface LocalClusterOptions {
  readonly directory: string;
  /** Settings given explicitly; the rest comes from the directory, or from the defaults. */
  readonly asked: Partial<LayoutSettings>;
  /** Says what happens, one line each. */
  readonly say: (line: string) => void;
  /** Ends a start that is under way; everything started is stopped again. */
  readonly signal?: AbortSignal;
  /** The program whose subcommands are run; tests put a stand-in here. */
  readonly program?: readonly [string, ...string[]];
  /** Where the processes are; without it all are on the loopback interface. */
  readonly placement?: Placement;
  /** Lines for the kvrocks.conf of a node that has none yet. */
  readonly nodeDirectives?: readonly string[];
  /** Fences may be left on that are of no use to anybody but a drill. */
  readonly isForDrills?: boolean;
}

export class LocalCluster {
  readonly layout: Layout;
  /** Absolute. */
  readonly directory: string;
  /** URLs of the controllers' APIs. */
  readonly apis: readonly string[];
  readonly client: ControllerClient;
  readonly #placement: Placement;
  readonly #isForDrills: boolean;
  readonly #say: (line: string) => void;
  readonly #lock: number;
  readonly #balancer: SupervisedProcess;
  readonly #controllers: readonly SupervisedProcess[];
  readonly #nodes: readonly SupervisedProcess[];
  readonly #etcd: SupervisedProcess | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(directory: string, layout: Layout, lock: number, options: LocalClusterOptions) {
    this.directory = directory;
    this.layout = layout;
    this.#lock = lock;
    this.#say = options.say;
    this.apis = layout.controllerPlaces.map(({ api }) => api);
    this.client = new ControllerClient({ apis: this.apis, ...clusterNames, timeoutMs: 2_000 });
    this.#placement = options.placement ?? onLoopback;
    this.#isForDrills = options.isForDrills === true;
    const program = options.program ?? thisProgram();
    const run = (name: string, args: readonly string[]): SupervisedProcess => {
      const [file = '', ...rest] = [...this.#placement.launchOf(name), ...args];
      const logPath = join(directory, 'logs', `${name}.log`);
      return new SupervisedProcess({ name, command: [file, ...rest], logPath, say: options.say });
    };
    const supervise = (name: string, args: readonly string[]): SupervisedProcess => run(name, [...program, ...args]);
    const { etcdHost, etcdPort } = layout;
    this.#etcd = layout.hasOwnEtcd ? run('etcd', etcdCommand(join(directory, 'etcd'), etcdHost, etcdPort)) : undefined;
    this.#balancer = supervise('lb', this.#balancerArguments());
    this.#controllers = layout.controllerPlaces.map((place) => supervise(place.name, this.#controllerArguments(place)));
    this.#nodes = layout.nodes.map(({ name }) =>
      supervise(name, ['server', '-c', join(this.#placement.dataOf(name, directory), 'kvrocks.conf')]),
    );
  }

  /**
   * Starts all processes and returns when every node is ready, every shard has a lease and every address is bound.
   * @throws FatalError with one line: exit status 2 for contradicting settings, 3 for a port that is taken, a directory
   *   in use, a process that ended, or a cluster that was not ready in time. Nothing is left running.
   */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    const directory = resolve(options.directory);
    const lock = lockDirectory(directory);
    let cluster: LocalCluster | undefined;
    try {
      const settingsPath = join(directory, 'up.json');
      const layout = planLayout(settleSettings(settingsPath, options.asked), options.placement);
      // Hosts of their own are new ones.
      if (options.placement?.hasOwnHosts !== true) await requireFree(layout.ports);
      writeSettings(settingsPath, layout);
      cluster = new LocalCluster(directory, layout, lock, options);
      cluster.#prepare(options.nodeDirectives ?? []);
      await cluster.#bringUp(options.signal);
      return cluster;
    } catch (error) {
      if (cluster === undefined) closeSync(lock);
      else await cluster.stop();
      throw error;
    }
  }

  /** Every process that runs now, by name: `lb`, `controller` (or `controller-1`, …), `node-1`, …, `etcd`. */
  pids(): ReadonlyMap<string, number> {
    const running = this.#all().flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid] as const]));
    return new Map(running);
  }

  /** The balancer resets every connection of an LB address, whichever node it leads to. @returns how many. */
  async cutClients(lbAddress: string): Promise<number> {
    const driver = embeddedDriver({ url: this.#balancerUrl, token: () => readToken(this.#tokenFile) });
    const { bindings } = await driver.observe();
    const backends = bindings.find(({ address }) => address === lbAddress)?.connections ?? [];
    const cut = await Promise.all(backends.map(({ backend }) => driver.cut(lbAddress, backend)));
    return cut.reduce((sum, count) => sum + count, 0);
  }

  status(): Promise<ClusterStatus> {
    return this.client.status();
  }

  /** Stops the controllers, the balancer, the nodes, then etcd; returns when all have ended. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends every process at once, without asking. */
  kill(): void {
    for (const { pid } of this.#all()) if (pid !== undefined) process.kill(pid, 'SIGKILL');
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#controllers.map((controller) => this.#stopOne(controller, graceMs.controller)));
    await this.#stopOne(this.#balancer, graceMs.balancer);
    await Promise.all(this.#nodes.map((node) => this.#stopOne(node, graceMs.node)));
    if (this.#etcd !== undefined) await this.#stopOne(this.#etcd, graceMs.etcd);
    closeSync(this.#lock);
  }

  async #stopOne(process: SupervisedProcess, withinMs: number): Promise<void> {
    const outcome = await process.stop(withinMs);
    if (outcome === 'killed') this.#say(`${process.name} did not end within ${withinMs} ms and was killed`);
    else if (outcome === 'ended') this.#say(`${process.name} ended`);
  }

  #all(): readonly SupervisedProcess[] {
    return [...(this.#etcd === undefined ? [] : [this.#etcd]), this.#balancer, ...this.#nodes, ...this.#controllers];
  }

  /** Directories, and the configuration of each node. */
  #prepare(nodeDirectives: readonly string[]): void {
    const { nodes, controllerPlaces, fences, hasOwnEtcd } = this.layout;
    const replication = fences.includes('sync') ? 'sync' : 'async';
    for (const name of ['logs', 'lb', ...controllerPlaces.map((place) => place.name)])
      mkdirSync(join(this.directory, name), { recursive: true });
    for (const place of nodes) {
      const directory = this.#placement.dataOf(place.name, this.directory);
      mkdirSync(directory, { recursive: true });
      writeNodeConfig(place, replication, directory, nodeDirectives.join('\n'));
    }
    // etcd keeps its data to itself.
    if (hasOwnEtcd) mkdirSync(join(this.directory, 'etcd'), { recursive: true, mode: 0o700 });
  }

  async #bringUp(signal: AbortSignal | undefined): Promise<void> {
    this.#etcd?.start();
    this.#balancer.start();
    for (const node of this.#nodes) node.start();
    // The controllers read the token that the balancer makes.
    await this.#until(signal, async () =>
      (await answersOk(`${this.#balancerUrl}/v1/health`)) ? [] : ['the balancer does not answer yet'],
    );
    if (this.#etcd !== undefined) await this.#until(signal, () => this.#silentEtcd());
    for (const controller of this.#controllers) controller.start();
    await this.#until(signal, () => this.#silentNodes());
    await this.#until(signal, async () => ((await this.client.isUp()) ? [] : ['the controller does not answer yet']));
    await this.#until(signal, () => this.#silentControllers());
    await this.#createOnce();
    await this.#until(signal, async () => missingFrom(await this.status()));
    for (const process of this.#all()) process.keepAlive();
  }

  async #silentEtcd(): Promise<string[]> {
    const { etcdHost, etcdPort } = this.layout;
    return (await answersOk(`http://${etcdHost}:${etcdPort}/health`)) ? [] : ['etcd does not answer yet'];
  }

  /** All must be known before the cluster is made: those that are count for its leases from the first epoch on. */
  async #silentControllers(): Promise<string[]> {
    const { controllers } = this.layout;
    if (controllers === 1) return [];
    const known = await this.client.controllers();
    const missing = controllers - known.filter(({ alive }) => alive).length;
    if (missing > 0) return [`${missing} of ${controllers} controllers are starting`];
    return known.some(({ leader }) => leader) ? [] : ['no controller leads yet'];
  }

  async #silentNodes(): Promise<string[]> {
    const silent: string[] = [];
    for (const node of this.layout.nodes) if (!(await answersPing(node))) silent.push(`${node.name} is loading`);
    return silent;
  }

  /** Tells the controller about the cluster when its store has none. */
  async #createOnce(): Promise<void> {
    const { nodes, replicas, masterLbs, replicaLbs } = this.layout;
    const known = await this.client.clusters();
    if (known === undefined) await this.client.createNamespace();
    if (known?.includes(clusterNames.cluster) === true) return;
    await this.client.createCluster({
      name: clusterNames.cluster,
      nodes: nodes.map(({ address }) => address),
      replicas: 1 + replicas,
      password: '',
      load_balancers: { masters: masterLbs, replicas: replicaLbs },
    });
  }

  /** Asks until nothing is missing; says what is, when that takes more than a second. */
  async #until(signal: AbortSignal | undefined, ask: () => Promise<readonly string[]>): Promise<void> {
    const startedAtMs = performance.now();
    let saidAtMs = startedAtMs;
    let said = '';
    for (;;) {
      const missing = await ask().catch((error: unknown) => {
        if (error instanceof OperationError) return [error.message];
        throw error;
      });
      if (missing.length === 0) return;
      if (signal?.aborted === true) throw new FatalError('interrupted while starting', 3);
      for (const { endedEarly } of this.#all()) if (endedEarly !== undefined) throw new FatalError(endedEarly, 3);
      const nowMs = performance.now();
      const text = summary(missing);
      if (nowMs - startedAtMs > readyWithinMs)
        throw new FatalError(
          `not ready within ${readyWithinMs / 1000} s: ${text} (logs: ${join(this.directory, 'logs')})`,
          3,
        );
      if (nowMs - saidAtMs > 1_000 && text !== said) {
        this.#say(`waiting: ${text}`);
        said = text;
        saidAtMs = nowMs;
      }
      await pause(probeEveryMs);
    }
  }

  get #balancerUrl(): string {
    return `http://${this.layout.lbHost}:${this.layout.lbControlPort}`;
  }

  get #tokenFile(): string {
    return join(this.directory, 'lb', 'token');
  }

  #balancerArguments(): readonly string[] {
    const { lbHost, lbControlPort } = this.layout;
    return [
      'lb',
      ...['--dir', join(this.directory, 'lb'), '--token-file', this.#tokenFile],
      ...['--control-bind', lbHost, '--control-port', String(lbControlPort)],
    ];
  }

  #controllerArguments({ name, host, port }: ControllerPlace): readonly string[] {
    const { leaseMs, fences, store, etcdEndpoints, etcdHost, etcdPort, hasOwnEtcd } = this.layout;
    const endpoints = hasOwnEtcd ? [`http://${etcdHost}:${etcdPort}`] : etcdEndpoints;
    return [
      'controller',
      ...['--dir', join(this.directory, name)],
      ...['--bind', host, '--port', String(port)],
      ...(store === 'etcd' ? ['--store', 'etcd', '--etcd-endpoints', endpoints.join(',')] : []),
      ...['--lease-ms', String(leaseMs)],
      ...['--fences', fences.length === 0 ? 'none' : fences.join(',')],
      ...(this.#isForDrills && isSyncAlone(fences) ? ['--unsafe-for-drills'] : []),
      ...['--balancer-url', this.#balancerUrl, '--balancer-token-file', this.#tokenFile],
    ];
  }
}

function summary(missing: readonly string[]): string {
  const shown = missing.slice(0, 3).join(', ');
  return missing.length > 3 ? `${shown} and ${missing.length - 3} more` : shown;
}

/** This program, run the way it is run now. */
function thisProgram(): readonly [string, ...string[]] {
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  return [process.execPath, ...process.execArgv, main];
}

function lockDirectory(directory: string): number {
  try {
    mkdirSync(directory, { recursive: true });
    return lockFile(join(directory, 'up.lock'));
  } catch (error) {
    const locked = error instanceof OperationError && error.code === 'OS_LOCKED';
    const message = locked
      ? `${directory} is in use by another cluster that runs; stop it or choose another --dir`
      : `cannot use ${directory}: ${messageOf(error)}`;
    throw new FatalError(message, 3, error);
  }
}
