// What a write command leaves of the record of a key that it does not replace (the older, 32-bit form of records, the time
// at which the key dies, a size that is the number of elements there are), and that no name of a key, no namespace and no
// slot in stored keys changes what a command answers. Proved for the samples of all families.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Metadata,
  Scratch,
  defaultNamespace,
  family,
  keyAfterPrefix,
  namespaceOf,
  spanOf,
  typeId,
  writeSubkeyPrefix,
  type Namespace,
} from '@holdfast/engine';
import { Request } from '@holdfast/resp';
import { keysOf } from '../table.ts';
import { families } from './testing/all-samples.ts';
import { openTestCommands, type Argument, type CommandRunner } from './testing/command-runner.ts';
import type { FamilySamples } from './testing/family-samples.ts';

interface KeyRecord {
  readonly meta: Metadata;
  readonly body: Buffer;
}

/** All metadata records, by key. */
function recordsOf({ types }: CommandRunner): Map<string, KeyRecord> {
  const found = new Map<string, KeyRecord>();
  const entries = types.engine.iterate(family.metadata, {});
  try {
    while (entries.next()) {
      const meta = new Metadata();
      const value = entries.value.copy();
      assert.ok(meta.read(spanOf(value)));
      const key = entries.key.view().toString('latin1', defaultNamespace.prefix.length);
      found.set(key, { meta, body: value.subarray(meta.bodyStart) });
    }
  } finally {
    entries.close();
  }
  return found;
}

/** Writes every record anew in the 32-bit form, to die at a whole second. */
function makeOld(runner: CommandRunner, expireMs: number): void {
  const { engine } = runner.types;
  const key = new Scratch();
  const head = new Scratch();
  for (const [name, { meta, body }] of recordsOf(runner)) {
    meta.is64 = false;
    meta.expireMs = expireMs;
    meta.write(head);
    key.reset();
    key.bytes(defaultNamespace.prefix);
    key.bytes(Buffer.from(name, 'latin1'));
    engine.tick.put(family.metadata, key, head, spanOf(body));
  }
  engine.commit();
}

function argumentsOf(line: string): Argument[] {
  return line.split(' ').map((word) => (word.startsWith('hex:') ? Buffer.from(word.slice(4), 'hex') : word));
}

/** Commands that put a string or a value of any type in place of what was there. */
const replacing = /^(set|setex|psetex|getset|mset|msetex|cas|restore) /;
const changingExpiry = /^((p?expire(at)?|persist|hsetexpire|getex) |(bf.reserve|copy|rename) )/;

/** Whether a key is what it was before: where a type has versions, the same version of the same type. */
function isSameKey(old: Metadata, now: Metadata): boolean {
  return old.type === now.type && old.high === now.high && old.low === now.low;
}

test('a record in the 32-bit form keeps it, and its expiry, through every command that does not replace the key', async () => {
  let written = 0;
  for (const { prepare, samples } of families) {
    await using opened = await openTestCommands();
    const { runner } = opened;
    for (const line of prepare) runner.run(...argumentsOf(line));
    runner.commit();
    const expireMs = runner.nowMs + 100_000;
    makeOld(runner, expireMs);
    const before = recordsOf(runner);
    for (const line of samples) {
      runner.run(...argumentsOf(line));
      for (const [key, { meta }] of replacing.test(line) ? [] : recordsOf(runner)) {
        const old = before.get(key);
        if (old === undefined || !isSameKey(old.meta, meta)) continue;
        written++;
        assert.equal(meta.is64, false, `${line}: ${key}`);
        if (!changingExpiry.test(line)) assert.equal(meta.expireMs, expireMs, `${line}: ${key}`);
      }
      runner.types.engine.tick.reset();
    }
  }
  assert.ok(written > 100, `${written} records were compared`);
});

/** The families in which a type keeps one record for each element. */
const elementFamilies: Readonly<Record<number, readonly number[]>> = {
  [typeId.hash]: [family.subkey],
  [typeId.list]: [family.subkey],
  [typeId.set]: [family.subkey],
  [typeId.zset]: [family.subkey, family.zsetScore],
  [typeId.sortedint]: [family.subkey],
  [typeId.stream]: [family.stream],
};

