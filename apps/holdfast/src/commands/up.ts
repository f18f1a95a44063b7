/** `holdfast up`: a whole cluster on this machine until Ctrl-C. */
import Table from 'cli-table3';
import { Command } from 'commander';
import { relative } from 'node:path';
import { LocalCluster, defaultSettings, type LayoutSettings } from '../cluster-process/index.ts';
import { exitStatus } from '../command-module.ts';
import type { ClusterStatus } from '../controller-client.ts';
import { fenceList, port, wholeNumber } from '../option-values.ts';

const defaultApi = `http://127.0.0.1:${defaultSettings.apiPort}`;

type UpOptions = Partial<LayoutSettings> & { readonly dir: string };

/** Defaults are written into the descriptions: a flag that was not given must not contradict up.json. */
function command(): Command {
  const { shards, replicas, port: lbPort, nodePort, apiPort, lbControlPort, leaseMs, fences } = defaultSettings;
  return new Command('holdfast up')
    .description('Starts nodes, controller and load balancer; a second start continues with the same data.')
    .option('--dir <path>', 'everything the cluster keeps', '.holdfast')
    .option('--shards <n>', `number of shards (default: ${shards})`, wholeNumber(1, 50))
    .option('--replicas <n>', `replicas of each shard (default: ${replicas})`, wholeNumber(0, 5))
    .option('--port <port>', `LB address of the first master (default: ${lbPort})`, port)
    .option('--replica-port <port>', "LB address of the first shard's replicas (default: --port + 100)", port)
    .option('--node-port <port>', `port of the first node (default: ${nodePort}); control ports are 10000 higher`, port)
    .option('--api-port <port>', `the controller's REST API (default: ${apiPort})`, port)
    .option('--lb-control-port <port>', `the balancer's control port (default: ${lbControlPort})`, port)
    .option('--lease-ms <ms>', `length of a write lease (default: ${leaseMs})`, wholeNumber(200, 60_000))
    .option('--fences <list>', `lb,lease or lb or lease or none (default: ${fences.join(',')})`, fenceList)
    .addHelpText('after', '\nExit status: 0 stopped by Ctrl-C, 2 usage, 3 could not start.')
    .exitOverride();
}

export async function run(args: readonly string[]): Promise<number> {
  const { dir, ...asked } = command()
    .parse([...args], { from: 'user' })
    .opts<UpOptions>();
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
  say('stopping: controller, balancer, nodes');
  await cluster.stop();
  return exitStatus.ok;
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

function describe(status: ClusterStatus, { layout, directory, api }: LocalCluster, took: string): string {
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
  const ctl = `bin/holdfast ctl${api === defaultApi ? '' : ` --api ${api}`}`;
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
