import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from '@holdfast/resp';
import { define, firstKey, noKeys, type CommandDefinition } from './command.ts';
import { CommandTable, arityFits, keysOf } from './table.ts';

function definition(name: string, changes: Partial<CommandDefinition> = {}): CommandDefinition {
  return define({
    name,
    arity: 2,
    flags: ['readonly'],
    keys: firstKey,
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'test',
    parse: () => null,
    run: () => undefined,
    ...changes,
  });
}

test('a command is found by its name in any case, and only by its whole name', () => {
  const names = Array.from({ length: 300 }, (_, i) => `cmd${i}`);
  const table = new CommandTable().add(names.map((name) => definition(name)));
  for (const name of names) {
    assert.equal(table.lookup(Request.of(name, 'k'))?.name, name);
    assert.equal(table.lookup(Request.of(name.toUpperCase()))?.name, name);
  }
  for (const name of ['cmd', 'cmd300', 'cmd1 ', '', 'xcmd1', '\u0000'.repeat(20)]) {
    assert.equal(table.lookup(Request.of(name)), undefined, name);
  }
});

test('two definitions of one name, and names not in lower case, are refused', () => {
  const table = new CommandTable().add([definition('get')]);
  assert.throws(() => table.add([definition('get')]), /defined twice/);
  assert.throws(() => table.add([definition('Set')]), /not lower case/);
});

test('a command can be renamed and disabled', () => {
  const table = new CommandTable().add([definition('flushall'), definition('keys')]);
  assert.equal(table.lookup(Request.of('flushall'))?.name, 'flushall');
  assert.equal(table.rename('FLUSHALL', 'wipe'), true);
  assert.equal(table.rename('keys', ''), true);
  assert.equal(table.rename('nothing', 'x'), false);
  assert.equal(table.lookup(Request.of('flushall')), undefined);
  assert.equal(table.lookup(Request.of('keys')), undefined);
  assert.equal(table.lookup(Request.of('WIPE'))?.name, 'flushall', 'its messages keep its own name');
  assert.deepEqual([table.get('wipe')?.name, table.get('flushall'), table.size], ['flushall', undefined, 1]);
  assert.deepEqual(
    table.declared.map(({ name }) => name),
    ['flushall', 'keys'],
  );
  table.add([definition('get')]);
  assert.throws(() => table.rename('get', 'WIPE'), /defined twice/);
});

test('keys follow the declared positions', () => {
  const cases: [CommandDefinition['keys'], string[], number[]][] = [
    [firstKey, ['get', 'a'], [1]],
    [noKeys, ['ping', 'a'], []],
    [{ first: 1, last: -1, step: 1 }, ['del', 'a', 'b', 'c'], [1, 2, 3]],
    [{ first: 1, last: -1, step: 2 }, ['mset', 'a', '1', 'b', '2'], [1, 3]],
    [{ first: 1, last: 2, step: 1 }, ['rename', 'a', 'b'], [1, 2]],
  ];
  for (const [keys, args, expected] of cases) {
    assert.deepEqual(keysOf(definition('x', { keys }), Request.of(...args)), expected, args.join(' '));
  }
  const dynamic = definition('x', { keyIndexes: () => [3] });
  assert.deepEqual(keysOf(dynamic, Request.of('x', '1', '2', 'k')), [3]);
});

test('arity is exact, or a minimum when negative', () => {
  assert.equal(arityFits(definition('x', { arity: 2 }), Request.of('x', 'a')), true);
  assert.equal(arityFits(definition('x', { arity: 2 }), Request.of('x')), false);
  assert.equal(arityFits(definition('x', { arity: -2 }), Request.of('x', 'a', 'b')), true);
  assert.equal(arityFits(definition('x', { arity: -2 }), Request.of('x')), false);
});
