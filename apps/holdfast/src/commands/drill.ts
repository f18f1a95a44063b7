/** `holdfast drill`: fault drills on throw-away clusters. */
import type { CommandModule } from '../command-module.ts';
import { allSummary } from '../drill/all/options.ts';
import { runDrill } from '../drill/run.ts';

interface Other {
  readonly name: string;
  readonly summary: string;
  load(): Promise<CommandModule>;
}

/** Subcommands that are no case; they read what follows their name themselves. */
const others: readonly Other[] = [
  { name: 'all', summary: allSummary, load: () => import('../drill/all/index.ts') },
  {
    name: 'clients',
    summary:
      'Lets client libraries write and read through a hang, a switchover and an address swap; measures what they see.',
    load: () => import('../drill/clients/client-drill.ts'),
  },
];

/** See docs/operating/drills.md. */
export async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const other = others.find((each) => each.name === name);
  const status = other === undefined ? await runDrill(args, others) : await (await other.load()).run(rest);
  // An interrupted run leaves clients that would go on to look for the cluster; everything was printed and cleared.
  process.exit(status);
}
