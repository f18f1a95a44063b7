// What the declarations promise, proved for every data command against a real engine: arity, write flag, keys, and
// that a refused command changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultNamespace, family, type Scratch } from '@holdfast/engine';
import { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';
import { arityFits, keysOf } from '../table.ts';
import { families } from './testing/all-samples.ts';
import { openTestCommands, type Argument, type CommandRunner } from './testing/command-runner.ts';

interface Sample {
  readonly line: string;
  /** The line as arguments. */
  readonly args: readonly Argument[];
  readonly words: readonly string[];
  readonly prepare: readonly string[];
  readonly isTypeless: boolean;
  readonly isException: boolean;
}

/** A word stands for itself, but `hex:…` for those bytes. */
function argumentOf(word: string): Argument {
  return word.startsWith('hex:') ? Buffer.from(word.slice(4), 'hex') : word;
}

const samples: readonly Sample[] = families.flatMap((of) =>
  of.samples.map((line) => {
    const words = line.split(' ');
    const name = words[0] as string;
    return {
      line,
      args: words.map(argumentOf),
      words,
      prepare: of.prepare,
      isTypeless: of.typeless?.includes(name) ?? false,
      isException: of.exceptions?.[name] !== undefined,
    };
  }),
);

/**
 * Runs `check` for every sample on an engine with the keys of its family. What it leaves in the open tick is forgotten before
 * the next one.
 */
async function forEachSample(check: (runner: CommandRunner, sample: Sample) => void): Promise<void> {
  for (const { prepare } of families) {
    await using opened = await openTestCommands();
    const { runner } = opened;
    for (const line of prepare) assert.doesNotMatch(runner.line(line), /^-/, line);
    runner.commit();
    for (const sample of samples) {
      if (sample.prepare !== prepare) continue;
      check(runner, sample);
      runner.types.engine.tick.reset();
    }
  }
}

function definitionOf(runner: CommandRunner, { words, line }: Sample) {
  const definition = runner.definitions.get(words[0] as string);
  assert.ok(definition !== undefined, line);
  return definition;
}

test('every data command has a sample, and every sample a command', async () => {
  await using opened = await openTestCommands();
  const names = new Set(samples.map(({ words }) => words[0] as string));
  assert.deepEqual([...names].sort(), [...opened.runner.definitions.keys()].sort());
});

test('the arity of a command lets its sample through, and parse takes any number of arguments it lets through', async () => {
  await using opened = await openTestCommands();
  for (const sample of samples) {
    const { words, args, line } = sample;
    const definition = definitionOf(opened.runner, sample);
    const request = Request.of(...args);
    assert.ok(arityFits(definition, request), `${line}: arity ${definition.arity}`);
    const input = definition.parse(request);
    assert.ok(!(input instanceof Refusal), `${line}: ${input instanceof Refusal ? input.message : ''}`);
    // With other numbers of arguments parse may refuse, but must not throw or read beyond the request.
    const fewest = Math.abs(definition.arity);
    const most = definition.arity > 0 ? fewest : words.length + 4;
    for (let count = fewest; count <= most; count++) {
      const some = Array.from({ length: count }, (_, i) => args[i] ?? 'x');
      const refusal = definition.parse(Request.of(...some));
      if (refusal instanceof Refusal) assert.match(refusal.message, /^[A-Z]+ \S/, some.join(' '));
    }
    if (definition.arity > 0) assert.equal(words.length, definition.arity, line);
  }
});

test('a command writes on its sample if and only if it is declared to write', async () => {
  await forEachSample((runner, sample) => {
    const { line, args } = sample;
    const before = runner.types.engine.visibleSequence();
    const reply = runner.run(...args);
    assert.doesNotMatch(reply, /^-/, line);
    const { flags } = definitionOf(runner, sample);
    const wrote = runner.types.engine.visibleSequence() > before;
    if (!sample.isException || wrote) assert.equal(wrote, flags.includes('write'), `${line} wrote: ${wrote}`);
    assert.equal(flags.includes('readonly'), !flags.includes('write'), line);
  });
});

/** Records which user keys' metadata the engine looks up or writes while `run` runs. */
function keysTouched(runner: CommandRunner, run: () => void): Set<string> {
  const { engine } = runner.types;
  const touched = new Set<string>();
  const note = (of: number, key: Scratch): void => {
    if (of === family.metadata) touched.add(key.view().subarray(defaultNamespace.prefix.length).toString());
  };
  const get = engine.get.bind(engine);
  const put = engine.tick.put.bind(engine.tick);
  const remove = engine.tick.delete.bind(engine.tick);
  engine.get = (of, key) => (note(of, key), get(of, key));
  engine.tick.put = (of, key, ...rest) => (note(of, key), put(of, key, ...rest));
  engine.tick.delete = (of, key, ...rest) => (note(of, key), remove(of, key, ...rest));
  run();
  Object.assign(engine, { get });
  Object.assign(engine.tick, { put, delete: remove });
  return touched;
}

test('the keys a command touches are the keys it declares', async () => {
  await forEachSample((runner, sample) => {
    const { line, args, words } = sample;
    const declared = keysOf(definitionOf(runner, sample), Request.of(...args)).map((index) => words[index] as string);
    const touched = keysTouched(runner, () => runner.run(...args));
    assert.deepEqual([...touched].sort(), [...new Set(declared)].sort(), line);
  });
});

/** A command that makes a key of each type. */
const makers: Readonly<Record<string, (key: string) => string>> = {
  string: (key) => `SET ${key} v`,
  hash: (key) => `HSET ${key} f v`,
  list: (key) => `RPUSH ${key} a b`,
  set: (key) => `SADD ${key} a`,
  zset: (key) => `ZADD ${key} 1 a`,
  bitmap: (key) => `SETBIT ${key} 7 1`,
  sortedint: (key) => `SIADD ${key} 1`,
  stream: (key) => `XADD ${key} 1-1 f v`,
  bloom: (key) => `BF.ADD ${key} a`,
  json: (key) => `JSON.SET ${key} $ {"a":1}`,
  hyperloglog: (key) => `PFADD ${key} a`,
};

/** Makes keys of one type, whatever they were; not committed. */
function makeKeys(runner: CommandRunner, type: string, names: Iterable<string>): void {
  for (const name of names) {
    runner.run('DEL', name);
    const reply = runner.line((makers[type] as (key: string) => string)(name));
    assert.doesNotMatch(reply, /^-/, `${type} ${name}`);
  }
}

function keyNamesOf(runner: CommandRunner, sample: Sample): string[] {
  const indexes = keysOf(definitionOf(runner, sample), Request.of(...sample.args));
  return indexes.map((index) => sample.words[index] as string);
}

test('a command on a value of another type answers WRONGTYPE and changes nothing', async () => {
  await forEachSample((runner, sample) => {
    const { line, args, words } = sample;
    const { engine } = runner.types;
    const { group } = definitionOf(runner, sample);
    makeKeys(runner, group === 'list' ? 'set' : 'list', new Set(keyNamesOf(runner, sample)));
    const before = engine.visibleSequence();
    const reply = words[0] === 'set' ? runner.line('set s v') : runner.run(...args);
    const isRefused = reply === '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
    assert.equal(isRefused, group !== 'generic' && !sample.isTypeless, `${line}: ${reply}`);
    if (isRefused) assert.equal(engine.visibleSequence(), before, line);
  });
});

test('whichever of its keys is of whatever type, a command that is refused changes nothing', async () => {
  let refused = 0;
  await forEachSample((runner, sample) => {
    const { engine } = runner.types;
    for (const name of new Set(keyNamesOf(runner, sample))) {
      for (const type of Object.keys(makers)) {
        engine.tick.reset();
        makeKeys(runner, type, [name]);
        const before = engine.visibleSequence();
        const reply = runner.run(...sample.args);
        if (!reply.startsWith('-')) continue;
        refused++;
        assert.equal(engine.visibleSequence(), before, `${sample.line}, ${name} being a ${type}: ${reply}`);
      }
    }
  });
  assert.ok(refused > 1000, `${refused} commands were refused`);
});

/** Everything stored, open tick included. */
function contentOf({ types }: CommandRunner): string {
  const rows: string[] = [];
  for (const of of Object.values(family)) {
    const entries = types.engine.iterate(of, {});
    try {
      while (entries.next())
        rows.push(`${of} ${entries.key.view().toString('hex')} ${entries.value.view().toString('hex')}`);
    } finally {
      entries.close();
    }
  }
  return rows.join('\n');
}

test('a command that is rolled back leaves the data as it was', async () => {
  await forEachSample((runner, { line, args }) => {
    const before = contentOf(runner);
    runner.run(...args);
    runner.types.engine.rollbackCommand();
    assert.equal(contentOf(runner), before, line);
    assert.equal(runner.types.engine.commit(), undefined, line);
  });
});
