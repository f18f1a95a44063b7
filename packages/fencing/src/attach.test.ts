import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepDown } from './accept-shard.ts';
import {
  formatAttachArguments,
  formatAttachReply,
  judgeAttach,
  parseAttachArguments,
  parseAttachReply,
  type AttachRequest,
} from './attach.ts';
import { parseEpochHistory, type LogOutline } from './epoch-history.ts';
import { fencedRole, unarmedRecord, type FenceRecord } from './fence-record.ts';
import { logIdOf, nodeIdOf, processIdOf, shardMessage } from './testing/samples.ts';

const own = { nodeId: nodeIdOf('a'), processId: processIdOf('a') };
const base = unarmedRecord({ logId: logIdOf('a'), bootId: 'boot-1', mode: 'strict' });
const record: FenceRecord = { ...base, ...shardMessage({ epoch: 3 }), armed: true };
const outline = (history: string, latestSequence: number): LogOutline => ({
  history: parseEpochHistory(history) ?? assert.fail(history),
  latestSequence,
});
const masterLog = outline('1:1,3:50', 80);
const request = (change: Partial<AttachRequest> = {}): AttachRequest => ({
  epoch: 3,
  nodeId: nodeIdOf('b'),
  logId: logIdOf('b'),
  outline: outline('1:1', 40),
  ...change,
});
const judged = (change: Partial<AttachRequest> = {}, of: FenceRecord = record, log: LogOutline = masterLog) =>
  judgeAttach(of, own, log, request(change));

test('arguments give back what they were made of; each wrong one is named', () => {
  const args = formatAttachArguments(request());
  assert.deepEqual(args, ['3', nodeIdOf('b'), logIdOf('b'), '40', '1:1']);
  assert.deepEqual(parseAttachArguments(args), { kind: 'ok', request: request() });
  const wrong = ['0', 'short', 'x', '-1', '3:5,2:9'];
  wrong.forEach((text, i) => {
    const parsed = parseAttachArguments(args.with(i, text));
    assert.match(parsed.kind === 'refused' ? parsed.error : '', new RegExp(`^ERR invalid attach: .*'${text}'`));
  });
  assert.equal(parseAttachArguments(args.slice(1)).kind, 'refused');
});

test('a follower in the same epoch gets the last common entry, and its acknowledgements count', () => {
  assert.deepEqual(judged(), { kind: 'attached', common: { epoch: 1, sequence: 40 }, counts: true });
  const tail = { outline: outline('1:1,2:45', 60) };
  assert.deepEqual(judged(tail), { kind: 'attached', common: { epoch: 1, sequence: 44 }, counts: true });
  assert.deepEqual(judged({ outline: outline('-', 0) }).kind, 'attached');
});

test('both ends must be in one epoch; a master that hears of a higher one steps down for good', () => {
  assert.match(JSON.stringify(judged({ epoch: 2 })), /ERR stale epoch: the follower is in 2, this node in 3/);
  const verdict = judged({ epoch: 4 });
  assert.equal(verdict.kind === 'step-down' && verdict.epoch, 4);
  const stepped = stepDown(record, 4);
  assert.ok(stepped !== undefined);
  assert.equal(fencedRole(stepped, own), 'replica');
  assert.equal(stepDown(stepped, 4), undefined, 'once is enough');
  assert.equal(stepDown(record, 3), undefined);
  assert.equal(judged({ epoch: 4 }, stepped).kind, 'refused', 'nothing left to give up');
});

test('nobody gives up entries for the log of a node that is not the master', () => {
  const replica: FenceRecord = { ...record, masterId: nodeIdOf('c'), processId: processIdOf('c') };
  assert.equal(judged({ outline: outline('1:1,2:45', 60) }, replica).kind, 'refused');
  assert.deepEqual(judged({}, replica), { kind: 'attached', common: { epoch: 1, sequence: 40 }, counts: false });
  const restarted = judgeAttach(record, { ...own, processId: processIdOf('a', 2) }, masterLog, request());
  assert.equal(restarted.kind === 'attached' && restarted.counts, false);
});

test('logs that cannot be compared take a full sync, once the epoch is in the log that is copied', () => {
  const before = outline('-', 40);
  assert.equal(judged({ outline: before }, record, outline('3:50', 80)).kind, 'full-sync');
  assert.equal(judged({ outline: before }, record, outline('-', 49)).kind, 'refused');
  assert.equal(judged({ outline: outline('3:50', 49) }, record, outline('3:50', 80)).kind, 'full-sync');
});

test('an unarmed node says so, nobody follows itself, and every answer is understood', () => {
  assert.deepEqual(parseAttachReply(formatAttachReply(judged({}, base))), { kind: 'not-armed' });
  assert.equal(judged({ nodeId: own.nodeId }).kind, 'refused');
  assert.equal(formatAttachReply(judged()), '+COMMON 40 1');
  assert.deepEqual(parseAttachReply('+COMMON 40 1'), { kind: 'common', common: { epoch: 1, sequence: 40 } });
  const lost = judged({ outline: outline('-', 40) }, record, outline('3:50', 80));
  assert.match(formatAttachReply(lost), /^-ERR no common history: /);
  assert.deepEqual(parseAttachReply(formatAttachReply(lost)), { kind: 'full-sync' });
  assert.match(JSON.stringify(parseAttachReply(formatAttachReply(judged({ epoch: 2 })))), /"refused".*stale epoch/);
  assert.equal(parseAttachReply('+OK').kind, 'refused');
  assert.equal(parseAttachReply("-ERR unknown command 'CLUSTERX'").kind, 'refused');
});
