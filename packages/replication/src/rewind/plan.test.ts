import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RewindMarker } from './marker.ts';
import { formatMarker, parseMarker } from './marker.ts';
import { nextRewindStep, type MarkedAttempt, type OpenFound } from './plan.ts';

const marker: RewindMarker = {
  keep: 4,
  file: '4-5-8.batches',
  whole: {
    nodeId: 'n',
    logId: 'l',
    first: 1,
    last: 8,
    epochs: [{ epoch: 4, firstSequence: 1 }],
    mode: 'sync',
    slotPrefixed: true,
    atMs: 7,
  },
};

describe('what a rewind does next', () => {
  it('of a database that is open', () => {
    const step = (found: Partial<OpenFound>): string =>
      nextRewindStep({ kind: 'open', keep: 4, latest: 8, flushedThrough: 4, batches: 'not-saved', ...found });
    assert.equal(step({ latest: 4 }), 'rewound');
    assert.equal(step({ latest: 3 }), 'rewound');
    assert.equal(step({}), 'save');
    assert.equal(step({ flushedThrough: 5 }), 'save', 'also what cannot be taken back is kept first');
    assert.equal(step({ batches: 'saved' }), 'mark');
    assert.equal(step({ batches: 'saved', flushedThrough: 5 }), 'full-sync');
    assert.equal(step({ batches: 'not-in-the-log' }), 'move-database');
    assert.equal(step({ batches: 'not-in-the-log', flushedThrough: 5 }), 'move-database');
  });

  it('of a database that is marked: it is believed only where it ends as it should, or as it did', () => {
    const step = (attempt: MarkedAttempt, hasDatabase = true): string =>
      nextRewindStep({ kind: 'marked', marker, hasDatabase, attempt });
    assert.equal(step({ kind: 'none' }), 'open-stopped');
    for (const latest of [0, 3, 4, 5, 8])
      assert.equal(step({ kind: 'stopped', latest }), latest === 4 ? 'unmark' : 'move-database');
    assert.equal(step({ kind: 'refused' }), 'open-as-it-is');
    for (const latest of [0, 4, 7, 8, 9])
      assert.equal(step({ kind: 'as-it-is', latest }), latest === 8 ? 'unmark' : 'move-database');
    assert.equal(step({ kind: 'damaged' }), 'move-database');
    assert.equal(step({ kind: 'hindered' }), 'wait');
    for (const kind of ['none', 'refused', 'damaged', 'hindered'] as const)
      assert.equal(step({ kind }, false), 'unmark', 'it was moved away');
  });
});

describe('the marker of a rewind', () => {
  it('says what it was given', () => {
    assert.deepEqual(parseMarker(formatMarker(marker)), marker);
  });

  it('is no marker when a byte is missing or another', () => {
    const text = formatMarker(marker);
    for (let end = 0; end < text.length; end++) assert.equal(parseMarker(text.slice(0, end)), undefined);
    for (let at = 0; at < text.length; at++) {
      const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
      assert.equal(parseMarker(changed), undefined, `byte ${at}`);
    }
    assert.equal(parseMarker(`${text}\n`), undefined);
  });
});
