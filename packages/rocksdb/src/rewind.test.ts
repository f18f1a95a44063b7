/** Taking back the end of a history: `walStopAt`. What goes stays away, what stays is whole, and a refusal changes nothing. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from './index.ts';
import {
  batchBuilder,
  decodeBatches,
  decodeBlock,
  kvrocksFamilies,
  openOptions,
  recordOf,
  scratchDirectory,
  writeNow,
} from './testing/index.ts';
import type { Database, OpenOptions, WalTail } from './types.ts';

/** As a node opens: what was not flushed stays in the WAL over any number of restarts, and old WAL files are kept. */
const nodeOptions = {
  WAL_ttl_seconds: '1000',
  avoid_flush_during_recovery: 'true',
  avoid_flush_during_shutdown: 'true',
};

function asNode(path: string, overrides: Partial<OpenOptions> = {}): OpenOptions {
  return openOptions(path, { options: nodeOptions, ...overrides });
}

function rewound(path: string, walStopAt: number, overrides: Partial<OpenOptions> = {}): Promise<Database> {
  return open(asNode(path, { createIfMissing: false, walStopAt, ...overrides }));
}

/** One session: opens as a node does, acts, closes. */
async function session(path: string, act: (database: Database) => unknown): Promise<void> {
  const database = await open(asNode(path));
  await act(database);
  await database.close();
}

function put(database: Database, ...keys: string[]): void {
  const batch = batchBuilder();
  for (const key of keys) batch.put(0, key, key.toUpperCase()).put(1, key, key);
  writeNow(database, batch.bytes());
}

function put1(database: Database, key: string): void {
  writeNow(database, batchBuilder().put(0, key, '').bytes());
}

function keysOf(database: Database, family: number): string {
  const iterator = database.iterate(family, { keysOnly: true });
  const keys = decodeBlock(iterator.next(10_000, 1 << 24).bytes).map(([key]) => key.toString());
  iterator.close();
  return keys.join(' ');
}

function drain(tail: WalTail): string {
  const seen: string[] = [];
  for (;;) {
    const block = tail.next(1 << 20);
    if (block.count === 0) return seen.join(' ');
    for (const batch of decodeBatches(block.bytes)) seen.push(`${batch.readBigUInt64LE(0)}+${batch.readUInt32LE(8)}`);
  }
}

/** The log files that hold anything, archived ones too. */
function logs(path: string): string[] {
  return readdirSync(path, { recursive: true })
    .map(String)
    .filter((name) => /\d+\.log$/.test(name) && statSync(join(path, name)).size > 0);
}

/** Everything that RocksDB would read at the next open. */
function contents(path: string): Map<string, string> {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files
      .filter(({ name }) => !/^(LOG|LOCK)/.test(name))
      .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'latin1')]),
  );
}

test('stops at the end of a batch: what was after it is gone, now and at every later open', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  await session(path, (database) => {
    for (const key of ['a', 'b', 'c', 'd']) put(database, key);
  });
  const database = await rewound(path, 4);
  assert.equal(database.latestSequence(), 4);
  assert.deepEqual([keysOf(database, 0), keysOf(database, 1)], ['a b', 'a b']);
  put(database, 'x');
  assert.equal(database.latestSequence(), 6);
  await database.close();
  for (let i = 0; i < 2; i++)
    await session(path, (again) => {
      assert.equal(again.latestSequence(), 6);
      assert.deepEqual([keysOf(again, 0), keysOf(again, 1)], ['a b x', 'a b x']);
    });
});

test('rewinds over several log files, whichever the end lies in, and to the very beginning', async (t) => {
  const directory = scratchDirectory(t);
  const path = join(directory, 'db');
  for (const keys of ['a b', 'c', 'd e f', 'g'])
    await session(path, (database) => keys.split(' ').forEach((key) => put(database, key)));
  assert.ok(logs(path).length >= 4);
  for (let kept = 7; kept >= 0; kept--) {
    const copy = join(directory, `to-${kept}`);
    cpSync(path, copy, { recursive: true });
    const database = await rewound(copy, 2 * kept);
    assert.equal(database.latestSequence(), 2 * kept);
    assert.equal(keysOf(database, 1), 'abcdefg'.slice(0, kept).split('').join(' '));
    assert.deepEqual(logs(copy), []);
    put(database, 'z');
    await database.close();
    await session(copy, (again) => {
      assert.equal(again.latestSequence(), 2 * kept + 2);
      assert.equal(keysOf(again, 0), [...'abcdefg'.slice(0, kept), 'z'].join(' '));
    });
  }
});

