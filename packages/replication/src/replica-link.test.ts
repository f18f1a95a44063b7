import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { OperationError, silentLogger, type Connector, type Transport } from '@holdfast/base';
import { transportPair, VirtualTime } from '@holdfast/base/testing';
import { RequestDecoder } from '@holdfast/resp';
import { frameBatches, getAckFrame, pingFrame } from './framing.ts';
import type { LinkSettings } from './link-state.ts';
import { ReplicaLink } from './replica-link.ts';
import { batch, note, put } from './testing/batches.ts';
import { MemoryFiles } from './testing/memory-files.ts';
import { MemoryLog } from './testing/memory-log.ts';
import { settle } from './testing/settle.ts';

const settings: LinkSettings = {
  password: undefined,
  databaseName: 'change.me.db',
  announcedPort: 6667,
  announcedHost: undefined,
  topologyMaster: true,
};

/** A master that answers by script and otherwise waits for the test. */
class Master {
  readonly requests: string[] = [];
  transport: Transport | undefined;
  knowsOffer = true;
  psyncAnswer = '+OK\r\n';
  refuses = false;
  attempts = 0;

  readonly connector: Connector = {
    connect: () => {
      this.attempts++;
      if (this.refuses)
        return Promise.reject(new OperationError('NET_CONNECT', 'connection refused', { outcome: 'not-applied' }));
      const [here, there] = transportPair();
      this.transport = here;
      const decoder = new RequestDecoder();
      here.listen({
        onData: (chunk) => {
          decoder.push(chunk);
          while (decoder.next()) {
            const words = Array.from({ length: decoder.request.count }, (_, i) => decoder.request.latin1(i));
            this.requests.push(words.join(' '));
            this.#answer(words);
          }
        },
        onClose: () => undefined,
      });
      return Promise.resolve(there);
    },
  };

  #answer([name = '', option = '']: string[]): void {
    if (name === '_db_name') this.send('change.me.db\r\n');
    else if (name === 'PSYNC') this.send(this.psyncAnswer);
    else if (name === 'replconf' && option === 'capa')
      this.send(this.knowsOffer ? '+OK\r\n' : '-ERR unknown option\r\n');
    else if (name === 'replconf' && option !== 'ack') this.send('+OK\r\n');
  }

  send(bytes: string | Buffer): void {
    this.transport?.write(Buffer.from(bytes));
  }

  batches(...batches: Buffer[]): void {
    this.send(
      frameBatches(Buffer.concat(batches), Uint32Array.from(batches.map(({ length }) => length)), batches.length),
    );
  }

  acks(): string[] {
    return this.requests.filter((request) => request.startsWith('replconf ack'));
  }
}

interface World {
  readonly time: VirtualTime;
  readonly master: Master;
  readonly log: MemoryLog;
  readonly link: ReplicaLink;
  /** First and last sequence of what was applied, per call. */
  readonly applied: string[];
  /** Whether the link called itself up, each time it said that the stream flows. */
  readonly streams: boolean[];
  readonly fullSyncs: { resolve(): void; reject(error: Error): void; signal: AbortSignal }[];
}

function world(changes: Partial<LinkSettings> = {}): World {
  const time = new VirtualTime();
  const master = new Master();
  const log = new MemoryLog(new MemoryFiles());
  const applied: string[] = [];
  const streams: boolean[] = [];
  const fullSyncs: World['fullSyncs'] = [];
  const link = new ReplicaLink({
    master: { host: '10.0.0.1', port: 6666 },
    log,
    connector: master.connector,
    clock: time,
    timers: {
      after: (delayMs, run) => time.after(delayMs, run),
      every: (periodMs, run) => time.every(periodMs, run),
      // A real turn of the event loop, in which the in-memory transport delivers.
      soon: (run) => void setImmediate(run),
    },
    logger: silentLogger,
    settings: () => ({ ...settings, ...changes }),
    position: () => ({ nextSequence: log.latestSequence() + 1, replicationId: undefined, attach: undefined }),
    connectTimeoutMs: () => 3100,
    receiveTimeoutMs: () => 3200,
    onStreaming: () => void streams.push(link.up),
    onApplied: (commit, summaries) =>
      void applied.push(`${commit.firstSequence}-${commit.lastSequence} of ${commit.count}/${summaries.length}`),
    rewind: () => Promise.reject(new Error('nobody asks for it')),
    fullSync: (signal) => new Promise((resolve, reject) => fullSyncs.push({ resolve, reject, signal })),
  });
  return { time, master, log, link, applied, streams, fullSyncs };
}

