/** The command line of `holdfast drill all`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { allFences, fenceList, oneOf, wholeNumber, type Fence } from '../../option-values.ts';
import { drillCases, type DrillCase } from '../cases/index.ts';
import { addWorldOptions } from '../options.ts';
import { allColumn, type Ablation } from './columns.ts';
import type { AllOptions } from './play-plan.ts';

type Given = Omit<AllOptions, 'cases' | 'ablation' | 'fences' | 'seconds' | 'seed' | 'history'> & {
  readonly cases?: readonly DrillCase[];
  readonly ablate?: Ablation | true;
  readonly fences?: readonly Fence[];
  readonly seconds?: number;
  readonly seed?: number;
  readonly history?: string;
};

/**
 * @param args what follows `holdfast drill all`.
 * @param newSeed of a run that is not told one.
 * @throws CommanderError for wrong usage and for `--help`; everything was printed.
 */
export function parseAll(args: readonly string[], newSeed: () => number): AllOptions {
  const command = allCommand();
  const given = command.parse([...args], { from: 'user' }).opts<Given>();
  const { ablate, fences, cases, seed, ...rest } = given;
  if (ablate !== undefined && fences !== undefined)
    command.error('error: --ablate chooses the fences itself; leave --fences out');
  return {
    ...rest,
    cases: cases ?? drillCases,
    ablation: ablate === true ? 'alone' : ablate,
    fences: fences === undefined || fences.length === allFences.length ? allColumn : columnOf(fences),
    seconds: given.seconds,
    history: given.history,
    seed: seed ?? newSeed(),
  };
}

function columnOf(fences: readonly Fence[]): { readonly name: string; readonly fences: readonly Fence[] } {
  return { name: fences.join(',') || 'none', fences };
}

function caseList(text: string): readonly DrillCase[] {
  const names = text.split(',');
  const unknown = names.filter((name) => !drillCases.some((each) => each.name === name));
  if (unknown.length > 0) throw new InvalidArgumentError(`There are ${drillCases.map(({ name }) => name).join(', ')}.`);
  return drillCases.filter(({ name }) => names.includes(name));
}

function allCommand(): Command {
  return addWorldOptions(new Command('holdfast drill all').description(allSummary))
    .option('--cases <list>', 'only these, separated by commas', caseList)
    .addOption(
      new Option(
        '--ablate [columns]',
        'with no fence, with each alone and with all (alone); also with each pair (full)',
      ).argParser(oneOf<Ablation>('alone', 'full')),
    )
    .option('--fences <list>', 'fences left on: any of lb,lease,sync, or none (default: lb,lease,sync)', fenceList)
    .option(
      '--runs <n>',
      'play all of it so often; tables have sums of counts and medians of times',
      wholeNumber(1, 1000),
      1,
    )
    .option('--clients <n>', 'load clients', wholeNumber(1, 1000), 8)
    .option('--seconds <n>', 'how long they write at most, or as long as a case needs at least', wholeNumber(1, 3600))
    .option(
      '--seed <n>',
      'repeat the random choices; each case and run gets one of its own',
      wholeNumber(0, 2 ** 31 - 1),
    )
    .option('--history <directory>', 'write the histories as JSON lines, a file for each case, fences and run')
    .option('--output <form>', 'text, json or markdown', oneOf('text', 'json', 'markdown'), 'text')
    .addHelpText('after', exitText)
    .exitOverride();
}

export const allSummary =
  'Runs every case, one after the other, each on a cluster of its own; or each with fences taken away.';

const exitText = `
Exit status: 0 nothing violated, 1 violated, 2 usage, 3 something could not run. With --ablate: 0 nothing violated with
all fences and the absence of each shows, 1 otherwise, 3 something could not run.`;
