import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { silentLogger } from '@holdfast/base';
import { VirtualTime } from '@holdfast/base/testing';
import { encodeCommand } from '@holdfast/resp';
import { FollowerSet } from './follower-set.ts';
import { StreamDecoder, type StreamItem } from './framing.ts';
import { catchUpUnsentBytesMax, liveUnsentBytesMax } from './limits.ts';
import { IdHistory, openPlace } from './psync.ts';
import { put } from './testing/batches.ts';
import { MemoryFiles } from './testing/memory-files.ts';
import { MemoryLog } from './testing/memory-log.ts';
import { Socket } from './testing/socket.ts';
import { readBatchHeader } from './write-batch.ts';

interface World {
  readonly time: VirtualTime;
  readonly log: MemoryLog;
  readonly set: FollowerSet;
  readonly counts: { progress: number; acks: number };
  readonly told: string[];
}

function world(): World {
  const time = new VirtualTime();
  const log = new MemoryLog(new MemoryFiles());
  const counts = { progress: 0, acks: 0 };
  const told: string[] = [];
  const set = new FollowerSet({
    log,
    clock: time,
    timers: time,
    logger: silentLogger,
    sendTimeoutMs: () => 30_000,
    onProgress: () => counts.progress++,
    onAck: ({ ackedSequence }, probe): void => {
      counts.acks++;
      told.push(`ack ${ackedSequence} ${probe}`);
    },
    onDetached: (_follower, isReset): void => {
      counts.acks++;
      told.push(`detached ${isReset ? 'reset' : 'cut'}`);
    },
  });
  return { time, log, set, counts, told };
}

const replica = { host: '10.0.0.9', port: 6667, acksPromptly: false, member: undefined };

/** First sequences of the batches, and the words, in a stream that begins with +OK. */
function read(socket: Socket): (number | string)[] {
  const bytes = socket.take();
  const items: StreamItem[] = [];
  new StreamDecoder().push(bytes.subarray(0, 5).toString() === '+OK\r\n' ? bytes.subarray(5) : bytes, items);
  return items.map((item) => (item.kind === 'batch' ? readBatchHeader(item.bytes).sequence : item.kind));
}

