import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@holdfast/base';
import { VirtualTime } from '@holdfast/base/testing';
import type { Commit } from '@holdfast/engine';
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
        commit(): Commit | undefined {
          if (world.failCommit) throw new Error('disk');
          if (world.written === 0) return undefined;
          world.written = 0;
          const firstSequence = ++world.sequence;
          return {
            firstSequence,
            lastSequence: firstSequence,
            packed: Buffer.alloc(0),
            lengths: new Uint32Array(),
            count: 1,
          };
        },
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
      timers: this.time,
      logger: silentLogger,
      onWriteFailure: (): void => void this.failures++,
      onRoom: (): void => void this.rooms++,
    });
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
