/** Rejoining with real databases and files: killed with -9 before every change, and started again. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { seededRandom, silentLogger } from '@holdfast/base';
import { realClock, realTimers } from '@holdfast/base/real';
import { BatchReader, dataTypes, defaultNamespace, Engine, type UserKey } from '@holdfast/engine';
import { RollbackFileReader, type GivenUp } from '@holdfast/replication';
import { replicationFiles } from '../net/replication-files.ts';
import { finishRejoin, rejoin, type RejoinEnvironment, type RejoinRim } from './rejoin.ts';

const child = join(import.meta.dirname, 'testing', 'rejoining-child.ts');

function temporary(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-rejoin-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function closedEngine(dir: string): Engine {
  return Engine.closed({ path: join(dir, 'db'), slotPrefixed: false, clock: realClock, random: seededRandom(1) });
}

async function session<T>(dir: string, act: (engine: Engine) => T | Promise<T>): Promise<T> {
  const engine = closedEngine(dir);
  await engine.reopen();
  try {
    return await act(engine);
  } finally {
    await engine.close();
  }
}

function keyOf(text: string): UserKey {
  const buffer = Buffer.from(text);
  return { buffer, start: 0, end: buffer.length, namespace: defaultNamespace };
}

/** One commit of one record. */
function set(engine: Engine, key: string, value: string): void {
  const bytes = Buffer.from(value);
  engine.beginCommand();
  dataTypes(engine).strings.set(keyOf(key), { buffer: bytes, start: 0, end: bytes.length }, 0);
  engine.commit();
}

function get(engine: Engine, key: string): string | undefined {
  const { strings } = dataTypes(engine);
  return strings.get(keyOf(key), 0) === 'found' ? strings.value.copy().toString() : undefined;
}

/** 30 records of which 10 are in a table; the last 10 are to go. Several log files, and an archive with some of them. */
async function prepare(dir: string): Promise<void> {
  mkdirSync(dir, { recursive: true });
  await session(dir, async (engine) => {
    for (let i = 1; i <= 10; i++) set(engine, `k${i}`, `v${i}`);
    await engine.database.flush();
  });
  for (const from of [11, 16, 21, 26])
    await session(dir, (engine) => {
      for (let i = from; i < from + 5; i++) set(engine, `k${i}`, i <= 20 ? `v${i}` : `lost${i}`);
    });
}

const keep = 20;
const last = 30;
const file = `2-${keep + 1}-${last}.batches`;

async function savedKeys(dir: string, name: string = file): Promise<{ part: GivenUp; keys: string[] }> {
  const path = join(dir, 'rollback', name);
  const from = await replicationFiles.openReader(path);
  try {
    const reader = await RollbackFileReader.open(path, from);
    const keys: string[] = [];
    await reader.readAll((batch) => {
      const records = new BatchReader(batch);
      while (records.next())
        if (records.kind === 'put') keys.push(batch.subarray(records.key.start + 12, records.key.end).toString());
    });
    return { part: reader.part, keys };
  } finally {
    await from.close();
  }
}

const lostKeys = Array.from({ length: last - keep }, (_, i) => `k${keep + 1 + i}`);

/** The log after one more write: nothing of what was taken back is served, from anywhere in it. */
function assertServesNothingOld(engine: Engine): void {
  set(engine, 'new', 'new');
  const block = engine.database.walTail(keep + 1).next(1 << 20);
  assert.equal(block.count, 1);
  assert.ok(block.bytes.includes('new'));
  assert.ok(!block.bytes.includes('lost'));
  for (let from = 1; from <= keep; from++)
    assert.throws(() => engine.database.walTail(from), { code: 'ROCKS_WAL_GONE' }, `from ${from}`);
}

async function judge(dir: string, where: string): Promise<'old' | 'rewound'> {
  return await session(dir, async (engine) => {
    const latest = engine.latestSequence();
    for (let i = 1; i <= keep; i++) assert.equal(get(engine, `k${i}`), `v${i}`, where);
    if (latest === last) {
      for (let i = keep + 1; i <= last; i++) assert.equal(get(engine, `k${i}`), `lost${i}`, where);
      return 'old';
    }
    assert.equal(latest, keep, where);
    for (const key of lostKeys) assert.equal(get(engine, key), undefined, where);
    assert.deepEqual((await savedKeys(dir)).keys, lostKeys, where);
    assertServesNothingOld(engine);
    return 'rewound';
  });
}

