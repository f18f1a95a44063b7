import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventClasses, normalEventLetters } from './event-classes.ts';

test('letters are shown as Redis shows them', () => {
  const rows: [string, string | undefined][] = [
    ['', ''],
    ['gKE', 'gKE'],
    ['$lshzxeKE', '$lshzxeKE'],
    ['KA', 'AK'],
    ['EA', 'AE'],
    ['EKg$lshzxetd', 'AKE'],
    ['mKEA', 'AKEm'],
    ['nE', 'nE'],
    ['KKgg', 'gK'],
    ['q', undefined],
    ['g K', undefined],
  ];
  for (const [given, shown] of rows) assert.equal(normalEventLetters(given), shown, given);
});

test('A stands for every class but new keys and misses', () => {
  const { classes, byKey, byEvent } = eventClasses('AK');
  assert.equal([...classes].sort().join(''), '$dghlstxz');
  assert.deepEqual([byKey, byEvent], [true, false]);
  assert.equal([...eventClasses('gmnE').classes].sort().join(''), 'gmn');
});
