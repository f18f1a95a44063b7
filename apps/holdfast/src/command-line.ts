/**
 * The command line of `holdfast`: finds the subcommand, loads only its file, and turns its outcome into an exit status.
 *
 * Exit statuses: 0 done, 1 failed or violated, 2 wrong usage, 3 the environment does not allow it. A file that is not
 * needed is not loaded: `ctl` must not wait for RocksDB.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { FatalError, OperationError } from '@holdfast/base';
import { exitStatus, type CommandModule } from './command-module.ts';

interface Entry {
  readonly name: string;
  readonly summary: string;
  /** Its exit status is a verdict on what it prints: a reader that has gone is no success. */
  readonly givesVerdict?: true;
  load(): Promise<CommandModule>;
}

const entries: readonly Entry[] = [
  {
    name: 'up',
    summary: 'run a whole cluster on this machine until Ctrl-C',
    load: () => import('./commands/up.ts'),
  },
  {
    name: 'ctl',
    summary: 'ask the controller, or tell it: status, nodes, events, switchover, failover',
    load: () => import('./commands/ctl.ts'),
  },
  {
    name: 'drill',
    summary: 'break a throw-away cluster on purpose and judge what it did',
    givesVerdict: true,
    load: () => import('./commands/drill.ts'),
  },
  { name: 'server', summary: 'run a data node', load: () => import('./commands/server.ts') },
  { name: 'controller', summary: 'run a controller', load: () => import('./commands/controller.ts') },
  { name: 'lb', summary: 'run the embedded load balancer', load: () => import('./commands/lb.ts') },
];

/** A child of `up` or of a drill ends with its parent, however that ends. */
async function tieToParent(): Promise<void> {
  const parent = process.env['HOLDFAST_PARENT_PID'];
  if (parent === undefined) return;
  delete process.env['HOLDFAST_PARENT_PID'];
  const { dieWithParent } = await import('@holdfast/base/real');
  dieWithParent(Number(parent));
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  return manifest.version;
}

function program(run: (entry: Entry, args: readonly string[]) => Promise<void>): Command {
  const root = new Command('holdfast')
    .description('A Redis-protocol cluster on RocksDB whose clients reach every node through a load balancer address.')
    .version(version(), '--version')
    .addHelpText(
      'after',
      '\nExit status: 0 done, 1 failed or violated, 2 usage, 3 environment. See docs/reference/cli.md.',
    )
    .enablePositionalOptions()
    .exitOverride();
  for (const entry of entries) {
    root
      .command(entry.name)
      .description(entry.summary)
      .argument('[args...]')
      .helpOption(false)
      .passThroughOptions()
      .allowUnknownOption()
      .action((args: string[]) => run(entry, args));
  }
  return root;
}

/**
 * Runs `holdfast <args>` and leaves its status in `process.exitCode`.
 * @throws whatever is our own bug.
 */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  await tieToParent();
  let name = '';
  try {
    await program(async (entry, rest) => {
      name = ` ${entry.name}`;
      if (entry.givesVerdict !== true) endWithReader();
      process.exitCode = await (await entry.load()).run(rest);
    }).parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
      return;
    }
    // Anything else is our own bug: main.ts ends the process with its stack.
    if (!(error instanceof FatalError) && !(error instanceof OperationError)) throw error;
    process.stderr.write(`holdfast${name}: ${error.message}\n`);
    process.exitCode = error instanceof FatalError ? error.exitStatus : exitStatus.failed;
  }
}

/** `holdfast ctl events | head` is no error: the reader has what it wanted. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(exitStatus.ok);
  });
}
