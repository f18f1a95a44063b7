import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { realClock, realRandom, realTimers } from '@holdfast/base/real';
import { silentLogger } from '@holdfast/base';
import { dataTypes, defaultNamespace, Engine, type UserKey } from '@holdfast/engine';
import { epochsWithin, rewindLog, rollbackPaths, type RewindEnvironment } from '@holdfast/replication';
import { RequestDecoder, defaultRequestLimits } from '@holdfast/resp';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

function ctl(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'ctl', 'rollback', ...args], {
    encoding: 'latin1',
  });
}

function keyOf(text: string): UserKey {
  const buffer = Buffer.from(text);
  return { buffer, start: 0, end: buffer.length, namespace: defaultNamespace };
}

function span(bytes: Buffer): { buffer: Buffer; start: number; end: number } {
  return { buffer: bytes, start: 0, end: bytes.length };
}

const binary = Buffer.from([0xff, 0x00, 0x0d, 0x0a]);

/** A node's directory with one rollback file, made as a node makes it. */
async function nodeDirectory(t: TestContext, alsoFlush: boolean): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-ctl-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const engine = await Engine.open({ path: join(dir, 'db'), slotPrefixed: true, clock: realClock, random: realRandom });
  const { strings, hashes, keyspace } = dataTypes(engine);
  const commit = (act: () => void): void => {
    engine.beginCommand();
    act();
    engine.commit();
  };
  commit(() => strings.set(keyOf('kept'), span(Buffer.from('1')), 0));
  commit(() => strings.set(keyOf('a key'), span(binary), 1_900_000_000_000));
  commit(() => {
    hashes.openOrCreate(keyOf('h'), 0);
    hashes.put(span(Buffer.from('f')), span(Buffer.from('v')), true);
    hashes.save(keyOf('h'));
  });
  commit(() => void keyspace.delete(keyOf('kept'), 0));
  if (alsoFlush) commit(() => keyspace.flush(defaultNamespace));
  const env: RewindEnvironment = {
    files: await files(),
    paths: rollbackPaths(dir),
    database: join(dir, 'db'),
    log: engine,
    timers: realTimers,
    logger: silentLogger,
    replaceLogId: () => undefined,
    obstacle: () => undefined,
  };
  const outcome = await rewindLog(
    env,
    (first, last) => ({
      nodeId: 'a'.repeat(40),
      logId: 'ffe223043cddc2ef1e62',
      first,
      last,
      epochs: epochsWithin([{ epoch: 7, firstSequence: 1 }], first, last),
      mode: 'sync',
      slotPrefixed: true,
      atMs: 1_700_000_000_000,
    }),
    1,
    new AbortController().signal,
  );
  assert.equal(outcome, 'rewound');
  await engine.close();
  return dir;
}

/** The file port that is needed to write one. */
async function files(): Promise<RewindEnvironment['files']> {
  const { diskSource } = await import('./rollback-source.ts');
  const { appendFile, mkdir, rename, rm } = await import('node:fs/promises');
  return {
    ...diskSource,
    makeDirectory: async (path): Promise<void> => void (await mkdir(path, { recursive: true })),
    remove: (path) => rm(path, { recursive: true, force: true }),
    rename,
    openWriter: async (path) => {
      await rm(path, { force: true });
      return {
        write: (bytes): Promise<void> => appendFile(path, bytes),
        finish: () => Promise.resolve(),
        abandon: () => Promise.resolve(),
      };
    },
  };
}

/** The commands in what would be piped. */
function commandsIn(stdout: string): string[][] {
  const decoder = new RequestDecoder(defaultRequestLimits());
  decoder.push(Buffer.from(stdout, 'latin1'));
  const commands: string[][] = [];
  while (decoder.next()) {
    const { request } = decoder;
    commands.push(Array.from({ length: request.count }, (_, i) => request.bytes(i).toString('latin1')));
  }
  return commands;
}

const name = '7-2-5.batches';