test('keeps what was flushed, also when nothing that is kept is in the log', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  await session(path, async (database) => {
    put(database, 'a');
    await database.flush();
    put(database, 'b');
    put(database, 'c');
  });
  const first = await rewound(path, 4);
  assert.equal(keysOf(first, 0), 'a b');
  put(first, 'lost');
  await first.close();
  const second = await rewound(path, 4);
  assert.deepEqual([second.latestSequence(), keysOf(second, 0)], [4, 'a b']);
  assert.equal(drain(second.walTail(5)), '');
  put(second, 'new');
  assert.equal(drain(second.walTail(5)), '5+2');
  await second.close();
  await session(path, (again) => assert.deepEqual([again.latestSequence(), keysOf(again, 0)], [6, 'a b new']));
});

test('families that were flushed to different points come to the same end', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  // Family 0 is flushed again and again by its size; family 1 stays in the logs.
  const columnFamilies: OpenOptions['columnFamilies'] = [
    { name: 'default', filter: 'none', options: { write_buffer_size: '65536' } },
    { name: 'metadata', filter: 'none' },
  ];
  const database = await open(asNode(path, { columnFamilies }));
  for (let i = 0; i < 500; i++)
    writeNow(database, batchBuilder().put(0, `k${i}`, Buffer.alloc(1000)).put(1, `k${i}`, 'v').bytes());
  // Flushes run beside the writer.
  while (database.largestFlushedSequence() === 0) await new Promise((resolve) => setImmediate(resolve));
  const flushed = database.largestFlushedSequence();
  const end = database.latestSequence();
  await database.close();
  assert.ok(flushed < end);
  const target = end - 2;
  const copy = await rewound(path, target, { columnFamilies });
  assert.equal(copy.latestSequence(), target);
  assert.equal(keysOf(copy, 0), keysOf(copy, 1));
  assert.equal(keysOf(copy, 0).split(' ').length, target / 2);
  await copy.close();
});

test('a tail after a rewind meets nothing that was dropped', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  await session(path, async (database) => {
    put(database, 'a');
    await database.flush();
    put(database, 'b');
  });
  await session(path, (database) => {
    for (const key of ['c', 'd', 'e']) put(database, key);
    assert.ok(logs(path).some((name) => name.startsWith('archive/')));
    assert.equal(drain(database.walTail(1)), '1+2 3+2 5+2 7+2 9+2');
  });
  const database = await rewound(path, 6);
  for (const from of [1, 3, 5])
    assert.throws(() => database.walTail(from), { code: 'ROCKS_WAL_GONE' }, `from ${from}, which is not kept`);
  const tail = database.walTail(7);
  assert.equal(drain(tail), '');
  put(database, 'n', 'o');
  assert.equal(drain(tail), '7+4');
  assert.equal(drain(database.walTail(7)), '7+4');
  await database.close();
  await session(path, (again) => {
    assert.throws(() => again.walTail(5), { code: 'ROCKS_WAL_GONE' });
    put(again, 'p');
    assert.equal(drain(again.walTail(7)), '7+4 11+2');
  });
});

