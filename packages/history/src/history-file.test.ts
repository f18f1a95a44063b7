import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeHistory, encodeHistory, encodeHistoryHeader, encodeOperation, type History } from './history-file.ts';
import { add, counted, deliver, entries, increment, list, pop, push, read, write } from './testing/script.ts';

const header = { source: 'drill hang', seed: 7, startedAt: '2026-01-02T03:04:05.678Z' };
const history: History = {
  header,
  operations: [
    write('a', 0.125, 1.5),
    write('b\n"é', 2, null, { outcome: 'unknown', node: 'n1', phase: 'queued', shard: 2 }),
    { ...write('c', 3, 4, { outcome: 'failed' }), reason: "READONLY You can't write" },
    read(null, 5, 6, { phase: 'direct' }),
    read('a', 7, 8, { phase: 'read-back' }),
    { ...write('both', 7, 8), also: 'k2' },
    { ...read('both', 7, 8), also: { key: 'k2', value: null } },
    push('p', 9, 10, { key: 'list' }),
    pop('p', 11, 12, { key: 'list' }),
    pop(null, 13, 14, { key: 'list' }),
    list(['p', 'q'], 15, 16, { key: 'list' }),
    add(['1-1', 's'], 17, 18, { key: 'stream' }),
    entries([['1-1', 's']], 19, 20, { key: 'stream' }),
    { ...deliver([['1-1', 's']], 21, 22, { key: 'stream' }), isAgain: true },
    increment(null, 23, 24, { key: 'counter', outcome: 'unknown' }),
    counted(1, 25, 26, { key: 'counter' }),
  ],
};

test('history file: what was written is read back', () => {
  assert.deepEqual(decodeHistory(encodeHistory(history)), history);
});

test('history file: one line an operation after one header line, so that it can be written as it happens', () => {
  const pieces = encodeHistoryHeader(header) + history.operations.map(encodeOperation).join('');
  assert.equal(pieces, encodeHistory(history));
  assert.equal(pieces.split('\n').length, history.operations.length + 2);
});

test('history file: times keep microseconds', () => {
  const line = encodeOperation(write('a', 1.00049, 2.0006));
  assert.match(line, /"invokedMs":1,"completedMs":2\.001/);
});

const good = encodeOperation(write('a', 0, 1)).trim();
const goodList = encodeOperation(list(['p'], 0, 1)).trim();
const goodStream = encodeOperation(entries([['1-1', 'p']], 0, 1)).trim();
const refusals: readonly [name: string, text: string, message: RegExp][] = [
  ['no header', '', /line 1: not JSON/],
  ['another schema', '{"schema":3}', /line 1: schema 3; this version reads schema 1 and 2/],
  ['a line that is no JSON', `${encodeHistoryHeader(header)}${good}\n{"op"`, /line 3: not JSON/],
  ['a line that is no object', `${encodeHistoryHeader(header)}[1]`, /line 2: not a JSON object/],
  ['an unknown outcome', encodeHistoryHeader(header) + good.replace('"ok"', '"maybe"'), /line 2: outcome is "maybe"/],
  ['a missing time', encodeHistoryHeader(header) + good.replace('invokedMs', 'x'), /line 2: invokedMs is undefined/],
  ['a number as value', encodeHistoryHeader(header) + good.replace('"value":"a"', '"value":1'), /line 2: value is 1/],
  ['a list that is none', encodeHistoryHeader(header) + goodList.replace('["p"]', '"p"'), /line 2: values is "p"/],
  [
    'an entry that is none',
    encodeHistoryHeader(header) + goodStream.replace('["1-1","p"]', '7'),
    /line 2: entries has 7/,
  ],
  [
    'ok without an end',
    encodeHistoryHeader(header) + good.replace('"completedMs":1', '"completedMs":null'),
    /line 2: .*ok/,
  ],
];
for (const [name, text, message] of refusals) {
  test(`history file: refuses ${name}, naming the line`, () => {
    assert.throws(() => decodeHistory(text), { code: 'HISTORY_FORMAT', message });
  });
}

test('history file: one of schema 1, which knew registers only, is read', () => {
  const old = { header, operations: [write('a', 0, 1)] };
  assert.deepEqual(decodeHistory(encodeHistory(old).replace('"schema":2', '"schema":1')), old);
});
