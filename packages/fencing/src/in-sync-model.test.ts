import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InSyncModel, type InSyncFault, type InSyncModelOptions } from './testing/in-sync-model.ts';

function run(options: InSyncModelOptions, steps = 500): InSyncModel {
  const model = new InSyncModel(options);
  for (let i = 0; i < steps && model.violations.length === 0; i++) model.disturb();
  return model;
}

test('whatever was released is in the log of every member of every record that the store could have', () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= 80; seed++) {
    const model = run({ seed, minIsr: 1 + (seed % 2) });
    assert.deepEqual(model.violations, [], `seed ${seed}`);
    for (const [what, count] of model.counts) counts.set(what, (counts.get(what) ?? 0) + count);
  }
  for (const what of ['added', 'removed', 'elected', 'rewound', 'full-sync'])
    assert.ok((counts.get(what) ?? 0) > 30, `${what} happened ${counts.get(what) ?? 0} times`);
});

test('once everything works again all nodes are members and everything is released', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const model = run({ seed }, 120);
    model.heal();
    assert.deepEqual(model.violations, [], `seed ${seed}`);
    assert.equal(model.record.isr.length, 4, `seed ${seed}`);
    assert.equal(model.released.sequence, model.master.log.length, `seed ${seed}`);
  }
});

const faults: readonly InSyncFault[] = [
  'isr-local',
  'late-expand',
  'old-proposal',
  'same-epoch-restart',
  'forgets-replaced',
  'early-proposal',
  'reset-keeps-logid',
  'promote-any',
  'seq-only-attach',
];

for (const fault of faults) {
  test(`the planted fault ${fault} is found`, () => {
    for (let seed = 1; seed <= 300; seed++) if (run({ seed, fault }).violations.length > 0) return;
    assert.fail('300 seeds found nothing');
  });
}
