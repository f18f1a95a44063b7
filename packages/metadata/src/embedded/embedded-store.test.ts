import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { FatalError, OperationError, randomBelow, seededRandom } from '@holdfast/base';
import type { MetadataStore } from '../metadata-store.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { metadataStoreSuite } from '../testing/index.ts';
import { openEmbeddedStore, openStoreOn } from './embedded-store.ts';

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-metadata-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

metadataStoreSuite({
  name: 'embedded',
  create: async (t) => {
    const directory = temporaryDirectory(t);
    return { open: () => openEmbeddedStore({ directory: join(directory, 'controller') }) };
  },
});

metadataStoreSuite({
  name: 'embedded on the crash-simulating disk',
  create: async () => {
    const disk = new CrashDisk();
    return { open: () => openStoreOn(disk, '/store', () => undefined) };
  },
});

function fatal(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof FatalError && error.exitStatus === 3 && pattern.test(error.message);
}

test('a second process is refused in one line that names the directory and the holder', async (t) => {
  const directory = temporaryDirectory(t);
  const store = await openEmbeddedStore({ directory });
  const refusal = new RegExp(`^the metadata store in ${directory} is in use by process ${process.pid}$`);
  await assert.rejects(openEmbeddedStore({ directory }), fatal(refusal));
  await assert.rejects(openEmbeddedStore({ directory }), fatal(refusal));
  await store.close();
  await (await openEmbeddedStore({ directory })).close();
});

test('a directory that cannot be made is named', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'file'), '');
  await assert.rejects(openEmbeddedStore({ directory: join(directory, 'file/below') }), fatal(/file\/below.*ENOTDIR/));
});

test('a file that was cut, flipped or added to anywhere is named and left alone', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'metadata.store');
  const store = await openEmbeddedStore({ directory });
  await store.compareAndSet('/a', 'absent', '{"epoch":1}');
  await store.compareAndSet('/b', 'absent', 'ключ');
  await store.close();
  const whole = readFileSync(path);
  const damages: Buffer[] = [Buffer.concat([whole, Buffer.from('\n')]), Buffer.alloc(whole.length)];
  for (let at = 0; at < whole.length; at++) {
    damages.push(whole.subarray(0, at));
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ 0x20;
    damages.push(flipped);
  }
  for (const damaged of damages) {
    writeFileSync(path, damaged);
    await assert.rejects(openEmbeddedStore({ directory }), fatal(/metadata\.store (is damaged|has format version)/));
    assert.deepEqual(readFileSync(path), damaged);
  }
  writeFileSync(path, whole);
  const reopened = await openEmbeddedStore({ directory });
  assert.equal((await reopened.get('/b'))?.value, 'ключ');
  await reopened.close();
});

test('a file of a later format is refused by its version, not called damaged', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'metadata.store'), 'holdfast-metadata 2 abc\n{}\n');
  await assert.rejects(openEmbeddedStore({ directory }), fatal(/has format version 2, this program reads version 1/));
});

test('a temporary file left by a crash is ignored', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'metadata.store.tmp'), 'half of someth');
  const store = await openEmbeddedStore({ directory });
  assert.deepEqual(await store.list(''), { revision: 0, entries: [] });
  await store.compareAndSet('/a', 'absent', '1');
  await store.close();
  assert.deepEqual(readdirSync(directory).sort(), ['metadata.lock', 'metadata.store']);
});

/** Five transactions, the third over two keys; returns the revisions acknowledged. */
async function runScript(store: MetadataStore): Promise<number[]> {
  const acknowledged: number[] = [];
  try {
    for (let i = 1; i <= 5; i++) {
      const puts = [{ key: '/n', value: String(i) }, ...(i >= 3 ? [{ key: '/m', value: String(i) }] : [])];
      const result = await store.transact({ guards: [], puts });
      if (result.ok) acknowledged.push(result.revision);
    }
  } catch (error) {
    assert(error instanceof OperationError);
  }
  return acknowledged;
}

/** The content must be that of the last acknowledged transaction or of the one after it, whole. */
async function assertNothingLost(
  files: Map<string, Buffer>,
  acknowledged: readonly number[],
  at: string,
): Promise<void> {
  const reopened = await openStoreOn(new CrashDisk(files), '/store', () => undefined);
  const last = acknowledged.at(-1) ?? 0;
  const { revision } = await reopened.list('');
  assert(revision === last || revision === last + 1, `${at}: acknowledged ${last}, found ${revision}`);
  assert.equal((await reopened.get('/n'))?.value, revision === 0 ? undefined : String(revision), at);
  assert.equal((await reopened.get('/m'))?.value, revision < 3 ? undefined : String(revision), at);
  const next = await reopened.transact({ guards: [], puts: [{ key: '/n', value: 'next' }] });
  assert.deepEqual(next, { ok: true, revision: revision + 1 });
}

