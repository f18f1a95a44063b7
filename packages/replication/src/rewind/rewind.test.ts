import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperationError, silentLogger, type Timers } from '@holdfast/base';
import { Crash, MemoryFiles } from '../testing/memory-files.ts';
import { put } from '../testing/batches.ts';
import { StoppableLog } from '../testing/stoppable-log.ts';
import type { RewindOutcome } from '../link-state.ts';
import { keepBeforeFullSync, resumeRewind, rewindLog, type RewindEnvironment } from './rewind.ts';
import { rollbackPaths } from './rollback-directory.ts';
import { RollbackFileReader } from './rollback-file.ts';
import { epochsWithin, type GivenUp } from './rollback-header.ts';

const paths = rollbackPaths('/data');
const database = '/data/db';
const history = [
  { epoch: 3, firstSequence: 3 },
  { epoch: 4, firstSequence: 7 },
];

/** As the real disk: nothing can be written while it is full; renames and removals go on. */
class Disk extends MemoryFiles {
  isFull = false;
  /** Not full, but too full to begin. */
  isShort = false;

  override openWriter(path: string): ReturnType<MemoryFiles['openWriter']> {
    if (this.isFull) return Promise.reject(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }));
    return super.openWriter(path);
  }
}

interface Fixture {
  readonly files: Disk;
  readonly log: StoppableLog;
  readonly env: RewindEnvironment;
  readonly stop: AbortController;
  logId(): string;
}

/** A node with 4 batches of two records each: sequences 1 to 8; `keep` 4 is the end of the second. */
async function fixture(files: Disk = new Disk(), onWait?: () => void): Promise<Fixture> {
  const log = new StoppableLog(files, database);
  const stop = new AbortController();
  // A node that can do nothing is ended by the test instead of waiting for ever.
  const timers: Timers = {
    after: (_delayMs, run) => {
      if (onWait === undefined) queueMicrotask(() => stop.abort());
      else queueMicrotask(() => (onWait(), run()));
      return { cancel: (): void => undefined };
    },
    every: () => assert.fail(),
    soon: () => assert.fail(),
  };
  if (!files.content.has('/data/log-id')) {
    files.content.set('/data/log-id', Buffer.from('log-0'));
    await log.reopen();
    for (const key of ['a', 'b', 'c', 'd']) log.write(put(key, '1'), put(key, '2'));
    files.changes = 0;
  }
  let drawn = 0;
  const env: RewindEnvironment = {
    files,
    paths,
    database,
    log,
    timers,
    logger: silentLogger,
    obstacle: () => (files.isShort ? 'only 3 MiB are free' : undefined),
    replaceLogId: (): void => {
      if (files.changes >= files.crashAt) throw new Crash('crashed');
      files.changes++;
      files.content.set('/data/log-id', Buffer.from(`log-${++drawn}`));
    },
  };
  return { files, log, env, stop, logId: () => files.content.get('/data/log-id')?.toString() ?? '' };
}

function describePart(first: number, last: number): GivenUp {
  return {
    nodeId: 'n'.repeat(40),
    logId: 'log-0',
    first,
    last,
    epochs: epochsWithin(history, first, last),
    mode: 'sync',
    slotPrefixed: false,
    atMs: 1,
  };
}

function rewind({ env, stop }: Fixture, keep: number): Promise<RewindOutcome> {
  return rewindLog(env, describePart, keep, stop.signal);
}

function copyOf(files: MemoryFiles): Disk {
  const copy = new Disk();
  for (const [path, content] of files.content) copy.content.set(path, content);
  for (const path of files.directories) copy.directories.add(path);
  return copy;
}

async function savedBatches(files: MemoryFiles, name: string): Promise<readonly number[]> {
  const path = `${paths.directory}/${name}`;
  const reader = await RollbackFileReader.open(path, await files.openReader(path));
  const sequences: number[] = [];
  await reader.readAll((batch) => void sequences.push(batch.readUInt32LE(0)));
  return sequences;
}

