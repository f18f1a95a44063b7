import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { dataTypes, defaultNamespace, namespaceOf, type Commit, type Engine, type UserKey } from '@holdfast/engine';
import { openTestEngine } from '@holdfast/engine/testing';
import { operationsOf, type Operation } from './operations.ts';

const nowMs = 1_700_000_000_000;

function spanOf(text: string): { buffer: Buffer; start: number; end: number } {
  const buffer = Buffer.from(text);
  return { buffer, start: 0, end: buffer.length };
}

function keyOf(text: string, namespace = defaultNamespace): UserKey {
  return { ...spanOf(text), namespace };
}

function batchesOf({ packed, lengths, count }: Commit): Buffer[] {
  let at = 0;
  return Array.from({ length: count }, (_, i) => packed.subarray(at, (at += lengths[i] as number)));
}

/** What an engine wrote, read back. `act` may end the tick as often as it likes. */
async function written(
  slotPrefixed: boolean,
  act: (engine: Engine, endTick: () => void) => void,
): Promise<readonly Operation[]> {
  await using test = await openTestEngine({ slotPrefixed, random: seededRandom(7) });
  const found: Operation[] = [];
  const endTick = (): void => {
    const commit = test.engine.commit();
    assert.ok(commit);
    found.push(...batchesOf(commit).flatMap((batch) => operationsOf(batch, slotPrefixed)));
    test.engine.beginCommand();
  };
  test.engine.beginCommand();
  act(test.engine, endTick);
  endTick();
  return found;
}

function lineOf({ kind, words, type, family, action }: Operation): string {
  return words === undefined ? `${kind}: ${action} ${family} ${type ?? '-'}` : words.map(String).join(' ');
}

describe('operations of a rollback file', () => {
  for (const slotPrefixed of [false, true])
    it(`are the commands that were executed (${slotPrefixed ? 'with' : 'without'} slots)`, async () => {
      const found = await written(slotPrefixed, (engine, endTick) => {
        const { strings, hashes, keyspace } = dataTypes(engine);
        strings.set(keyOf('s'), spanOf('v1'), 0);
        strings.set(keyOf('e'), spanOf(''), nowMs + 5);
        hashes.openOrCreate(keyOf('{s}h'), nowMs);
        hashes.put(spanOf('f'), spanOf('1'), true);
        hashes.put(spanOf('g'), spanOf('2'), true);
        hashes.save(keyOf('{s}h'));
        // Of what is written again in one batch only the last counts.
        endTick();
        keyspace.expireMs(keyOf('{s}h'), nowMs);
        keyspace.setExpireMs(keyOf('{s}h'), nowMs + 9, nowMs);
        keyspace.expireMs(keyOf('{s}h'), nowMs);
        keyspace.setExpireMs(keyOf('{s}h'), 0, nowMs);
        hashes.open(keyOf('{s}h'), nowMs);
        hashes.remove(spanOf('f'));
        hashes.save(keyOf('{s}h'));
        keyspace.delete(keyOf('s'), nowMs);
      });
      assert.deepEqual(found.map(lineOf), [
        'SET s v1',
        `SET e  PXAT ${nowMs + 5}`,
        'HSET {s}h f 1',
        'HSET {s}h g 2',
        'note: put metadata hash',
        `PEXPIREAT {s}h ${nowMs + 9}`,
        'PERSIST {s}h',
        'HDEL {s}h f',
        'note: put metadata hash',
        'DEL s',
      ]);
      assert.deepEqual(
        found.map(({ sequence }) => sequence),
        found.map((_, i) => i + 1),
      );
    });

  it('are raw where words cannot say them: other namespaces, a flush, other types', async () => {
    const found = await written(false, (engine) => {
      const { strings, keyspace } = dataTypes(engine);
      strings.set(keyOf('k', namespaceOf('tenant')), spanOf('v'), 0);
      keyspace.flush(defaultNamespace);
      engine.putPropagate(Buffer.from('holdfast_epoch'), Buffer.from('1:1'));
    });
    assert.deepEqual(found.map(lineOf), [
      'raw: put metadata string',
      'raw: delete-range metadata -',
      'note: put propagate -',
    ]);
    assert.deepEqual([found[0]?.namespace, found[0]?.key?.toString()], ['tenant', 'k']);
  });

  it('refuse what is no batch', () => {
    assert.throws(() => operationsOf(Buffer.alloc(5), false), { name: 'ProtocolError' });
    const lying = Buffer.alloc(12);
    lying.writeUInt32LE(1, 8);
    assert.throws(() => operationsOf(lying, false), /announces 1 records and holds 0/);
  });

  it('survive any bytes as keys and values', () => {
    const random = seededRandom(11);
    const head = Buffer.alloc(12);
    head.writeUInt32LE(1, 8);
    for (let i = 0; i < 2000; i++) {
      const length = randomBelow(random, 30);
      const key = Buffer.from(random.bytes(length));
      const to = randomBelow(random, 8);
      const batch = Buffer.concat([head, Buffer.of(3, 1, 0x32), Buffer.of(5, to, length), key, Buffer.of(length), key]);
      const [operation] = operationsOf(batch, i % 2 === 0);
      assert.deepEqual(operation?.raw, { key, value: key });
    }
  });
});
