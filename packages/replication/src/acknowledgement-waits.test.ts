import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { VirtualTime } from '@holdfast/base/testing';
import { AcknowledgementWaits } from './acknowledgement-waits.ts';

function world(): {
  time: VirtualTime;
  acked: number[];
  asked: number[];
  waits: AcknowledgementWaits;
  answers: string[];
  wait(name: string, sequence: number, replicas: number, timeoutMs: number, isGone?: () => boolean): void;
} {
  const time = new VirtualTime();
  const acked: number[] = [0, 0];
  const asked: number[] = [];
  const answers: string[] = [];
  const source = {
    countAcked: (sequence: number): number => acked.filter((reached) => reached >= sequence).length,
    askAcks: (sequence: number): void => void asked.push(sequence),
  };
  const waits = new AcknowledgementWaits(source, time);
  const wait = (
    name: string,
    sequence: number,
    replicas: number,
    timeoutMs: number,
    isGone = (): boolean => false,
  ): void =>
    waits.add({ sequence, replicas, timeoutMs, isGone, complete: (count) => void answers.push(`${name} ${count}`) });
  return { time, acked, asked, waits, answers, wait };
}

describe('WAIT', () => {
  it('answers at once when enough replicas have everything', () => {
    const { answers, acked, wait, waits } = world();
    acked[0] = 5;
    wait('a', 5, 1, 0);
    wait('none', 9, 0, 0);
    assert.deepEqual(answers, ['a 1', 'none 0']);
    assert.equal(waits.size, 0);
  });

  it('answers when enough acks came, each with its own target', () => {
    const { answers, acked, wait, waits } = world();
    wait('one', 5, 1, 0);
    wait('both', 6, 2, 0);
    acked[0] = 5;
    waits.onAck();
    assert.deepEqual(answers, ['one 1']);
    acked[0] = 6;
    acked[1] = 7;
    waits.onAck();
    waits.onAck();
    assert.deepEqual(answers, ['one 1', 'both 2']);
  });

  it('answers with what there is at its timeout', () => {
    const { time, answers, acked, wait } = world();
    wait('a', 5, 2, 1000);
    acked[1] = 5;
    time.advance(999);
    assert.deepEqual(answers, []);
    time.advance(1);
    assert.deepEqual(answers, ['a 1']);
  });

  it('asks the replicas after the tick, again while it waits, and no longer', () => {
    const { time, asked, acked, wait, waits } = world();
    wait('a', 5, 1, 0);
    assert.deepEqual(asked, []);
    time.advance(0);
    assert.deepEqual(asked, [5]);
    wait('b', 7, 1, 0);
    time.advance(100);
    assert.equal(asked.at(-1), 7);
    acked[0] = 7;
    waits.onAck();
    const before = asked.length;
    time.advance(1000);
    assert.equal(asked.length, before);
  });

  it('forgets who has gone', () => {
    const { time, answers, wait, waits } = world();
    wait('a', 5, 1, 0, () => true);
    time.advance(100);
    assert.deepEqual([answers.length, waits.size], [0, 0]);
  });
});