describe('a follower', () => {
  it('that is up to date gets each commit at once, without the WAL being read', () => {
    const { log, set } = world();
    log.write(put('a', '1'));
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 2, opened: undefined });
    assert.equal(socket.take().toString(), '+OK\r\n');
    log.walFrom = 100;
    set.feed(log.write(put('b', '1'), put('c', '1')));
    set.feed(log.write(put('d', '1')));
    assert.deepEqual(read(socket), [2, 4]);
    assert.equal(set.facts()[0]?.state, 'live');
  });

  it('that takes a commit late gets it as it was, whatever is committed meanwhile', () => {
    const { log, set } = world();
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    set.feed(log.write(put('a', '1')));
    socket.room = 0;
    for (const name of ['b', 'c', 'd']) set.feed(log.write(put(name, '1')));
    socket.accept(1000);
    set.feed(log.write(put('e', '1')));
    assert.deepEqual(read(socket), [1, 2, 3, 4, 5]);
  });

  it('that is behind gets everything once and in order, whatever is committed meanwhile', () => {
    const { time, log, set } = world();
    for (let i = 0; i < 5; i++) log.write(put(`k${i}`, 'x'.repeat(300_000)));
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    set.feed(log.write(put('during', '1')));
    time.advance(0);
    assert.equal(set.facts()[0]?.state, 'live');
    set.feed(log.write(put('after', '1')));
    assert.deepEqual(read(socket), [1, 2, 3, 4, 5, 6, 7]);
  });

  it('goes on with the WAL that PSYNC has opened', () => {
    const { time, log, set } = world();
    for (let i = 0; i < 3; i++) log.write(put(`k${i}`, '1'));
    const place = openPlace(log, new IdHistory(3, undefined), { nextSequence: 2, replicationId: undefined });
    assert.ok(typeof place !== 'string');
    log.walFrom = 100;
    const socket = new Socket();
    set.attach(socket, replica, place);
    time.advance(0);
    assert.deepEqual(read(socket), [2, 3]);
  });

  it('that catches up is read for only as fast as it takes', () => {
    const { time, log, set } = world();
    for (let i = 0; i < 30; i++) log.write(put(`k${i}`, 'x'.repeat(200_000)));
    const socket = new Socket();
    socket.room = 0;
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    time.advance(10);
    assert.ok(set.unsentBytes() <= catchUpUnsentBytesMax + 600_000, `${set.unsentBytes()} bytes are unsent`);
    for (let i = 0; i < 20; i++) {
      socket.accept(400_000);
      time.advance(1000);
    }
    assert.deepEqual(
      read(socket).filter((item) => item !== 'ping'),
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
  });

  it('whose socket is full falls back to the WAL and comes back, at a bounded cost', () => {
    const { time, log, set } = world();
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    socket.room = 0;
    const value = 'x'.repeat(8 * 1024 * 1024);
    for (let i = 0; i < 14; i++) set.feed(log.write(put(`k${i}`, value)));
    assert.ok(set.unsentBytes() <= liveUnsentBytesMax + 9 * 1024 * 1024);
    assert.equal(set.facts()[0]?.state, 'catching-up');
    socket.room = Infinity;
    socket.accept(0);
    time.advance(500);
    assert.deepEqual(
      read(socket),
      Array.from({ length: 14 }, (_, i) => i + 1),
    );
    assert.equal(set.facts()[0]?.state, 'live');
  });

  it('whose place is no longer in the WAL is closed', () => {
    const { time, log, set } = world();
    for (let i = 0; i < 5; i++) log.write(put(`k${i}`, 'x'));
    log.walFrom = 4;
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 2, opened: undefined });
    time.advance(0);
    assert.equal(socket.closed, true);
    assert.equal(set.size, 0);
  });

  it('is pinged after 2 s without data, and only then', () => {
    const { time, log, set } = world();
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    time.advance(1500);
    set.feed(log.write(put('a', '1')));
    time.advance(1900);
    assert.deepEqual(read(socket), [1]);
    time.advance(200);
    assert.deepEqual(read(socket), ['ping']);
    time.advance(4100);
    assert.deepEqual(read(socket), ['ping', 'ping']);
  });

  it('that takes nothing for the send timeout is cut', () => {
    const { time, log, set } = world();
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    socket.room = 0;
    set.feed(log.write(put('a', '1')));
    time.advance(29_000);
    assert.equal(socket.closed, false);
    socket.accept(5);
    time.advance(29_000);
    assert.equal(socket.closed, false);
    time.advance(2000);
    assert.equal(socket.closed, true);
  });
});

describe('acks', () => {
  const ack = (sequence: number | string): Buffer => encodeCommand(['replconf', 'ack', sequence]);

  it('raise what is counted, also cut into pieces, and never lower it', () => {
    const { log, set, counts } = world();
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    for (let i = 0; i < 3; i++) set.feed(log.write(put('a', '1')));
    assert.equal(set.countAcked(1), 0);
    for (const byte of Buffer.concat([ack(2), ack(1)])) socket.events?.onData(Buffer.of(byte));
    assert.deepEqual([set.countAcked(2), set.countAcked(3), counts.acks], [1, 0, 1]);
    assert.equal(set.facts()[0]?.offset, 2);
  });

  it('for more than was sent cut the link: the replica holds another history', () => {
    const { log, set } = world();
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    set.feed(log.write(put('a', '1')));
    socket.events?.onData(ack(2));
    assert.deepEqual([socket.closed, set.countAcked(1)], [true, 0]);
  });

  it('that are none are ignored; bytes that are no commands cut the link', () => {
    const { set } = world();
    const [first, second] = [new Socket(), new Socket()];
    set.attach(first, replica, { nextSequence: 1, opened: undefined });
    set.attach(second, replica, { nextSequence: 1, opened: undefined });
    first.events?.onData(encodeCommand(['replconf', 'ack', 'x']));
    first.events?.onData(encodeCommand(['PING']));
    assert.equal(first.closed, false);
    second.events?.onData(Buffer.from('*1\r\n$100000\r\n'));
    assert.equal(second.closed, true);
  });

  it('are asked for only from replicas known to answer', () => {
    const { log, set } = world();
    const [stock, ours] = [new Socket(), new Socket()];
    set.attach(stock, replica, { nextSequence: 1, opened: undefined });
    set.attach(ours, { ...replica, acksPromptly: true }, { nextSequence: 1, opened: undefined });
    set.feed(log.write(put('a', '1')));
    set.askAcks(1);
    assert.deepEqual([read(stock), read(ours)], [[1], [1, 'getack']]);
    stock.events?.onData(ack(0));
    ours.events?.onData(ack(1));
    set.askAcks(1);
    assert.deepEqual([read(stock), read(ours)], [['getack'], []]);
  });
});

