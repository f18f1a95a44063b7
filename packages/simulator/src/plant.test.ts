import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fault } from './faults.ts';
import { plant } from './plant.ts';

const fault = (file: string, find: string): Fault => ({
  name: 'for-this-test',
  breaks: '',
  expects: [],
  bound: 1,
  patches: [{ file, find, replace: 'throw new RangeError()' }],
  switches: {},
});

test('a fault whose text is not there, or there twice, or whose file is not loaded no longer applies', async () => {
  const absent = plant(fault('simulator/src/dice.ts', 'a text that nobody wrote'));
  const twice = plant(fault('simulator/src/event-heap.ts', 'order'));
  const unloaded = plant(fault('simulator/src/nothing.ts', 'x'));
  await Promise.all([import('./dice.ts'), import('./event-heap.ts')]);
  assert.match(absent().join(), /^fault for-this-test no longer applies: 0 times in packages\/simulator\/src\/dice.ts/);
  assert.match(twice().join(), /no longer applies: [0-9]+ times/);
  assert.match(unloaded().join(), /was not loaded/);
});

test('a fault whose text stands once is what is executed', async () => {
  const done = plant(fault('simulator/src/kept-seeds.ts', 'export const keptSeeds'));
  await assert.rejects(import('./kept-seeds.ts'));
  assert.deepEqual(done(), []);
});
