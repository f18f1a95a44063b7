import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { IdHistory, openPlace, psyncRefusals } from './psync.ts';
import { note, put, storeId } from './testing/batches.ts';
import { MemoryFiles } from './testing/memory-files.ts';
import { MemoryLog } from './testing/memory-log.ts';

const [idP, idQ, idR] = ['P', 'Q', 'R'].map((letter) => letter.repeat(16)) as [string, string, string];

/** Sequences 1-3 under P, 4 stores Q, 5-6 (one batch) and 7 under Q. */
function logOfTwoMasters(): MemoryLog {
  const log = new MemoryLog(new MemoryFiles());
  log.write(storeId(idP), note(idP));
  log.write(put('a', '1'), note(idP));
  log.write(put('b', '1'), note(idP));
  log.write(storeId(idQ), note(idQ));
  log.write(put('c', '1'), put('d', '1'), note(idQ));
  log.write(put('e', '1'), note(idQ));
  return log;
}

function decide(log: MemoryLog, ids: IdHistory, nextSequence: number, replicationId?: string): string {
  const place = openPlace(log, ids, { nextSequence, replicationId });
  if (typeof place !== 'string') {
    assert.equal(place.opened !== undefined, nextSequence <= log.latestSequence());
    return 'granted';
  }
  return place === psyncRefusals.otherHistory ? 'other history' : 'out of range';
}

describe('PSYNC', () => {
  const witness = (): IdHistory => {
    // A process that was there all the time.
    const ids = new IdHistory(0, undefined);
    ids.note(1, idP);
    ids.note(4, idQ);
    return ids;
  };
  const newcomer = (): IdHistory => new IdHistory(7, idQ);

  const table: readonly [next: number, id: string | undefined, seen: string, restarted: string, why: string][] = [
    [1, undefined, 'granted', 'granted', 'an empty replica'],
    [8, idQ, 'granted', 'granted', 'up to date'],
    [8, undefined, 'granted', 'granted', 'up to date, ids not in use there'],
    [9, idQ, 'out of range', 'out of range', 'ahead'],
    [9, undefined, 'out of range', 'out of range', 'ahead without an id'],
    [0, undefined, 'out of range', 'out of range', 'before the first sequence'],
    [7, idQ, 'granted', 'granted', 'one batch behind'],
    [6, idQ, 'out of range', 'out of range', 'inside a batch'],
    [5, idQ, 'granted', 'granted', 'has the stored id as its last entry'],
    [5, idP, 'other history', 'other history', 'went on under P where Q began'],
    [8, idP, 'other history', 'other history', 'an old master with as many entries of its own'],
    [7, idP, 'other history', 'other history', 'an old master with one entry less'],
    [4, idP, 'granted', 'other history', 'stopped just before the change; a newcomer cannot know what was before'],
    [4, idQ, 'other history', 'other history', 'claims an id that began later'],
    [3, idP, 'granted', 'granted', 'far behind'],
    [3, idQ, 'other history', 'other history', 'far behind with an id it cannot have'],
    [3, idR, 'other history', 'other history', 'a stranger'],
  ];
  for (const [next, id, seen, restarted, why] of table)
    it(`from ${next} under ${id?.[0] ?? 'no id'}: ${why}`, () => {
      assert.equal(decide(logOfTwoMasters(), witness(), next, id), seen);
      assert.equal(decide(logOfTwoMasters(), newcomer(), next, id), restarted);
    });

  it('is refused where the WAL no longer reaches', () => {
    const log = logOfTwoMasters();
    log.walFrom = 4;
    assert.equal(decide(log, witness(), 3, idP), 'out of range');
    assert.equal(decide(log, witness(), 5, idQ), 'granted');
  });

  it('without ids compares sequences only, as Kvrocks does', () => {
    const log = new MemoryLog(new MemoryFiles());
    log.write(put('a', '1'));
    log.write(put('b', '1'));
    const ids = new IdHistory(2, undefined);
    assert.equal(decide(log, ids, 2), 'granted');
    assert.equal(decide(log, ids, 2, idP), 'granted');
    assert.equal(decide(log, ids, 4, idP), 'out of range');
  });

  it('a master restarted under a new id still knows the one before', () => {
    const log = logOfTwoMasters();
    const ids = new IdHistory(7, idQ);
    log.write(storeId(idR), note(idR));
    ids.note(8, idR);
    assert.equal(decide(log, ids, 8, idQ), 'granted');
    assert.equal(decide(log, ids, 9, idR), 'granted');
    assert.equal(decide(log, ids, 9, idQ), 'other history');
  });
});

describe('IdHistory', () => {
  it('answers for what it saw and no further, and stays bounded', () => {
    const ids = new IdHistory(10, idP);
    ids.note(11, idP);
    ids.note(12, idQ);
    ids.note(13, undefined);
    assert.deepEqual(ids.at(9), { known: false, id: undefined });
    assert.deepEqual(ids.at(11), { known: true, id: idP });
    assert.deepEqual(ids.at(12), { known: true, id: idQ });
    assert.deepEqual(ids.at(99), { known: true, id: undefined });
    for (let i = 0; i < 5000; i++) ids.note(100 + i, i % 2 === 0 ? idP : idQ);
    assert.equal(ids.at(101).known, false);
    assert.deepEqual(ids.at(5099), { known: true, id: idQ });
  });
});
