import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  beginEpoch,
  commonPoint,
  compareLogEnds,
  epochHistoryMax,
  formatEpochHistory,
  logEnd,
  parseEpochHistory,
  type EpochHistory,
  type LogEnd,
  type LogOutline,
} from './epoch-history.ts';

test('a history gives back what it was made of; what does not rise is none', () => {
  const history = [
    { epoch: 2, firstSequence: 1 },
    { epoch: 5, firstSequence: 90 },
  ];
  assert.equal(formatEpochHistory(history), '2:1,5:90');
  assert.deepEqual(parseEpochHistory('2:1,5:90'), history);
  assert.deepEqual(parseEpochHistory(formatEpochHistory([])), []);
  for (const text of ['', '2', '2:', ':1', '2:1,', '2:1,2:5', '2:5,3:5', '0:1', '2:0', '2:1:3', '16777216:1', '-1:3'])
    assert.equal(parseEpochHistory(text), undefined, text);
});

test('only the newest masterships are kept, and what is kept can be read back', () => {
  let history: EpochHistory = [];
  for (let epoch = 1; epoch <= 100; epoch++) history = beginEpoch(history, epoch, 10 * epoch);
  assert.equal(history.length, epochHistoryMax);
  assert.deepEqual(history.at(-1), { epoch: 100, firstSequence: 1000 });
  assert.deepEqual(parseEpochHistory(formatEpochHistory(history)), history);
  const longer = [{ epoch: 1, firstSequence: 1 }, ...history];
  assert.equal(parseEpochHistory(formatEpochHistory(longer)), undefined);
  assert.throws(() => beginEpoch(history, 100, 2000), /does not follow/);
  assert.throws(() => beginEpoch(history, 101, 1000), /begins at/);
});

test('the last entry is of the last epoch that wrote something', () => {
  const history = parseEpochHistory('2:5,3:9') ?? [];
  const rows: readonly (readonly [number, number])[] = [
    [0, 0],
    [4, 0],
    [5, 2],
    [8, 2],
    [9, 3],
  ];
  for (const [sequence, epoch] of rows) assert.deepEqual(logEnd(history, sequence), { epoch, sequence });
  assert.ok(compareLogEnds({ epoch: 2, sequence: 900 }, { epoch: 3, sequence: 1 }) < 0);
  assert.ok(compareLogEnds({ epoch: 3, sequence: 2 }, { epoch: 3, sequence: 1 }) > 0);
});

const outline = (text: string, latestSequence: number): LogOutline => ({
  history: parseEpochHistory(text) ?? assert.fail(text),
  latestSequence,
});

test('the common point of the textbook cases', () => {
  const rows: readonly (readonly [string, LogOutline, LogOutline, LogEnd | undefined])[] = [
    ['level', outline('1:1', 9), outline('1:1', 9), { epoch: 1, sequence: 9 }],
    ['behind', outline('1:1', 9), outline('1:1', 4), { epoch: 1, sequence: 4 }],
    ['deposed with a tail', outline('1:1,2:8', 20), outline('1:1', 12), { epoch: 1, sequence: 7 }],
    ['longer than the master', outline('1:1,2:8', 9), outline('1:1', 30), { epoch: 1, sequence: 7 }],
    ['missed an epoch', outline('1:1,2:5,3:9', 20), outline('1:1', 7), { epoch: 1, sequence: 4 }],
    ['had an epoch nobody took over', outline('1:1,3:5', 20), outline('1:1,2:5', 7), { epoch: 1, sequence: 4 }],
    ['nothing in common', outline('2:1', 20), outline('1:1', 7), { epoch: 0, sequence: 0 }],
    ['empty follower', outline('2:1', 20), outline('-', 0), { epoch: 0, sequence: 0 }],
    ['empty master', outline('-', 0), outline('1:1', 5), { epoch: 0, sequence: 0 }],
    ['both from before the first epoch', outline('1:6', 9), outline('-', 5), undefined],
    ['written before any epoch, by whom?', outline('1:1', 9), outline('-', 5), { epoch: 0, sequence: 0 }],
    ['a begun epoch without an entry', outline('1:1', 5), outline('1:1,2:6', 5), { epoch: 1, sequence: 5 }],
    ['cut off above the fork', outline('7:50', 60), outline('3:1', 30), undefined],
  ];
  for (const [name, master, follower, expected] of rows)
    assert.deepEqual(commonPoint(master, follower), expected, name);
});

/** Logs as they come about: an epoch is written by one node, on top of what it had taken over from another. */
function randomLogs(random: Random): number[][] {
  const logs: number[][] = [[], [], []];
  const epochs = 1 + randomBelow(random, 7);
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const [master, follower] = [randomBelow(random, 3), randomBelow(random, 3)];
    const source = logs[follower] ?? [];
    // Takes over a whole log, or a part of it that it had replicated before.
    if (randomBelow(random, 2) === 0) logs[master] = source.slice(0, randomBelow(random, source.length + 1));
    const log = logs[master] ?? [];
    for (let n = randomBelow(random, 4); n > 0; n--) log.push(epoch);
    // Some replicate a part of it.
    for (let i = 0; i < 3; i++)
      if (randomBelow(random, 3) === 0) logs[i] = log.slice(0, randomBelow(random, log.length + 1));
  }
  return logs;
}

function outlineOf(log: readonly number[], kept: number): LogOutline {
  let history: EpochHistory = [];
  log.forEach((epoch, i) => {
    if (history.at(-1)?.epoch !== epoch) history = beginEpoch(history, epoch, i + 1);
  });
  return { history: history.slice(-kept || history.length), latestSequence: log.length };
}

function bruteForce(a: readonly number[], b: readonly number[]): LogEnd {
  let sequence = Math.min(a.length, b.length);
  while (sequence > 0 && a[sequence - 1] !== b[sequence - 1]) sequence--;
  return { epoch: a[sequence - 1] ?? 0, sequence };
}

test('the common point is the one that comparing entry by entry finds', () => {
  for (let seed = 1; seed <= 3000; seed++) {
    const [a = [], b = []] = randomLogs(seededRandom(seed));
    const found = commonPoint(outlineOf(a, 64), outlineOf(b, 64));
    assert.deepEqual(found, bruteForce(a, b), `seed ${seed}: [${a.join(' ')}] and [${b.join(' ')}]`);
  }
});

test('with histories that were cut off it is the same one, or not told; told whenever it lies in what is known', () => {
  let untold = 0;
  for (let seed = 1; seed <= 6000; seed++) {
    const random = seededRandom(seed);
    const [a = [], b = []] = randomLogs(random);
    const outlines = [outlineOf(a, 1 + randomBelow(random, 3)), outlineOf(b, 1 + randomBelow(random, 3))] as const;
    const found = commonPoint(...outlines);
    const truth = bruteForce(a, b);
    const known = Math.max(...outlines.map(({ history }) => history[0]?.firstSequence ?? 1));
    const text = `seed ${seed}: [${a.join(' ')}] and [${b.join(' ')}]`;
    if (found !== undefined) assert.deepEqual(found, truth, text);
    else {
      assert.ok(truth.sequence < known, text);
      untold += 1;
    }
  }
  assert.ok(untold > 100 && untold < 3000, `${untold} untold`);
});
