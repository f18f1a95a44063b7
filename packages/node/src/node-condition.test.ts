import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realTimers } from '@holdfast/base/real';
import { Config } from './config/index.ts';
import { ConditionKeeper } from './node-condition.ts';

function keeper(): { keeper: ConditionKeeper; changes: () => number } {
  let changes = 0;
  const made = new ConditionKeeper({
    config: new Config(),
    timers: realTimers,
    databaseBytes: () => 0,
    isReplica: () => false,
    isAttached: () => false,
    changed: () => void changes++,
    attachedChanged: () => undefined,
  });
  return { keeper: made, changes: () => changes };
}

test('condition: a node without room on its disk refuses writes and reports that it cannot write, until it has room', () => {
  const { keeper: conditions, changes } = keeper();
  conditions.setDiskFull(true);
  assert.match(conditions.condition.writesRefused ?? '', /^MISCONF The disk is nearly full/);
  assert.equal(conditions.health, 'write-failed', 'so that a replica with room is made master');
  assert.equal(changes(), 1, 'heartbeats say so at once');
  conditions.setDiskFull(false);
  assert.equal(conditions.condition.writesRefused, undefined);
  assert.equal(conditions.health, 'ok');
  assert.equal(changes(), 2);
});

test('condition: room on the disk does not show that a failed commit is mended', () => {
  const { keeper: conditions } = keeper();
  conditions.writeFailed();
  conditions.setDiskFull(true);
  conditions.setDiskFull(false);
  assert.equal(conditions.health, 'write-failed');
  assert.match(conditions.condition.writesRefused ?? '', /^MISCONF Errors writing to disk/);
  conditions.writeSucceeded();
  assert.equal(conditions.health, 'ok');
});
