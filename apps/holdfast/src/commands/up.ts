/** `holdfast up`: a whole cluster on this machine until Ctrl-C. */
import Table from 'cli-table3';
import { Command } from 'commander';
import { relative } from 'node:path';
import { LocalCluster, defaultSettings, type LayoutSettings } from '../cluster-process/index.ts';
import { exitStatus } from '../command-module.ts';
import type { ClusterStatus } from '../controller-client.ts';
import {
  etcdEndpoints,
  fenceList,
  oneOf,
  port,
  replicationOf,
  wholeNumber,
  type Replication,
} from '../option-values.ts';

const defaultApi = `http://127.0.0.1:${defaultSettings.apiPort}`;

type UpOptions = Partial<LayoutSettings> & { readonly dir: string; readonly replication?: Replication };

/** Defaults are written into the descriptions: a flag that was not given must not contradict up.json. */
function command(): Command {
  const { shards, replicas, port: lbPort, nodePort, apiPort, etcdPort, leaseMs, fences } = defaultSettings;
  return new Command('holdfast up')
    .description('Starts nodes, controller and load balancer; a second start continues with the same data.')
    .option('--dir <path>', 'everything the cluster keeps', '.holdfast')
    .option('--shards <n>', `number of shards (default: ${shards})`, wholeNumber(1, 50))
    .option('--replicas <n>', `replicas of each shard (default: ${replicas})`, wholeNumber(0, 5))
    .option('--port <port>', `LB address of the first master (default: ${lbPort})`, port)
    .option('--replica-port <port>', "LB address of the first shard's replicas (default: --port + 100)", port)
    .option('--node-port <port>', `port of the first node (default: ${nodePort}); control ports are 10000 higher`, port)
    .option('--controllers <n>', 'number of controllers; several share an etcd (default: 1)', wholeNumber(1, 7))
    .option('--api-port <port>', `REST API of the first controller (default: ${apiPort}); the next ones follow`, port)
    .option('--lb-control-port <port>', "the balancer's control port (default: the one after the APIs)", port)
    .option('--store <kind>', 'embedded or etcd (default: etcd for several controllers)', oneOf('embedded', 'etcd'))
    .option(
      '--etcd-endpoints <urls>',
      'http://host:port,… of an etcd that runs; without it one is started',
      etcdEndpoints,
    )
    .option(
      '--etcd-port <port>',
      `port of the etcd that is started (default: ${etcdPort}); its peers' is the next`,
      port,
    )
    .option('--lease-ms <ms>', `length of a write lease (default: ${leaseMs})`, wholeNumber(200, 60_000))
    .option('--fences <list>', `of lb, lease and sync, or none (default: ${fences.join(',')})`, fenceList)
    .option('--replication <mode>', 'sync or async; sync is the fence of that name', oneOf('sync', 'async'))
    .addHelpText('after', '\nExit status: 0 stopped by Ctrl-C, 2 usage, 3 could not start.')
    .exitOverride();
}

export async function run(args: readonly string[]): Promise<number> {
  const parser = command();
  const { dir, replication, ...rest } = parser.parse([...args], { from: 'user' }).opts<UpOptions>();
  const asked = withReplication(rest, replication, (reason) => parser.error(reason));
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const interrupt = interruption(say);
  const startedAtMs = performance.now();
  const cluster = await LocalCluster.start({ directory: dir, asked, say, signal: interrupt.signal }).catch(
    (error: unknown) => {
      if (interrupt.signal.aborted) return undefined;
      throw error;
    },
  );
  if (cluster === undefined) return exitStatus.ok;
  interrupt.cluster = cluster;
  const took = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  process.stdout.write(`${describe(await cluster.status(), cluster, took)}\n`);
  if (!interrupt.signal.aborted) await new Promise((resolve) => interrupt.signal.addEventListener('abort', resolve));
  say(`stopping: ${cluster.apis.length === 1 ? 'controller' : 'controllers'}, balancer, nodes`);
  await cluster.stop();
  return exitStatus.ok;
}

/** `--replication` is kept as a fence, beside the others; up.json has nothing else. */
function withReplication(
  asked: Partial<LayoutSettings>,
  replication: Replication | undefined,
  refuse: (reason: string) => never,
): Partial<LayoutSettings> {
  if (asked.fences === undefined && replication === undefined) return asked;
  const settled = replicationOf(asked.fences, replication, refuse);
  return { ...asked, fences: settled.replication === 'sync' ? [...settled.fences, 'sync'] : settled.fences };
}

interface Interruption {
  readonly signal: AbortSignal;
  cluster: LocalCluster | undefined;
}

/** The first SIGINT or SIGTERM asks for an orderly stop; a second one kills. */
function interruption(say: (line: string) => void): Interruption {
  const controller = new AbortController();
  const state: Interruption = { signal: controller.signal, cluster: undefined };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (!controller.signal.aborted) {
        controller.abort();
        return;
      }
      say(`${signal} again: killing what is left`);
      state.cluster?.kill();
    });
  }
  return state;
}

function describe(status: ClusterStatus, { layout, directory, apis }: LocalCluster, took: string): string {
  const table = new Table({
    head: ['shard', 'role', 'LB address', 'internal address', 'slots'],
    style: { head: [], border: [], compact: true },
  });
  for (const shard of status.shards) {
    for (const node of shard.nodes) {
      const isMaster = node.role === 'master';
      const lb = (isMaster ? shard.lb_address : shard.replica_lb_address) ?? '-';
      const slots = isMaster ? shard.slot_ranges.join(' ') : '';
      table.push([shard.index, isMaster ? 'master' : 'replica', lb, node.addr, slots]);
    }
  }
  const below = relative('', directory);
  const [node] = layout.nodes;
  const ctl = `bin/holdfast ctl${apis.length === 1 && apis[0] === defaultApi ? '' : ` --api ${apis.join(',')}`}`;
  const next: readonly (readonly [string, string])[] = [
    [`redis-cli -c -p ${layout.port} set greeting hello`, 'write through the LB addresses'],
    [`redis-cli -p ${String(node?.port)} clusterx nodes`, 'what operators see: both kinds of address'],
    [`${ctl} status`, 'shards, leases, bindings'],
    [`${ctl} switchover 0`, 'planned change of master'],
  ];
  const width = Math.max(...next.map(([command]) => command.length));
  return [
    `ready in ${took} s; data and logs in ${below.startsWith('..') ? directory : below || '.'}`,
    table.toString(),
    ...next.map(([command, meaning]) => `  ${command.padEnd(width)}   ${meaning}`),
    'Ctrl-C stops the cluster; starting it again continues with the same data.',
  ].join('\n');
}
