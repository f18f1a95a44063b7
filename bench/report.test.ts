/** The report's shape, and what is made of a report: text and picture. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderChart } from './chart.ts';
import { judge } from './goals.ts';
import { checkReport, type Measurement, type Report } from './report.ts';
import type { ServerName } from './servers.ts';
import { columns, renderReport, shown } from './tables.ts';

function measured(testName: string, server: ServerName, perSecond: number): Measurement {
  const figures = { p50Ms: 1, p99Ms: 2, p999Ms: 3, cpuSecondsPerMillion: 4, writtenPerUserByte: null };
  return { test: testName, pipeline: 16, valueBytes: 64, server, round: 1, requests: 1000, perSecond, ...figures };
}

function sample(change: Partial<Report> = {}): Report {
  const measurements = [
    ...[measured('SET', 'holdfast', 150_000), measured('SET', 'redis', 100_000)],
    ...[measured('GET', 'holdfast', 40_000), measured('GET', 'redis', 100_000)],
  ];
  return {
    version: 1,
    holdfast: '0.1.0',
    startedAt: '2026-11-23T16:00:00.000Z',
    seconds: 12,
    quick: true,
    rounds: 1,
    clients: 50,
    keyspace: 1000,
    machine: {
      processor: 'A & B <c>',
      cores: 2,
      memoryBytes: 1e9,
      kernel: 'Linux 6',
      node: 'v24',
      client: 'redis-benchmark 7',
    },
    noise: {
      loadBefore: [0, 0, 0],
      loadAfter: [1, 1, 1],
      stolenShare: 0,
      othersShare: 0,
      spreadMedian: 0.01,
      spreadMax: 0.4,
    },
    servers: [
      { name: 'holdfast', title: 'Holdfast', version: '0.1.0' },
      { name: 'redis', title: 'Redis', version: '7' },
    ],
    measurements,
    memory: [{ server: 'holdfast', round: 1, idleBytes: 100e6, peakBytes: 200e6 }],
    figures: [{ section: 'startup', name: 'to first PING', of: 'holdfast', unit: 'ms', values: [300, 310, 305] }],
    skipped: [{ what: 'Kvrocks', reason: 'KVROCKS_BIN is not set', failed: false }],
    goals: judge({ measurements, figures: [], valueBytes: 64 }),
    ...change,
  };
}

test('a report is valid before and after JSON', () => {
  assert.deepEqual(checkReport(sample()), []);
  assert.deepEqual(checkReport(JSON.parse(JSON.stringify(sample()))), []);
});

test('what is no report is told apart, with the field', () => {
  const broken: [unknown, RegExp][] = [
    [null, /report is no object/],
    [{ ...sample(), version: 2 }, /version is 2/],
    [{ ...sample(), noise: undefined }, /report.noise is absent/],
    [
      { ...sample(), measurements: [{ ...measured('SET', 'redis', 1), perSecond: '1' }] },
      /measurements\[0\].perSecond is "1"/,
    ],
    [JSON.parse(JSON.stringify(sample({ measurements: [measured('SET', 'redis', NaN)] }))), /perSecond is null/],
    [
      sample({ memory: [{ server: 'mongo' as ServerName, round: 1, idleBytes: 1, peakBytes: 1 }] }),
      /mongo is no server/,
    ],
    [
      sample({ figures: [{ section: 'x', name: 'y', of: 'z', unit: 'ms', values: 3 as unknown as number[] }] }),
      /figures\[0\].values/,
    ],
  ];
  for (const [value, message] of broken) assert.match(checkReport(value).join('\n'), message);
});

test('every kept report of a release can still be read', () => {
  const dir = join(import.meta.dirname, 'history');
  for (const name of readdirSync(dir).filter((file) => file.endsWith('.json')))
    assert.deepEqual(checkReport(JSON.parse(readFileSync(join(dir, name), 'utf8'))), [], name);
});

test('the text has ratios, goals, what was left out, and a warning when rounds lie apart', () => {
  const text = renderReport(sample());
  assert.match(text, /^SET P16 64 B +150 +1\.00 +2\.00 +3\.00 +4\.00 +-$/m);
  assert.match(text, /^SET P16 64 B +1\.50x +1\.00x +1\.00x$/m);
  assert.match(text, /^SET P16 \/ Redis +1\.50 +>= 0\.50 +>= 1\.00 +aim met$/m);
  assert.match(text, /^GET P16 \/ Redis +0\.40 +>= 0\.50 +MISSED$/m);
  assert.match(text, /1 of 2 goals met/);
  assert.match(text, /^startup +holdfast\nto first PING +305 +ms$/m);
  assert.match(text, /left out: Kvrocks: KVROCKS_BIN is not set/);
  assert.match(text, /WARNING: rounds of one test lie up to 40 % apart/);
  const quiet = { ...sample().noise, spreadMax: 0.1 };
  assert.doesNotMatch(renderReport(sample({ noise: quiet })), /WARNING/);
});

test('columns are as wide as their widest cell, and figures have the digits that count', () => {
  assert.equal(
    columns([
      ['a', '1'],
      ['bcd', '100'],
    ]),
    'a      1\nbcd  100',
  );
  assert.deepEqual([12345, 99.94, 1.5, 0.15, 0.012, 0, null].map(shown), [
    '12345',
    '99.9',
    '1.50',
    '0.15',
    '0.012',
    '0.00',
    '-',
  ]);
});

test('the chart has a bar per server and command, relative to the fastest, and escapes what it is given', () => {
  const svg = renderChart(sample());
  const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)" height="9" fill="#d1495b"/g)].map(
    ([, width]) => Number(width),
  );
  assert.deepEqual(widths, [190, 76]);
  assert.match(svg, /A &amp; B &lt;c&gt;/);
  assert.match(svg, />150 k\/s, 4.00 us</);
  assert.match(svg, /^<svg [^>]+>\n[\s\S]*<\/svg>\n$/);
});

test('a report without core figures has a text and a picture too', () => {
  const empty = sample({
    measurements: [],
    memory: [],
    goals: judge({ measurements: [], figures: [], valueBytes: 64 }),
  });
  assert.match(renderReport(empty), /0 goals met|not measured/);
  assert.match(renderChart(empty), /<\/svg>/);
});
