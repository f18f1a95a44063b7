/** Metadata records that a later one of the same batch makes superfluous are not written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import { BatchReader } from './batch-reader.ts';
import { Scratch, spanOf } from './bytes.ts';
import type { Commit } from './commit.ts';
import type { Engine } from './engine.ts';
import { family } from './families.ts';
import { openTestEngine } from './testing/index.ts';

const { metadata, subkey, propagate } = family;

function keyOf(text: string): Scratch {
  const key = new Scratch();
  key.bytes(Buffer.from(text));
  return key;
}

function log(engine: Engine, mark: string): void {
  engine.tick.logData(Buffer.from(mark));
}

function put(engine: Engine, of: number, key: string, value: string): void {
  engine.tick.put(of, keyOf(key), spanOf(value));
}

/** One command that puts one record of metadata. */
function write(engine: Engine, mark: string, key: string, value: string): void {
  engine.beginCommand();
  log(engine, mark);
  put(engine, metadata, key, value);
}

/** The records of each batch: marks, `<key>=<value>` of metadata, others with their family. */
function batches(commit: Commit | undefined): string[][] {
  const found: string[][] = [];
  if (commit === undefined) return found;
  let at = 0;
  for (const length of commit.lengths) {
    const reader = new BatchReader(commit.packed, at, at + length);
    const records: string[] = [];
    while (reader.next()) {
      const name = reader.key.view().toString();
      const value = reader.kind === 'put' ? `=${reader.value.view().toString()}` : '';
      const kind = reader.kind === 'put' || reader.kind === 'log-data' ? '' : `${reader.kind} `;
      records.push(
        `${kind}${reader.kind === 'log-data' || reader.family === metadata ? '' : reader.family}${name}${value}`,
      );
    }
    found.push(records);
    at += length;
  }
  assert.equal(at, commit.packed.length);
  return found;
}

/** All entries of all families that the test writes, as reads see them. */
function content(engine: Engine): string[] {
  const found: string[] = [];
  for (const shown of [subkey, metadata, propagate]) {
    const entries = engine.iterate(shown, {});
    while (entries.next()) found.push(`${shown} ${entries.key.view().toString()}=${entries.value.view().toString()}`);
    entries.close();
  }
  return found;
}

test('of a record that is written again in its batch the last one is written', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  for (let i = 0; i < 3; i++) {
    engine.beginCommand();
    log(engine, '8');
    put(engine, subkey, `entry${i}`, 'e');
    put(engine, metadata, 'stream', String(i));
  }
  assert.equal(engine.visibleSequence(), 4);
  const commit = engine.commit();
  assert.deepEqual(batches(commit), [['8', '0entry0=e', '8', '0entry1=e', '8', '0entry2=e', 'stream=2']]);
  assert.deepEqual([commit?.firstSequence, commit?.lastSequence, engine.latestSequence()], [1, 4, 4]);
  assert.deepEqual(content(engine), ['0 entry0=e', '0 entry1=e', '0 entry2=e', '1 stream=2']);
});

test('what a reader of the log learns from the record itself is written: an expiry, ids that were set, a deletion', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  write(engine, '2', 'k', 'new');
  write(engine, '0 8', 'k', 'expiring');
  write(engine, '2', 'k', 'last');
  write(engine, '8 XSETID', 's', 'set');
  write(engine, '8', 's', 'last');
  write(engine, '1', 'd', 'gone');
  engine.tick.delete(metadata, keyOf('d'));
  write(engine, '1', 'd', 'last');
  assert.deepEqual(batches(engine.commit()), [
    ['2', '0 8', 'k=expiring', '2', 'k=last', '8 XSETID', 's=set', '8', 's=last', '1', 'delete d', '1', 'd=last'],
  ]);
});

test('elements are all written, and so is metadata that no mark or another one stands before', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  log(engine, '2');
  put(engine, subkey, 'f', '1');
  put(engine, subkey, 'f', '2');
  assert.deepEqual(batches(engine.commit()), [['2', '0f=1', '0f=2']]);
  // The mark was one of the batch before.
  put(engine, metadata, 'k', '1');
  put(engine, metadata, 'k', '2');
  assert.deepEqual(batches(engine.commit()), [['k=1', 'k=2']]);
});

test('records of different batches do not make each other superfluous', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  write(engine, '1', 'k', '1');
  write(engine, '1', 'k', '2');
  engine.putPropagate(Buffer.from('p'), Buffer.from('v'));
  write(engine, '1', 'k', '3');
  write(engine, '1', 'k', '4');
  const commit = engine.commit();
  assert.deepEqual(batches(commit), [
    ['1', '1', 'k=2', `${propagate}p=v`],
    ['1', '1', 'k=4'],
  ]);
  assert.equal(commit?.lastSequence, 3);
});

test('a record is written after all when the command that wrote it again is taken back', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  write(engine, '1', 'k', '1');
  write(engine, '1', 'k', '2');
  engine.rollbackCommand();
  assert.equal(engine.visibleSequence(), 1);
  engine.beginAtomic();
  for (let i = 3; i < 6; i++) write(engine, '1', 'k', String(i));
  assert.equal(engine.visibleSequence(), 1);
  engine.rollbackAtomic();
  assert.deepEqual(batches(engine.commit()), [['1', 'k=1']]);
});

