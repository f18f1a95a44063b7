/** Directories that are damaged, or written by somebody else: an error with a code, never the end of the process. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { open, RocksError } from './index.ts';
import { batchBuilder, logFile, openOptions, scratchDirectory, writeNow } from './testing/index.ts';
import type { Database } from './types.ts';

const seed = Number(process.env['HOLDFAST_SEED'] ?? 1);
const kept = { WAL_ttl_seconds: '1000', avoid_flush_during_recovery: 'true', avoid_flush_during_shutdown: 'true' };

/** A database whose log holds these records alone. */
async function withLog(path: string, ...records: Uint8Array[]): Promise<Database> {
  const database = await open(openOptions(path, { options: kept }));
  await database.close();
  const [name] = readdirSync(path)
    .filter((file) => /^\d+\.log$/.test(file))
    .sort()
    .reverse();
  writeFileSync(join(path, name as string), logFile(...records));
  return open(openOptions(path, { options: kept }));
}

function at(sequence: bigint, batch: Buffer): Buffer {
  batch.writeBigUInt64LE(sequence, 0);
  return batch;
}

test('a sequence that is not a safe integer is refused, never rounded', async (t) => {
  const last = BigInt(Number.MAX_SAFE_INTEGER);
  const database = await withLog(join(scratchDirectory(t), 'db'), at(last, batchBuilder().put(0, 'a', 'b').bytes()));
  assert.equal(database.latestSequence(), Number.MAX_SAFE_INTEGER);
  const snapshot = database.snapshot();
  assert.equal(snapshot.sequence, Number.MAX_SAFE_INTEGER);
  const refused = { name: 'RocksError', code: 'ROCKS_OTHER', message: /no safe sequence numbers left/, written: 0 };
  const batch = batchBuilder().put(0, 'c', 'd').bytes();
  assert.throws(() => writeNow(database, batch), refused);
  await assert.rejects(
    database.writeAsync(batch, Uint32Array.of(batch.length), 1, { sync: false, noSlowdown: false }),
    refused,
  );
  await database.flush();
  assert.equal(database.largestFlushedSequence(), Number.MAX_SAFE_INTEGER);
  assert.equal(await database.checkpoint(`${database.path}-copy`), Number.MAX_SAFE_INTEGER);
  await database.close();
  await assert.rejects(withLog(`${database.path}-2`, at(last + 1n, batch)), {
    code: 'ROCKS_CORRUPTION',
    message: /sequence 9007199254740992, which is not a safe integer/,
  });
});

test('a log of records that are no batches of ours opens or is refused, and can be tailed', async (t) => {
  const directory = scratchDirectory(t);
  const put = (): Buffer => batchBuilder().put(0, 'a', 'b').bytes();
  const cases: [string, Buffer[]][] = [
    ['shorter than a header', [Buffer.alloc(5)]],
    ['nothing but a header', [at(1n, Buffer.alloc(12))]],
    ['no sequence', [at(0n, put())]],
    ['the largest sequence', [at((1n << 56n) - 1n, put())]],
    [
      'more records than it says',
      [
        at(
          1n,
          batchBuilder()
            .put(0, 'a', 'b')
            .raw(Buffer.of(5, 0, 1, 97, 1, 98), 0)
            .bytes(),
        ),
      ],
    ],
    ['fewer records than it says', [at(1n, batchBuilder().put(0, 'a', 'b').raw(Buffer.alloc(0), 5).bytes())]],
    ['a family that is not there', [at(1n, batchBuilder().put(77, 'a', 'b').bytes())]],
    ['a sequence that leaps', [at(1n, put()), at(1000n, put())]],
    ['junk', [at(1n, Buffer.concat([put(), Buffer.of(0x77, 1, 2, 3)]))]],
  ];
  for (const [name, records] of cases) {
    const path = join(directory, name.replaceAll(' ', '-'));
    try {
      const database = await withLog(path, ...records);
      for (let round = 0; round < 2; round++) {
        for (const from of [1, 2, 5, 9, 1000]) tailAll(database, from);
        for (const from of [1, 5]) await database.walTailAsync(from).catch(expectCode);
        try {
          writeNow(database, put());
        } catch (error) {
          expectCode(error);
        }
      }
      await database.close();
    } catch (error) {
      expectCode(error);
    }
  }
});

function expectCode(error: unknown): void {
  assert.ok(error instanceof RocksError, `seed ${seed}: ${String(error)}`);
}

function tailAll(database: Database, from: number): void {
  try {
    const tail = database.walTail(from);
    while (tail.next(1000).count > 0);
  } catch (error) {
    expectCode(error);
  }
}

test('damaged files end in a refused open or in errors of the calls that meet them', async (t) => {
  const directory = scratchDirectory(t);
  const random = seededRandom(seed);
  const below = (limit: number): number => randomBelow(random, limit);
  // Not to be compressed, so that most damage falls into them.
  const values = Array.from({ length: 40 }, () => Buffer.from(Array.from({ length: 3000 }, () => below(256))));
  let opened = 0;
  let refused = 0;
  let failed = 0;
  for (let run = 0; run < 40; run++) {
    const path = join(directory, `db${run}`);
    const first = await open(openOptions(path, { options: kept }));
    for (let i = 0; i < 40; i++) {
      writeNow(
        first,
        batchBuilder()
          .put(0, `key${i}`, values[i] as Buffer)
          .put(1, `key${i}`, 'v')
          .bytes(),
      );
      if (i === 15 || i === 30) await first.flush();
    }
    await first.close();
    const files = readdirSync(path).filter((name) => /^(\d+\.(log|sst)|MANIFEST-\d+|CURRENT)$/.test(name));
    const file = join(path, files[below(files.length)] as string);
    const size = statSync(file).size;
    if (run % 4 === 0) truncateSync(file, below(size + 1));
    else if (size > 0) {
      const bytes = readFileSync(file);
      for (let n = below(4); n >= 0; n--) bytes[below(size)] = below(256);
      writeFileSync(file, bytes);
    }
    let database: Database;
    try {
      database = await open(openOptions(path, { options: kept }));
      opened++;
    } catch (error) {
      expectCode(error);
      refused++;
      continue;
    }
    const calls: (() => unknown)[] = [
      () => database.get(0, Buffer.from(`key${below(40)}`), Buffer.alloc(400)),
      () => database.iterate(0, {}).next(1000, 1 << 20),
      () => database.iterate(1, { reverse: true }).next(1000, 1 << 20),
      () => tailAll(database, 1 + 2 * below(40)),
      () => writeNow(database, batchBuilder().put(0, 'key41', 'v').bytes()),
      () => database.flush(),
      () => database.compact(0),
      () => database.checkpoint(`${path}-copy`),
      () => database.close(),
    ];
    for (const call of calls) {
      try {
        await call();
      } catch (error) {
        expectCode(error);
        failed++;
      }
    }
  }
  const outcome = `seed ${seed}: ${opened} opened, ${refused} refused, ${failed} calls failed`;
  assert.ok(opened > 3 && refused > 3 && failed > 3, outcome);
});
