import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FatalError } from '@holdfast/base';
import { inDrillWorld, type WorldPlan } from './in-drill-world.ts';
import { openFilesMost } from './open-files.ts';
import { formatRunName, isRunning, newRunName, parseRunName } from './run-name.ts';
import type { DrillHost, DrillSite, DrillTask } from './site.ts';

const plan: WorldPlan = { network: 'loopback', places: ['node-1', 'lb'], disks: [], keep: false };

interface Told extends DrillHost {
  readonly lines: string[];
}

function host(): Told {
  const lines: string[] = [];
  return { lines, progress: (line) => void lines.push(line), signal: new AbortController().signal };
}

/** On loopback a task is called as it is. */
function taskOf<T>(call: (site: DrillSite) => T | Promise<T>): DrillTask<undefined, T> {
  return { module: import.meta.url, name: '', call: async (site) => call(site) };
}

/** Directories for temporary files of this test's own. */
function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-world-test-'));
  const former = process.env['TMPDIR'];
  process.env['TMPDIR'] = directory;
  t.after(() => {
    if (former === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = former;
    rmSync(directory, { recursive: true });
  });
  return directory;
}

test('a world on loopback is a directory, there while the task is done and gone after it', async (t) => {
  const directory = temporary(t);
  const seen = await inDrillWorld(
    plan,
    taskOf((site) => {
      writeFileSync(join(site.directory, 'log'), 'text');
      assert.deepEqual(
        [site.placement.hostOf('lb'), site.placement.launchOf('lb'), site.hosts],
        ['127.0.0.1', [], undefined],
      );
      return site.directory;
    }),
    undefined,
    host(),
  );
  assert(seen.startsWith(directory));
  assert.deepEqual(readdirSync(directory), []);
  const failing = taskOf(() => {
    throw new RangeError('no such shard');
  });
  await assert.rejects(inDrillWorld(plan, failing, undefined, host()), /no such shard/);
  assert.deepEqual(readdirSync(directory), []);
});

test('a directory that is to be kept is kept, also from later runs, and said', async (t) => {
  temporary(t);
  const told = host();
  const kept = await inDrillWorld(
    { ...plan, keep: true },
    taskOf((site) => site.directory),
    undefined,
    told,
  );
  assert.deepEqual(told.lines, [`kept: ${kept}`]);
  await inDrillWorld(
    plan,
    taskOf(() => 0),
    undefined,
    told,
  );
  assert(existsSync(kept));
});

test('the directory of a run that was killed goes with the next, that of a run beside it does not', async (t) => {
  const directory = temporary(t);
  const mine = newRunName();
  const beside = `${formatRunName(mine)}-abcdef`;
  // The number of this process, which has another start time: numbers are used again.
  const killed = `${formatRunName({ ...mine, startTime: '1' })}-abcdef`;
  const others = ['holdfast-drill-notes', 'holdfast-drill-1-2', 'something'];
  for (const name of [beside, killed, ...others]) writeFileSync(join(directory, name), '');
  const told = host();
  await inDrillWorld(
    plan,
    taskOf(() => 0),
    undefined,
    told,
  );
  assert.deepEqual(readdirSync(directory).sort(), [beside, ...others].sort());
  assert.deepEqual(told.lines, [`removed what ${basename(killed, '-abcdef')} had left behind`]);
});

test('without root there are no namespaces: status 3, and what to do', async (t) => {
  temporary(t);
  t.mock.method(process as { geteuid(): number }, 'geteuid', () => 1000);
  await assert.rejects(
    inDrillWorld(
      { ...plan, network: 'namespaces' },
      taskOf(() => 0),
      undefined,
      host(),
    ),
    (error) =>
      error instanceof FatalError &&
      error.exitStatus === 3 &&
      /needs root: .*sudo bin\/holdfast drill.*--network loopback/.test(error.message),
  );
});

test('a name says whose run it was, and whether that still runs', () => {
  const name = newRunName();
  assert.deepEqual(parseRunName(formatRunName(name)), name);
  assert.deepEqual(parseRunName(`${formatRunName(name)}-controller-1`), name);
  assert.equal(isRunning(name), true);
  assert.equal(isRunning({ ...name, startTime: '1' }), false);
  for (const other of ['holdfast-drill-AbCdEf', 'holdfast-drill-1-2-3x', 'holdfast-kept-1-2-3', '1-2-3'])
    assert.equal(parseRunName(other), undefined, other);
});

test('the limit of open files is read as the kernel says it', () => {
  const limits = (hard: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units     \n` +
    `Max processes             7                    8                    processes \n` +
    `Max open files            1024                 ${hard.padEnd(20)} files     \n`;
  assert.equal(openFilesMost(limits('4096')), 4096);
  assert.equal(openFilesMost(limits('unlimited')), Infinity);
  assert(openFilesMost(readFileSync('/proc/self/limits', 'utf8')) > 0);
});