async function streaming(changes: Partial<LinkSettings> = {}): Promise<World> {
  const made = world(changes);
  made.link.start();
  await settle(made.time);
  assert.equal(made.link.up, true);
  assert.deepEqual(made.streams, [true]);
  return made;
}

describe('a link', () => {
  it('applies what one turn brought in one call, and passes it on', async () => {
    const { time, master, log, applied } = await streaming();
    master.batches(batch(1, put('a', '1')), batch(2, put('b', '1'), put('c', '1'), note('A'.repeat(16))));
    master.batches(batch(4, put('d', '1')));
    await settle(time);
    assert.deepEqual(applied, ['1-4 of 3/3']);
    assert.equal(log.value(1, 'd'), '1');
  });

  it('takes data that come in the same chunk as the answer to PSYNC', async () => {
    const { time, master, link, applied } = world();
    const first = batch(1, put('a', '1'));
    master.psyncAnswer = `+OK\r\n$${first.length}\r\n${first.toString('latin1')}\r\n`;
    master.psyncAnswer = Buffer.from(master.psyncAnswer, 'latin1').toString('latin1');
    link.start();
    await settle(time);
    assert.deepEqual(applied, ['1-1 of 1/1']);
  });

  it('goes on after a cut from where it stands', async () => {
    const { time, master, log } = await streaming();
    master.batches(batch(1, put('a', '1')));
    // Half of the second batch arrives, then the connection breaks.
    master.send(`$30\r\n${'x'.repeat(10)}`);
    await settle(time);
    master.transport?.reset();
    await settle(time);
    time.advance(100);
    await settle(time);
    assert.deepEqual(
      master.requests.filter((request) => request.startsWith('PSYNC')),
      ['PSYNC 1', 'PSYNC 2'],
    );
    assert.equal(log.latestSequence(), 1);
  });

  it('applies what came before the end of the connection', async () => {
    const { time, master, log } = await streaming();
    master.batches(batch(1, put('a', '1')));
    master.transport?.end();
    await settle(time);
    assert.equal(log.latestSequence(), 1);
  });

  for (const [what, bad] of [
    ['skips', batch(3, put('x', '1'))],
    ['repeats', batch(1, put('x', '1'))],
    ['is garbage', Buffer.from('no batch at all')],
  ] as const)
    it(`is cut when a batch ${what}; what was good before it stays`, async () => {
      const { time, master, log, link, applied } = await streaming();
      master.batches(batch(1, put('a', '1')), bad, batch(2, put('b', '1')));
      await settle(time);
      assert.deepEqual([link.phase.kind, log.latestSequence()], ['waiting', 1]);
      assert.deepEqual(applied, ['1-1 of 1/1']);
      time.advance(9_999);
      assert.equal(master.attempts, 1);
      time.advance(1);
      assert.equal(master.attempts, 2);
    });

  it('is cut when a write fails, and tried again in 10 s', async () => {
    const { time, master, log, link } = await streaming();
    log.failNext = true;
    master.batches(batch(1, put('a', '1')));
    await settle(time);
    assert.deepEqual([link.phase.kind, log.latestSequence(), master.acks().length], ['waiting', 0, 0]);
    time.advance(10_000);
    await settle(time);
    master.batches(batch(1, put('a', '1')));
    await settle(time);
    assert.equal(log.latestSequence(), 1);
  });

  it('is given up after 10 s of silence, not while pings come', async () => {
    const { time, master, link } = await streaming();
    for (let i = 0; i < 10; i++) {
      master.send(pingFrame);
      await settle(time);
      time.advance(2000);
    }
    assert.equal(link.up, true);
    for (let i = 0; i < 6; i++) {
      time.advance(2000);
      await settle(time);
    }
    assert.notEqual(master.attempts, 1);
  });

  it('waits for each answer of the handshake only so long', async () => {
    const { time, master, link } = world({ topologyMaster: false });
    master.psyncAnswer = '';
    link.start();
    await settle(time);
    assert.equal(link.phase.kind, 'requesting');
    time.advance(3200);
    assert.equal(link.phase.kind, 'waiting');
  });

  it('to a master of the topology that refuses connections is tried at least every 500 ms for 10 s', async () => {
    const { time, master, link } = world();
    master.refuses = true;
    link.start();
    const attemptsAtMs: number[] = [];
    for (let ms = 0, seen = 0; ms < 10_000; ms += 50) {
      await settle(time, 3);
      if (master.attempts > seen) attemptsAtMs.push(ms);
      seen = master.attempts;
      time.advance(50);
    }
    attemptsAtMs.forEach((ms, i) => assert.ok(ms - (attemptsAtMs[i - 1] ?? 0) <= 550, `${attemptsAtMs.join(' ')}`));
    assert.ok((attemptsAtMs.at(-1) ?? 0) >= 9000);
  });
});