test('stopped at any disk operation, a store that is opened again has every acknowledged write', async () => {
  const random = seededRandom(11);
  const complete = new CrashDisk();
  assert.equal((await runScript(await openStoreOn(complete, '/store', () => undefined))).length, 5);
  for (let stopAt = 0; stopAt <= complete.operations; stopAt++) {
    const disk = new CrashDisk(new Map(), { stopAt });
    const acknowledged = await runScript(await openStoreOn(disk, '/store', () => undefined));
    await assertNothingLost(disk.afterKill(), acknowledged, `killed at ${stopAt}`);
    for (let variant = 0; variant < 20; variant++)
      await assertNothingLost(disk.afterPowerCut(random), acknowledged, `power cut at ${stopAt}, ${variant}`);
  }
});

test('a failed disk operation is not-applied before the rename and unknown from it on', async () => {
  const outcomes: string[] = [];
  for (let step = 0; step < 6; step++) {
    const first = new CrashDisk();
    const prepared = await openStoreOn(first, '/store', () => undefined);
    await prepared.compareAndSet('/a', 'absent', 'old');
    const disk = new CrashDisk(first.afterKill(), { failAt: step });
    const store = await openStoreOn(disk, '/store', () => undefined);
    const failed = await store.transact({ guards: [], puts: [{ key: '/a', value: 'new' }] }).then(
      () => assert.fail('the failure was not reported'),
      (error: unknown) => error,
    );
    assert(failed instanceof OperationError);
    assert.equal(failed.code, 'METADATA_WRITE_FAILED');
    outcomes.push(failed.outcome);
    if (failed.outcome === 'not-applied') {
      assert.equal((await store.get('/a'))?.value, 'old');
      assert.equal((await store.compareAndSet('/a', 1, 'new')).ok, true);
    } else {
      const refused = (error: unknown): boolean => error instanceof OperationError && error.code === 'METADATA_FAILED';
      await assert.rejects(store.get('/a'), refused);
      await assert.rejects(store.compareAndSet('/a', 1, 'new'), refused);
      await store.close();
    }
  }
  // create, write, sync, close | rename, sync of the directory
  assert.deepEqual(outcomes, ['not-applied', 'not-applied', 'not-applied', 'not-applied', 'unknown', 'unknown']);
});

test('a failed write ends the leadership only when its outcome is unknown', async () => {
  // Operations 0 to 5 are the campaign's own write.
  for (const [failAt, held] of [
    [7, true],
    [10, false],
  ] as const) {
    const store = await openStoreOn(new CrashDisk(new Map(), { failAt }), '/store', () => undefined);
    const leading = await store.campaign('one');
    await assert.rejects(store.compareAndSet('/a', 'absent', '1', { leadership: leading }));
    assert.equal(leading.held, held);
    assert.equal(leading.lost.aborted, !held);
  }
});

const writer = `
  import { writeSync } from 'node:fs';
  const { openEmbeddedStore } = await import(process.argv[1]);
  const store = await openEmbeddedStore({ directory: process.argv[2] });
  for (let round = 0; ; round++) {
    const current = await store.get('/n');
    const next = String(Number(current?.value ?? 0) + 1);
    const puts = [{ key: '/n', value: next }, { key: '/m', value: next + 'x'.repeat(round % 5000) }];
    const result = await store.transact({ guards: [{ key: '/n', expected: current?.revision ?? 'absent' }], puts });
    if (!result.ok) throw new Error('conflict');
    writeSync(1, next + '\\n');
  }
`;

test('a writer killed with -9 at random moments loses nothing it acknowledged and leaves no lock behind', async (t) => {
  const directory = temporaryDirectory(t);
  const random = seededRandom(5);
  const module = new URL('./embedded-store.ts', import.meta.url).href;
  let found = 0;
  for (let round = 0; round < 8; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', writer, module, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let acknowledged = found;
    const enough = found + 1 + randomBelow(random, 60);
    for await (const line of createInterface(child.stdout)) {
      acknowledged = Number(line);
      if (acknowledged >= enough) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGKILL');
    const store = await openEmbeddedStore({ directory });
    found = Number((await store.get('/n'))?.value);
    const other = (await store.get('/m'))?.value ?? '';
    await store.close();
    assert(acknowledged >= enough);
    assert(found === acknowledged || found === acknowledged + 1, `acknowledged ${acknowledged}, found ${found}`);
    assert(other.startsWith(`${found}`) && /^\d+x*$/.test(other));
  }
});
