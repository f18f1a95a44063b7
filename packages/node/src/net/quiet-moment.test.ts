import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Timer, Timers } from '@holdfast/base';
import { QuietMoment } from './quiet-moment.ts';

/** An event loop in which the test says when timers run and when sockets have been read. */
class HandLoop implements Timers {
  timers: (() => void)[] = [];
  soons: (() => void)[] = [];

  after(_delayMs: number, run: () => void): Timer {
    this.timers.push(run);
    return { cancel: (): void => undefined };
  }

  every(): Timer {
    throw new Error('nothing here repeats');
  }

  soon(run: () => void): void {
    this.soons.push(run);
  }

  runTimers(): void {
    for (const run of this.timers.splice(0)) run();
  }

  runSoons(): void {
    for (const run of this.soons.splice(0)) run();
  }
}

test('a pause counts once the sockets have been read after it', () => {
  const loop = new HandLoop();
  const quiet = new QuietMoment(loop);
  let ran = 0;
  quiet.stir(10, () => ran++);
  loop.runTimers();
  assert.equal(ran, 0, 'what had arrived meanwhile is not read yet');
  loop.runSoons();
  assert.equal(ran, 1);
  loop.runTimers();
  loop.runSoons();
  assert.equal(ran, 1);
});

test('what a late turn of the loop finds in its sockets begins a new pause', () => {
  const loop = new HandLoop();
  const quiet = new QuietMoment(loop);
  const ran: string[] = [];
  quiet.stir(10, () => ran.push('first'));
  loop.runTimers();
  quiet.stir(10, () => ran.push('second'));
  loop.runSoons();
  assert.deepEqual(ran, []);
  loop.runTimers();
  loop.runSoons();
  assert.deepEqual(ran, ['second']);
});

test('a stir before the timer makes the timer void', () => {
  const loop = new HandLoop();
  const quiet = new QuietMoment(loop);
  const ran: string[] = [];
  quiet.stir(10, () => ran.push('first'));
  const [early] = loop.timers.splice(0);
  quiet.stir(10, () => ran.push('second'));
  early?.();
  loop.runSoons();
  assert.deepEqual(ran, []);
  loop.runTimers();
  loop.runSoons();
  assert.deepEqual(ran, ['second']);
});