test('a tick that is under way shows what it left out to nobody, and the next one begins anew', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  for (let i = 0; i < 100; i++) write(engine, '1', `k${i % 7}`, `v${i}`);
  const ended = Promise.withResolvers<Commit | undefined>();
  engine.commitOnWorker(ended.resolve);
  assert.equal(engine.visibleSequence(), 7);
  const before = content(engine);
  write(engine, '1', 'k0', 'later');
  assert.equal(engine.visibleSequence(), 8);
  const commit = await ended.promise;
  assert.equal(commit?.lastSequence, 7);
  assert.deepEqual(batches(engine.commit()), [['1', 'k0=later']]);
  assert.deepEqual(content(engine).length, before.length);
});

/** Two engines that are told the same, the second with marks that make it write everything. */
class Twins {
  readonly #engines: readonly [Engine, Engine];
  readonly #random: Random;

  constructor(engines: readonly [Engine, Engine], random: Random) {
    this.#engines = engines;
    this.#random = random;
  }

  #below(bound: number): number {
    return randomBelow(this.#random, bound);
  }

  #both(act: (engine: Engine, plain: boolean) => void): void {
    this.#engines.forEach((engine, i) => act(engine, i === 0));
  }

  command(): void {
    this.#both((engine) => engine.beginCommand());
    for (let left = 1 + this.#below(4); left > 0; left--) this.#record();
    if (this.#below(5) === 0) this.#both((engine) => engine.rollbackCommand());
  }

  #record(): void {
    const mark = ['1', '2', '3 6', '0 8'][this.#below(4)] as string;
    if (this.#below(3) > 0)
      this.#both((engine, isFirst) => log(engine, isFirst ? mark : mark.length === 1 ? '0' : '0 8'));
    const key = `k${this.#below(6)}`;
    const value = 'v'.repeat(this.#below(60)) + String(this.#below(1000));
    const kind = this.#below(20);
    if (kind < 11) this.#both((engine) => put(engine, metadata, key, value));
    else if (kind < 15) this.#both((engine) => put(engine, subkey, key, value));
    else if (kind < 17) this.#both((engine) => engine.tick.delete(metadata, keyOf(key)));
    else if (kind < 18) this.#both((engine) => engine.tick.deleteRange(metadata, Buffer.from('k1'), Buffer.from('k4')));
    else if (kind < 19) this.#both((engine) => engine.tick.delete(subkey, keyOf(key)));
    else this.#both((engine) => engine.putPropagate(Buffer.from(key), Buffer.from(value)));
  }

  transaction(): void {
    this.#both((engine) => engine.beginAtomic());
    for (let left = this.#below(4); left > 0; left--) this.command();
    const isTakenBack = this.#below(3) === 0;
    this.#both((engine) => (isTakenBack ? engine.rollbackAtomic() : engine.endAtomic()));
  }

  async commit(): Promise<(Commit | undefined)[]> {
    const isOnWorker = this.#below(2) === 0;
    return Promise.all(
      this.#engines.map(async (engine) => {
        const last = engine.visibleSequence();
        const commit = isOnWorker
          ? await new Promise<Commit | undefined>((resolve) => engine.commitOnWorker(resolve))
          : engine.commit();
        assert.equal(engine.latestSequence(), last);
        return commit;
      }),
    );
  }
}

test('leaving records out and building in buffers given back make no difference to the state, to what ends a batch, or on a replica', async () => {
  const options = { batchBytesMax: 300 };
  await using one = await openTestEngine(options);
  await using other = await openTestEngine(options);
  await using replica = await openTestEngine(options);
  const random = seededRandom(20);
  const twins = new Twins([one.engine, other.engine], random);
  let leftOut = 0;
  for (let tick = 0; tick < 150; tick++) {
    for (let left = randomBelow(random, 12); left > 0; left--)
      if (randomBelow(random, 4) === 0) twins.transaction();
      else twins.command();
    assert.deepEqual(content(one.engine), content(other.engine));
    const [shorter, longer] = await twins.commit();
    assert.deepEqual(content(one.engine), content(other.engine));
    if (shorter === undefined) continue;
    replica.engine.applyReplicated(shorter.packed, shorter.lengths, shorter.count);
    assert.equal(replica.engine.latestSequence(), one.engine.latestSequence());
    assert.deepEqual(content(replica.engine), content(one.engine));
    const [written, all] = [batches(shorter), batches(longer)];
    assert.equal(written.length, all.length);
    leftOut += all.flat().length - written.flat().length;
    for (const [i, batch] of written.entries()) {
      const isRecord = (text: string): boolean => !['0', '1', '2', '3 6', '0 8'].includes(text);
      assert.equal(batch.filter(isRecord).at(-1), all[i]?.filter(isRecord).at(-1));
    }
    one.engine.recycle(shorter);
  }
  assert.ok(leftOut > 100, `only ${leftOut} records were left out`);
});
