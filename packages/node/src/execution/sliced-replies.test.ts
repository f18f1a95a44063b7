import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@holdfast/base';
import { VirtualTime } from '@holdfast/base/testing';
import type { SlicedReply } from '@holdfast/commands';
import { ReplyWriter } from '@holdfast/resp';
import type { Occupation } from '../net/occupation.ts';
import { SlicedReplies, type SliceTaker } from './sliced-replies.ts';

/** Writes `slices` integers, one a slice. */
class Counting implements SlicedReply {
  next_ = 0;
  closed = 0;
  failsAt = Infinity;
  readonly #slices: number;

  constructor(slices: number) {
    this.#slices = slices;
  }

  next(reply: ReplyWriter): boolean {
    if (this.next_ === this.failsAt) throw new Error('gone');
    reply.integer(this.next_++);
    return this.next_ < this.#slices;
  }

  close(): void {
    this.closed++;
  }
}

class Taker implements SliceTaker {
  readonly peer = 'peer';
  readonly reply = new ReplyWriter();
  hasRoom = true;
  isSilent = false;
  destroyed = false;
  finished = 0;
  occupation: Occupation | undefined;

  readonly occupancy = {
    begin: (occupation: Occupation): void => void (this.occupation = occupation),
    // A tick would take it.
    wrote: (): void => undefined,
    finish: (): void => {
      this.finished++;
      this.occupation = undefined;
    },
  };

  destroy(): void {
    this.destroyed = true;
    const { occupation } = this;
    this.occupation = undefined;
    occupation?.left();
  }
}

function world(slices: number): { time: VirtualTime; replies: SlicedReplies; taker: Taker; sliced: Counting } {
  const time = new VirtualTime();
  return { time, replies: new SlicedReplies(time, silentLogger), taker: new Taker(), sliced: new Counting(slices) };
}

test('a reply is written slice by slice, others run in between, and it is let go at its end', () => {
  const { time, replies, taker, sliced } = world(3);
  replies.begin(taker, sliced);
  const seen: number[] = [];
  const other = (): void => {
    seen.push(sliced.next_);
    if (taker.finished === 0) time.soon(other);
  };
  time.soon(other);
  assert.equal(sliced.next_, 0, 'nothing is written in the turn of the command');
  time.advance(0);
  assert.deepEqual(seen, [1, 2, 3], 'a turn of somebody else after each slice');
  assert.equal(taker.reply.take().toString(), ':0\r\n:1\r\n:2\r\n');
  assert.deepEqual([taker.finished, sliced.closed, replies.size], [1, 1, 0]);
});

test('no slice is written while the peer does not read; it goes on once it does', () => {
  const { time, replies, taker, sliced } = world(3);
  replies.begin(taker, sliced);
  taker.hasRoom = false;
  time.advance(1000);
  assert.equal(sliced.next_, 0);
  taker.hasRoom = true;
  taker.occupation?.onRoom?.();
  taker.occupation?.onRoom?.();
  time.advance(0);
  assert.deepEqual([sliced.next_, taker.finished, sliced.closed], [3, 1, 1]);
});

test('it is let go once when the peer leaves, and nothing more is written', () => {
  const { time, replies, taker, sliced } = world(3);
  replies.begin(taker, sliced);
  taker.destroy();
  time.advance(0);
  assert.deepEqual([sliced.next_, sliced.closed, replies.size], [0, 1, 0]);
});

test('before the database is closed every reply is let go, and its connection ended', () => {
  const { time, replies, taker, sliced } = world(3);
  replies.begin(taker, sliced);
  replies.closeAll();
  time.advance(0);
  assert.deepEqual([sliced.closed, taker.destroyed, replies.size], [1, true, 0]);
});

test('a slice that cannot be written ends the connection, since the reply has begun', () => {
  const { time, replies, taker, sliced } = world(3);
  sliced.failsAt = 1;
  replies.begin(taker, sliced);
  time.advance(0);
  assert.deepEqual([taker.destroyed, taker.finished, sliced.closed, replies.size], [true, 0, 1, 0]);
});

test('what nobody will read is not written', () => {
  const { replies, taker, sliced } = world(3);
  taker.isSilent = true;
  replies.begin(taker, sliced);
  assert.deepEqual([taker.occupation, sliced.closed, replies.size], [undefined, 1, 0]);
});