test('refuses, and changes nothing, what it cannot do', async (t) => {
  const directory = scratchDirectory(t);
  const path = join(directory, 'db');
  await session(path, (database) => {
    for (const key of ['a', 'b', 'c']) put(database, key);
  });
  const before = contents(path);
  for (const [sequence, message] of [
    [3, /within the batch that starts at 3/],
    [5, /within the batch that starts at 5/],
    [7, /ends at 6/],
    [2 ** 53 - 1, /ends at 6/],
  ] as const)
    await assert.rejects(rewound(path, sequence), { name: 'RocksError', code: 'ROCKS_WAL_STOP', message });
  assert.deepEqual(contents(path), before);
  await session(path, async (database) => {
    assert.equal(keysOf(database, 0), 'a b c');
    await assert.rejects(rewound(path, 2), { code: 'ROCKS_LOCKED' });
    await database.flush();
    put(database, 'd');
    assert.deepEqual(
      database.liveFiles().map(({ columnFamily, largestSequence }) => [columnFamily, largestSequence]),
      [
        ['default', 5],
        ['metadata', 6],
      ],
    );
  });
  const flushed = contents(path);
  await assert.rejects(rewound(path, 4), { code: 'ROCKS_WAL_STOP', message: /sequence 6 is in a file/ });
  assert.deepEqual(contents(path), flushed);
  await assert.rejects(rewound(join(directory, 'none'), 0), { code: 'ROCKS_ARGUMENT', message: /no database/ });
  await assert.rejects(rewound(join(directory, 'none'), 0, { createIfMissing: true }), { code: 'ROCKS_ARGUMENT' });
  const wrong = (value: unknown): Promise<Database> => rewound(path, value as number);
  for (const value of [-1, 0.5, NaN, 2 ** 53, '6', 6n, null, {}])
    await assert.rejects(wrong(value), { code: 'ROCKS_ARGUMENT', message: /walStopAt/ }, String(value));
  assert.deepEqual(contents(path), flushed);
});

test('is not deceived by files whose sequences a compaction has erased', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  await session(path, async (database) => {
    for (const key of ['a', 'b', 'c']) put(database, key);
    await database.flush();
    for (const family of [0, 1]) await database.compact(family);
    assert.equal(database.largestFlushedSequence(), 0, 'no live file shows what it holds');
    put(database, 'd');
  });
  for (let i = 0; i < 3; i++) await session(path, () => undefined);
  await assert.rejects(rewound(path, 4), { code: 'ROCKS_WAL_STOP', message: /sequence 6 is in a file/ });
  const database = await rewound(path, 6);
  assert.equal(keysOf(database, 0), 'a b c');
  await database.close();
});

test('rewinds to the end it has, and to 0 an empty database', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  await session(path, () => undefined);
  const empty = await rewound(path, 0);
  assert.equal(empty.latestSequence(), 0);
  put(empty, 'a');
  await empty.close();
  const same = await rewound(path, 2);
  assert.equal(keysOf(same, 0), 'a');
  await same.close();
});

test('opens with the families and options of a Kvrocks directory', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const options = asNode(path, { columnFamilies: kvrocksFamilies });
  const database = await open(options);
  const batch = batchBuilder();
  for (let family = 0; family < kvrocksFamilies.length; family++) batch.put(family, 'script', 'v');
  for (let i = 0; i < 3; i++) writeNow(database, batch.bytes());
  await database.close();
  const back = await rewound(path, 7, { columnFamilies: kvrocksFamilies });
  assert.deepEqual([back.latestSequence(), back.columnFamilies.length], [7, 7]);
  for (let family = 0; family < 7; family++) assert.equal(keysOf(back, family), 'script');
  await back.close();
});

/** Sessions of 20 batches of 10 kB, one record each: enough for several blocks of the log format in each log file. */
async function writeSessions(path: string, sessions: number): Promise<void> {
  for (let run = 0; run < sessions; run++)
    await session(path, (database) => {
      for (let i = 0; i < 20; i++)
        writeNow(database, batchBuilder().put(0, `${run}-${i}`, Buffer.alloc(10_000)).bytes());
    });
}

