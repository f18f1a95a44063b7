import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualTime } from '@holdfast/base/testing';
import type { CommandDefinition } from '@holdfast/commands';
import { flagBits } from './command-entry.ts';
import { CommandPause } from './command-pause.ts';
import { afterLong } from './long-timer.ts';

function world(): { time: VirtualTime; pause: CommandPause; ended: () => number } {
  const time = new VirtualTime();
  let ended = 0;
  return { time, pause: new CommandPause(time, time, () => ended++), ended: () => ended };
}

const command = (name: string, group: string): CommandDefinition => ({ name, group }) as CommandDefinition;

test('a pause ends at its instant, and says so once', () => {
  const { time, pause, ended } = world();
  pause.begin('write', 100);
  time.advance(99);
  assert.deepEqual([pause.mode, ended()], ['write', 0]);
  time.advance(1);
  assert.deepEqual([pause.mode, ended()], [undefined, 1]);
  time.advance(1000);
  assert.equal(ended(), 1);
});

test('of two pauses the later end and the stricter mode hold; after them neither', () => {
  const { time, pause, ended } = world();
  pause.begin('all', 200);
  pause.begin('write', 20);
  time.advance(199);
  assert.equal(pause.mode, 'all');
  time.advance(1);
  assert.deepEqual([pause.mode, ended()], [undefined, 1]);
  pause.begin('write', 10);
  pause.begin('write', 50);
  time.advance(49);
  assert.equal(pause.mode, 'write');
  pause.end();
  pause.end();
  assert.deepEqual([pause.mode, ended()], [undefined, 2]);
});

test('writes and what is handed on are held by WRITE, everything but the node itself by ALL', () => {
  const { pause } = world();
  const rows: readonly [CommandDefinition, number, boolean, boolean][] = [
    [command('set', 'string'), flagBits.write, true, true],
    [command('get', 'string'), flagBits.readonly, false, true],
    [command('flushall', 'server'), flagBits.write, true, true],
    [command('info', 'server'), flagBits.readonly, false, false],
    [command('client', 'connection'), 0, false, false],
    [command('psync', 'replication'), 0, false, false],
    [command('clusterx', 'cluster'), 0, false, false],
    [command('publish', 'pubsub'), 0, true, true],
    [command('subscribe', 'pubsub'), 0, false, true],
    [command('pfcount', 'hyperloglog'), flagBits.readonly, true, true],
    [command('eval', 'scripting'), 0, true, true],
    [command('eval_ro', 'scripting'), flagBits.readonly, false, true],
  ];
  for (const mode of ['write', 'all'] as const) {
    for (const [definition, bits] of rows) assert.equal(pause.holds(definition, bits), false, 'nothing is paused');
    pause.begin(mode, 10);
    for (const [definition, bits, byWrite, byAll] of rows)
      assert.equal(pause.holds(definition, bits), mode === 'write' ? byWrite : byAll, `${mode} ${definition.name}`);
    pause.end();
  }
});

test('a delay longer than a timer holds fires at its instant, and can be cancelled', () => {
  const time = new VirtualTime();
  let fired = 0;
  const delayMs = 2 ** 32 + 5;
  afterLong(time, delayMs, () => fired++);
  const cancelled = afterLong(time, delayMs, () => fired++);
  time.advance(delayMs - 1);
  cancelled.cancel();
  assert.equal(fired, 0);
  time.advance(1);
  assert.equal(fired, 1);
});
