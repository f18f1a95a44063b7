import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIsrRequest, judgeIsrRequest, parseIsrRequest, type IsrRequest } from './isr-request.ts';
import type { ShardRecord } from './shard-record.ts';
import { logIdOf, nodeIdOf, processIdOf, shardMessage, viewOf } from './testing/samples.ts';

const record: ShardRecord = { ...shardMessage({ epoch: 3, isrVersion: 4 }), transition: null, changedAtMs: 0 };
const from = { nodeId: nodeIdOf('a'), processId: processIdOf('a') };
const views = [viewOf('a'), viewOf('b'), viewOf('c')];
const request = (change: '+' | '-', name: string, more: Partial<IsrRequest> = {}): IsrRequest => ({
  epoch: 3,
  isrVersion: 4,
  change,
  member: { nodeId: nodeIdOf(name), logId: logIdOf(name) },
  ...more,
});

test('a request gives back what it was made of; nothing else is one', () => {
  for (const each of [request('+', 'c'), request('-', 'b')])
    assert.deepEqual(parseIsrRequest(formatIsrRequest(each)), each);
  const whole = formatIsrRequest(request('+', 'c'));
  for (const text of [
    '',
    '3:4',
    `${whole}:x`,
    whole.replace('+', ''),
    whole.replace('+', '*'),
    whole.replace('3', '0'),
  ])
    assert.equal(parseIsrRequest(text), undefined, text);
});

test('an addition and a removal each make the next isr-version', () => {
  const added = judgeIsrRequest(record, from, request('+', 'c'), views);
  const member = (name: string) => ({ nodeId: nodeIdOf(name), logId: logIdOf(name) });
  assert.deepEqual(added, {
    kind: 'change',
    record: { ...record, isrVersion: 5, isr: [member('a'), member('b'), member('c')] },
  });
  const removed = judgeIsrRequest(record, from, request('-', 'b'), views);
  assert.deepEqual(removed, { kind: 'change', record: { ...record, isrVersion: 5, isr: [member('a')] } });
});

test('taking back a proposal changes the version alone', () => {
  const taken = judgeIsrRequest(record, from, request('-', 'c'), views);
  assert.deepEqual(taken, { kind: 'change', record: { ...record, isrVersion: 5 } });
});

test('requests of another epoch, isr-version, process, node or log change nothing', () => {
  const otherLog = { nodeId: nodeIdOf('b'), logId: logIdOf('b', 2) };
  const ignored: readonly (readonly [IsrRequest, typeof from])[] = [
    [request('+', 'c', { epoch: 2 }), from],
    [request('+', 'c', { epoch: 4 }), from],
    [request('+', 'c', { isrVersion: 3 }), from],
    [request('+', 'c', { isrVersion: 5 }), from],
    [request('+', 'c'), { ...from, processId: processIdOf('a', 2) }],
    [request('+', 'c'), { nodeId: nodeIdOf('b'), processId: processIdOf('b') }],
    [request('-', 'a'), from],
    [request('+', 'b'), from],
    [request('-', 'b', { member: otherLog }), from],
    [request('+', 'c', { member: { nodeId: nodeIdOf('c'), logId: logIdOf('c', 2) } }), from],
    [request('+', 'd'), from],
  ];
  for (const [each, by] of ignored)
    assert.equal(judgeIsrRequest(record, by, each, views).kind, 'ignored', formatIsrRequest(each));
});
