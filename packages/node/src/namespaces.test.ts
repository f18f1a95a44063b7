import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Config, parseConfig } from './config/index.ts';
import { Namespaces } from './namespaces.ts';

class World {
  readonly config: Config;
  record: Buffer | undefined;
  settled = true;
  readable = true;
  rewrites = 0;
  rewriteError: string | undefined;
  readonly namespaces: Namespaces;

  constructor(text: string, record?: string) {
    this.config = new Config(parseConfig({ text }));
    this.record = record === undefined ? undefined : Buffer.from(record);
    this.namespaces = new Namespaces({
      config: this.config,
      hasFile: true,
      isReplica: () => false,
      read: () => {
        assert.ok(this.readable, 'nothing is read while the database is exchanged');
        return this.record;
      },
      write: (value) => void (this.record = value),
      isSettled: () => this.settled,
      mayRead: () => this.readable,
      rewriteFile: (answer) => {
        this.rewrites++;
        answer(this.rewriteError);
      },
    });
  }

  get tokens(): object {
    return Object.fromEntries(this.namespaces.tokens());
  }
}

const head = 'requirepass top\nnamespace.a ta\n';

describe('namespaces of the file', () => {
  test('a change is written to the file at once', () => {
    const world = new World(head);
    assert.equal(world.namespaces.change('b', 'tb'), undefined);
    assert.equal(world.namespaces.change('a', undefined), undefined);
    assert.deepEqual([world.tokens, world.rewrites, world.record], [{ b: 'tb' }, 2, undefined]);
  });

  test('what cannot be written has not happened', () => {
    const world = new World(head);
    world.rewriteError = 'ERR Rewriting config file: full';
    assert.equal(world.namespaces.change('b', 'tb'), 'ERR Rewriting config file: full');
    assert.equal(world.namespaces.change('a', undefined), 'ERR Rewriting config file: full');
    assert.deepEqual(world.tokens, { a: 'ta' });
  });
});

describe('namespaces of the database', () => {
  const stored = `${head}repl-namespace-enabled yes\n`;

  test('the lines of the file hold until the first change takes them over; they go when it is committed', () => {
    const world = new World(stored);
    assert.deepEqual(world.tokens, { a: 'ta' });
    world.settled = false;
    world.namespaces.change('b', 'tb');
    assert.deepEqual(JSON.parse(world.record?.toString() ?? ''), { ta: 'a', tb: 'b' });
    assert.deepEqual([world.tokens, world.rewrites], [{ a: 'ta', b: 'tb' }, 0]);
    assert.equal(world.config.namespaces.size, 1, 'as long as the record may be dropped');
    world.settled = true;
    assert.deepEqual([world.tokens, world.rewrites], [{ a: 'ta', b: 'tb' }, 1]);
    assert.equal(world.config.namespaces.size, 0);
    world.namespaces.change('a', undefined);
    assert.deepEqual(world.tokens, { b: 'tb' });
  });

  test('a record that others change is read again; while it cannot be read it is as it was', () => {
    const world = new World(stored, '{"t1":"x"}');
    assert.deepEqual(world.tokens, { x: 't1' });
    world.record = Buffer.from('{"t2":"x","t3":"y"}');
    assert.deepEqual(world.tokens, { x: 't2', y: 't3' });
    world.readable = false;
    assert.deepEqual(world.tokens, { x: 't2', y: 't3' });
    world.readable = true;
    world.record = Buffer.from('damaged');
    assert.deepEqual(world.tokens, {}, 'what cannot be understood gives nobody access');
  });

  test('cannot be switched off, nor left without a password, while there are some', () => {
    const world = new World('requirepass top\nrepl-namespace-enabled yes', '{"t1":"x"}');
    const set = (name: string, value: string): string | undefined => world.config.set([[name, value]]);
    assert.match(
      set('repl-namespace-enabled', 'no') ?? '',
      /cannot switch off repl_namespace_enabled when namespaces exist in db$/,
    );
    assert.match(set('requirepass', '') ?? '', /requirepass empty wasn't allowed while the namespace exists$/);
    world.namespaces.change('x', undefined);
    assert.equal(set('requirepass', ''), undefined);
    assert.equal(set('repl-namespace-enabled', 'no'), undefined);
  });

  test('a start that would ignore them is refused', () => {
    new World('requirepass top', '{}').namespaces.checkAtStart();
    new World(stored, '{"t1":"x"}').namespaces.checkAtStart();
    assert.throws(
      () => new World('requirepass top', '{"t1":"x"}').namespaces.checkAtStart(),
      /cannot switch off repl_namespace_enabled/,
    );
  });
});