test('list, show and export say what a node gave up', async (t) => {
  const dir = await nodeDirectory(t, false);
  const listed = ctl('list', '--dir', dir);
  assert.equal(listed.status, 0, listed.stderr);
  assert.match(listed.stdout, /7-2-5\.batches .* 7 .* 2 .* 5 .* 4 .* sync .* no .* 2023-11-14T22:13:20\.000Z/);
  const { version, rollback } = JSON.parse(ctl('list', '--dir', `${dir}/`, '--output', 'json').stdout) as {
    version: number;
    rollback: Record<string, unknown>[];
  };
  assert.equal(version, 1);
  const { bytes, ...rest } = rollback[0] ?? {};
  assert.ok(typeof bytes === 'number' && bytes > 300);
  assert.deepEqual(rest, {
    name,
    kind: 'batches',
    epoch: 7,
    epochs: [{ epoch: 7, first: 2 }],
    first: 2,
    last: 5,
    records: 4,
    mode: 'sync',
    acknowledged: 'no',
    when: '2023-11-14T22:13:20.000Z',
    node_id: 'a'.repeat(40),
    log_id: 'ffe223043cddc2ef1e62',
    problem: null,
  });

  const shown = ctl('show', name, '--dir', dir).stdout.split('\n');
  assert.match(shown[2] ?? '', /no client was told that these writes are safe/);
  assert.deepEqual(shown.slice(3, -1), [
    '2  SET "a key" "\\xff\\x00\\x0d\\x0a" PXAT 1900000000000',
    '3  HSET h f v',
    '4  [put metadata hash h]',
    '5  DEL kept',
  ]);

  assert.deepEqual(commandsIn(ctl('export', name, '--dir', dir).stdout), [
    ['SET', 'a key', binary.toString('latin1'), 'PXAT', '1900000000000'],
    ['HSET', 'h', 'f', 'v'],
    ['DEL', 'kept'],
  ]);
  const lines = ctl('export', name, '--dir', dir, '--output', 'json').stdout.trim().split('\n');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { kind: string }).kind),
    ['command', 'command', 'note', 'command'],
  );
  assert.deepEqual((JSON.parse(lines[0] ?? '') as { command: unknown }).command, [
    'SET',
    'a key',
    { base64: binary.toString('base64') },
    'PXAT',
    '1900000000000',
  ]);
});

test('what no command can say is not left out silently', async (t) => {
  const dir = await nodeDirectory(t, true);
  const file = '7-2-6.batches';
  const refused = ctl('export', file, '--dir', dir);
  assert.deepEqual([refused.status, refused.stdout], [1, '']);
  assert.match(refused.stderr, /no command can say 1 of the 5 records.*--rest/);
  const rest = join(dir, 'rest.jsonl');
  const done = ctl('export', file, '--dir', dir, '--rest', rest);
  assert.equal(done.status, 0, done.stderr);
  assert.equal(commandsIn(done.stdout).length, 3);
  const [line = '', ...more] = readFileSync(rest, 'utf8').trim().split('\n');
  assert.equal(more.length, 0);
  assert.match(line, /"action":"delete-range"/);
  assert.equal(ctl('export', file, '--dir', dir, '--rest', rest).status, 3, 'a file that exists is not overwritten');
});

test('nothing of a damaged file is printed, and exit statuses tell what is wrong', async (t) => {
  const dir = await nodeDirectory(t, false);
  const path = join(dir, 'rollback', name);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 0xff;
  writeFileSync(path, bytes);
  for (const verb of ['show', 'export']) {
    const { status, stdout, stderr } = ctl(verb, name, '--dir', dir);
    assert.deepEqual([status, stdout], [1, ''], verb);
    assert.match(stderr, /is damaged: a checksum is wrong/);
  }
  writeFileSync(path, bytes.subarray(0, 30));
  const listed = ctl('list', '--dir', dir);
  assert.equal(listed.status, 0);
  assert.match(listed.stderr, /is damaged: it is cut off/);
  assert.equal(ctl('show', 'other.batches', '--dir', dir).status, 1);
  assert.equal(ctl('show', '../db/CURRENT', '--dir', dir).status, 1);
  assert.equal(ctl('list', '--dir', join(dir, 'none')).status, 3);
  assert.equal(ctl('list').status, 2);
  mkdirSync(join(dir, 'empty'));
  const empty = ctl('list', '--dir', join(dir, 'empty'));
  assert.deepEqual([empty.status, empty.stdout], [0, '']);
  assert.match(empty.stderr, /gave up nothing/);
});