describe('members of the in-sync set', () => {
  const member = { nodeId: 'b'.repeat(40), logId: 'c'.repeat(20) };
  const inSync = { ...replica, acksPromptly: true, member };

  it('are asked by probe, and their answers are told apart from mere acks', () => {
    const { log, set, told } = world();
    const [stock, ours] = [new Socket(), new Socket()];
    set.attach(stock, replica, { nextSequence: 1, opened: undefined });
    set.attach(ours, inSync, { nextSequence: 1, opened: undefined });
    set.feed(log.write(put('a', '1')));
    set.sendProbe(7);
    assert.deepEqual([read(stock), read(ours)], [[1], [1, 'probe']]);
    ours.events?.onData(encodeCommand(['replconf', 'ack', 1]));
    ours.events?.onData(encodeCommand(['replconf', 'ack', 1, 7]));
    assert.deepEqual(told, ['ack 1 0', 'ack 1 7']);
  });

  it('follow over one link: a new one ends the former', () => {
    const { set, told } = world();
    const [former, latest] = [new Socket(), new Socket()];
    set.attach(former, inSync, { nextSequence: 1, opened: undefined });
    set.attach(latest, inSync, { nextSequence: 1, opened: undefined });
    assert.deepEqual([former.closed, latest.closed, set.size], [true, false, 1]);
    assert.deepEqual(told, ['detached cut']);
  });

  it('that went by themselves are told apart from those that were cut', () => {
    const { set, told } = world();
    const socket = new Socket();
    set.attach(socket, inSync, { nextSequence: 1, opened: undefined });
    socket.events?.onClose?.(new Error('ECONNRESET'));
    set.attach(new Socket(), inSync, { nextSequence: 1, opened: undefined });
    set.closeAll('another epoch');
    assert.deepEqual(told, ['detached reset', 'detached cut']);
  });
});

describe('handing over', () => {
  it('waits until the operating system has the bytes, and says when', () => {
    const { time, log, set, counts } = world();
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    const first = log.write(put('a', '1'));
    set.feed(first);
    assert.equal(set.handedOver(1), true);
    socket.room = 10;
    set.feed(log.write(put('b', '1')));
    assert.deepEqual([set.handedOver(1), set.handedOver(2)], [true, false]);
    socket.accept(1000);
    time.advance(1);
    assert.equal(set.handedOver(2), true);
    assert.equal(counts.progress, 1);
  });

  it('waits no longer than 100 ms for a replica that takes nothing, and says so', () => {
    const { time, log, set, counts } = world();
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    socket.room = 0;
    set.feed(log.write(put('a', '1')));
    time.advance(99);
    assert.deepEqual([set.handedOver(1), counts.progress], [false, 0]);
    time.advance(2);
    assert.equal(set.handedOver(1), true);
    assert.ok(counts.progress > 0);
  });

  it('waits for a commit of any size, but not long for a replica that takes little at a time', () => {
    const { time, log, set, counts } = world();
    const socket = new Socket();
    set.attach(socket, replica, { nextSequence: 1, opened: undefined });
    socket.room = 1000;
    set.feed(log.write(put('a', 'x'.repeat(8 * 1024 * 1024))));
    for (let ms = 0; ms < 280; ms += 20) {
      socket.accept(1000);
      time.advance(20);
      assert.equal(set.handedOver(1), false);
    }
    const before = counts.progress;
    time.advance(40);
    assert.equal(set.handedOver(1), true);
    assert.ok(counts.progress > before);
  });

  it('does not wait for replicas that catch up, are closed, or are not there', () => {
    const { log, set, counts } = world();
    const [behind, gone] = [new Socket(), new Socket()];
    log.write(put('a', '1'));
    assert.equal(set.handedOver(1), true);
    set.attach(behind, replica, { nextSequence: 1, opened: undefined });
    set.attach(gone, replica, { nextSequence: 2, opened: undefined });
    gone.room = 0;
    set.feed(log.write(put('b', '1')));
    assert.equal(set.handedOver(2), false);
    gone.events?.onClose(new Error('reset'));
    assert.equal(set.handedOver(2), true);
    assert.ok(counts.progress > 0);
  });
});
