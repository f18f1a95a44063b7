import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError, silentLogger } from '@holdfast/base';
import { VirtualTime } from '@holdfast/base/testing';
import type { CommitDone } from '@holdfast/engine';
import { TickLoop, type GateVerdict, type TickOutput } from './tick-loop.ts';

class Output implements TickOutput {
  pending = '';
  readonly sent: string[] = [];
  abandoned = 0;
  unbound = false;
  release(bytes: Buffer): void {
    this.sent.push(bytes.toString());
  }
  takeReplies(): Buffer {
    const taken = Buffer.from(this.pending);
    this.pending = '';
    return taken;
  }
  abandon(): void {
    this.abandoned++;
    this.pending = '';
  }
}

class World {
  readonly time = new VirtualTime();
  commitVerdict: GateVerdict = 'pass';
  releaseVerdict: GateVerdict = 'pass';
  handedOver = true;
  failCommit = false;
  sequence = 0;
  dropped = 0;
  failures = 0;
  rooms = 0;
  /** Commits end when the test says so. */
  hasWorker = false;
  underCommit: (() => void) | undefined;
  readonly fed: number[] = [];
  written = 0;
  readonly loop: TickLoop;

  constructor() {
    const world = this;
    this.loop = new TickLoop({
      engine: {
        get openTickBytes(): number {
          return world.written;
        },
        commit(done: CommitDone, now): void {
          const { written } = world;
          world.written = 0;
          if (!world.hasWorker || now === 'now') {
            world.land(written, done);
            return;
          }
          assert.equal(world.underCommit, undefined, 'one commit at a time');
          world.underCommit = (): void => world.land(written, done);
        },
        settle: (): void => world.landUnderCommit(),
        dropTick(): void {
          world.dropped++;
          world.written = 0;
        },
        latestSequence: (): number => world.sequence,
      },
      gate: {
        tickOpened: (): void => undefined,
        mayCommit: (): GateVerdict => world.commitVerdict,
        mayRelease: (): GateVerdict => world.releaseVerdict,
      },
      followers: {
        onCommit: (commit): void => void world.fed.push(commit.lastSequence),
        probe: (): number => 0,
        mayRelease: (): boolean => world.handedOver,
      },
      clock: this.time,
      timers: this.time,
      logger: silentLogger,
      onWriteFailure: (): void => void this.failures++,
      onRoom: (): void => void this.rooms++,
    });
  }

  land(written: number, done: CommitDone): void {
    if (this.failCommit) {
      done(undefined, new OperationError('ENGINE_WRITE_FAILED', 'disk', { outcome: 'unknown' }));
    } else if (written === 0) done(undefined);
    else {
      const sequence = ++this.sequence;
      const batches = { packed: Buffer.alloc(0), lengths: new Uint32Array(), count: 1 };
      done({ firstSequence: sequence, lastSequence: sequence, ...batches });
    }
  }

  /** The worker is done. */
  landUnderCommit(): void {
    const land = this.underCommit;
    this.underCommit = undefined;
    land?.();
  }

  /** One command of `output` in the open tick. */
  run(output: Output, reply: string, options: { writes?: boolean; joins?: boolean; gated?: boolean } = {}): void {
    this.loop.open();
    if (options.joins !== false) this.loop.join(output);
    if (options.writes !== false) this.written += 10;
    this.loop.countCommand(options.gated !== false);
    output.pending += reply;
  }
}

test('a tick commits once for all its connections and then releases one write each', () => {
  const world = new World();
  const [a, b] = [new Output(), new Output()];
  world.run(a, 'a1 ');
  world.run(b, 'b1 ');
  world.run(a, 'a2', { joins: false });
  assert.deepEqual([a.sent, b.sent], [[], []]);
  world.time.advance(0);
  assert.deepEqual([a.sent, b.sent], [['a1 a2'], ['b1 ']]);
  assert.equal(world.loop.stats.commits, 1);
  assert.equal(world.loop.stats.commandsCommitted, 3);
});

test('replies wait until replicas were handed the commit, in tick order, while later ticks commit', () => {
  const world = new World();
  const [a, b] = [new Output(), new Output()];
  world.handedOver = false;
  world.run(a, 'first');
  world.time.advance(0);
  world.run(b, 'second');
  world.time.advance(0);
  assert.deepEqual(world.fed, [1, 2]);
  assert.deepEqual([a.sent, b.sent], [[], []]);
  assert.ok(world.loop.heldBytes >= 11);
  world.handedOver = true;
  world.loop.releaseReady();
  assert.deepEqual([a.sent, b.sent], [['first'], ['second']]);
  assert.equal(world.loop.heldBytes, 0);
});