function run(dir: string, mode: 'rewind' | 'start', killAt: number): number | undefined {
  const args = ['--disable-warning=ExperimentalWarning', child, dir, mode, String(keep), String(killAt)];
  const { signal, status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (signal === 'SIGKILL') return undefined;
  assert.equal(status, 0, stderr);
  return Number(stdout);
}

function rimOf(dir: string, replaced: string[] = []): RejoinRim {
  return {
    files: replicationFiles,
    dir,
    timers: realTimers,
    logger: silentLogger,
    replaceLogId: () => void replaced.push('replaced'),
    obstacle: () => undefined,
  };
}

function environment(dir: string, engine: Engine, replaced: string[]): RejoinEnvironment {
  return {
    ...rimOf(dir, replaced),
    log: engine,
    clock: realClock,
    slotPrefixed: false,
    mode: () => 'async',
    identity: () => ({ nodeId: 'n'.repeat(40), logId: 'log-0-0-0' }),
    outline: () => ({ history: [{ epoch: 2, firstSequence: 1 }], latestSequence: engine.latestSequence() }),
  };
}

const target = { epoch: 2, sequence: keep };
const never = new AbortController().signal;

describe('a node killed while it rejoins', { timeout: 120_000 }, () => {
  it('finds at its next start the old database or the rewound one, and finishes from either', async (t) => {
    const dir = temporary(t);
    const base = join(dir, 'base');
    await prepare(base);
    assert.ok(readdirSync(join(base, 'db', 'archive')).length > 0);
    const seen: string[] = [];
    let changes: number | undefined;
    for (let killAt = 0; changes === undefined; killAt++) {
      const node = join(dir, `kill-${killAt}`);
      cpSync(base, node, { recursive: true });
      changes = run(node, 'rewind', killAt);
      const isMarked = existsSync(join(node, 'rewind.marker'));
      if (isMarked) {
        // The start is killed as well, before each of its changes.
        for (let again = 0, ended: number | undefined; ended === undefined; again++) {
          const second = `${node}-${again}`;
          cpSync(node, second, { recursive: true });
          ended = run(second, 'start', again);
          await finishRejoin(rimOf(second), closedEngine(second));
          assert.equal(await judge(second, `killed at ${killAt}, then at ${again}`), 'rewound');
        }
      }
      await finishRejoin(rimOf(node), closedEngine(node));
      assert.equal(existsSync(join(node, 'rewind.marker')), false);
      const state = await judge(node, `killed at ${killAt}`);
      seen.push(isMarked ? `marked ${state}` : state);
      if (state === 'old') {
        await session(node, async (engine) => {
          assert.equal(await rejoin(environment(node, engine, []), target, never), 'rewound');
        });
        assert.equal(await judge(node, `again after ${killAt}`), 'rewound');
      }
    }
    assert.deepEqual([...new Set(seen)], ['old', 'marked rewound', 'rewound']);
    assert.ok(changes > 10, `${changes} changes`);
  });
});

describe('rejoining', { timeout: 60_000 }, () => {
  it('takes back what is in the log alone, keeps the log id, and says what it gave up', async (t) => {
    const dir = temporary(t);
    await prepare(dir);
    const replaced: string[] = [];
    await session(dir, async (engine) => {
      assert.equal(await rejoin(environment(dir, engine, replaced), target, never), 'rewound');
      assert.equal(engine.latestSequence(), keep);
    });
    assert.equal(await judge(dir, 'rewound'), 'rewound');
    const { part } = await savedKeys(dir);
    assert.deepEqual(
      [part.first, part.last, part.mode, part.epochs],
      [21, 30, 'async', [{ epoch: 2, firstSequence: 21 }]],
    );
    assert.deepEqual(replaced, []);
  });

  it('asks for a full sync when a table holds it, everything saved', async (t) => {
    for (const hides of [false, true]) {
      const dir = temporary(t);
      await prepare(dir);
      const replaced: string[] = [];
      await session(dir, async (engine) => {
        await engine.database.flush();
        // A compaction to the last level erases the sequences: no live file admits what it holds.
        if (hides) for (const family of [0, 1]) await engine.database.compact(family);
        assert.equal(await rejoin(environment(dir, engine, replaced), target, never), 'full-sync');
        assert.equal(engine.latestSequence(), last, 'the data stand as they were');
        assert.equal(get(engine, 'k30'), 'lost30');
      });
      assert.deepEqual((await savedKeys(dir)).keys, lostKeys);
      assert.equal(existsSync(join(dir, 'rewind.marker')), false);
      assert.deepEqual(replaced, ['replaced']);
    }
  });

  it('moves the whole database aside when the log is gone, or when nobody knows what the master lacks', async (t) => {
    for (const at of [target, undefined]) {
      const dir = temporary(t);
      await prepare(dir);
      const replaced: string[] = [];
      await session(dir, async (engine) => {
        if (at !== undefined) {
          await engine.database.flush();
          await engine.close();
          for (const name of ['db', 'db/archive'])
            for (const log of readdirSync(join(dir, name)).filter((found) => found.endsWith('.log')))
              if (statSync(join(dir, name, log)).size > 0) rmSync(join(dir, name, log));
          await engine.reopen();
        }
        assert.equal(await rejoin(environment(dir, engine, replaced), at, never), 'full-sync');
        assert.equal(engine.latestSequence(), 0);
        set(engine, 'k1', 'other');
      });
      assert.deepEqual(replaced, ['replaced']);
      // What is kept is a database that opens, under any name.
      const kept = join(dir, 'kept');
      cpSync(join(dir, 'rollback', '2-1-30.database'), join(kept, 'db'), { recursive: true });
      await session(kept, (engine) => assert.equal(get(engine, 'k30'), 'lost30'));
    }
  });
});
