import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptShard } from './accept-shard.ts';
import { formatFenceConf, parseFenceConf } from './fence-conf.ts';
import { unarmedRecord, type FenceRecord } from './fence-record.ts';
import { formatShardArguments, parseShardArguments } from './shard-message.ts';
import { logIdOf, nodeIdOf, processIdOf, shardMessage } from './testing/samples.ts';

const unarmed = unarmedRecord({ logId: logIdOf('a'), bootId: 'boot-1', mode: 'log-only' });

function armed(): FenceRecord {
  const own = { nodeId: nodeIdOf('a'), processId: processIdOf('a') };
  const accepted = acceptShard(unarmed, shardMessage({ epoch: 7, isrVersion: 3, controllers: ['controller1'] }), own);
  assert.equal(accepted.kind, 'accepted');
  return accepted.record;
}

test('fence.conf gives back the record that was written', () => {
  for (const record of [unarmed, armed(), { ...armed(), resignedEpoch: 7 }])
    assert.deepEqual(parseFenceConf(formatFenceConf(record)), { kind: 'ok', record });
});

test('a fence.conf torn at any byte is refused and the line is named', () => {
  const text = formatFenceConf(armed());
  for (let cut = 0; cut < text.length; cut++) {
    const parsed = parseFenceConf(text.slice(0, cut));
    assert.equal(parsed.kind, 'refused', `cut at ${cut}`);
    const lastLine = text.slice(0, cut).split('\n').length;
    assert.ok(parsed.line >= lastLine - 1 && parsed.line <= lastLine, `cut at ${cut}: line ${parsed.line}`);
  }
});

test('a fence.conf with any one byte changed is refused', () => {
  const text = formatFenceConf(armed());
  for (let at = 0; at < text.length; at++) {
    const changed = text.slice(0, at) + (text[at] === '1' ? '2' : '1') + text.slice(at + 1);
    assert.equal(parseFenceConf(changed).kind, 'refused', `byte ${at}`);
  }
});

test('a wrong value is refused with its line and what is allowed there', () => {
  const text = formatFenceConf(armed()).replace('mode strict', 'mode loose');
  const parsed = parseFenceConf(text);
  assert.equal(parsed.kind, 'refused');
  assert.equal(parsed.line, 11);
  assert.match(parsed.error, /disabled, log-only, block-write, strict/);
});

test('SHARD arguments give back the record they were made of', () => {
  for (const message of [
    shardMessage(),
    shardMessage({ controllers: ['controller1', 'controller2', 'controller3'] }),
    shardMessage({ masterId: '-', processId: '-', isr: [] }),
  ])
    assert.deepEqual(parseShardArguments(formatShardArguments(message)), { kind: 'ok', message });
});

test('SHARD refuses each argument that is out of its grammar', () => {
  const good = formatShardArguments(shardMessage());
  const bad: readonly (readonly [number, string])[] = [
    [0, '0'],
    [0, '16777216'],
    [0, '-1'],
    [0, '01'],
    [1, 'x'],
    [2, '0'],
    [2, '99'],
    [2, '60001'],
    [3, 'short'],
    [3, '-'],
    [4, '-'],
    [4, 'UPPER-CASE'],
    [5, ''],
    [5, nodeIdOf('a')],
    [5, `${nodeIdOf('a')}:${logIdOf('a')},${nodeIdOf('a')}:${logIdOf('a')}`],
  ];
  for (const [index, value] of bad) {
    const parsed = parseShardArguments(good.with(index, value));
    assert.equal(parsed.kind, 'refused', `argument ${index} = '${value}'`);
    assert.match(parsed.error, /^ERR invalid shard record: /);
  }
  assert.equal(parseShardArguments(good.slice(1)).kind, 'refused');
});
