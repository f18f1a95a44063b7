import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { batch, put } from '../testing/batches.ts';
import { MemoryFiles } from '../testing/memory-files.ts';
import { listRollback, moveDatabase } from './rollback-directory.ts';
import { RollbackFileReader, RollbackFileWriter, type RollbackTotals } from './rollback-file.ts';
import { epochsWithin, formatGivenUp, mayBeAcknowledged, parseGivenUp, rollbackName } from './rollback-header.ts';
import type { GivenUp } from './rollback-header.ts';

const part: GivenUp = {
  nodeId: 'a'.repeat(40),
  logId: 'ffe223043cddc2ef1e62',
  first: 5,
  last: 8,
  epochs: [{ epoch: 3, firstSequence: 5 }],
  mode: 'sync',
  slotPrefixed: true,
  atMs: 1_700_000_000_000,
};
const batches = [batch(5, put('a', '1'), put('b', '2')), batch(7, put('c', '3')), batch(8, put('d', '4'))];

async function write(files: MemoryFiles, path: string, of: GivenUp = part): Promise<RollbackTotals> {
  const writer = await RollbackFileWriter.begin(await files.openWriter(path), of);
  for (const bytes of batches) await writer.batch(bytes);
  return writer.finish();
}

async function read(
  files: MemoryFiles,
  path: string,
): Promise<{ part: GivenUp; batches: Buffer[]; totals: RollbackTotals }> {
  const reader = await RollbackFileReader.open(path, await files.openReader(path));
  const found: Buffer[] = [];
  const totals = await reader.readAll((bytes) => void found.push(bytes));
  return { part: reader.part, batches: found, totals };
}

describe('a rollback file', () => {
  it('gives back what was written, byte for byte', async () => {
    const files = new MemoryFiles();
    const totals = await write(files, '/f');
    assert.deepEqual(await read(files, '/f'), { part, batches, totals });
    assert.deepEqual([totals.batches, totals.records, totals.batchBytes], [3, 4, Buffer.concat(batches).length]);
  });

  it('has the bytes of the example in its description', async () => {
    const files = new MemoryFiles();
    const example = { ...part, last: 5, slotPrefixed: false };
    const set = '0500000000000000010000000301310' + '5010d0b5f5f6e616d6573706163656b0a81000000000000000076';
    const writer = await RollbackFileWriter.begin(await files.openWriter('/f'), example);
    await writer.batch(Buffer.from(set, 'hex'));
    await writer.finish();
    const hex = (files.content.get('/f') as Buffer).toString('hex');
    const json = Buffer.from(formatGivenUp(example)).toString('hex');
    assert.equal(json.length, 2 * 200);
    assert.equal(
      hex,
      '686f6c64666173742d726f6c6c6261636b20310a' +
        `48c8000000a1315bad${json}` +
        `422a000000e1692219${set}` +
        '451c0000005a56d0f3' +
        '01000000000000000100000000000000' +
        '2a00000000000000e4f90700',
    );
  });

  it('is damaged when any byte is missing, another or too many', async () => {
    const files = new MemoryFiles();
    await write(files, '/f');
    const whole = files.content.get('/f') as Buffer;
    const isDamaged = { code: 'ROLLBACK_FILE_DAMAGED' };
    for (let end = 0; end < whole.length; end++) {
      files.content.set('/f', whole.subarray(0, end));
      await assert.rejects(read(files, '/f'), isDamaged, `cut at ${end}`);
    }
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0x10;
      files.content.set('/f', changed);
      await assert.rejects(read(files, '/f'), isDamaged, `byte ${at}`);
    }
    files.content.set('/f', Buffer.concat([whole, Buffer.of(0)]));
    await assert.rejects(read(files, '/f'), isDamaged);
  });

  it('cannot be written with a gap, or short of its end', async () => {
    const files = new MemoryFiles();
    const writer = await RollbackFileWriter.begin(await files.openWriter('/f'), part);
    await assert.rejects(writer.batch(batches[1] as Buffer), /does not begin at 5/);
    await writer.batch(batches[0] as Buffer);
    await assert.rejects(writer.finish(), /end at 6, not at 8/);
  });
});

