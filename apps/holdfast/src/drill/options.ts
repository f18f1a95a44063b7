/** The command line of `holdfast drill <case>`: one subcommand for each case. */
import { Command, CommanderError, Option } from 'commander';
import { allFences, fenceList, oneOf, wholeNumber, type Fence } from '../option-values.ts';
import { drillCases, type DrillCase } from './cases/index.ts';
import { peerCases, type Peer } from './peer/index.ts';
import type { Network } from './world/index.ts';

export interface DrillOptions {
  /** Name of the case. */
  readonly drill: string;
  readonly network: Network;
  /** Each of a master and a replica. */
  readonly shards: number;
  /** Below `shards`. */
  readonly shard: number;
  readonly clients: number;
  readonly seconds: number;
  readonly fences: readonly Fence[];
  readonly leaseMs: number;
  readonly seed: number | undefined;
  readonly history: string | undefined;
  readonly output: 'text' | 'json';
  readonly keep: boolean;
  /** Another system on which the same is played after it. */
  readonly peer: Peer | undefined;
  readonly peerNodeTimeoutMs: number;
}

export type Parsed =
  | { readonly kind: 'run'; readonly options: DrillOptions }
  /** Nothing to run: help was asked for (status 0), or the arguments are wrong (status 2). */
  | { readonly kind: 'exit'; readonly status: number; readonly stdout: string; readonly stderr: string };

/** A subcommand of `holdfast drill` that is no case; named here for the help. */
export interface OtherCommand {
  readonly name: string;
  readonly summary: string;
}

/**
 * @param args what follows `holdfast drill`.
 * @param others subcommands that are read elsewhere.
 */
export function parseDrill(args: readonly string[], others: readonly OtherCommand[] = []): Parsed {
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
  for (const each of drillCases) {
    const command = caseCommand(each);
    command.action((given: GivenOptions) => {
      parsed = settle(each, given, (reason) => command.error(`error: ${reason}`));
    });
    drill.addCommand(command.configureOutput(output));
  }
  for (const { name, summary } of others) drill.command(name).description(summary);
  try {
    drill.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { kind: 'exit', status: error.exitCode === 0 ? 0 : 2, stdout, stderr };
  }
  if (parsed === undefined) return { kind: 'exit', status: 2, stdout, stderr: `${stderr}${drill.helpInformation()}` };
  return { kind: 'run', options: parsed };
}

type GivenOptions = Omit<DrillOptions, 'drill' | 'shard' | 'seed' | 'history' | 'peer' | 'peerNodeTimeoutMs'> & {
  readonly shard?: number;
  readonly seed?: number;
  readonly history?: string;
  readonly peer?: Peer;
  readonly peerNodeTimeout?: number;
};

/** The last shard that can be met. */
const shardsMost = 8;

function caseCommand({ name, summary, seconds, leastSeconds }: DrillCase): Command {
  const command = addWorldOptions(new Command(name).description(summary))
    .option(
      '--shard <index>',
      'whose nodes are met, from 0 (default: 1, or 0 when it is the only one)',
      wholeNumber(0, shardsMost - 1),
    )
    .option('--clients <n>', 'load clients', wholeNumber(1, 1000), 8)
    .option('--seconds <n>', 'how long they write', wholeNumber(leastSeconds, 3600), seconds)
    .addOption(
      new Option('--fences <list>', 'fences left on: any of lb,lease,sync, or none')
        .argParser(fenceList)
        .default(allFences, allFences.join(',')),
    )
    .option('--seed <n>', 'repeat the random choices of a run', wholeNumber(0, 2 ** 31 - 1))
    .option('--history <file>', 'write the recorded history as JSON lines')
    .option('--output <form>', 'text or json', oneOf('text', 'json'), 'text')
    .addHelpText('after', '\nExit status: 0 nothing violated, 1 violated, 2 usage, 3 could not run.')
    .exitOverride();
  // Known there too, so that it is refused with a reason.
  if (!peerCases.includes(name)) return command.addOption(new Option('--peer <system>').hideHelp());
  return command
    .option('--peer <system>', 'play the same on redis-cluster afterwards, and compare', oneOf<Peer>('redis-cluster'))
    .option('--peer-node-timeout <ms>', 'its cluster-node-timeout', wholeNumber(100, 60_000), defaultNodeTimeoutMs);
}

/** Near the length of a lease; Redis' own default is 15000. */
const defaultNodeTimeoutMs = 1000;

/** Adds the options about the world and the cluster of a drill: `--network`, `--shards`, `--lease-ms`, `--keep`. */
export function addWorldOptions(command: Command): Command {
  return command
    .option(
      '--network <kind>',
      'namespaces: a network namespace for each host, needs root; loopback: all processes on 127.0.0.1',
      oneOf<Network>('namespaces', 'loopback'),
      'namespaces',
    )
    .option('--shards <n>', 'shards of the cluster, each a master and a replica', wholeNumber(1, shardsMost), 2)
    .option('--lease-ms <ms>', 'length of a lease', wholeNumber(200, 2000), 1000)
    .option('--keep', 'keep the directory of the cluster, with its logs', false);
}

/** True when a case can be run with all processes on 127.0.0.1. */
export function runsOnLoopback({ needs }: DrillCase): boolean {
  return !needs.includes('namespaces') && !needs.includes('own-disk');
}

function settle(drillCase: DrillCase, given: GivenOptions, refuse: (reason: string) => never): DrillOptions {
  const { shards, network } = given;
  const { name } = drillCase;
  const shard = given.shard ?? Math.min(1, shards - 1);
  if (shard >= shards) return refuse(`--shard ${shard} is not below --shards ${shards}; they count from 0`);
  if (network === 'loopback' && !runsOnLoopback(drillCase)) {
    const without = drillCases.filter(runsOnLoopback).map((each) => each.name);
    return refuse(`${name} needs --network namespaces; without them there are ${without.join(', ')}`);
  }
  if (given.peer !== undefined && !peerCases.includes(name))
    return refuse(`${name} means nothing to another system; --peer is there for ${peerCases.join(', ')}`);
  const { seed, history, peer, peerNodeTimeout = defaultNodeTimeoutMs, ...rest } = given;
  return { ...rest, drill: name, shard, seed, history, peer, peerNodeTimeoutMs: peerNodeTimeout };
}
