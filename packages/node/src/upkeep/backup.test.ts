import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLogger } from '@holdfast/base';
import { VirtualTime } from '@holdfast/base/testing';
import { Backup } from './backup.ts';
import { cronTimeOf } from './cron.ts';
import { Upkeep, type UpkeepSettings } from './upkeep.ts';

/** Directories by path, with what is in them; operations can be made to be the last ones of a process. */
class Disk {
  readonly directories = new Map<string, string>([['/d', '']]);
  /** So many operations are done before the crash. */
  left = Infinity;
  checkpoints = 0;

  #operation(): void {
    if (this.left-- <= 0) throw new Error('crashed');
  }

  readonly files = {
    exists: (path: string): Promise<boolean> => Promise.resolve(this.directories.has(path)),
    makeDirectory: async (path: string): Promise<void> => {
      this.#operation();
      if (!this.directories.has(path)) this.directories.set(path, '');
      await Promise.resolve();
    },
    remove: async (path: string): Promise<void> => {
      this.#operation();
      this.directories.delete(path);
      await Promise.resolve();
    },
    rename: async (from: string, to: string): Promise<void> => {
      this.#operation();
      const content = this.directories.get(from);
      assert.ok(content !== undefined, `${from} is there`);
      assert.ok(!this.directories.has(to), `${to} is not there`);
      this.directories.delete(from);
      this.directories.set(to, content);
      await Promise.resolve();
    },
  };

  async checkpoint(path: string): Promise<number> {
    this.#operation();
    assert.ok(!this.directories.has(path));
    this.directories.set(path, `backup ${++this.checkpoints}`);
    await Promise.resolve();
    return 100 + this.checkpoints;
  }

  get state(): object {
    return Object.fromEntries([...this.directories].filter(([path]) => path !== '/d'));
  }
}

function newBackup(disk: Disk, time: VirtualTime): Backup {
  return new Backup({
    files: disk.files,
    clock: time,
    logger: silentLogger,
    directory: () => '/d/backup',
    checkpoint: (path) => disk.checkpoint(path),
    mayRead: () => true,
  });
}

describe('a backup', () => {
  test('takes the place of the former one as a whole, and one is made at a time', async () => {
    const disk = new Disk();
    const time = new VirtualTime();
    const backup = newBackup(disk, time);
    assert.deepEqual(backup.facts, {
      inProgress: false,
      lastSeconds: -1,
      lastOk: true,
      lastTookSeconds: -1,
      lastSequence: 0,
    });
    for (const made of [1, 2]) {
      assert.equal(backup.start(), undefined);
      assert.equal(backup.facts.inProgress, true);
      assert.equal(backup.start(), 'ERR bgsave in-progress');
      assert.equal(backup.startDeletion(), 'ERR bgsave in-progress');
      await backup.idle();
      assert.deepEqual(disk.state, { '/d/backup': `backup ${made}` });
    }
    assert.deepEqual(backup.facts, {
      inProgress: false,
      lastSeconds: Math.floor(time.wallMs() / 1000),
      lastOk: true,
      lastTookSeconds: 0,
      lastSequence: 102,
    });
  });

  test('that fails leaves the former one, and says so', async () => {
    const disk = new Disk();
    const backup = newBackup(disk, new VirtualTime());
    backup.start();
    await backup.idle();
    disk.left = 2;
    backup.start();
    await backup.idle();
    assert.equal(backup.facts.lastOk, false);
    assert.deepEqual(disk.state, { '/d/backup': 'backup 1' });
    disk.left = Infinity;
    backup.start();
    await backup.idle();
    assert.equal(backup.facts.lastOk, true);
  });

  test('a crash at any moment leaves a whole backup, in its place after the next work on it', async () => {
    const whole = (disk: Disk): string[] =>
      [...disk.directories]
        .filter(([path]) => !path.endsWith('.tmp'))
        .map(([, content]) => content)
        .filter(Boolean);
    let crashes = 0;
    for (let operations = 0; ; operations++) {
      const disk = new Disk();
      const first = newBackup(disk, new VirtualTime());
      first.start();
      await first.idle();
      disk.left = operations;
      first.start();
      await first.idle();
      if (first.facts.lastOk) break;
      crashes++;
      assert.ok(whole(disk).length > 0, `a whole backup after ${operations} operations: ${JSON.stringify(disk.state)}`);
      disk.left = Infinity;
      const second = newBackup(disk, new VirtualTime());
      second.start();
      await second.idle();
      assert.ok(second.facts.lastOk, `${operations}`);
      assert.deepEqual(disk.state, { '/d/backup': `backup ${disk.checkpoints}` });
    }
    assert.ok(crashes >= 5, `${crashes} moments`);
  });

  test('is deleted on demand, or when it is too old', async () => {
    const disk = new Disk();
    const time = new VirtualTime();
    const backup = newBackup(disk, time);
    backup.start();
    await backup.idle();
    assert.equal(backup.startDeletion(), undefined);
    await backup.idle();
    assert.deepEqual([disk.state, backup.facts.lastSeconds], [{}, -1]);
    backup.start();
    await backup.idle();
    backup.prune({ keep: 1, keepHours: 1 });
    backup.prune({ keep: 1, keepHours: 0 });
    await backup.idle();
    assert.deepEqual(disk.state, { '/d/backup': 'backup 2' });
    time.advance(3_600_000);
    backup.prune({ keep: 1, keepHours: 1 });
    await backup.idle();
    assert.deepEqual(disk.state, {});
    backup.start();
    await backup.idle();
    backup.prune({ keep: 0, keepHours: 0 });
    await backup.idle();
    assert.deepEqual(disk.state, {});
  });
});