/** What a tail from `from` serves after one more batch was written. */
function servedAfter(log: StoppableLog, from: number): readonly number[] {
  log.write(put('new', '1'));
  const { bytes, count } = log.database.walTail(from).next(1 << 20);
  const sequences: number[] = [];
  for (let at = 0, i = 0; i < count; i++) {
    sequences.push(bytes.readUInt32LE(at + 4) * 1000 + bytes.readUInt32LE(at + 12));
    at += 4 + bytes.readUInt32LE(at);
  }
  return sequences;
}

describe('taking back the end of a log', () => {
  it('saves it, stops the log there, and serves nothing of it any more', async () => {
    const node = await fixture();
    assert.equal(await rewind(node, 4), 'rewound');
    assert.equal(node.log.latestSequence(), 4);
    assert.deepEqual(await savedBatches(node.files, '4-5-8.batches'), [5, 7]);
    assert.equal(await node.files.exists(paths.marker), false);
    assert.equal(node.logId(), 'log-0', 'what stays is a prefix of the same log');
    assert.deepEqual(servedAfter(node.log, 5), [5001], 'one record at 5, not the two that were dropped');
  });

  it('does nothing when the log ends there already', async () => {
    const node = await fixture();
    assert.equal(await rewind(node, 8), 'rewound');
    assert.deepEqual(await node.files.list(paths.directory), []);
    assert.equal(node.files.changes, 0);
  });

  it('asks for a full sync when it is in a file, the batches saved and the log id replaced', async () => {
    const node = await fixture();
    node.log.flush();
    assert.equal(await rewind(node, 4), 'full-sync');
    assert.equal(node.log.latestSequence(), 8, 'the database stands as it was');
    assert.ok(node.log.isOpen);
    assert.deepEqual(await savedBatches(node.files, '4-5-8.batches'), [5, 7]);
    assert.equal(node.logId(), 'log-1');
  });

  it('moves the whole database aside when the log does not reach back far enough', async () => {
    const node = await fixture();
    node.log.forgetLog();
    assert.equal(await rewind(node, 4), 'full-sync');
    assert.equal(node.log.latestSequence(), 0);
    assert.ok(node.log.isOpen);
    assert.ok(node.files.content.has(`${paths.directory}/4-1-8.database/table`));
    assert.match(node.files.content.get(`${paths.directory}/4-1-8.database.json`)?.toString() ?? '', /"last":8/);
    assert.equal(node.logId(), 'log-1');
    assert.equal((await node.files.list(paths.directory)).filter((name) => name.includes('.tmp')).length, 0);
  });

  it('leaves a log alone that cannot be stopped there after all', async () => {
    const node = await fixture();
    node.log.failNextOpen = 'ROCKS_WAL_STOP';
    assert.equal(await rewind(node, 4), 'full-sync');
    assert.equal(node.log.latestSequence(), 8);
    assert.equal(node.logId(), 'log-1');
    assert.equal(await node.files.exists(paths.marker), false);
  });

  it('moves a database aside that is damaged, or ends where it should not', async () => {
    for (const code of ['ROCKS_CORRUPTION', 'elsewhere']) {
      const node = await fixture();
      const reopen = node.log.reopen.bind(node.log);
      let opened = 0;
      node.log.reopen = async (stop): Promise<void> => {
        if (++opened > 1) return reopen(stop);
        if (code === 'ROCKS_CORRUPTION') throw Object.assign(new Error('bad block'), { code });
        await reopen(2);
      };
      assert.equal(await rewind(node, 4), 'full-sync', code);
      assert.equal(node.log.latestSequence(), 0);
      assert.ok(node.files.content.has(`${paths.directory}/4-1-8.database/CURRENT`));
      assert.deepEqual(await savedBatches(node.files, '4-5-8.batches'), [5, 7]);
    }
  });

  it('takes a file that an earlier attempt left, and keeps apart what only has its name', async () => {
    const node = await fixture();
    node.files.crashAt = Infinity;
    const again = await fixture(copyOf(node.files));
    await again.log.reopen();
    await rewind(node, 4);
    const file = node.files.content.get(`${paths.directory}/4-5-8.batches`) as Buffer;
    again.files.content.set(`${paths.directory}/4-5-8.batches`, file);
    assert.equal(await rewind(again, 4), 'rewound');
    assert.deepEqual([...(await again.files.list(paths.directory))], ['4-5-8.batches']);

    const other = await fixture();
    other.files.content.set(`${paths.directory}/4-5-8.batches`, file.subarray(0, file.length - 1));
    assert.equal(await rewind(other, 4), 'rewound');
    assert.deepEqual(await savedBatches(other.files, '4-5-8-2.batches'), [5, 7]);
    assert.equal(other.files.content.get(`${paths.directory}/4-5-8.batches`)?.length, file.length - 1);
  });
});