/** How many sub keys a version of a key has; of a stream, entries only. */
function countElements({ types }: CommandRunner, name: string, meta: Metadata, of: number): number {
  const prefix = new Scratch();
  const bytes = Buffer.from(name, 'latin1');
  writeSubkeyPrefix(prefix, { ...spanOf(bytes), namespace: defaultNamespace }, meta, false);
  const gte = Buffer.from(prefix.view());
  const entries = types.engine.iterate(of, { gte, lt: keyAfterPrefix(gte) as Buffer });
  let count = 0;
  try {
    while (entries.next()) {
      const isEntry = of !== family.stream || entries.key.view().readBigUInt64BE(gte.length) !== 2n ** 64n - 1n;
      if (isEntry) count++;
    }
  } finally {
    entries.close();
  }
  return count;
}

test('the size in a record is the number of elements that are stored, after every command', async () => {
  let counted = 0;
  for (const { prepare, samples } of families) {
    await using opened = await openTestCommands();
    const { runner } = opened;
    for (const line of prepare) runner.run(...argumentsOf(line));
    // One after the other, some committed, so that each finds what the ones before it left.
    samples.forEach((line, index) => {
      runner.run(...argumentsOf(line));
      if (index % 3 === 0) runner.commit();
      for (const [key, { meta }] of recordsOf(runner)) {
        // Of a collection that lost its last elements together the records stay until compaction.
        if (meta.size === 0) continue;
        for (const of of elementFamilies[meta.type] ?? []) {
          assert.equal(countElements(runner, key, meta, of), meta.size, `${line}: ${key}, family ${of}`);
          counted++;
        }
      }
    });
  }
  assert.ok(counted > 300, `${counted} collections were counted`);
});

/** Another name for each key of a family's samples. */
class Renaming {
  readonly #names = new Map<string, Buffer>();
  readonly #nameOf: (index: number, name: string) => Buffer;

  constructor(nameOf: (index: number, name: string) => Buffer) {
    this.#nameOf = nameOf;
  }

  /** A line as arguments, its keys renamed. */
  argumentsOf(runner: CommandRunner, line: string): Argument[] {
    const args = argumentsOf(line);
    const definition = runner.definitions.get(String(args[0]).toLowerCase());
    assert.ok(definition !== undefined, line);
    for (const index of keysOf(definition, Request.of(...args))) {
      const name = String(args[index]);
      let other = this.#names.get(name);
      if (other === undefined) this.#names.set(name, (other = this.#nameOf(this.#names.size, name)));
      args[index] = other;
    }
    return args;
  }

  /** A reply with the keys' own names. */
  undo(reply: string): string {
    let text = reply;
    for (const [name, other] of this.#names) {
      text = text.replaceAll(`$${other.length}\r\n${other.toString('latin1')}\r\n`, `$${name.length}\r\n${name}\r\n`);
    }
    return text;
  }
}

/** Commands whose answers are in the order of keys, or that name keys otherwise than as keys. */
const askingForNames = /^(keys|scan|randomkey|sort|sort_ro|dbsize|object|debug|kmetadata) ?/;

interface Variant {
  readonly slotPrefixed: boolean;
  readonly namespace: Namespace;
  readonly nameOf: (index: number, name: string) => Buffer;
}

async function repliesOf({ prepare, samples }: FamilySamples, variant: Variant): Promise<Record<string, string>> {
  await using opened = await openTestCommands(variant.slotPrefixed);
  const { runner } = opened;
  runner.namespace = variant.namespace;
  const renaming = new Renaming(variant.nameOf);
  const run = (line: string): string => renaming.undo(runner.run(...renaming.argumentsOf(runner, line)));
  for (const line of prepare) run(line);
  runner.commit();
  const replies: Record<string, string> = {};
  for (const line of samples) {
    const isCompared = !askingForNames.test(line);
    const reply = run(line);
    if (isCompared) replies[line] = reply;
    runner.types.engine.tick.reset();
  }
  return replies;
}

const unchanged = (_index: number, name: string): Buffer => Buffer.from(name);
const plain: Variant = { slotPrefixed: false, namespace: defaultNamespace, nameOf: unchanged };
/** The first is empty; the others end where the bytes after them begin with a carry. */
const hardNames = (index: number): Buffer =>
  index === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.alloc(index, 0xff), Buffer.of(0xff)]);

test('what a command answers depends on no names of keys, on no namespace, and not on slots in stored keys', async () => {
  const others: readonly Variant[] = [
    { ...plain, nameOf: hardNames },
    { slotPrefixed: true, namespace: namespaceOf('ÿÿ'), nameOf: hardNames },
  ];
  for (const of of families) {
    const expected = await repliesOf(of, plain);
    for (const variant of others) assert.deepEqual(await repliesOf(of, variant), expected);
  }
});
