import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backgroundWorks, besideWork, coldReads, judge } from './goals.ts';
import type { Figure, Judgement, Measurement } from './report.ts';
import type { ServerName } from './servers.ts';

function measured(server: ServerName, round: number, perSecond: number, cpuSecondsPerMillion = 1): Measurement {
  const cell = { test: 'SET', pipeline: 16, valueBytes: 64 };
  const times = { p50Ms: 1, p99Ms: 1, p999Ms: 1 };
  return { ...cell, server, round, requests: 1, perSecond, ...times, cpuSecondsPerMillion, writtenPerUserByte: 1 };
}

function goal(name: string, measurements: readonly Measurement[], figures: readonly Figure[] = []): Judgement {
  const found = judge({ measurements, figures, valueBytes: 64 }).find((one) => one.goal === name);
  assert.ok(found, name);
  return found;
}

test('a goal is judged by the median of ratios within rounds', () => {
  // Between rounds the machine became four times slower: medians of either side alone would be compared across rounds.
  const measurements = [
    ...[measured('holdfast', 1, 400), measured('redis', 1, 400)],
    ...[measured('holdfast', 2, 200), measured('redis', 2, 400)],
    ...[measured('holdfast', 3, 80), measured('redis', 3, 100)],
  ];
  const { value, verdict } = goal('SET P16 / Redis', measurements);
  assert.equal(value, 0.8);
  assert.equal(verdict, 'must');
});

test('Kvrocks is the better of its two configurations, by throughput and by CPU each', () => {
  const measurements = [
    measured('holdfast', 1, 300, 10),
    measured('kvrocks-1', 1, 100, 20),
    measured('kvrocks-8', 1, 50, 40),
  ];
  assert.deepEqual(
    [goal('SET P16 / Kvrocks', measurements).value, goal('SET P16 / Kvrocks', measurements).verdict],
    [3, 'aim'],
  );
  const cpu = goal('SET P16, CPU, / Kvrocks', measurements);
  assert.deepEqual([cpu.value, cpu.verdict, cpu.better], [0.5, 'must', 'lower']);
});

test('below the must is missed, and what was not measured is unknown, never met', () => {
  assert.equal(goal('SET P16 / Redis', [measured('holdfast', 1, 49), measured('redis', 1, 100)]).verdict, 'missed');
  const unknown = goal('SET P16 / Redis', [measured('holdfast', 1, 49)]);
  assert.deepEqual([unknown.value, unknown.verdict], [null, 'unknown']);
});

test('other sizes of values do not count for the goals', () => {
  const large = (one: Measurement): Measurement => ({ ...one, valueBytes: 1024 });
  assert.equal(
    goal('SET P16 / Redis', [large(measured('holdfast', 1, 1)), large(measured('redis', 1, 1))]).verdict,
    'unknown',
  );
});

test('figures of the other sections are judged by name', () => {
  const figure = (section: string, name: string, of: string, ...values: number[]): Figure => ({
    section,
    name,
    of,
    unit: '',
    values,
  });
  const figures = [
    figure('cold', coldReads, 'holdfast', 120),
    figure('cold', coldReads, 'kvrocks-1', 100),
    figure('cold', coldReads, 'kvrocks-8', 80),
    ...backgroundWorks.map((work) => figure('background', besideWork(work), 'holdfast', 2, 5, 9)),
  ];
  assert.equal(goal('cold GET P16 / Kvrocks', [], figures).value, 1.2);
  assert.equal(goal(besideWork('migration'), [], figures).verdict, 'missed');
});