for (const sessions of [1, 3]) {
  test(`what recovery drops behind a hole in the first of ${sessions} logs never comes out of a tail`, async (t) => {
    const path = join(scratchDirectory(t), 'db');
    await writeSessions(path, sessions);
    const holed = join(path, logs(path).sort()[0] as string);
    const bytes = readFileSync(holed);
    bytes[55_000] = ~(bytes[55_000] as number); // in the sixth batch
    writeFileSync(holed, bytes);
    for (let run = 0; run < 3; run++)
      await session(path, (database) => {
        const start = 5 + 10 * run;
        assert.equal(database.latestSequence(), start);
        assert.equal(keysOf(database, 0).split(' ').length, start);
        const tail = database.walTail(start + 1);
        for (let i = 0; i < 10; i++) put1(database, `new${start + i}`);
        const expected = Array.from({ length: 10 }, (_, i) => `${start + 1 + i}+1`).join(' ');
        assert.equal(drain(tail), expected);
        for (let from = 1; from <= 5; from++)
          assert.throws(() => database.walTail(from), { code: 'ROCKS_WAL_GONE' }, `from ${from}`);
        for (let from = 6; from <= start + 11; from++)
          assert.equal(drain(database.walTail(from)).split('+1').length - 1, start + 11 - from, `from ${from}`);
      });
  });
}

test('the torn end of the last log is no reason to flush', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  await writeSessions(path, 2);
  const torn = join(path, logs(path).sort().at(-1) as string);
  truncateSync(torn, statSync(torn).size - 5000);
  for (let run = 0; run < 3; run++)
    await session(path, (database) => {
      assert.deepEqual([database.latestSequence(), database.largestFlushedSequence()], [39 + run, 0]);
      assert.equal(drain(database.walTail(1)).split('+1').length - 1, 39 + run);
      put1(database, `new${run}`);
    });
  const database = await rewound(path, 30);
  assert.equal(keysOf(database, 0).split(' ').length, 30);
  await database.close();
});

test('a log that a writer left at kill -9 rewinds to any of its batches', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const writer = spawn(process.execPath, [join(import.meta.dirname, 'testing', 'children', 'writer.ts'), path]);
  let output = '';
  await new Promise<void>((resolve) => {
    writer.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.split('\n').length > 150) writer.kill('SIGKILL');
    });
    writer.once('close', () => resolve());
  });
  // It flushed every hundredth batch.
  let target = 0;
  await session(path, (left) => {
    target = 2 * Math.ceil((left.largestFlushedSequence() + left.latestSequence()) / 4);
  });
  const database = await rewound(path, target);
  const into = Buffer.alloc(512);
  for (let i = 0; i < target / 2; i++) assert.equal(database.get(0, Buffer.from(`key${i}`), into), 300);
  assert.equal(database.get(0, Buffer.from(`key${target / 2}`), into), -1);
  await database.close();
});

test('a rewind that is killed at any point is finished by the next', async (t) => {
  const directory = scratchDirectory(t);
  const path = join(directory, 'db');
  await session(path, async (database) => {
    for (let i = 0; i < 10; i++) writeNow(database, recordOf(i));
    await database.flush();
    for (let i = 10; i < 20; i++) writeNow(database, recordOf(i));
  });
  for (let run = 2; run < 5; run++)
    await session(path, (database) => {
      for (let i = 10 * run; i < 10 * run + 10; i++) writeNow(database, recordOf(i));
    });
  const target = 60; // within the second of four logs that are to be replayed
  const script = join(import.meta.dirname, 'testing', 'children', 'rewinder.ts');
  let kills = 0;
  for (let changes = 1; ; changes += 1 + Math.floor(changes / 4)) {
    const copy = join(directory, `killed-at-${changes}`);
    cpSync(path, copy, { recursive: true });
    const child = spawnSync(process.execPath, [script, copy, String(target), String(changes)], { encoding: 'utf8' });
    const finished = child.signal === null;
    if (finished) assert.deepEqual([child.status, child.stdout], [0, `${target}\n`], child.stderr);
    else kills++;
    const database = await rewound(copy, target);
    assert.equal(database.latestSequence(), target, `killed at change ${changes}`);
    assert.equal(keysOf(database, 0).split(' ').length, target / 2);
    assert.equal(keysOf(database, 1), keysOf(database, 0));
    assert.deepEqual(logs(copy), []);
    writeNow(database, recordOf(1000));
    assert.equal(drain(database.walTail(target + 1)), `${target + 1}+2`);
    await database.close();
    await session(copy, (again) => assert.equal(again.latestSequence(), target + 2));
    if (finished) break;
  }
  assert.ok(kills >= 5, `${kills} kills`);
});
