// What the declarations promise, proved for every data command against a real engine: arity, write flag, keys, and
// that a refused command changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata, Scratch, defaultNamespace, family, spanOf, typeId, writeMetadataKey } from '@holdfast/engine';
import { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';
import { arityFits, keysOf } from '../table.ts';
import { openTestCommands, type CommandRunner } from './testing/command-runner.ts';

/** A request for every command that does its main work on the keys `prepare` makes. */
const samples: readonly string[] = [
  'get s',
  'getex s PX 1000',
  'getdel s',
  'strlen s',
  'getrange s 0 1',
  'substr s 0 1',
  'digest s',
  'set s v EX 10 GET',
  'setnx new v',
  'setex s 10 v',
  'psetex s 10 v',
  'getset s v',
  'mget s s2 new',
  'mset s v new w',
  'msetnx new v new2 w',
  'msetex 2 s v s2 w EX 10',
  'incr n',
  'decr n',
  'incrby n 2',
  'decrby n 2',
  'incrbyfloat n 0.5',
  'append s x',
  'setrange s 1 x',
  'cas s value other EX 10',
  'cad s value',
  'delex s IFEQ value',
  'lcs s s2 LEN',
  'hget h f',
  'hexists h f',
  'hstrlen h f',
  'hmget h f g',
  'hlen h',
  'hset h f w x y',
  'hmset h f w',
  'hsetexpire h 10 f w',
  'hsetnx h x w',
  'hdel h f',
  'hincrby h n 2',
  'hincrbyfloat h n 0.5',
  'hgetall h',
  'hkeys h',
  'hvals h',
  'hrangebylex h - + LIMIT 0 5',
  'hscan h 0 MATCH * COUNT 5',
  'hrandfield h 2 WITHVALUES',
  'del s h new',
  'unlink s',
  'exists s h',
  'touch s h',
  'type h',
  'rename h new',
  'renamenx h new',
  'copy h new REPLACE',
  'object ENCODING h',
  'expire h 10 NX',
  'pexpire h 10',
  'expireat h 4102444800',
  'pexpireat h 4102444800000',
  'ttl h',
  'pttl h',
  'expiretime h',
  'pexpiretime h',
  'persist t',
  'scan 0 MATCH * COUNT 5 TYPE hash',
  'keys *',
  'randomkey',
];

function prepare(runner: CommandRunner): void {
  runner.line('SET s value');
  runner.line('SET s2 other');
  runner.line('SET n 5');
  runner.line('SET t v EX 100');
  runner.line('HSET h f 1 g 2 n 3');
  runner.commit();
}

test('every data command has a sample, and every sample a command', async () => {
  await using opened = await openTestCommands();
  const names = samples.map((sample) => sample.split(' ')[0]).sort();
  assert.deepEqual(names, [...opened.runner.definitions.keys()].sort());
});

test('the arity of a command lets its sample through, and parse takes any number of arguments it lets through', async () => {
  await using opened = await openTestCommands();
  for (const sample of samples) {
    const words = sample.split(' ');
    const definition = opened.runner.definitions.get(words[0] as string);
    assert.ok(definition !== undefined);
    const request = Request.of(...words);
    assert.ok(arityFits(definition, request), `${sample}: arity ${definition.arity}`);
    const input = definition.parse(request);
    assert.ok(!(input instanceof Refusal), `${sample}: ${input instanceof Refusal ? input.message : ''}`);
    // With other numbers of arguments parse may refuse, but must not throw or read beyond the request.
    const fewest = Math.abs(definition.arity);
    const most = definition.arity > 0 ? fewest : words.length + 4;
    for (let count = fewest; count <= most; count++) {
      const args = Array.from({ length: count }, (_, i) => words[i] ?? 'x');
      const refusal = definition.parse(Request.of(...args));
      if (refusal instanceof Refusal) assert.match(refusal.message, /^ERR \S/, args.join(' '));
    }
    if (definition.arity > 0) assert.equal(words.length, definition.arity, sample);
  }
});

test('a command writes on its sample if and only if it is declared to write', async () => {
  for (const sample of samples) {
    await using opened = await openTestCommands();
    const { runner } = opened;
    prepare(runner);
    const before = runner.types.engine.visibleSequence();
    const reply = runner.line(sample);
    assert.doesNotMatch(reply, /^-/, sample);
    const flags = runner.definitions.get(sample.split(' ')[0] as string)?.flags ?? [];
    const wrote = runner.types.engine.visibleSequence() > before;
    assert.equal(wrote, flags.includes('write'), `${sample} wrote: ${wrote}`);
    assert.equal(flags.includes('readonly'), !flags.includes('write'), sample);
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
    await using opened = await openTestCommands();
    const { runner } = opened;
    prepare(runner);
    const words = sample.split(' ');
    const definition = runner.definitions.get(words[0] as string);
    assert.ok(definition !== undefined);
    const declared = keysOf(definition, Request.of(...words)).map((index) => words[index] as string);
    const touched = keysTouched(runner, () => runner.line(sample));
    assert.deepEqual([...touched].sort(), [...new Set(declared)].sort(), sample);
  }
});

/** Puts a list under every key of the samples: a type that no command here works on. */
function makeLists(runner: CommandRunner): void {
  const { engine } = runner.types;
  const meta = new Metadata();
  meta.create(typeId.list, { high: 1, low: 1 });
  meta.size = 1;
  for (const name of ['s', 's2', 'n', 't', 'h']) {
    const key = new Scratch();
    writeMetadataKey(key, { ...spanOf(name), namespace: defaultNamespace }, false);
    const value = new Scratch();
    meta.write(value);
    engine.tick.put(family.metadata, key, value);
  }
  runner.commit();
}

/** Of the string commands, those that ask for no type: they overwrite, or answer nil. */
const typeless = ['set', 'setex', 'psetex', 'mset', 'msetex', 'setnx', 'msetnx', 'mget'];

test('a command on a value of another type answers WRONGTYPE and changes nothing', async () => {
  for (const sample of samples) {
    await using opened = await openTestCommands();
    const { runner } = opened;
    makeLists(runner);
    const before = runner.types.engine.visibleSequence();
    const name = sample.split(' ')[0] as string;
    const reply = runner.line(name === 'set' ? 'set s v' : sample);
    const group = runner.definitions.get(name)?.group;
    const isRefused = reply === '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
    assert.equal(isRefused, group !== 'generic' && !typeless.includes(name), `${sample}: ${reply}`);
    if (isRefused) assert.equal(runner.types.engine.visibleSequence(), before, sample);
  }
});

test('a command that is rolled back leaves the data as it was', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner);
  const dump = (): string =>
    ['GET s', 'GET s2', 'GET n', 'PTTL t', 'HGETALL h', 'PTTL h', 'KEYS *'].map((line) => runner.line(line)).join('');
  const before = dump();
  for (const sample of samples) {
    runner.line(sample);
    runner.types.engine.rollbackCommand();
    assert.equal(dump(), before, sample);
  }
  assert.equal(runner.types.engine.commit(), undefined);
});
