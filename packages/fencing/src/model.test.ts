import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Model, type ModelOptions } from './testing/model.ts';
import { nodeIdOf } from './testing/samples.ts';

/** The hang this project exists for: the master is stopped, another is promoted, the old one wakes up. */
function hang(options: ModelOptions): { model: Model; gapMs: number } {
  const model = new Model(options);
  model.run(1500);
  assert.equal(model.believedName(), 'a');
  model.node('a').isStopped = true;
  const stoppedMs = model.nowMs;
  while (model.believedName() === undefined && model.nowMs < stoppedMs + 4000) model.run(5);
  const gapMs = model.nowMs - stoppedMs;
  model.run(4000 - gapMs);
  model.resume('a');
  model.run(3000);
  return { model, gapMs };
}

test('a stopped master is replaced within its lease and 300 ms and never believed again', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { model, gapMs } = hang({ seed });
    assert.deepEqual(model.violations, [], `seed ${seed}`);
    assert.ok(gapMs <= 1000 + 300, `seed ${seed}: ${gapMs} ms`);
    assert.notEqual(model.believedName(), 'a');
    assert.equal(model.node('a').record.epoch, 2, 'the old master learned of the new epoch');
    assert.equal(model.store.record.transition, null);
  }
});

test('a failover interrupted before any of its steps is continued from the store', () => {
  const whole = hang({ seed: 1 }).model.performed;
  assert.deepEqual([...new Set(whole)], ['promote', 'finish', 'take-epoch', 'took-epoch', 'withhold', 'announce']);
  for (let dieAtStep = 0; dieAtStep < whole.length; dieAtStep++) {
    const { model, gapMs } = hang({ seed: 1, dieAtStep });
    assert.deepEqual(model.violations, [], `died before ${whole[dieAtStep]}`);
    assert.equal(model.store.record.transition, null, `died before ${whole[dieAtStep]}`);
    assert.ok(gapMs <= 3100, `died before ${whole[dieAtStep]}: ${gapMs} ms, one more lease and one more suspicion`);
  }
});

function switchOver(options: ModelOptions): { model: Model; gapMs: number } {
  const model = new Model(options);
  model.run(1500);
  model.controller.switchTo(nodeIdOf('b'));
  const askedMs = model.nowMs;
  while (model.believedName() !== 'b' && model.nowMs < askedMs + 3000) model.run(5);
  const gapMs = model.nowMs - askedMs;
  model.run(500);
  return { model, gapMs };
}

test('a switchover takes no longer than its round trips, since the old master resigns', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { model, gapMs } = switchOver({ seed });
    assert.deepEqual(model.violations, [], `seed ${seed}`);
    assert.ok(gapMs < 300, `seed ${seed}: ${gapMs} ms`);
    assert.equal(model.believedName(), 'b');
    assert.equal(model.node('a').record.resignedEpoch, 1);
  }
});

test('a switchover interrupted before any of its steps is continued from the store', () => {
  const whole = switchOver({ seed: 1 }).model.performed;
  assert.ok(whole.includes('resign'));
  for (let dieAtStep = 0; dieAtStep < whole.length; dieAtStep++) {
    const { model } = switchOver({ seed: 1, dieAtStep });
    model.run(3000);
    assert.deepEqual(model.violations, [], `died before ${whole[dieAtStep]}`);
    assert.equal(model.store.record.transition, null, `died before ${whole[dieAtStep]}`);
    assert.ok(model.believedName() !== undefined, `died before ${whole[dieAtStep]}`);
  }
});

test('a killed and restarted master gets a new epoch before it is believed again', () => {
  const model = new Model({ seed: 3 });
  model.run(1500);
  model.node('a').kill();
  model.run(200);
  model.node('a').start(model.nowMs);
  model.run(2500);
  assert.deepEqual(model.violations, []);
  assert.equal(model.store.record.epoch, 2);
  assert.ok(model.believedName() !== undefined);
});

function randomRun(options: ModelOptions): Model {
  const model = new Model(options);
  model.run(1500);
  for (let i = 0; i < 25; i++) {
    model.disturb();
    model.run(100 + (model.random.u32() % 1400));
  }
  return model;
}

test('whatever is stopped, killed, lost or restarted, at most one process is believed, and in the end one is', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const model = randomRun({ seed });
    model.heal();
    model.run(8000);
    assert.deepEqual(model.violations, [], `seed ${seed}`);
    assert.ok(model.believedName() !== undefined, `seed ${seed}: nobody after everything healed`);
  }
});

for (const fault of ['no-echo', 'no-withhold', 'no-wait', 'same-epoch-restart'] as const) {
  test(`the planted fault ${fault} is found`, () => {
    for (let seed = 1; seed <= 60; seed++) if (randomRun({ seed, fault }).violations.length > 0) return;
    assert.fail('60 seeds found nothing');
  });
}
