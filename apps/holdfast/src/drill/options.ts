/** The command line of `holdfast drill`. */
import { Command, CommanderError, Option } from 'commander';
import { allFences, fenceList, oneOf, wholeNumber, type Fence } from '../option-values.ts';

export interface DrillOptions {
  readonly drill: 'hang' | 'kill';
  readonly shard: number;
  readonly clients: number;
  readonly seconds: number;
  readonly fences: readonly Fence[];
  readonly leaseMs: number;
  readonly seed: number | undefined;
  readonly history: string | undefined;
  readonly output: 'text' | 'json';
  readonly keep: boolean;
}

export type Parsed =
  | { readonly kind: 'run'; readonly options: DrillOptions }
  /** Nothing to run: help was asked for (status 0), or the arguments are wrong (status 2). */
  | { readonly kind: 'exit'; readonly status: number; readonly stdout: string; readonly stderr: string };

/** @param args what follows `holdfast drill`. */
export function parseDrill(args: readonly string[]): Parsed {
  let parsed: DrillOptions | undefined;
  let stdout = '';
  let stderr = '';
  const output = {
    writeOut: (text: string) => void (stdout += text),
    writeErr: (text: string) => void (stderr += text),
  };
  const drill = new Command('holdfast drill')
    .description('Fault drills on throw-away clusters of their own: does what must hold still hold?')
    .exitOverride()
    .configureOutput(output);
  for (const [name, description, seconds] of drills) {
    const command = drillCommand(name, description, seconds);
    command.action((options: Omit<DrillOptions, 'drill'>) => void (parsed = { ...options, drill: name }));
    drill.addCommand(command.configureOutput(output));
  }
  try {
    drill.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { kind: 'exit', status: error.exitCode === 0 ? 0 : 2, stdout, stderr };
  }
  if (parsed === undefined) return { kind: 'exit', status: 2, stdout, stderr: `${stderr}${drill.helpInformation()}` };
  return { kind: 'run', options: parsed };
}

/** Name, what it does, and for how long clients write unless said otherwise. */
const drills = [
  ['hang', 'Stops a master under load with requests in its socket buffers, wakes it up 3 s later, and judges.', 12],
  ['kill', 'Kills nodes of a shard with -9 at random moments under load, master or replica, and judges.', 60],
] as const;

function drillCommand(name: string, description: string, seconds: number): Command {
  return new Command(name)
    .description(description)
    .option('--shard <index>', 'whose nodes are met, from 0', wholeNumber(0, 2), 1)
    .option('--clients <n>', 'load clients', wholeNumber(1, 200), 8)
    .option('--seconds <n>', 'how long they write', wholeNumber(8, 3600), seconds)
    .addOption(
      new Option('--fences <list>', 'fences left on: any of lb,lease,sync, or none')
        .argParser(fenceList)
        .default(allFences, allFences.join(',')),
    )
    .option('--lease-ms <ms>', 'length of a lease', wholeNumber(200, 2000), 1000)
    .option('--seed <n>', 'repeat the random choices of a run', wholeNumber(0, 2 ** 31 - 1))
    .option('--history <file>', 'write the recorded history as JSON lines')
    .option('--output <form>', 'text or json', oneOf('text', 'json'), 'text')
    .option('--keep', 'keep the directory of the cluster, with its logs', false)
    .addHelpText('after', '\nExit status: 0 nothing violated, 1 violated, 2 usage, 3 could not run.')
    .exitOverride();
}
