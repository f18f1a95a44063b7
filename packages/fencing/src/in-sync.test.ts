import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ShardMessage } from './fence-record.ts';
import {
  beginInSync,
  effectiveIsr,
  isWritable,
  isrRequestOf,
  nextLookMs,
  releasableThrough,
  stepInSync,
  type InSync,
  type InSyncEvent,
  type InSyncFacts,
} from './in-sync.ts';
import { formatIsrRequest } from './isr-request.ts';
import { logIdOf, nodeIdOf, shardMessage } from './testing/samples.ts';

const memberOf = (name: string) => ({ nodeId: nodeIdOf(name), logId: logIdOf(name) });
const recordOf = (isrVersion: number, ...names: string[]): ShardMessage =>
  shardMessage({ epoch: 3, isrVersion, isr: names.map(memberOf) });

/** A mastership of `a`, its clock and its log. */
class Mastership {
  state: InSync;
  nowMs = 10_000;
  latest = 100;
  minIsr = 1;

  constructor(...isr: string[]) {
    this.state = beginInSync(recordOf(0, ...isr), nodeIdOf('a'));
    this.do({ kind: 'look' });
  }

  get facts(): InSyncFacts {
    return { nowMs: this.nowMs, isrTimeoutMs: 500, minIsr: this.minIsr, latestSequence: this.latest };
  }

  do(event: InSyncEvent): void {
    this.state = stepInSync(this.state, event, this.facts);
  }

  attach(name: string, sequence: number, generation = 1): void {
    this.do({ kind: 'attached', nodeId: nodeIdOf(name), logId: logIdOf(name, generation), sequence });
  }

  ack(name: string, sequence: number): void {
    this.do({ kind: 'ack', nodeId: nodeIdOf(name), sequence });
  }

  detach(name: string, isReset: boolean): void {
    this.do({ kind: 'detached', nodeId: nodeIdOf(name), isReset });
  }

  record(isrVersion: number, ...names: string[]): void {
    this.do({ kind: 'record', record: recordOf(isrVersion, ...names) });
  }

  /** The log grows to `latest`. */
  grow(latest: number): void {
    this.latest = latest;
    this.do({ kind: 'look' });
  }

  pass(byMs: number): void {
    this.nowMs += byMs;
    this.do({ kind: 'look' });
  }

  get released(): number {
    return releasableThrough(this.state, this.facts);
  }

  /** `+b` and the like. */
  get asked(): string {
    const request = isrRequestOf(this.state);
    return request === undefined ? '' : `${request.change}${request.member.nodeId.slice(0, 1)}`;
  }
}

test('a master alone waits for nobody', () => {
  const a = new Mastership('a');
  assert.equal(a.released, 100);
  a.latest = 150;
  assert.equal(a.released, 150, 'also between two looks');
});

test('nothing is released before every member acknowledged it, the entries of former epochs included', () => {
  const a = new Mastership('a', 'b', 'c');
  assert.equal(a.released, 0);
  a.attach('b', 100);
  a.attach('c', 60);
  assert.equal(a.released, 60);
  a.ack('c', 90);
  assert.equal(a.released, 90);
  a.ack('b', 40);
  assert.equal(a.released, 90, 'an older acknowledgement changes nothing');
  a.latest = 95;
  a.ack('b', 200);
  a.ack('c', 200);
  assert.equal(a.released, 95, 'nobody acknowledges what is not there yet');
});

test('acknowledgements of a link that did not attach, or attached with another log, do not count', () => {
  const a = new Mastership('a', 'b');
  a.ack('b', 100);
  assert.equal(a.released, 0);
  a.attach('b', 100, 2);
  a.ack('b', 100);
  assert.equal(a.released, 0);
  assert.equal(a.asked, '-b', 'the recorded log is gone: its place is given up at once');
  const b = new Mastership('a', 'b');
  b.attach('b', 50);
  b.detach('b', false);
  b.ack('b', 100);
  assert.equal(b.released, 50);
});