describe('a rewind that is broken off', () => {
  /** The database is all old or all rewound, what went is saved, and nobody is served it. */
  async function judge(files: Disk, where: string): Promise<'old' | 'rewound'> {
    const node = await fixture(files);
    await resumeRewind(node.env);
    assert.equal(await files.exists(paths.marker), false, where);
    assert.ok(!node.log.isOpen);
    await node.log.reopen();
    const latest = node.log.latestSequence();
    assert.ok(latest === 8 || latest === 4, `${where}: ends at ${latest}`);
    if (latest === 8) return 'old';
    assert.deepEqual(await savedBatches(files, '4-5-8.batches'), [5, 7], where);
    assert.deepEqual(servedAfter(node.log, 5), [5001], where);
    assert.equal(node.logId(), 'log-0', where);
    return 'rewound';
  }

  it('after any change, and again after any change of the repetition, ends as one of the two', async () => {
    const seen = new Set<string>();
    let crashes = 0;
    for (let at = 0; ; at++) {
      const node = await fixture();
      node.files.crashAt = at;
      const outcome = await rewind(node, 4).catch((error: unknown) => error);
      for (let again = 0; ; again++) {
        const second = await fixture(copyOf(node.files));
        second.files.crashAt = again;
        const ended = await resumeRewind(second.env).catch((error: unknown) => error);
        seen.add(await judge(copyOf(second.files), `crash at ${at} and ${again}`));
        if (!(ended instanceof Error)) break;
      }
      if (outcome === 'rewound') break;
      crashes++;
    }
    assert.deepEqual([...seen].sort(), ['old', 'rewound']);
    assert.ok(crashes >= 12, `${crashes} crashes`);
  });

  it('finds a moved database moved or in place, never half, and never under its old log id once moved', async () => {
    for (let at = 0; ; at++) {
      const node = await fixture();
      node.log.forgetLog();
      node.files.crashAt = at;
      const outcome = await rewind(node, 4).catch((error: unknown) => error);
      const after = await fixture(copyOf(node.files));
      assert.equal(await resumeRewind(after.env), undefined);
      await after.log.reopen();
      const latest = after.log.latestSequence();
      const isMoved = after.files.content.has(`${paths.directory}/4-1-8.database/table`);
      assert.equal(latest, isMoved ? 0 : 8, `crash at ${at}`);
      if (isMoved) assert.equal(after.logId(), 'log-1');
      if (outcome === 'full-sync') break;
    }
  });

  it('is refused by a start that cannot read the marker', async () => {
    const node = await fixture();
    node.files.content.set(paths.marker, Buffer.from('holdfast-rewind 1\nkeep 4\n'));
    await assert.rejects(resumeRewind(node.env), { code: 'REWIND_MARKER_DAMAGED' });
  });

  it('begins nothing once it is told to stop, and leaves nothing lying about', async () => {
    const node = await fixture();
    node.stop.abort();
    await assert.rejects(rewind(node, 4), { code: 'REWIND_ABORTED' });
    assert.equal(node.log.latestSequence(), 8);
    assert.deepEqual(await node.files.list(paths.directory), []);
  });
});

