import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultNamespace, namespaceOf, type Commit, type Namespace } from '@holdfast/engine';
import { openTestEngine } from '@holdfast/engine/testing';
import { dataCommands, Refusal, type Session } from '@holdfast/commands';
import { ReplyWriter, Request } from '@holdfast/resp';
import { noteReplicated } from './replicated-writes.ts';
import { WrittenKeys, type KeyListener } from './written-keys.ts';

class Listener implements KeyListener {
  readonly empty = false;
  seen = new Set<string>();
  touch(key: string): void {
    this.seen.add(key);
  }
  deletedAll(): void {
    this.seen.add('deleted all');
  }
  replacedAll(): void {
    this.seen.add('everything');
  }
}

for (const slotPrefixed of [false, true]) {
  test(`each key that a batch wrote or deleted is noted, with slots in keys: ${slotPrefixed}`, async () => {
    await using opened = await openTestEngine({ slotPrefixed });
    const commands = new Map(dataCommands(opened.types).map((definition) => [definition.name, definition]));
    const listener = new Listener();
    const nobody = { empty: true, touch: () => undefined, deletedAll: () => undefined, replacedAll: () => undefined };
    const written = new WrittenKeys(listener, nobody);
    const run = (namespace: Namespace, line: string): void => {
      const request = Request.of(...line.split(' '));
      const definition = commands.get(request.latin1(0));
      const input = definition?.parse(request);
      assert.ok(definition !== undefined && !(input instanceof Refusal));
      opened.engine.beginCommand();
      definition.run({ nowMs: 1_700_000_000_000, namespace, session: {} as Session }, input, new ReplyWriter());
    };
    const noted = (): string[] => {
      listener.seen = new Set();
      noteReplicated(opened.engine.commit() as Commit, slotPrefixed, written);
      return [...listener.seen].sort();
    };
    const own = Buffer.from(defaultNamespace.prefix).toString('latin1');
    run(defaultNamespace, 'set text 1');
    run(namespaceOf('two'), 'set text 1');
    run(defaultNamespace, 'hset hash f v');
    run(defaultNamespace, 'rpush list a b');
    assert.deepEqual(noted(), ['\x03twotext', `${own}hash`, `${own}list`, `${own}text`]);
    run(defaultNamespace, 'hset hash f w');
    assert.deepEqual(noted(), [`${own}hash`], 'a field that is there: its record alone is written');
    run(defaultNamespace, 'del list');
    run(defaultNamespace, 'hdel hash f');
    assert.deepEqual(noted(), [`${own}hash`, `${own}list`]);
    opened.types.keyspace.flush(undefined);
    assert.deepEqual(noted(), ['everything']);
  });
}
