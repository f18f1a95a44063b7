import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CommandClock } from './command-clock.ts';

class Readings {
  durations = 0;
  walls = 0;
  atMs = 100;
  readonly tick = { number: 1 };
  readonly clock: CommandClock = new CommandClock(
    {
      leaseMs: () => this.atMs,
      wallMs: () => {
        this.walls++;
        return 1_000_000 + Math.floor(this.atMs);
      },
      durationMs: () => {
        this.durations++;
        return this.atMs;
      },
    },
    this.tick,
  );

  /** One command that takes so long. @returns what it was measured to take, and its time of day. */
  command(ms: number): { ms: number; wallMs: number } {
    const begunMs = this.clock.begins();
    const wallMs = this.clock.wallMs(begunMs);
    this.atMs += ms;
    return { ms: this.clock.ends() - begunMs, wallMs };
  }
}

describe('the clock of commands', () => {
  test('is read once for each command that follows another at once', () => {
    const world = new Readings();
    for (const ms of [0.25, 0.5, 0.125]) assert.equal(world.command(ms).ms, ms);
    assert.deepEqual([world.durations, world.walls], [4, 1]);
  });

  test('takes what lies between two pieces, and the end of a tick, for nobody', () => {
    const world = new Readings();
    world.command(1);
    world.atMs += 50;
    world.clock.breakChain();
    assert.equal(world.command(1).ms, 1);
    world.atMs += 50;
    world.tick.number++;
    assert.equal(world.command(1).ms, 1);
  });

  test('the time of day is a millisecond old at most', () => {
    const world = new Readings();
    for (let i = 0; i < 100; i++) {
      const atMs = world.atMs;
      const { wallMs } = world.command(0.375);
      assert.ok(1_000_000 + Math.floor(atMs) - wallMs <= 1, `${atMs} ${wallMs}`);
    }
    world.atMs += 5000;
    world.clock.breakChain();
    assert.equal(world.command(1).wallMs, 1_000_000 + Math.floor(world.atMs - 1));
  });

  test('a command that was sent after another had ended never sees a time of day before that', () => {
    const world = new Readings();
    world.atMs = 100.75;
    assert.equal(world.command(0.125).wallMs, 1_000_100);
    world.atMs = 101.25;
    world.clock.breakChain();
    assert.equal(world.command(0.125).wallMs, 1_000_101);
    world.atMs = 102;
    world.tick.number++;
    assert.equal(world.command(0.125).wallMs, 1_000_102);
  });

  test('where durations have no clock of their own, every reading is a new one', () => {
    let wallMs = 5;
    const clock = new CommandClock({ leaseMs: () => 0, wallMs: () => wallMs }, { number: 1 });
    assert.equal(clock.wallMs(clock.begins()), 5);
    wallMs = 7;
    assert.equal(clock.wallMs(clock.begins()), 7);
  });
});
