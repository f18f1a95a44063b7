import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultNamespace, namespaceOf, type Namespace } from '@holdfast/engine';
import { openTestEngine } from '@holdfast/engine/testing';
import { dataCommands, Refusal, type Session } from '@holdfast/commands';
import { ReplyWriter, Request } from '@holdfast/resp';
import { WrittenKeys, type KeyListener } from './written-keys.ts';

class Listener implements KeyListener {
  readonly empty = false;
  seen: string[] = [];
  touch(key: string): void {
    if (!this.seen.includes(key)) this.seen.push(key);
  }
  deletedAll(prefix: string): void {
    this.seen.push(`all of '${prefix}'`);
  }
  replacedAll(): void {
    this.seen.push('everything');
  }
}

for (const slotPrefixed of [false, true]) {
  test(`a command is heard of for the keys that it changed, with slots in keys: ${slotPrefixed}`, async () => {
    await using opened = await openTestEngine({ slotPrefixed });
    const commands = new Map(dataCommands(opened.types).map((definition) => [definition.name, definition]));
    const listener = new Listener();
    const nobody = { empty: true, touch: () => undefined, deletedAll: () => undefined, replacedAll: () => undefined };
    const written = new WrittenKeys(listener, nobody);
    const own = Buffer.from(defaultNamespace.prefix).toString('latin1');
    const noted = (line: string, namespace: Namespace = defaultNamespace): string[] => {
      listener.seen = [];
      const request = Request.of(...line.split(' '));
      const definition = commands.get(request.latin1(0));
      const input = definition?.parse(request);
      assert.ok(definition !== undefined && !(input instanceof Refusal));
      opened.engine.beginCommand();
      definition.run({ nowMs: 1_700_000_000_000, namespace, session: {} as Session }, input, new ReplyWriter());
      written.note(definition, namespace, opened.engine);
      return listener.seen.map((key) => (key.startsWith(own) ? key.slice(own.length) : key)).sort();
    };

    assert.deepEqual(noted('sadd from a'), ['from']);
    assert.deepEqual(noted('sadd to a b'), ['to']);
    assert.deepEqual(noted('sadd to a b'), []);
    assert.deepEqual(noted('smove from to a'), ['from'], 'the destination has the member already');
    assert.deepEqual(noted('smove from to a'), []);
    assert.deepEqual(noted('srem to c'), []);
    assert.deepEqual(noted('del from to absent'), ['to']);
    assert.deepEqual(noted('mset one 1 two 2'), ['one', 'two']);
    assert.deepEqual(noted('hset hash f 1 g 1'), ['hash']);
    assert.deepEqual(noted('hset hash f 2'), ['hash'], 'a field that is there: its record alone is written');
    assert.deepEqual(noted('zadd zset 1 a'), ['zset']);
    assert.deepEqual(noted('zadd zset 2 a'), ['zset']);
    assert.deepEqual(noted('rpush list a b'), ['list']);
    assert.deepEqual(noted('lmove list other left right'), ['list', 'other']);
    assert.deepEqual(noted('ltrim list 0 -1'), []);
    assert.deepEqual(noted('xadd stream 1-1 f v'), ['stream']);
    assert.deepEqual(noted('set text 1', namespaceOf('two')), ['\x03twotext']);
    opened.engine.commit();
    assert.deepEqual(noted('smove to from b'), []);
    assert.deepEqual(noted('expire text 100'), []);
    assert.deepEqual(noted('expire one 100'), ['one']);
  });
}