test('a read behind an unreleased write waits for it', () => {
  const world = new World();
  const [writer, reader] = [new Output(), new Output()];
  world.handedOver = false;
  world.run(writer, 'w');
  world.time.advance(0);
  world.run(reader, 'r', { writes: false });
  world.time.advance(0);
  assert.deepEqual(reader.sent, []);
});

test('what depends on no data does not wait, so that a replica can come back while it is waited for', () => {
  const world = new World();
  const [writer, replica] = [new Output(), new Output()];
  world.handedOver = false;
  world.run(writer, 'w');
  world.time.advance(0);
  replica.unbound = true;
  world.run(replica, 'common point', { writes: false, gated: false });
  world.time.advance(0);
  assert.deepEqual([writer.sent, replica.sent], [[], ['common point']]);
});

test('above the bound of held replies the loop is full, and says when there is room again', () => {
  const world = new World();
  const a = new Output();
  world.handedOver = false;
  for (let i = 0; i < 5; i++) {
    world.run(a, 'x'.repeat(16 * 1024 * 1024));
    world.time.advance(0);
  }
  assert.equal(world.loop.isFull, true);
  world.handedOver = true;
  world.loop.releaseReady();
  world.time.advance(0);
  assert.deepEqual([world.loop.isFull, world.rooms, a.sent.length], [false, 1, 5]);
});

test('a loop that was full has room again when everything was dropped', () => {
  const world = new World();
  const a = new Output();
  let released = 0;
  world.handedOver = false;
  for (let i = 0; i < 5; i++) {
    world.run(a, 'x'.repeat(16 * 1024 * 1024));
    world.time.advance(0);
  }
  world.loop.whenReleased(() => released++);
  world.loop.dropAll('the role changes');
  world.time.advance(0);
  assert.deepEqual([world.loop.isFull, world.rooms, released, a.abandoned], [false, 1, 1, 1]);
});

test('what waits for a replica is dropped when the lease is gone, although nothing moves', () => {
  const world = new World();
  const a = new Output();
  world.handedOver = false;
  world.run(a, 'x');
  world.time.advance(0);
  world.loop.checkWaiting();
  assert.equal(a.abandoned, 0);
  world.releaseVerdict = 'drop';
  world.loop.checkWaiting();
  assert.deepEqual([a.sent, a.abandoned], [[], 1]);
});

test('dropping what waits closes those that were answered and leaves those that were not', () => {
  const world = new World();
  const [answered, held] = [new Output(), new Output()];
  let released = 0;
  world.handedOver = false;
  world.run(answered, 'OK');
  world.run(held, '', { writes: false });
  world.time.advance(0);
  world.loop.whenReleased(() => released++);
  assert.deepEqual([world.loop.waitingTicks, released], [1, 0]);
  world.loop.dropWaiting('resigned');
  assert.deepEqual([answered.abandoned, answered.sent, held.abandoned, held.sent], [1, [], 0, ['']]);
  assert.deepEqual([world.loop.waitingTicks, world.loop.heldBytes, released], [0, 0, 1]);
});

test('a tick that may not commit is held, and goes on when the lease is back', () => {
  const world = new World();
  const a = new Output();
  world.commitVerdict = 'hold';
  world.run(a, 'x');
  world.time.advance(0);
  assert.deepEqual([a.sent, world.fed], [[], []]);
  world.commitVerdict = 'pass';
  world.loop.resume();
  assert.deepEqual([a.sent, world.fed], [['x'], [1]]);
});

test('a lease lost before the commit drops the tick and closes its connections without bytes', () => {
  const world = new World();
  const a = new Output();
  world.commitVerdict = 'drop';
  world.run(a, 'x');
  world.time.advance(0);
  assert.deepEqual([a.sent, a.abandoned, world.dropped, world.fed], [[], 1, 1, []]);
});