describe('a full disk', () => {
  it('before the marker: nothing is changed, the node says so and may try again', async () => {
    const node = await fixture();
    node.files.isFull = true;
    await assert.rejects(rewind(node, 4), (error) => {
      assert.ok(error instanceof OperationError);
      assert.deepEqual([error.code, error.outcome], ['REWIND_HINDERED', 'not-applied']);
      assert.match(error.message, /ENOSPC.*out of service.*tries again/s);
      return true;
    });
    assert.ok(node.log.isOpen);
    assert.equal(node.log.latestSequence(), 8);
    node.files.isFull = false;
    assert.equal(await rewind(node, 4), 'rewound');
  });

  it('after the marker: waits for room with the database closed, then goes on', async () => {
    const files = new Disk();
    let waits = 0;
    const node = await fixture(files, () => {
      waits++;
      assert.equal(node.log.isOpen, false);
      if (waits === 3) files.isFull = false;
    });
    const remember = files.rename.bind(files);
    files.rename = async (from, to): Promise<void> => {
      await remember(from, to);
      if (to === paths.marker) files.isFull = true;
    };
    assert.equal(await rewind(node, 4), 'rewound');
    assert.deepEqual([waits, node.log.latestSequence()], [3, 4]);
  });

  it('after the marker, when the node is to end: says that the next start goes on, and it does', async () => {
    const node = await fixture();
    node.log.reopen = () => Promise.reject(Object.assign(new Error('no space'), { code: 'ROCKS_NO_SPACE' }));
    await assert.rejects(rewind(node, 4), { code: 'REWIND_UNFINISHED', message: /no space; make room/ });
    assert.equal(node.log.isOpen, false);
    const next = await fixture(copyOf(node.files));
    assert.equal(await resumeRewind(next.env), 'rewound');
    assert.equal(await resumeRewind(next.env), undefined);
  });

  it('too little room: nothing is begun, and the database is not opened to be rewound', async () => {
    const node = await fixture();
    node.files.isShort = true;
    await assert.rejects(rewind(node, 4), { code: 'REWIND_HINDERED', message: /only 3 MiB are free/ });
    assert.equal(node.files.changes, 0);
    const files = new Disk();
    const waiting = await fixture(files, () => (files.isShort = false));
    const rename = files.rename.bind(files);
    files.rename = (from, to): Promise<void> => {
      files.isShort = to === paths.marker;
      return rename(from, to);
    };
    const stops: (number | undefined)[] = [];
    const reopen = waiting.log.reopen.bind(waiting.log);
    waiting.log.reopen = (stop): Promise<void> => {
      assert.equal(files.isShort, false);
      stops.push(stop);
      return reopen(stop);
    };
    assert.equal(await rewind(waiting, 4), 'rewound');
    assert.deepEqual(stops, [4]);
  });

  it('a marker that stands is obeyed, even if making it durable failed', async () => {
    const node = await fixture();
    const rename = node.files.rename.bind(node.files);
    node.files.rename = async (from, to): Promise<void> => {
      await rename(from, to);
      if (to === paths.marker) throw new Error('EIO: fsync of the directory');
    };
    assert.equal(await rewind(node, 4), 'rewound');
    assert.equal(node.log.latestSequence(), 4);
  });

  it('moving the database: it stays in use when it could not be moved', async () => {
    const node = await fixture();
    node.log.forgetLog();
    node.files.isFull = true;
    await assert.rejects(rewind(node, 4), { code: 'REWIND_HINDERED' });
    assert.ok(node.log.isOpen);
    assert.equal(node.log.latestSequence(), 8);
  });
});

describe('before a full sync', () => {
  const keep = (node: Fixture, common: number | undefined): Promise<void> =>
    keepBeforeFullSync(node.env, describePart, common, node.stop.signal);

  it('keeps nothing of a log that is the beginning of the master’s', async () => {
    const node = await fixture();
    await keep(node, 8);
    assert.deepEqual([node.files.changes, node.logId()], [0, 'log-0']);
  });

  it('keeps the batches that the master lacks', async () => {
    const node = await fixture();
    await keep(node, 6);
    assert.deepEqual(await savedBatches(node.files, '4-7-8.batches'), [7]);
    assert.deepEqual([node.log.latestSequence(), node.logId()], [8, 'log-1']);
  });

  it('keeps the whole database when nobody can tell what the master lacks, or the log is gone', async () => {
    for (const common of [undefined, 4]) {
      const node = await fixture();
      if (common !== undefined) node.log.forgetLog();
      await keep(node, common);
      assert.ok(node.files.content.has(`${paths.directory}/4-1-8.database/CURRENT`));
      assert.deepEqual([node.log.latestSequence(), node.logId()], [0, 'log-1']);
    }
  });
});
