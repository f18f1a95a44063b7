// What the declarations promise, proved for every data command against a real engine: arity, write flag, keys, and
// that a refused command changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata, Scratch, defaultNamespace, family, spanOf, typeId, writeMetadataKey } from '@holdfast/engine';
import { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';
import { arityFits, keysOf } from '../table.ts';
import { families } from './testing/all-samples.ts';
import { openTestCommands, type CommandRunner, type TestCommands } from './testing/command-runner.ts';

interface Sample {
  readonly line: string;
  readonly words: readonly string[];
  readonly prepare: readonly string[];
  readonly isTypeless: boolean;
  readonly isException: boolean;
}

const samples: readonly Sample[] = families.flatMap((of) =>
  of.samples.map((line) => {
    const words = line.split(' ');
    const name = words[0] as string;
    return {
      line,
      words,
      prepare: of.prepare,
      isTypeless: of.typeless?.includes(name) ?? false,
      isException: of.exceptions?.[name] !== undefined,
    };
  }),
);

/** An engine with the keys of the sample's family. */
async function openFor({ prepare }: Sample): Promise<TestCommands> {
  const opened = await openTestCommands();
  for (const line of prepare) assert.doesNotMatch(opened.runner.line(line), /^-/, line);
  opened.runner.commit();
  return opened;
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
    const { words, line } = sample;
    const definition = definitionOf(opened.runner, sample);
    const request = Request.of(...words);
    assert.ok(arityFits(definition, request), `${line}: arity ${definition.arity}`);
    const input = definition.parse(request);
    assert.ok(!(input instanceof Refusal), `${line}: ${input instanceof Refusal ? input.message : ''}`);
    // With other numbers of arguments parse may refuse, but must not throw or read beyond the request.
    const fewest = Math.abs(definition.arity);
    const most = definition.arity > 0 ? fewest : words.length + 4;
    for (let count = fewest; count <= most; count++) {
      const args = Array.from({ length: count }, (_, i) => words[i] ?? 'x');
      const refusal = definition.parse(Request.of(...args));
      if (refusal instanceof Refusal) assert.match(refusal.message, /^[A-Z]+ \S/, args.join(' '));
    }
    if (definition.arity > 0) assert.equal(words.length, definition.arity, line);
  }
});

test('a command writes on its sample if and only if it is declared to write', async () => {
  for (const sample of samples) {
    await using opened = await openFor(sample);
    const { runner } = opened;
    const { line } = sample;
    const before = runner.types.engine.visibleSequence();
    const reply = runner.line(line);
    assert.doesNotMatch(reply, /^-/, line);
    const { flags } = definitionOf(runner, sample);
    const wrote = runner.types.engine.visibleSequence() > before;
    if (!sample.isException || wrote) assert.equal(wrote, flags.includes('write'), `${line} wrote: ${wrote}`);
    assert.equal(flags.includes('readonly'), !flags.includes('write'), line);
  }
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
  for (const sample of samples) {
    await using opened = await openFor(sample);
    const { runner } = opened;
    const { line, words } = sample;
    const declared = keysOf(definitionOf(runner, sample), Request.of(...words)).map((index) => words[index] as string);
    const touched = keysTouched(runner, () => runner.line(line));
    assert.deepEqual([...touched].sort(), [...new Set(declared)].sort(), line);
  }
});

/** Puts a collection of another type under the keys of a sample. */
function putOtherType(runner: CommandRunner, type: number, names: Iterable<string>): void {
  const { engine } = runner.types;
  const meta = new Metadata();
  meta.create(type, { high: 1, low: 1 });
  meta.size = 1;
  for (const name of names) {
    const key = new Scratch();
    writeMetadataKey(key, { ...spanOf(name), namespace: defaultNamespace }, false);
    const value = new Scratch();
    meta.write(value);
    // The metadata of a list ends with the positions of its elements.
    if (type === typeId.list) value.bytes(Buffer.from('7fffffffffffffff8000000000000000', 'hex'));
    engine.tick.put(family.metadata, key, value);
  }
  runner.commit();
}

test('a command on a value of another type answers WRONGTYPE and changes nothing', async () => {
  for (const sample of samples) {
    await using opened = await openTestCommands();
    const { runner } = opened;
    const { line, words } = sample;
    const definition = definitionOf(runner, sample);
    const names = keysOf(definition, Request.of(...words)).map((index) => words[index] as string);
    putOtherType(runner, definition.group === 'list' ? typeId.set : typeId.list, names);
    const before = runner.types.engine.visibleSequence();
    const reply = runner.line(words[0] === 'set' ? 'set s v' : line);
    const isRefused = reply === '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
    assert.equal(isRefused, definition.group !== 'generic' && !sample.isTypeless, `${line}: ${reply}`);
    if (isRefused) assert.equal(runner.types.engine.visibleSequence(), before, line);
  }
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
  for (const sample of samples) {
    await using opened = await openFor(sample);
    const { runner } = opened;
    const before = contentOf(runner);
    runner.line(sample.line);
    runner.types.engine.rollbackCommand();
    assert.equal(contentOf(runner), before, sample.line);
    assert.equal(runner.types.engine.commit(), undefined, sample.line);
  }
});