describe('what a rollback file says of itself', () => {
  it('names epochs, and the last of them in its name', () => {
    const history = [
      { epoch: 2, firstSequence: 3 },
      { epoch: 5, firstSequence: 9 },
      { epoch: 6, firstSequence: 20 },
    ];
    assert.deepEqual(epochsWithin(history, 1, 2), [{ epoch: 0, firstSequence: 1 }]);
    assert.deepEqual(epochsWithin(history, 9, 12), [{ epoch: 5, firstSequence: 9 }]);
    assert.deepEqual(epochsWithin(history, 4, 20), [
      { epoch: 2, firstSequence: 4 },
      { epoch: 5, firstSequence: 9 },
      { epoch: 6, firstSequence: 20 },
    ]);
    assert.equal(rollbackName({ first: 4, last: 20, epochs: epochsWithin(history, 4, 20) }), '6-4-20');
  });

  it('says that acknowledged writes may be in it: in async mode, and from before the node was armed', () => {
    assert.equal(mayBeAcknowledged(part), false);
    assert.equal(mayBeAcknowledged({ ...part, mode: 'async' }), true);
    assert.equal(mayBeAcknowledged({ ...part, epochs: [{ epoch: 0, firstSequence: 5 }] }), true);
  });

  it('is not read from what is no description', () => {
    assert.deepEqual(parseGivenUp(formatGivenUp(part)), part);
    for (const change of [{ first: 0 }, { last: 3 }, { mode: 'none' }, { epochs: [] }, { epochs: [{}] }, { atMs: 'x' }])
      assert.equal(parseGivenUp(JSON.stringify({ ...part, ...change })), undefined, JSON.stringify(change));
    for (const text of ['', '{', 'null', '7', '[]']) assert.equal(parseGivenUp(text), undefined);
  });
});

describe('the rollback directory', () => {
  it('is listed by epoch and sequence, and says what it cannot read', async () => {
    const files = new MemoryFiles();
    await write(files, '/r/10-5-8.batches', { ...part, epochs: [{ epoch: 10, firstSequence: 5 }] });
    await write(files, '/r/3-5-8.batches');
    files.content.set('/r/3-5-8-2.batches', Buffer.from('no rollback file'));
    files.content.set('/r/3-9-9.batches.tmp', Buffer.from('half'));
    const listed = await listRollback(files, '/r', () => 0);
    assert.deepEqual(
      listed.map((entry) => [entry.name, entry.part?.first, entry.problem]),
      [
        [
          '3-5-8-2.batches',
          undefined,
          '/r/3-5-8-2.batches is damaged: it does not begin as a rollback file of version 1',
        ],
        ['3-5-8.batches', 5, undefined],
        ['10-5-8.batches', 5, undefined],
      ],
    );
    assert.deepEqual(await listRollback(files, '/none', () => 0), []);
  });

  it('takes whole databases, one beside the other', async () => {
    const files = new MemoryFiles();
    files.list = (directory): Promise<readonly string[]> =>
      MemoryFiles.prototype.list
        .call(files, directory)
        .then((names) => [...new Set(names.map((name) => name.split('/')[0] as string))]);
    for (const [i, name] of ['3-5-8.database', '3-5-8-2.database'].entries()) {
      files.content.set('/db/CURRENT', Buffer.from(String(i)));
      assert.equal(await moveDatabase(files, '/r', '/db', part), name);
      assert.equal(files.content.get(`/r/${name}/CURRENT`)?.toString(), String(i));
      assert.equal(await files.exists('/db'), false);
    }
    const listed = await listRollback(files, '/r', () => 9);
    assert.deepEqual(
      listed.map(({ kind, sizeBytes, part: found }) => [kind, sizeBytes, found?.last]),
      [
        ['database', 9, 8],
        ['database', 9, 8],
      ],
    );
  });
});