describe('acks of a replica', () => {
  it('follow every turn when the master is ours', async () => {
    const { time, master } = await streaming();
    for (let sequence = 1; sequence <= 3; sequence++) {
      master.batches(batch(sequence, put('a', '1')));
      await settle(time);
    }
    assert.deepEqual(master.acks(), ['replconf ack 1', 'replconf ack 2', 'replconf ack 3']);
  });

  it('go to any other master at most once per second, at each ping, and when asked', async () => {
    const made = world();
    made.master.knowsOffer = false;
    const { time, master, link } = made;
    link.start();
    await settle(time);
    for (let sequence = 1; sequence <= 3; sequence++) {
      master.batches(batch(sequence, put('a', '1')));
      await settle(time);
    }
    assert.deepEqual(master.acks(), ['replconf ack 1']);
    time.advance(1000);
    master.batches(batch(4, put('a', '1')));
    await settle(time);
    master.batches(batch(5, put('a', '1')));
    await settle(time);
    assert.deepEqual(master.acks().slice(1), ['replconf ack 4']);
    master.send(pingFrame);
    await settle(time);
    assert.deepEqual(master.acks().slice(2), ['replconf ack 5']);
    master.batches(batch(6, put('a', '1')));
    master.send(getAckFrame);
    await settle(time);
    assert.deepEqual(master.acks().slice(3), ['replconf ack 6']);
  });
});

describe('promotion', () => {
  it('applies everything that was received, then cuts the link for good', async () => {
    const { time, master, log, link } = await streaming();
    for (let sequence = 1; sequence <= 50; sequence++) master.batches(batch(sequence, put('a', String(sequence))));
    master.send(`$30\r\n${'x'.repeat(10)}`);
    const done = link.applyAllReceived();
    await settle(time);
    await done;
    assert.deepEqual([log.latestSequence(), link.phase.kind], [50, 'stopped']);
    master.batches(batch(51, put('a', '1')));
    time.advance(60_000);
    await settle(time);
    assert.deepEqual([log.latestSequence(), master.attempts], [50, 1]);
  });

  it('does not wait forever for a master that goes on sending', async () => {
    const { time, master, log, link } = await streaming();
    let ended = false;
    const done = link.applyAllReceived().then(() => (ended = true));
    let sequence = 0;
    for (let ms = 0; ms < 1000 && !ended; ms++) {
      master.batches(batch(++sequence, put('a', '1')));
      await settle(time, 1);
      time.advance(1);
    }
    await done;
    assert.ok(log.latestSequence() >= 100 && log.latestSequence() < 1000, `${log.latestSequence()} applied`);
  });

  it('ends at once in every other phase', async () => {
    for (const psyncAnswer of ['', '-LOADING kvrocks is restoring the db from backup\r\n']) {
      const { time, master, link } = world();
      master.psyncAnswer = psyncAnswer;
      link.start();
      await settle(time);
      await link.applyAllReceived();
      assert.equal(link.phase.kind, 'stopped');
    }
  });

  it('ends a full sync, and waits until it has left the database alone', async () => {
    const { time, master, link, fullSyncs } = world();
    master.psyncAnswer = '-ERR sequence out of range, please use fullsync\r\n';
    link.start();
    await settle(time);
    assert.equal(link.phase.kind, 'full-syncing');
    let ended = false;
    const done = link.applyAllReceived().then(() => (ended = true));
    await settle(time);
    assert.deepEqual([fullSyncs[0]?.signal.aborted, ended], [true, false]);
    fullSyncs[0]?.reject(new Error('aborted'));
    await done;
    assert.equal(link.phase.kind, 'stopped');
  });
});

describe('a full sync', () => {
  it('is followed by PSYNC from where the copy ends; a failed one is tried again', async () => {
    const { time, master, log, link, fullSyncs } = world();
    master.psyncAnswer = '-ERR sequence out of range, please use fullsync\r\n';
    link.start();
    await settle(time);
    fullSyncs[0]?.reject(new Error('disk full'));
    await settle(time);
    assert.equal(link.phase.kind, 'waiting');
    time.advance(1000);
    await settle(time);
    log.write(put('copied', '1'));
    master.psyncAnswer = '+OK\r\n';
    fullSyncs[1]?.resolve();
    await settle(time);
    assert.equal(link.up, true);
    assert.equal(master.requests.at(-1), 'PSYNC 2');
  });
});
