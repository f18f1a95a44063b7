import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatencySpikes } from './latency-spikes.ts';

test('of each second the worst is kept, 160 seconds of each event, and the worst of all', () => {
  const spikes = new LatencySpikes();
  spikes.note('command', 900, 100);
  for (const durationMs of [20, 40, 30]) spikes.note('command', durationMs, 101);
  spikes.note('commit', 7, 101);
  const [command, commit] = spikes.events();
  assert.deepEqual(command, {
    event: 'command',
    spikes: [
      { atSeconds: 100, durationMs: 900 },
      { atSeconds: 101, durationMs: 40 },
    ],
    worstMs: 900,
  });
  assert.deepEqual(commit, { event: 'commit', spikes: [{ atSeconds: 101, durationMs: 7 }], worstMs: 7 });
  for (let second = 102; second < 300; second++) spikes.note('command', 10, second);
  const [later] = spikes.events();
  assert.equal(later?.spikes.length, 160);
  assert.deepEqual(
    [later.spikes[0], later.spikes[159]],
    [
      { atSeconds: 140, durationMs: 10 },
      { atSeconds: 299, durationMs: 10 },
    ],
  );
  assert.equal(later.worstMs, 900, 'also of what is no longer kept');
});

test('events are forgotten by name or all at once, and begin anew', () => {
  const spikes = new LatencySpikes();
  spikes.note('command', 900, 100);
  spikes.note('fast-command', 5, 100);
  spikes.note('commit', 5, 100);
  assert.equal(spikes.forget(['command', 'command', 'nope']), 1);
  assert.equal(spikes.forget(undefined), 2);
  assert.equal(spikes.forget(undefined), 0);
  spikes.note('command', 3, 101);
  assert.equal(spikes.events()[0]?.worstMs, 3);
});