test('crons begin what is due, once in its minute', async () => {
  const disk = new Disk();
  const time = new VirtualTime();
  const begun: string[] = [];
  const settings: { -readonly [Name in keyof UpkeepSettings]: UpkeepSettings[Name] } = {
    backupCron: '* * * * *',
    compactionCron: '',
    countCron: '* * * * *',
    checkCron: '',
    checkHours: '',
    check: { forceAgeSeconds: 3600, forceDeadPercent: 10 },
    backupsKept: 1,
    backupKeptHours: 0,
  };
  const upkeep = new Upkeep({
    backup: {
      files: disk.files,
      clock: time,
      logger: silentLogger,
      directory: () => '/d/backup',
      checkpoint: (path) => disk.checkpoint(path),
      mayRead: () => true,
    },
    compaction: {
      logger: silentLogger,
      database: () => ({
        columnFamilies: ['default', 'metadata'],
        compact: (family) => Promise.resolve(void begun.push(`compact ${family}`)),
        flush: () => Promise.resolve(),
        fileStatistics: (family) => Promise.resolve((begun.push(`check ${family}`), [])),
      }),
    },
    settings,
    countKeys: () => void begun.push('count'),
  });
  upkeep.sweep(time.wallMs());
  assert.deepEqual(begun, [], 'the minute of the start is not looked at');
  time.advance(60_000);
  upkeep.sweep(time.wallMs());
  upkeep.sweep(time.wallMs());
  await upkeep.backup.idle();
  assert.deepEqual(begun, ['count']);
  assert.equal(disk.checkpoints, 1);
  settings.compactionCron = '* * * * *';
  settings.backupCron = '';
  time.advance(60_000);
  upkeep.sweep(time.wallMs());
  assert.ok(upkeep.compaction.inProgress);
  assert.equal(upkeep.compaction.start(undefined), 'ERR compact in-progress');
  await upkeep.compaction.idle();
  assert.deepEqual(begun, ['count', 'compact 0', 'count', 'compact 1']);
  assert.equal(disk.checkpoints, 1);
  begun.length = 0;
  settings.countCron = '';
  settings.compactionCron = '';
  const { hour } = cronTimeOf(time.wallMs() + 60_000);
  for (const [checkCron, checkHours, isDue] of [
    ['* * * * *', '', true],
    ['', `${hour}-${hour}`, true],
    [`* ${(hour + 1) % 24} * * *`, '0-24', false],
  ] as const) {
    Object.assign(settings, { checkCron, checkHours });
    time.advance(60_000);
    upkeep.sweep(time.wallMs());
    await upkeep.compaction.idle();
    assert.deepEqual(begun.splice(0), isDue ? ['check 0', 'check 1'] : [], `${checkCron} ${checkHours}`);
  }
});
