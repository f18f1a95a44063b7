/**
 * The records of a database directory that has been left, as bytes: what a key consists of, without the version that ties
 * its records together, which is a time. Keys are taken apart here by themselves (docs/formats/keys.md).
 */
import { join } from 'node:path';
import { seededRandom } from '@holdfast/base';
import { Engine, family } from '@holdfast/engine';

/** Of one user key: its metadata record, and its sub keys with their values, by family. All latin1. */
export interface StoredKey {
  readonly metadata: string;
  readonly subkeys: ReadonlyMap<string, string>;
}

interface Found {
  readonly metadata: string;
  readonly version: string;
  readonly subkeys: Map<string, string>;
}

const subkeyFamilies = [family.subkey, family.zsetScore, family.stream];
const noVersion = '\0'.repeat(8);

/** Strings and JSON documents stand in their metadata record alone, without a version. */
function hasVersion(metadata: string): boolean {
  return ![1, 10].includes(metadata.charCodeAt(0) & 0x0f);
}

function readAll(engine: Engine, isCluster: boolean): Map<string, Found> {
  const keys = new Map<string, Found>();
  const keyStart = (bytes: string): number => 1 + bytes.charCodeAt(0) + (isCluster ? 2 : 0);
  const records = engine.iterate(family.metadata, {});
  while (records.next()) {
    const key = records.key.view().toString('latin1');
    const value = records.value.view().toString('latin1');
    const metadata = hasVersion(value) ? value.slice(0, 9) + noVersion + value.slice(17) : value;
    keys.set(key.slice(keyStart(key)), { metadata, version: value.slice(9, 17), subkeys: new Map() });
  }
  records.close();
  for (const id of subkeyFamilies) {
    const entries = engine.iterate(id, {});
    while (entries.next()) {
      const bytes = entries.key.view().toString('latin1');
      const at = keyStart(bytes) + 4;
      const nameEnd = at + Buffer.from(bytes.slice(at - 4, at), 'latin1').readUInt32BE();
      const found = keys.get(bytes.slice(at, nameEnd));
      // Others are of a key that has been deleted or overwritten; a compaction takes them away.
      if (found === undefined || !hasVersion(found.metadata)) continue;
      if (found.version !== bytes.slice(nameEnd, nameEnd + 8)) continue;
      found.subkeys.set(`${id} ${bytes.slice(nameEnd + 8)}`, entries.value.view().toString('latin1'));
    }
    entries.close();
  }
  return keys;
}

/**
 * Opens the database that a node left behind, for as long as `read` takes.
 * @param dir the node's directory; the node has ended.
 */
export async function readLeftDatabase<T>(dir: string, isCluster: boolean, read: (engine: Engine) => T): Promise<T> {
  const engine = await Engine.open({
    path: join(dir, 'db'),
    slotPrefixed: isCluster,
    clock: { wallMs: () => Date.now() },
    random: seededRandom(1),
  });
  try {
    return read(engine);
  } finally {
    await engine.close();
  }
}

/** @param dir of a node that has ended. @returns its user keys that have a metadata record, dead ones among them. */
export async function storedKeys(dir: string, isCluster: boolean): Promise<ReadonlyMap<string, StoredKey>> {
  return readLeftDatabase(dir, isCluster, (engine) => readAll(engine, isCluster));
}
