/** How noisy the machine was: its load, what its host stole, what others ran, and how far rounds lie apart. */
import { cpus, loadavg, release, totalmem, type as systemName } from 'node:os';
import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { cellsOf, valuesOf } from './compare.ts';
import { readMachineTimes, readUsage, type MachineTimes } from './proc.ts';
import type { Machine, Measurement, Noise } from './report.ts';
import { serverNames } from './servers.ts';
import { median, spread } from './statistics.ts';

/** Beyond it rounds contradict each other, and a ratio near its limit says nothing. */
export const spreadWarned = 0.15;
export const stolenWarned = 0.02;
export const othersWarned = 0.1;

interface Moment {
  readonly machine: MachineTimes;
  readonly load: readonly number[];
  /** Of the bench and of everything it started that has ended. */
  readonly ownCpuSeconds: number;
}

export function momentNow(): Moment {
  const text = (name: string): string => readFileSync(`/proc/${name}`, 'utf8');
  const own = readUsage({ stat: text('self/stat'), io: undefined, status: text('self/status') });
  return { machine: readMachineTimes(text('stat')), load: loadavg(), ownCpuSeconds: own.cpuSeconds };
}

/** Between two moments. Servers must have ended, or their CPU counts as that of others. */
export function noiseBetween(before: Moment, after: Moment, measurements: readonly Measurement[]): Noise {
  const busy = after.machine.busySeconds - before.machine.busySeconds;
  const stolen = after.machine.stolenSeconds - before.machine.stolenSeconds;
  const all = busy + stolen + after.machine.idleSeconds - before.machine.idleSeconds;
  const others = Math.max(0, busy - (after.ownCpuSeconds - before.ownCpuSeconds));
  const spreads = spreadsOf(measurements);
  return {
    loadBefore: before.load,
    loadAfter: after.load,
    stolenShare: all > 0 ? stolen / all : 0,
    othersShare: all > 0 ? others / all : 0,
    spreadMedian: spreads.length > 0 ? median(spreads) : 0,
    spreadMax: Math.max(0, ...spreads),
  };
}

function spreadsOf(measurements: readonly Measurement[]): number[] {
  const spreads: number[] = [];
  for (const cell of cellsOf(measurements)) {
    for (const server of serverNames) {
      const values = valuesOf(measurements, cell, server, 'perSecond');
      if (values.length > 0) spreads.push(spread(values));
    }
  }
  return spreads;
}

/** @returns what somebody who reads the ratios should be warned of. */
export function warningsOf(noise: Noise): string[] {
  const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
  const warnings: string[] = [];
  if (noise.spreadMax > spreadWarned)
    warnings.push(
      `rounds of one test lie up to ${percent(noise.spreadMax)} apart (median ${percent(noise.spreadMedian)}): ` +
        'ratios near their limit say nothing; more rounds, or a quieter machine',
    );
  if (noise.stolenShare > stolenWarned)
    warnings.push(`the host took ${percent(noise.stolenShare)} of the processors' time for others`);
  if (noise.othersShare > othersWarned)
    warnings.push(`other processes took ${percent(noise.othersShare)} of the processors' time`);
  return warnings;
}

export function describeMachine(): Machine {
  const client = spawnSync('redis-benchmark', ['--version'], { encoding: 'utf8' });
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? '?',
    cores: processors.length,
    memoryBytes: totalmem(),
    kernel: `${systemName()} ${release()}`,
    node: process.version,
    client: client.stdout?.trim() ?? '',
  };
}