test('a newcomer is waited for from before it is proposed until a record without it, also when it was replaced', () => {
  const a = new Mastership('a', 'c');
  a.attach('c', 100);
  a.attach('b', 100);
  assert.equal(a.asked, '+b');
  assert.deepEqual(
    effectiveIsr(a.state).map(({ nodeId }) => nodeId.slice(0, 1)),
    ['a', 'c', 'b'],
  );
  a.grow(120);
  a.ack('c', 120);
  assert.equal(a.released, 100, 'b is waited for');
  a.detach('c', true);
  assert.equal(a.asked, '-c', 'the shrink that unblocks comes first');
  assert.equal(a.released, 100, 'b may have been confirmed meanwhile');
  a.detach('b', true);
  assert.equal(a.released, 100, 'also without a link');
  a.record(1, 'a');
  assert.equal(a.released, 120, 'the higher version lacks b');
});

test('a proposal that the store confirmed counts as a member from then on', () => {
  const a = new Mastership('a');
  a.attach('b', 100);
  assert.equal(formatIsrRequest(isrRequestOf(a.state) ?? assert.fail()), `3:0:+${nodeIdOf('b')}:${logIdOf('b')}`);
  a.record(1, 'a', 'b');
  assert.equal(a.asked, '');
  a.grow(110);
  assert.equal(a.released, 100);
  a.ack('b', 110);
  assert.equal(a.released, 110);
});

test('a lost newcomer is taken back by a proposal of its own, and waited for until that is confirmed', () => {
  const a = new Mastership('a');
  a.attach('b', 100);
  a.detach('b', true);
  a.grow(110);
  assert.equal(a.asked, '-b');
  assert.equal(a.released, 100);
  a.record(1, 'a');
  assert.equal(a.released, 110);
});

test('a node is proposed only when it has what was released; near ones are waited for under steady load', () => {
  const a = new Mastership('a');
  a.attach('b', 10);
  assert.equal(a.asked, '', 'far behind');
  // One round trip of 20 ms behind a log that never rests.
  for (let i = 1; i <= 3; i++) {
    a.nowMs += 20;
    a.grow(100 + 10 * i);
    a.ack('b', 100 + 10 * (i - 1));
    if (a.state.joining !== undefined) break;
  }
  assert.notEqual(a.state.joining, undefined, 'near, but without the last that was released');
  assert.equal(a.asked, '');
  const held = a.released;
  a.nowMs += 20;
  a.latest += 10;
  assert.equal(a.released, held, 'waited for');
  a.ack('b', held);
  assert.equal(a.asked, '+b');
});

test('whoever joins and does not come near enough in time is let go, with nobody the wiser', () => {
  const a = new Mastership('a');
  a.attach('b', 90);
  a.ack('b', 100);
  a.record(1, 'a');
  assert.equal(a.asked, '+b');
  const b = new Mastership('a');
  b.attach('b', 90);
  b.latest = 200;
  b.ack('b', 100);
  assert.notEqual(b.state.joining, undefined);
  b.grow(300);
  assert.equal(b.released, 200);
  assert.equal(nextLookMs(b.state, b.facts), b.nowMs + 200);
  b.pass(200);
  assert.equal(b.state.joining, undefined);
  assert.equal(b.released, 300);
  assert.equal(b.asked, '');
});

test('a member whose link was reset is to be removed at once, one that ended quietly after isr-timeout', () => {
  const a = new Mastership('a', 'b', 'c');
  a.attach('b', 100);
  a.attach('c', 100);
  a.detach('b', true);
  assert.equal(a.asked, '-b');
  a.attach('b', 100);
  assert.equal(a.asked, '', 'it is back, and nobody removed it');
  a.detach('c', false);
  assert.equal(a.asked, '');
  assert.equal(nextLookMs(a.state, a.facts), a.nowMs + 500);
  a.pass(499);
  assert.equal(a.asked, '');
  a.pass(1);
  assert.equal(a.asked, '-c');
  assert.equal(a.released, 100);
  a.grow(110);
  a.ack('b', 110);
  assert.equal(a.released, 100, 'a timeout proves nothing: c may have been told otherwise');
  a.record(1, 'a', 'b');
  assert.equal(a.released, 110);
});

