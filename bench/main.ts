/**
 * `make bench`: Holdfast and others, one after the other, on the same machine with the same client and data.
 * bench/README.md says what is measured and how to read it.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { messageOf } from '@holdfast/base';
import { renderChart } from './chart.ts';
import { runCore, type CoreOptions, type CoreResult } from './core.ts';
import { judge } from './goals.ts';
import { describeMachine, momentNow, noiseBetween } from './noise.ts';
import { help, parseOptions, UsageError, type Options, type SectionName } from './options.ts';
import { Progress } from './progress.ts';
import { reportVersion, type Figure, type Report, type Skipped } from './report.ts';
import { Findings, type Section } from './section.ts';
import { background } from './sections/background.ts';
import { cold } from './sections/cold.ts';
import { failover } from './sections/failover.ts';
import { lb } from './sections/lb.ts';
import { memory } from './sections/memory.ts';
import { recovery } from './sections/recovery.ts';
import { replication } from './sections/replication.ts';
import { startup } from './sections/startup.ts';
import { holdfastVersion, isInstalled, serverKind, type ServerKind } from './servers.ts';
import { Stage } from './stage.ts';
import { renderReport } from './tables.ts';
import { chooseTests } from './workloads.ts';

const sections: Readonly<Record<Exclude<SectionName, 'core'>, Section>> = {
  startup,
  memory,
  lb,
  replication,
  recovery,
  failover,
  background,
  cold,
};

interface Measured extends CoreResult {
  readonly figures: Figure[];
  readonly skipped: Skipped[];
}

/** Runs the sections one after the other; one that fails does not cost the others their figures. */
async function measure(stage: Stage, options: Options, kinds: readonly ServerKind[]): Promise<Measured> {
  const progress = new Progress();
  const measured: Measured = { measurements: [], memory: [], figures: [], skipped: [] };
  for (const name of options.only) {
    const findings = new Findings(name);
    progress.say(name);
    try {
      if (name === 'core') {
        const failed = (kind: ServerKind, error: unknown): void => findings.fail(kind.title, error);
        await runCore({ stage, progress, failed }, coreOptions(options, kinds), measured);
      } else {
        await sections[name]({ stage, options, progress, kinds }, findings);
      }
    } catch (error) {
      findings.fail('the rest of it', error);
      await stage.endPrograms();
    }
    measured.figures.push(...findings.figures);
    measured.skipped.push(...findings.skipped);
  }
  progress.end();
  return measured;
}

function coreOptions(options: Options, kinds: readonly ServerKind[]): CoreOptions {
  const { tests: commands, pipelines, valueBytes, scale } = options;
  return { ...options, kinds, tests: chooseTests({ commands, pipelines, valueBytes, scale }) };
}

async function bench(stage: Stage, options: Options): Promise<Report> {
  const startedAt = new Date();
  const before = momentNow();
  const wanted = options.servers.map(serverKind);
  const kinds = wanted.filter((kind) => kind.missing() === undefined);
  const absent = wanted.filter((kind) => !kinds.includes(kind));
  const { measurements, memory, figures, skipped } = await measure(stage, options, kinds);
  return {
    version: reportVersion,
    holdfast: holdfastVersion(),
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1000,
    quick: options.quick,
    rounds: options.rounds,
    clients: options.clients,
    keyspace: options.keyspace,
    machine: describeMachine(),
    noise: noiseBetween(before, momentNow(), measurements),
    servers: kinds.map((kind) => ({ name: kind.name, title: kind.title, version: kind.version() })),
    measurements,
    memory,
    figures,
    skipped: [...absent.map((kind) => ({ what: kind.title, reason: kind.missing() ?? '', failed: false })), ...skipped],
    goals: judge({ measurements, figures, valueBytes: options.valueBytes[0] ?? 0 }),
  };
}

/** @returns the exit status. */
async function main(args: readonly string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = parseOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`bench: ${error.message}\ntry --help\n`);
    return 2;
  }
  if (options === undefined) {
    process.stdout.write(help);
    return 0;
  }
  if (!isInstalled('redis-benchmark')) {
    process.stderr.write('bench: redis-benchmark is not installed (Debian: redis-tools)\n');
    return 1;
  }
  let stage: Stage;
  try {
    stage = new Stage(options.dir ?? tmpdir());
  } catch (error) {
    process.stderr.write(`bench: no directory can be made in ${options.dir ?? tmpdir()}: ${messageOf(error)}\n`);
    return 1;
  }
  const interrupted = untilSignal(stage);
  try {
    return await Promise.race([measureAndTell(stage, options), interrupted]);
  } catch (error) {
    if (stage.isLeaving) return await interrupted;
    process.stderr.write(`bench: ${messageOf(error)}\n`);
    return 1;
  } finally {
    stage.clear();
  }
}

/** @returns the exit status; never, when a signal ends the bench meanwhile. */
async function measureAndTell(stage: Stage, options: Options): Promise<number> {
  const report = await bench(stage, options);
  // What a signal has cut short is no report.
  if (stage.isLeaving) return new Promise(() => undefined);
  process.stdout.write(renderReport(report));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 1)}\n`);
  if (options.svg !== undefined) writeFileSync(options.svg, renderChart(report));
  return report.skipped.some(({ failed }) => failed) ? 1 : 0;
}

const signals = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const;

/** Resolves to the exit status when a signal has ended everything that ran; a second signal does not wait for that. */
function untilSignal(stage: Stage): Promise<number> {
  return new Promise((resolve) => {
    for (const [signal, status] of signals)
      process.on(signal, () => {
        if (stage.isLeaving) {
          stage.clear();
          process.exit(status);
        }
        void stage.leave().then(() => resolve(status));
      });
  });
}

process.exit(await main(process.argv.slice(2)));
