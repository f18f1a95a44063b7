/** `holdfast ctl`: one subcommand per question to the controller; see ../ctl/. */
import { Command } from 'commander';
import { exitStatus } from '../command-module.ts';
import { ControllerClient } from '../controller-client.ts';
import { showEvents } from '../ctl/events.ts';
import { changeMaster } from '../ctl/change-master.ts';
import type { CtlContext } from '../ctl/context.ts';
import { showControllers } from '../ctl/controllers.ts';
import { addRollback } from '../ctl/rollback-command.ts';
import { showNodes, showStatus } from '../ctl/status.ts';
import { FatalError, messageOf, OperationError } from '@holdfast/base';
import { apiUrls, oneOf, wholeNumber } from '../option-values.ts';

interface GlobalOptions {
  readonly api: readonly string[];
  readonly namespace: string;
  readonly cluster: string;
  readonly output: 'table' | 'json';
  readonly timeoutMs: number;
}

type Action = (context: CtlContext) => Promise<void>;

function command(act: (action: Action) => void): Command {
  const ctl = new Command('holdfast ctl')
    .description('Asks the controller, or tells it what to do. Data goes to stdout, everything else to stderr.')
    .option('--api <urls>', 'the controllers, separated by commas; also from HOLDFAST_API', apiUrls, defaultApis())
    .option('--namespace <name>', 'namespace of the cluster', 'holdfast')
    .option('--cluster <name>', 'the cluster', 'local')
    .option('--output <form>', 'table or json', oneOf('table', 'json'), 'table')
    .option('--timeout-ms <ms>', 'how long to wait for an answer', wholeNumber(100, 600_000), 30_000)
    .addHelpText(
      'after',
      '\nExit status: 0 done, 1 the controller refused or failed, 2 usage, 3 no controller reached.',
    )
    .exitOverride();
  // Options of ctl may stand before or after the subcommand.
  const sub = (name: string, description: string): Command => ctl.command(name).description(description).exitOverride();
  sub('status', 'shards with their epochs, leases and nodes, and what the balancer does').action(() => act(showStatus));
  sub('nodes', 'every node: id, addresses, what it last said').action(() => act(showNodes));
  sub('events', 'what was decided, why, and how long it took')
    .option('--after <id>', 'only events after this one', wholeNumber(0, Number.MAX_SAFE_INTEGER), 0)
    .option('--limit <n>', 'the newest n', wholeNumber(1, 10_000), 50)
    .option('--follow', 'go on with new events until Ctrl-C', false)
    .action((options: { after: number; limit: number; follow: boolean }) =>
      act((context) => showEvents(context, options)),
    );
  sub('controllers', 'every controller: address, whether it is alive, which one leads')
    .option('--remove <id>', 'strike one that is gone for good from the list')
    .action((options: { remove?: string }) => act((context) => showControllers(context, options.remove)));
  addChanges(sub, act);
  addRollback(sub, act);
  return ctl;
}

function defaultApis(): readonly string[] {
  try {
    return apiUrls(process.env['HOLDFAST_API'] ?? 'http://127.0.0.1:9379');
  } catch (error) {
    throw new FatalError(
      `HOLDFAST_API is ${process.env['HOLDFAST_API']}: ${messageOf(error)}`,
      exitStatus.usage,
      error,
    );
  }
}

function addChanges(sub: (name: string, description: string) => Command, act: (action: Action) => void): void {
  const change = (kind: 'switchover' | 'failover', description: string): Command =>
    sub(kind, description)
      .argument('<shard>', 'number of the shard, from 0', wholeNumber(0, 16_383))
      .option('--to <node-id>', 'the replica to promote; without it the controller chooses')
      .action((shard: number, options: { to?: string; acceptDataLoss?: boolean }) =>
        act((context) => changeMaster(context, { kind, shard, preferred: options.to, ...options })),
      );
  change('switchover', 'planned change of master: nothing is lost');
  change('failover', 'change of master without asking it').option(
    '--accept-data-loss',
    'promote a node outside the in-sync replicas if no member can: acknowledged writes may be lost',
  );
}

export async function run(args: readonly string[]): Promise<number> {
  let chosen: Action | undefined;
  const ctl = command((action) => (chosen = action));
  ctl.parse([...args], { from: 'user' });
  if (chosen === undefined) return exitStatus.usage;
  const { api, namespace, cluster, output, timeoutMs } = ctl.opts<GlobalOptions>();
  const client = new ControllerClient({ apis: api, namespace, cluster, timeoutMs });
  const context: CtlContext = {
    client,
    output,
    write: (text) => void process.stdout.write(`${text}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
  };
  try {
    await chosen(context);
    return exitStatus.ok;
  } catch (error) {
    if (error instanceof OperationError && error.code === 'CTL_UNREACHABLE')
      throw new FatalError(error.message, exitStatus.environment, error);
    throw error;
  }
}