test('a lease lost before the release closes every connection that waits, in this tick and in later ones', () => {
  const world = new World();
  const [a, b] = [new Output(), new Output()];
  world.handedOver = false;
  world.run(a, 'x');
  world.time.advance(0);
  world.run(b, 'y');
  world.handedOver = true;
  world.releaseVerdict = 'drop';
  world.loop.releaseReady();
  assert.deepEqual([a.sent, b.sent, a.abandoned, b.abandoned], [[], [], 1, 1]);
  assert.equal(world.dropped, 1, 'the open tick is dropped too');
});

test('what only waited behind a dropped tick is answered, unless its connection is closed', () => {
  const world = new World();
  const [writer, other, both] = [new Output(), new Output(), new Output()];
  world.handedOver = false;
  world.run(writer, 'w');
  world.run(both, 'w');
  world.time.advance(0);
  world.run(both, 'pong', { gated: false, writes: false });
  world.run(other, 'pong', { gated: false, writes: false });
  world.time.advance(0);
  world.run(other, ' and again', { gated: false, writes: false });
  world.loop.dropAll('the role changes');
  assert.deepEqual([writer.sent, both.sent, other.sent], [[], [], ['pong', ' and again']]);
  assert.deepEqual([writer.abandoned, both.abandoned, other.abandoned], [1, 1, 0]);
});

test('a failed commit answers nobody and is reported', () => {
  const world = new World();
  const a = new Output();
  world.failCommit = true;
  world.run(a, 'OK');
  world.time.advance(0);
  assert.deepEqual([a.sent, a.abandoned, world.failures], [[], 1, 1]);
  world.failCommit = false;
  world.run(a, 'again');
  world.time.advance(0);
  assert.deepEqual(a.sent, ['again']);
});

test('a tick without writes commits nothing and needs no commit gate', () => {
  const world = new World();
  const a = new Output();
  world.commitVerdict = 'drop';
  world.run(a, 'pong', { writes: false });
  world.time.advance(0);
  assert.deepEqual([a.sent, world.fed], [['pong'], []]);
});

function overlapping(): World {
  const world = new World();
  world.hasWorker = true;
  return world;
}

test('the next tick runs while a commit is under way, ends with it, and is released after it', () => {
  const world = overlapping();
  const [a, b] = [new Output(), new Output()];
  world.run(a, 'first');
  world.time.advance(0);
  assert.notEqual(world.underCommit, undefined);
  assert.equal(world.loop.waitingTicks, 1);
  world.run(b, 'second');
  world.run(a, 'third');
  world.time.advance(0);
  assert.deepEqual([a.sent, b.sent, world.loop.isOpen], [[], [], true]);
  world.landUnderCommit();
  assert.deepEqual([a.sent, b.sent, world.fed], [['first'], [], [1]]);
  assert.equal(world.loop.isOpen, false);
  world.landUnderCommit();
  assert.deepEqual([a.sent, b.sent, world.fed], [['first', 'third'], ['second'], [1, 2]]);
  assert.equal(world.loop.heldBytes, 0);
});

test('a tick that only read waits for the commit whose writes it may have seen', () => {
  const world = overlapping();
  const [writer, reader] = [new Output(), new Output()];
  world.run(writer, 'w');
  world.time.advance(0);
  world.run(reader, 'r', { writes: false });
  world.time.advance(0);
  assert.deepEqual(reader.sent, []);
  world.landUnderCommit();
  world.landUnderCommit();
  assert.deepEqual([writer.sent, reader.sent], [['w'], ['r']]);
});

test('what depends on no data leaves although a commit is under way, once its tick ends', () => {
  const world = overlapping();
  const [writer, other] = [new Output(), new Output()];
  other.unbound = true;
  world.run(writer, 'w');
  world.run(other, 'pong', { writes: false, gated: false });
  world.time.advance(0);
  assert.deepEqual([writer.sent, other.sent], [[], ['pong']]);
});

test('a failed commit fails the tick that ran meanwhile, and none before it', () => {
  const world = overlapping();
  const [before, failed, later, bystander] = [new Output(), new Output(), new Output(), new Output()];
  world.handedOver = false;
  world.run(before, 'b');
  world.time.advance(0);
  world.landUnderCommit();
  world.run(failed, 'f');
  world.time.advance(0);
  world.run(later, 'l', { writes: false });
  world.failCommit = true;
  world.landUnderCommit();
  assert.deepEqual([before.abandoned, failed.abandoned, later.abandoned, bystander.abandoned], [0, 1, 1, 0]);
  assert.deepEqual([world.failures, world.dropped, world.loop.isOpen], [1, 1, false]);
  world.handedOver = true;
  world.loop.releaseReady();
  assert.deepEqual([before.sent, failed.sent, later.sent], [['b'], [], []]);
  assert.equal(world.loop.heldBytes, 0);
});

