/**
 * What stands in a database directory after a compaction, held to the model: a metadata record for every key and no other,
 * and as many sub keys as it has elements, all of its version. Keys are taken apart here by themselves (docs/formats/keys.md).
 */
import assert from 'node:assert/strict';
import { family, type Engine } from '@holdfast/engine';
import { readLeftDatabase } from '../support/stored-records.ts';
import type { Keyspace, Value } from './keyspace.ts';

interface Stored {
  readonly version: string;
  /** By family. */
  readonly subkeys: Map<number, number>;
}

function bytesOf(window: { view(): Buffer }): string {
  return window.view().toString('latin1');
}

/** Sub keys by family; undefined where the model does not tell. */
function expectedSubkeys(value: Value): Map<number, number> | undefined {
  const { subkey, zsetScore, stream } = family;
  switch (value.type) {
    case 'hash':
      return new Map([[subkey, value.fields.size]]);
    case 'list':
      return new Map([[subkey, value.items.length]]);
    case 'set':
      return new Map([[subkey, value.members.size]]);
    case 'sortedint':
      return new Map([[subkey, value.ids.size]]);
    case 'zset':
      return new Map([
        [subkey, value.scores.size],
        [zsetScore, value.scores.size],
      ]);
    case 'stream': {
      const groups = [...value.groups.values()];
      const count = groups.reduce((sum, { consumers, pending }) => sum + 1 + consumers.size + pending.length, 0);
      const all = value.entries.length + count;
      return new Map(all === 0 ? [] : [[stream, all]]);
    }
    case 'string':
    case 'ReJSON-RL':
      return new Map();
    default:
      return undefined;
  }
}

function storedIn(engine: Engine, isCluster: boolean): Map<string, Stored> {
  const stored = new Map<string, Stored>();
  const keyStart = (bytes: string): number => 1 + bytes.charCodeAt(0) + (isCluster ? 2 : 0);
  const records = engine.iterate(family.metadata, {});
  while (records.next()) {
    const bytes = bytesOf(records.key);
    stored.set(bytes.slice(keyStart(bytes)), { version: bytesOf(records.value).slice(9, 17), subkeys: new Map() });
  }
  records.close();
  for (const id of [family.subkey, family.zsetScore, family.stream]) {
    const entries = engine.iterate(id, { keysOnly: true });
    while (entries.next()) {
      const bytes = bytesOf(entries.key);
      const at = keyStart(bytes);
      const name = bytes.slice(at + 4, at + 4 + Buffer.from(bytes.slice(at, at + 4), 'latin1').readUInt32BE());
      const record = stored.get(name);
      const version = bytes.slice(at + 4 + name.length, at + 12 + name.length);
      assert.equal(record?.version, version, `a sub key of ${name} in family ${id} that nobody reaches`);
      record?.subkeys.set(id, (record.subkeys.get(id) ?? 0) + 1);
    }
    entries.close();
  }
  return stored;
}

/** @param dir of a node that has ended after a compaction. @returns how many sub keys there are. */
export async function assertStored(dir: string, isCluster: boolean, keys: Keyspace): Promise<number> {
  const stored = await readLeftDatabase(dir, isCluster, (engine) => storedIn(engine, isCluster));
  assert.deepEqual([...stored.keys()].sort(), [...keys.entries.keys()].sort(), 'metadata records');
  for (const [name, { value }] of keys.entries) {
    const expected = expectedSubkeys(value);
    if (expected !== undefined)
      assert.deepEqual(stored.get(name)?.subkeys, expected, `sub keys of ${name}, ${value.type}`);
  }
  return [...stored.values()].reduce((sum, { subkeys }) => sum + [...subkeys.values()].reduce((a, b) => a + b, 0), 0);
}