test('a member that never attaches is to be removed isr-timeout after the mastership began', () => {
  const a = new Mastership('a', 'b');
  a.pass(499);
  assert.equal(a.asked, '');
  a.pass(1);
  assert.equal(a.asked, '-b');
});

test('who has nothing to acknowledge is never late, whoever holds back one sequence is', () => {
  const a = new Mastership('a', 'b');
  a.attach('b', 100);
  a.pass(60_000);
  assert.equal(a.asked, '');
  assert.equal(nextLookMs(a.state, a.facts), undefined);
  a.grow(101);
  assert.equal(nextLookMs(a.state, a.facts), a.nowMs + 500);
  a.pass(499);
  assert.equal(a.asked, '');
  a.pass(1);
  assert.equal(a.asked, '-b');
});

test('who acknowledges all the time and is still half a second behind is late; who keeps up is not', () => {
  const a = new Mastership('a', 'b', 'c');
  a.attach('b', 100);
  a.attach('c', 100);
  for (let i = 1; i <= 200 && a.asked === ''; i++) {
    a.nowMs += 10;
    a.grow(100 + 10 * i);
    a.ack('b', 100 + 10 * (i - 1));
    a.ack('c', 100 + 4 * i);
  }
  assert.equal(a.asked, '-c');
  const lateMs = ((a.latest - (a.state.links.get(nodeIdOf('c'))?.ackedSequence ?? 0)) / 10) * 10;
  assert.ok(lateMs >= 460 && lateMs <= 510, `${lateMs} ms behind`);
  assert.ok(a.state.growth.length <= 48, 'bounded');
});

test('a request is repeated word for word until a higher isr-version answers it', () => {
  const a = new Mastership('a', 'b', 'c');
  a.attach('c', 100);
  a.pass(500);
  const first = isrRequestOf(a.state);
  assert.equal(a.asked, '-b');
  a.detach('c', true);
  a.pass(100);
  assert.deepEqual(isrRequestOf(a.state), first, 'one at a time');
  a.record(0, 'a', 'b', 'c');
  assert.deepEqual(isrRequestOf(a.state), first, 'a repetition of the known record answers nothing');
  a.record(1, 'a', 'c');
  assert.equal(a.asked, '-c');
  assert.equal(isrRequestOf(a.state)?.isrVersion, 1);
});

test('below min-isr confirmed members nothing more is released or written, and what was released stays', () => {
  const a = new Mastership('a', 'b');
  a.minIsr = 2;
  a.attach('b', 100);
  assert.equal(a.released, 100);
  assert.equal(isWritable(a.state, a.facts), true);
  a.detach('b', true);
  a.record(1, 'a');
  a.grow(110);
  assert.equal(isWritable(a.state, a.facts), false);
  assert.equal(a.released, 100);
  a.attach('b', 110);
  assert.equal(a.asked, '+b');
  assert.equal(a.released, 100, 'proposed is not confirmed');
  a.record(2, 'a', 'b');
  assert.equal(a.released, 110);
});

test('a member that attaches with less than it had acknowledged is not relied upon', () => {
  const a = new Mastership('a', 'b');
  a.attach('b', 100);
  a.detach('b', false);
  a.attach('b', 80);
  assert.equal(a.released, 100, 'what was released stays released');
  assert.equal(a.asked, '-b');
  a.grow(110);
  a.ack('b', 110);
  assert.equal(a.released, 100);
  a.record(1, 'a');
  assert.equal(a.released, 110);
  assert.equal(a.asked, '+b', 'now it has everything');
  a.record(2, 'a', 'b');
  assert.equal(a.asked, '');
});

test('a follower that is no member may attach with whatever it has', () => {
  const a = new Mastership('a');
  a.attach('b', 60);
  a.detach('b', true);
  a.attach('b', 50);
  a.ack('b', 100);
  assert.equal(a.asked, '+b');
  a.record(1, 'a', 'b');
  assert.equal(a.asked, '');
});
