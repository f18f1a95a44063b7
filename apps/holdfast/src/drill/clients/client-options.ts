/** The command line of `holdfast drill clients`. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { oneOf, wholeNumber } from '../../option-values.ts';
import { addWorldOptions } from '../options.ts';
import type { Network } from '../world/index.ts';
import { allEvents, allSettings, drilledClients, type ClientEvent, type ClientSettings } from './client-list.ts';

export interface ClientDrillOptions {
  /** Names of clients. */
  readonly clients: readonly string[];
  readonly events: readonly ClientEvent[];
  readonly settings: readonly ClientSettings[];
  readonly runs: number;
  readonly shard: number;
  readonly shards: number;
  readonly leaseMs: number;
  readonly history: string | undefined;
  readonly output: 'text' | 'json' | 'markdown';
  readonly network: Network;
  readonly keep: boolean;
}

export type ParsedClientDrill =
  | { readonly kind: 'run'; readonly options: ClientDrillOptions }
  /** Nothing to run: help was asked for (status 0), or the arguments are wrong (status 2). */
  | { readonly kind: 'exit'; readonly status: number; readonly stdout: string; readonly stderr: string };

/** @param args what follows `holdfast drill clients`. */
export function parseClientDrill(args: readonly string[]): ParsedClientDrill {
  let stdout = '';
  let stderr = '';
  const names = drilledClients.map(({ name }) => name);
  const command = addWorldOptions(new Command('holdfast drill clients'))
    .description(
      'Lets client libraries write and read while a master hangs, hands over, and swaps addresses with its replica, and\n' +
        'measures what an application sees.',
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text: string) => void (stdout += text),
      writeErr: (text: string) => void (stderr += text),
    })
    .option('--clients <list>', `any of ${names.join(',')}`, listOf(names), names)
    .option('--events <list>', `any of ${allEvents.join(',')}`, listOf(allEvents), allEvents)
    .option('--settings <list>', `any of ${allSettings.join(',')}`, listOf(allSettings), allSettings)
    .option('--runs <n>', 'how often each is played', wholeNumber(1, 100), 1)
    .option('--shard <index>', 'whose master is met, from 0', wholeNumber(0, 7), 0)
    .option('--history <file>', 'write the recorded histories as JSON lines')
    .option('--output <form>', 'text, json or markdown', oneOf('text', 'json', 'markdown'), 'text')
    .addHelpText('after', '\nExit status: 0 nothing violated, 1 violated, 2 usage, 3 could not run.');
  try {
    command.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { kind: 'exit', status: error.exitCode === 0 ? 0 : 2, stdout, stderr };
  }
  const options: ClientDrillOptions = command.opts();
  if (options.shard >= options.shards) {
    const message = `error: --shard ${options.shard}: a cluster of ${options.shards} has shards 0 to ${options.shards - 1}\n`;
    return { kind: 'exit', status: 2, stdout, stderr: message };
  }
  return { kind: 'run', options };
}

/** A comma-separated list of some of the words, in their order. */
function listOf<T extends string>(words: readonly T[]): (text: string) => readonly T[] {
  return (text) => {
    const asked = text.split(',');
    const unknown = asked.find((word) => !words.some((allowed) => allowed === word));
    if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is none of ${words.join(', ')}.`);
    return words.filter((word) => asked.includes(word));
  };
}