test('a connection without data goes on when the commit beside its tick fails', () => {
  const world = overlapping();
  const [failed, pinging] = [new Output(), new Output()];
  world.run(failed, 'f');
  world.time.advance(0);
  world.run(pinging, 'pong', { writes: false, gated: false });
  world.failCommit = true;
  world.landUnderCommit();
  assert.deepEqual([failed.abandoned, pinging.abandoned, pinging.sent], [1, 0, ['pong']]);
});

test('what is dropped while its commit is under way is committed, handed over, and answered to nobody', () => {
  const world = overlapping();
  const [a, b] = [new Output(), new Output()];
  world.run(a, 'a');
  world.time.advance(0);
  world.run(b, 'b');
  world.loop.dropAll('the lease was lost');
  assert.deepEqual([a.abandoned, b.abandoned, world.dropped, world.loop.heldBytes], [1, 1, 1, 0]);
  let released = 0;
  world.loop.whenReleased(() => released++);
  assert.equal(released, 0);
  world.landUnderCommit();
  assert.deepEqual([a.sent, b.sent, world.fed, released, world.loop.heldBytes], [[], [], [1], 1, 0]);
});

test('a lease lost while a commit is under way closes those who wait for it', () => {
  const world = overlapping();
  const a = new Output();
  world.run(a, 'a');
  world.time.advance(0);
  world.releaseVerdict = 'drop';
  world.loop.checkWaiting();
  assert.equal(a.abandoned, 1);
  world.landUnderCommit();
  assert.deepEqual([a.sent, world.fed], [[], [1]]);
});

test('end leaves nothing open and nothing under way', () => {
  const world = overlapping();
  const [a, b] = [new Output(), new Output()];
  world.run(a, 'a');
  world.time.advance(0);
  world.run(b, 'b');
  world.time.advance(0);
  world.loop.end();
  assert.deepEqual([a.sent, b.sent, world.loop.isOpen, world.underCommit], [['a'], ['b'], false, undefined]);
});

test('settle waits for the commit under way and begins no other; the open tick ends in its turn', () => {
  const world = overlapping();
  const [a, b] = [new Output(), new Output()];
  world.run(a, 'a');
  world.time.advance(0);
  world.run(b, 'b');
  world.time.advance(0);
  world.loop.settle();
  assert.deepEqual([a.sent, b.sent, world.loop.isOpen, world.underCommit], [['a'], [], true, undefined]);
  world.time.advance(0);
  world.landUnderCommit();
  assert.deepEqual(b.sent, ['b']);
});

test('a commit under way is known by when it began', () => {
  const world = overlapping();
  assert.equal(world.loop.committingSinceMs, undefined);
  world.time.advance(5);
  const beganMs = world.time.leaseMs();
  world.run(new Output(), 'a');
  world.time.advance(0);
  world.time.advance(70);
  assert.equal(world.loop.committingSinceMs, beganMs);
  world.landUnderCommit();
  assert.equal(world.loop.committingSinceMs, undefined);
});

test('what waits is dropped with the commit under way, which has been waited for', () => {
  const world = overlapping();
  const [a, b] = [new Output(), new Output()];
  world.handedOver = false;
  world.run(a, 'a');
  world.time.advance(0);
  world.landUnderCommit();
  world.run(b, 'b');
  world.time.advance(0);
  world.loop.dropWaiting('resigned');
  assert.deepEqual([a.abandoned, b.abandoned, world.fed, world.loop.waitingTicks], [1, 1, [1, 2], 0]);
});

test('who wants to know is told how long commits have taken that wrote something', () => {
  const world = new World();
  const output = new Output();
  const told: number[] = [];
  world.hasWorker = true;
  world.loop.commitObserver = (durationMs): void => void told.push(durationMs);
  world.run(output, 'a');
  world.time.advance(0);
  world.time.advance(250);
  world.landUnderCommit();
  assert.deepEqual(told, [250]);
  world.run(output, 'b', { writes: false });
  world.loop.end();
  assert.deepEqual(told, [250]);
});
