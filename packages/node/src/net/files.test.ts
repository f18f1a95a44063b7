import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { markCleanShutdown, openLogId, writeLogId } from './files.ts';

function history(t: TestContext): (facts: { existed?: boolean; boot?: string; sync?: boolean }) => string {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-files-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  let made = 0;
  return ({ existed = true, boot = 'boot-1', sync = false }) => {
    if (boot === 'clean') markCleanShutdown(dir);
    else if (boot === 'full-sync') writeLogId(dir, 'received', { bootId: 'boot-1', syncWal: sync });
    else
      return openLogId({
        dir,
        databaseExisted: existed,
        bootId: boot,
        syncWal: sync,
        makeId: () => `log${String(++made)}`,
      }).logId;
    return '';
  };
}

test('a killed process keeps the id of its log, a new database gets another one', (t) => {
  const open = history(t);
  assert.deepEqual(
    [open({ existed: false }), open({}), open({}), open({ existed: false })],
    ['log1', 'log1', 'log1', 'log2'],
  );
});

test('a log that was open as the machine went down gets another id, after a clean end it keeps its own', (t) => {
  const open = history(t);
  assert.deepEqual([open({ existed: false }), open({ boot: 'boot-2' })], ['log1', 'log2']);
  open({ boot: 'clean' });
  assert.equal(open({ boot: 'boot-3' }), 'log2');
  assert.equal(open({ boot: 'boot-4' }), 'log3', 'the mark was for one start');
});

test('what counts after a loss of power is whether the run before it synced its writes', (t) => {
  const open = history(t);
  assert.equal(open({ existed: false, sync: true }), 'log1');
  assert.equal(open({ boot: 'boot-2', sync: false }), 'log1', 'the lost run synced');
  assert.equal(open({ boot: 'boot-3', sync: true }), 'log2', 'the lost run did not');
});

test('the id of a received history stays', (t) => {
  const open = history(t);
  open({ existed: false });
  open({ boot: 'full-sync' });
  assert.equal(open({}), 'received');
});
