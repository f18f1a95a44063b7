import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { OperationError } from '@holdfast/base';
import { openRepaired, swapDirectories } from './directory-swap.ts';
import { replicationPaths } from './files.ts';
import { Crash, MemoryFiles } from './testing/memory-files.ts';

const paths = replicationPaths('/data');
const fileNames = ['CURRENT', 'MANIFEST-000001', '000002.sst', '000003.log'];

/** A directory of which every file says whose it is. */
function fill(files: MemoryFiles, directory: string, owner: string): void {
  for (const name of fileNames) files.content.set(`${directory}/${name}`, Buffer.from(owner));
}

/** Opens what stands at `db`: fails unless it is one whole database; creates one when there is nothing. */
function opener(files: MemoryFiles, isGood: (owner: string) => boolean): () => Promise<string> {
  return async () => {
    const names = await files.list(paths.database);
    if (names.length === 0) {
      if (await files.exists(paths.database)) throw new Error('an empty directory');
      fill(files, paths.database, 'created');
      return 'created';
    }
    const owners = new Set(fileNames.map((name) => files.content.get(`${paths.database}/${name}`)?.toString()));
    const [owner] = owners;
    if (owners.size !== 1 || owner === undefined) throw new Error(`a mixed or partial database: ${[...owners].join()}`);
    if (!isGood(owner)) throw new Error(`Corruption in ${owner}`);
    return owner;
  };
}

const isForeign = (error: unknown): boolean => error instanceof Error && error.message.includes('locked');

function before(): MemoryFiles {
  const files = new MemoryFiles();
  fill(files, paths.database, 'own');
  fill(files, paths.received, 'received');
  return files;
}

describe('exchanging the database', () => {
  it('ends with the received one and nothing else', async () => {
    const files = before();
    const open = opener(files, () => true);
    await swapDirectories(files, paths, async () => void (await open()));
    assert.deepEqual(
      [...files.content].map(([path, content]) => `${path} ${content.toString()}`).sort(),
      fileNames.map((name) => `/data/db/${name} received`).sort(),
    );
  });

  it('goes back to the former one when the received one does not open', async () => {
    const files = before();
    const open = opener(files, (owner) => owner === 'own');
    await assert.rejects(
      swapDirectories(files, paths, async () => void (await open())),
      (error) => error instanceof OperationError && error.code === 'FULL_SYNC_OPEN' && error.outcome === 'not-applied',
    );
    assert.equal(await open(), 'own');
    assert.equal(await files.exists(paths.former), false);
  });

  for (const good of ['received', 'own'] as const)
    it(`interrupted after any change, the next start finds one whole database (${good} opens)`, async () => {
      let crashes = 0;
      for (let at = 0; ; at++) {
        const files = before();
        files.crashAt = at;
        const isGood = (owner: string): boolean => good === 'received' || owner === 'own';
        const open = opener(files, isGood);
        const outcome = await swapDirectories(files, paths, async () => void (await open())).catch(
          (error: unknown) => error,
        );
        // A start may be interrupted too, at each of its own changes.
        for (let again = 0; ; again++) {
          const copy = new MemoryFiles();
          for (const [path, content] of files.content) copy.content.set(path, content);
          copy.crashAt = again;
          const reopen = opener(copy, isGood);
          await openRepaired(copy, paths, reopen, isForeign).catch(() => undefined);
          copy.restart();
          const found = await openRepaired(copy, paths, reopen, isForeign);
          assert.ok(found === 'own' || found === 'received', `crash at ${at} and ${again}: ${found}`);
          assert.ok(isGood(found));
          for (const path of [paths.former, paths.discarded, paths.received, paths.checkpoint])
            assert.equal(await copy.exists(path), false, `${path} is left after a crash at ${at} and ${again}`);
          if (copy.changes < again) break;
        }
        if (!(outcome instanceof Crash)) break;
        crashes++;
      }
      assert.ok(crashes >= 5, `${crashes} crashes`);
    });

  it('leaves both alone when another process holds the database', async () => {
    const files = before();
    await files.rename(paths.received, paths.former);
    const locked = (): Promise<string> => Promise.reject(new Error('locked'));
    await assert.rejects(openRepaired(files, paths, locked, isForeign), /locked/);
    assert.equal(files.content.get('/data/db/CURRENT')?.toString(), 'own');
    assert.equal(files.content.get('/data/db.tmp/CURRENT')?.toString(), 'received');
  });

  it('creates a database when there is none, and reports one that is broken', async () => {
    const files = new MemoryFiles();
    assert.equal(
      await openRepaired(
        files,
        paths,
        opener(files, () => true),
        isForeign,
      ),
      'created',
    );
    await assert.rejects(
      openRepaired(
        files,
        paths,
        opener(files, () => false),
        isForeign,
      ),
      /Corruption/,
    );
    assert.equal(await files.exists(paths.database), true);
  });
});
