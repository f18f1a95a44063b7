import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admit, heldUntilMs, mayCommit, mayRelease, type GateFacts } from './gate.ts';

const living: GateFacts = {
  armed: true,
  mode: 'strict',
  role: 'master',
  epoch: 3,
  word: { epoch: 3, deadlineMs: 1000 },
  nowMs: 900,
  roleSinceMs: 100,
  resignedAtMs: undefined,
  isHeld: false,
  isAttached: false,
};
const at = (nowMs: number, change: Partial<GateFacts> = {}): GateFacts => ({ ...living, ...change, nowMs });

test('an armed master executes, commits and releases while its lease runs', () => {
  assert.equal(admit(living, 'write', false), 'execute');
  assert.equal(admit(living, 'read', true), 'execute');
  assert.equal(mayCommit(living, 3), 'commit');
  assert.equal(mayRelease(living, 3), 'release');
});

test('a lapsed lease holds for 300 ms, then closes; reads are fenced as writes are', () => {
  for (const command of ['read', 'write'] as const) {
    assert.equal(admit(at(1000), command, false), 'hold');
    assert.equal(admit(at(1299), command, false), 'hold');
    assert.equal(admit(at(1300), command, false), 'close');
    assert.equal(admit(at(1000), command, true), 'refuse-lapsed');
  }
  assert.deepEqual([mayCommit(at(1299), 3), mayCommit(at(1300), 3)], ['hold', 'drop']);
  assert.deepEqual([mayRelease(at(1299), 3), mayRelease(at(1300), 3)], ['hold', 'close']);
});

test('a process that slept three seconds closes at the first look at the clock', () => {
  assert.equal(admit(at(4000), 'write', false), 'close');
  assert.equal(mayCommit(at(4000), 3), 'drop');
  assert.equal(mayRelease(at(4000), 3), 'close');
});

test('a lease renewed in the same epoch lets everything held go on', () => {
  const renewed = at(1200, { word: { epoch: 3, deadlineMs: 2000 } });
  assert.equal(admit(renewed, 'write', false), 'execute');
  assert.equal(mayCommit(renewed, 3), 'commit');
  assert.equal(mayRelease(renewed, 3), 'release');
});

test('commands that touch neither keys nor topology need no lease', () => {
  assert.equal(admit(at(9000), 'control', false), 'execute');
  assert.equal(admit(at(9000, { role: 'none' }), 'control', true), 'execute');
});

test('a deadline of another epoch is no lease', () => {
  const promoted = at(900, { epoch: 4 });
  assert.equal(admit(promoted, 'write', true), 'refuse-lapsed');
  assert.equal(admit(promoted, 'write', false), 'close');
});

test('a tick opened in an earlier epoch is neither committed nor released in a later one', () => {
  const later = at(900, { epoch: 4, word: { epoch: 4, deadlineMs: 2000 } });
  assert.equal(mayCommit(later, 3), 'drop');
  assert.equal(mayRelease(later, 3), 'close');
});

test('a just promoted master has 300 ms to get its first lease before it closes clients', () => {
  const promoted = at(200, { word: { epoch: 3, deadlineMs: 0 }, roleSinceMs: 150 });
  assert.equal(heldUntilMs(promoted), 450);
  assert.equal(admit(promoted, 'write', false), 'hold');
  assert.equal(admit({ ...promoted, nowMs: 450 }, 'write', false), 'close');
});

test('a master of its topology that was not promoted serves nobody', () => {
  const none = at(900, { role: 'none', word: { epoch: 0, deadlineMs: 0 } });
  assert.equal(admit(none, 'read', true), 'refuse-lapsed');
  assert.equal(admit(none, 'write', false), 'close');
  assert.equal(mayCommit(none, 3), 'drop');
  assert.equal(mayRelease(none, 3), 'close');
});

test('after RESIGN clients are held 300 ms and then redirected, whatever became of the role', () => {
  for (const role of ['master', 'replica'] as const) {
    const resigned = { role, resignedAtMs: 900, word: { epoch: 0, deadlineMs: 0 } };
    assert.equal(admit(at(950, resigned), 'write', false), 'hold');
    assert.equal(admit(at(1200, resigned), 'write', false), 'redirect');
    assert.equal(mayCommit(at(950, resigned), 3), 'drop');
    assert.equal(mayRelease(at(950, resigned), 3), 'close');
  }
});

test('HOLD admits nothing but lets what was admitted commit and be released', () => {
  const held = at(900, { isHeld: true });
  assert.equal(admit(held, 'write', false), 'hold');
  assert.equal(mayCommit(held, 3), 'commit');
  assert.equal(mayRelease(held, 3), 'release');
});

test('a replica that has not attached holds reads for a while, then answers MASTERDOWN, and leaves writes to routing', () => {
  const young = at(900, { role: 'replica', word: { epoch: 0, deadlineMs: 0 }, roleSinceMs: 700 });
  assert.equal(admit(young, 'read', false), 'await-master');
  assert.equal(admit(young, 'read', true), 'await-master');
  assert.equal(heldUntilMs(young), 1000);
  const replica = { ...young, nowMs: 1000 };
  assert.equal(admit(replica, 'read', false), 'master-down');
  assert.equal(admit({ ...replica, isAttached: true }, 'read', false), 'execute');
  assert.equal(admit(replica, 'write', false), 'execute');
  assert.equal(mayCommit(replica, 3), 'drop', 'only its link writes into a replica');
  assert.equal(mayRelease(replica, 3), 'release');
});

test('an unarmed node behaves as upstream: disabled, log-only, block-write, and strict before its first SHARD', () => {
  const rows = [
    ['disabled', 1001, 'execute'],
    ['log-only', 1000, 'execute'],
    ['log-only', 1001, 'execute-and-log'],
    ['block-write', 1001, 'refuse-expired'],
    ['strict', 1001, 'refuse-expired'],
  ] as const;
  for (const [mode, nowMs, decision] of rows) {
    const facts = at(nowMs, { armed: false, mode });
    assert.equal(admit(facts, 'write', false), decision, mode);
    assert.equal(admit(facts, 'read', false), 'execute', mode);
    assert.equal(mayCommit(facts, 0), 'commit');
    assert.equal(mayRelease(facts, 0), 'release');
    assert.equal(
      admit({ ...facts, word: { epoch: 0, deadlineMs: 0 } }, 'write', false),
      'execute',
      'never heartbeated',
    );
  }
});
