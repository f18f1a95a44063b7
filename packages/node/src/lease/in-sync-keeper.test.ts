import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualTime } from '@holdfast/base/testing';
import type { ShardMessage } from '@holdfast/fencing';
import { InSyncKeeper, type InSyncSettings } from './in-sync-keeper.ts';

const [a, b] = ['a'.repeat(40), 'b'.repeat(40)];
const [logA, logB] = ['1'.repeat(20), '2'.repeat(20)];
const memberA = { nodeId: a, logId: logA };
const memberB = { nodeId: b, logId: logB };

function record(isrVersion: number, isr: ShardMessage['isr']): ShardMessage {
  return { epoch: 3, isrVersion, leaseMs: 1000, masterId: a, processId: 'p'.repeat(20), isr, controllers: [] };
}

class World {
  readonly time = new VirtualTime();
  settings: InSyncSettings = { isSync: true, minIsr: 1, isrTimeoutMs: 500, confirmsReads: false };
  latest = 10;
  released = 0;
  changes = 0;
  readonly probes: number[] = [];
  readonly keeper = new InSyncKeeper({
    clock: this.time,
    timers: this.time,
    settings: () => this.settings,
    latestSequence: () => this.latest,
    host: {
      released: (): void => void this.released++,
      inSyncChanged: (): void => void this.changes++,
      sendProbe: (probe): void => void this.probes.push(probe),
    },
  });

  static pair(settings: Partial<InSyncSettings> = {}): World {
    const world = new World();
    world.settings = { ...world.settings, ...settings };
    world.keeper.begin(record(0, [memberA, memberB]), a);
    world.keeper.attached(b, logB, 10);
    return world;
  }
}

test('nothing is waited for on a node that is no master, nor in async mode', () => {
  const world = new World();
  assert.equal(world.keeper.mayRelease(10), true);
  world.settings = { ...world.settings, isSync: false, minIsr: 5 };
  world.keeper.begin(record(0, [memberA, memberB]), a);
  assert.deepEqual([world.keeper.mayRelease(10), world.keeper.isWritable, world.keeper.isrRequest], [true, true, '']);
});

test('a reply leaves once every member acknowledged what it saw', () => {
  const world = World.pair();
  world.latest = 12;
  assert.deepEqual([world.keeper.mayRelease(10), world.keeper.mayRelease(12)], [true, false]);
  world.released = 0;
  world.keeper.acked(b, 11, 0);
  assert.deepEqual([world.keeper.mayRelease(11), world.keeper.mayRelease(12), world.released], [true, false, 1]);
  world.keeper.acked(b, 12, 0);
  assert.equal(world.keeper.mayRelease(12), true);
});

test('a silent member is asked to be removed after the timeout, and waited for until that is confirmed', () => {
  const world = World.pair();
  world.latest = 12;
  assert.equal(world.keeper.mayRelease(12), false);
  world.time.advance(499);
  assert.equal(world.keeper.isrRequest, '');
  world.time.advance(60);
  assert.equal(world.keeper.isrRequest, `3:0:-${b}:${logB}`);
  assert.equal(world.keeper.mayRelease(12), false);
  world.released = 0;
  world.keeper.recordChanged(record(1, [memberA]));
  assert.deepEqual([world.keeper.isrRequest, world.keeper.mayRelease(12), world.released], ['', true, 1]);
});

test('a member whose link was reset is asked to be removed at once', () => {
  const world = World.pair();
  world.keeper.detached(b, true);
  assert.equal(world.keeper.isrRequest, `3:0:-${b}:${logB}`);
});

test('below min-isr writes are refused and nothing more is released', () => {
  const world = World.pair({ minIsr: 2 });
  assert.equal(world.keeper.isWritable, true);
  world.latest = 12;
  world.keeper.detached(b, true);
  world.keeper.recordChanged(record(1, [memberA]));
  assert.deepEqual(
    [world.keeper.isWritable, world.keeper.mayRelease(10), world.keeper.mayRelease(12)],
    [false, true, false],
  );
  world.settings = { ...world.settings, minIsr: 1 };
  world.released = 0;
  world.keeper.settingsChanged();
  assert.deepEqual([world.keeper.isWritable, world.keeper.mayRelease(12), world.released > 0], [true, true, true]);
});

test('a read to be confirmed waits for an answer to a probe that was sent after it', () => {
  const world = World.pair({ confirmsReads: true });
  const probe = world.keeper.startProbe();
  assert.deepEqual(world.probes, [probe]);
  assert.equal(world.keeper.mayRelease(10, probe), false);
  world.keeper.acked(b, 10, 0);
  assert.equal(world.keeper.mayRelease(10, probe), false, 'an acknowledgement answers no probe');
  world.keeper.acked(b, 10, probe + 1);
  assert.equal(world.keeper.mayRelease(10, probe), false, 'nobody asked that');
  world.released = 0;
  world.keeper.acked(b, 10, probe);
  assert.deepEqual([world.keeper.mayRelease(10, probe), world.released], [true, 1]);
  world.keeper.detached(b, true);
  world.keeper.recordChanged(record(1, [memberA]));
  assert.equal(world.keeper.mayRelease(10, world.keeper.startProbe()), true, 'alone there is nobody to ask');
});

test('a follower that attaches anew is asked what the former link did not answer', () => {
  const world = World.pair({ confirmsReads: true });
  const probe = world.keeper.startProbe();
  world.keeper.detached(b, false);
  world.keeper.attached(b, logB, 10);
  assert.deepEqual(world.probes, [probe, probe]);
});

test('with the mastership ends what was waited for', () => {
  const world = World.pair();
  world.latest = 12;
  world.keeper.detached(b, true);
  world.keeper.end();
  assert.deepEqual(
    [world.keeper.mayRelease(12), world.keeper.isrRequest, world.keeper.report()],
    [true, '', undefined],
  );
});
