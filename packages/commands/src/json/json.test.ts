import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultNamespace, family, spanOf, writeMetadataKey } from '@holdfast/engine';
import { openTestCommands, type CommandRunner } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';
import type { CommandDefinition } from '../command.ts';
import { jsonCommands } from './index.ts';

test('documents are set, read and deleted, whole and by path; members stand in key order', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['JSON.SET a $.x 1', '-ERR new objects must be created at the root'],
    ['JSON.SET a $ {"y":2,"x":1}', '+OK'],
    ['JSON.GET a', '${"x":1,"y":2}'],
    ['JSON.SET a $.y 233', '+OK'],
    ['JSON.GET a $', '$[{"x":1,"y":233}]'],
    ['JSON.GET a $.x $..y', '${"$..y":[233],"$.x":[1]}'],
    ['JSON.GET a .x', '$1'],
    ['JSON.GET a x y', '${"x":1,"y":233}'],
    ['JSON.GET a x $.y', '${"$.y":[233],"x":[1]}'],
    ['JSON.GET a .none', "-ERR Path '.none' does not exist"],
    ['JSON.GET a $.none', '$[]'],
    ['JSON.GET none', 'nil'],
    ['JSON.GET a $[', '-ERR invalid path at character 3: an index, a name in quotes, * or ?() is expected'],
    ['JSON.SET a $.z {"k":[]}', '+OK'],
    ['JSON.SET a $.z.k[0] 1', '-ERR array index out of range'],
    ['JSON.SET a $.none.k 1', 'nil'],
    ['JSON.SET a $.x.k 1', 'nil'],
    ['JSON.SET a $.x 5 NX', 'nil'],
    ['JSON.SET a $.w 5 NX', '+OK'],
    ['JSON.SET a $.v 5 XX', 'nil'],
    ['JSON.SET a $ 5 NX', 'nil'],
    ['JSON.SET b $ 5 XX', 'nil'],
    ['JSON.SET b $ 5 NX', '+OK'],
    ['JSON.SET b $ 5 ZZ', '-ERR syntax error'],
    ['JSON.GET a', '${"w":5,"x":1,"y":233,"z":{"k":[]}}'],
    ['JSON.SET a $ {', '-ERR invalid JSON at byte 1: expected a key in quotes'],
    ['TYPE a', '+ReJSON-RL'],
    ['JSON.DEL a $..k', ':1'],
    ['JSON.FORGET a .w', ':1'],
    ['JSON.DEL a $.none', ':0'],
    ['JSON.GET a', '${"x":1,"y":233,"z":{}}'],
    ['JSON.DEL a', ':1'],
    ['JSON.DEL a', ':0'],
    ['EXISTS a', ':0'],
    ['SET s 1', '+OK'],
    ['JSON.GET s', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['JSON.SET s $ 1', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
  ]);
});

test('a document keeps its time to live, and dies', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['JSON.SET a $ [1]', '+OK'],
    ['PEXPIRE a 100', ':1'],
    ['JSON.ARRAPPEND a $ 2', '[:2]'],
    ['JSON.SET a $ [3]', '+OK'],
    ['PTTL a', ':100'],
    101,
    ['JSON.GET a', 'nil'],
    ['JSON.SET a $ [3]', '+OK'],
    ['PTTL a', ':-1'],
  ]);
});

test('the layout of JSON.GET', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.run('JSON.SET', 'a', '$', '{"x":1,"y":[1,{}],"z":[]}');
  const get = (...args: string[]): string => short(runner.run('JSON.GET', 'a', ...args));
  assert.equal(get('INDENT', ' ', '$.x'), '$[ 1]');
  assert.equal(
    get('NEWLINE', '\n', 'INDENT', '  ', 'SPACE', ' ', 'NOESCAPE', '.'),
    ['${', '  "x": 1,', '  "y": [', '    1,', '    {}', '  ],', '  "z": []', '}'].join('\n'),
  );
  assert.equal(get('INDENT', 'x'.repeat(65)), '-ERR INDENT may have at most 64 bytes');
  assert.equal(get('INDENT'), '-ERR syntax error');
});

test('numbers stay exact', async () => {
  await using opened = await openTestCommands();
  const numbers =
    '[9007199254740993,-9223372036854775808,18446744073709551615,123456789012345678901234567890,1.0,-0,1e2]';
  transcript(opened.runner, [
    [`JSON.SET n $ ${numbers}`, '+OK'],
    [
      'JSON.GET n',
      '$[9007199254740993,-9223372036854775808,18446744073709551615,123456789012345678901234567890,1.0,0,100.0]',
    ],
    ['JSON.NUMINCRBY n $[0] 1', '$[9007199254740994]'],
    ['JSON.NUMINCRBY n $[2] 1', '-ERR increment or decrement would overflow'],
    ['JSON.NUMMULTBY n $[0] 2', '$[18014398509481988]'],
    ['JSON.NUMMULTBY n $[4] 3', '$[3.0]'],
    ['JSON.NUMINCRBY n $[0] 0.5', '$[18014398509481988.0]'],
    ['JSON.NUMINCRBY n $[0] "1"', '-ERR the input value should be a number'],
    ['JSON.NUMINCRBY n $[0] 9e99999', '-ERR the input value should be a number'],
    ['JSON.NUMINCRBY n $[0] 99999999999999999999999', '-ERR the input value should be a number'],
    ['JSON.NUMINCRBY none $ 1', "-ERR could not perform this operation on a key that doesn't exist"],
    ['JSON.SET n $ {"a":1,"b":"x","c":{"a":2}}', '+OK'],
    ['JSON.NUMINCRBY n $..a 10', '$[11,12]'],
    ['JSON.NUMINCRBY n $.b 1', '$[null]'],
    ['JSON.NUMINCRBY n $.none 1', '$[]'],
    ['JSON.NUMINCRBY n .a 1', '$12'],
    ['JSON.NUMINCRBY n .b 1', '-WRONGTYPE wrong type of path value - expected number but found string'],
    ['JSON.NUMINCRBY n .none 1', "-ERR Path '.none' does not exist"],
  ]);
});

test('answers come once per match, nil where a match does not fit; older paths answer one value', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['JSON.SET a $ {"a":"é","l":[1,[2]],"n":{"a":[1,2,3],"b":null},"t":true}', '+OK'],
    ['JSON.TYPE a', '[$object]'],
    ['JSON.TYPE a $..a', '[$string $array]'],
    ['JSON.TYPE a .n.b', '$null'],
    ['JSON.TYPE a .none', 'nil'],
    ['JSON.TYPE none $', 'nil'],
    ['JSON.TYPE a $ x', "-ERR wrong number of arguments for 'json.type' command"],
    ['JSON.ARRLEN a $..a', '[nil :3]'],
    ['JSON.ARRLEN a .l', ':2'],
    ['JSON.ARRLEN a .a', '-WRONGTYPE wrong type of path value - expected array but found string'],
    ['JSON.STRLEN a $..a', '[:2 nil]'],
    ['JSON.STRLEN none $', "-ERR could not perform this operation on a key that doesn't exist"],
    ['JSON.STRLEN none', 'nil'],
    ['JSON.OBJLEN a $.*', '[nil nil :2 nil]'],
    ['JSON.OBJLEN none', 'nil'],
    ['JSON.OBJKEYS a', '[[$a $l $n $t]]'],
    ['JSON.OBJKEYS a .n', '[$a $b]'],
    ['JSON.TOGGLE a $..*', '[nil nil nil :0 nil nil nil nil nil nil nil nil]'],
    ['JSON.TOGGLE a .t', '$true'],
    ['JSON.TOGGLE a .a', '-WRONGTYPE wrong type of path value - expected boolean but found string'],
    ['JSON.TOGGLE none', 'nil'],
    ['JSON.STRAPPEND a $..a "x"', '[:3 nil]'],
    ['JSON.STRAPPEND a $.a 1', '-ERR STRAPPEND need input a string to append'],
    ['JSON.GET a $.a', '$["\xc3\xa9x"]'],
    ['JSON.CLEAR a $.*', ':2'],
    ['JSON.CLEAR a $.*', ':0'],
    ['JSON.CLEAR none', 'nil'],
    ['JSON.GET a', '${"a":"\xc3\xa9x","l":[],"n":{},"t":true}'],
    ['JSON.MGET a none $.t', '[$[true] nil]'],
    ['JSON.MGET a .t', '[$true]'],
    ['JSON.INFO a', '[$storage_format $json]'],
    ['JSON.INFO none', "-ERR could not perform this operation on a key that doesn't exist"],
  ]);
});

test('arrays grow, shrink and are searched', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['JSON.SET a $ {"l":[1,2,3],"n":{"l":[[4,5],6]},"s":"x"}', '+OK'],
    ['JSON.ARRAPPEND a $..l 7 {"k":8}', '[:4 :5]'],
    ['JSON.ARRINSERT a $.l -1 9', '[:6]'],
    ['JSON.ARRINSERT a $.l 6 10', '[:7]'],
    ['JSON.ARRINSERT a $.l 8 10', '[nil]'],
    ['JSON.ARRINSERT a $.l x 10', '-ERR value is not an integer or out of range'],
    ['JSON.GET a $.l', '$[[1,2,3,7,9,{"k":8},10]]'],
    ['JSON.ARRPOP a $.l', '[$10]'],
    ['JSON.ARRPOP a .l -100', '$1'],
    ['JSON.ARRPOP a $.l 100', '[${"k":8}]'],
    ['JSON.ARRPOP a $.s', '[nil]'],
    ['JSON.ARRPOP a $.l 1x', '-ERR encounter non-integer characters'],
    ['JSON.ARRPOP a $.l x', '-ERR not started as an integer'],
    ['JSON.ARRPOP a $.l 1 2', "-ERR wrong number of arguments for 'json.arrpop' command"],
    ['JSON.ARRINDEX a $.l 3', '[:1]'],
    ['JSON.ARRINDEX a $.l 3.0', '[:1]'],
    ['JSON.ARRINDEX a $.n.l [4,5]', '[:0]'],
    ['JSON.ARRINDEX a $..l 6 0 1', '[:-1 :-1]'],
    ['JSON.ARRTRIM a $..l 1 -1', '[:3 :3]'],
    ['JSON.GET a', '${"l":[3,7,9],"n":{"l":[6,7,{"k":8}]},"s":"x"}'],
    ['JSON.DEL a $.n.l[?(@==7||@.k==8)]', ':2'],
    ['JSON.GET a $.n', '$[{"l":[6]}]'],
  ]);
});

test('a merge patch deletes, merges and replaces', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['JSON.MERGE a $.x 1', '-ERR new objects must be created at the root'],
    ['JSON.MERGE a $ {"f1":{"a":1},"f2":{"a":2}}', '+OK'],
    ['JSON.MERGE a $ {"f1":null,"f2":{"a":3,"b":4},"f3":[2,4]}', '+OK'],
    ['JSON.GET a', '${"f2":{"a":3,"b":4},"f3":[2,4]}'],
    ['JSON.MERGE a $.f3 [1]', '+OK'],
    ['JSON.MERGE a $.f2 {"b":null,"c":{"d":null,"e":1}}', '+OK'],
    ['JSON.MERGE a $.f4 {"x":{"y":null}}', '+OK'],
    ['JSON.GET a', '${"f2":{"a":3,"c":{"e":1}},"f3":[1],"f4":{"x":{}}}'],
    ['JSON.MERGE a $.f3 null', '+OK'],
    ['JSON.MERGE a $.f3 null', 'nil'],
    ['JSON.GET a', '${"f2":{"a":3,"c":{"e":1}},"f4":{"x":{}}}'],
  ]);
});

test('JSON.MSET sets all documents or none, and later entries see earlier ones', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['JSON.MSET a $ {"x":1} b $.y 1', '-ERR new objects must be created at the root'],
    ['EXISTS a', ':0'],
    ['JSON.MSET a $ {"x":{}} b $ [1] a $.y 2 a $.x.z 3', '+OK'],
    ['JSON.GET a', '${"x":{"z":3},"y":2}'],
    ['JSON.GET b', '$[1]'],
    ['JSON.MSET a $ 1 b', "-ERR wrong number of arguments for 'json.mset' command"],
  ]);
});

test('JSON.RESP and JSON.DEBUG MEMORY', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['JSON.SET a $ {"b":[true,null,1.5],"i":18446744073709551615,"n":7}', '+OK'],
    ['JSON.RESP a', '[+{ $b [+[ +true nil $1.5] $i $18446744073709551615 $n :7]'],
    ['JSON.RESP a $.n', '[:7]'],
    ['JSON.RESP a .n', ':7'],
    ['JSON.RESP a $.none', '[]'],
    ['JSON.RESP none $', 'nil'],
    ['JSON.DEBUG MEMORY a', ':52'],
    ['JSON.DEBUG MEMORY a $..*', '[:15 :20 :1 :4 :4 :3]'],
    ['JSON.DEBUG MEMORY none', ':0'],
    ['JSON.DEBUG MEMORY none $', '[]'],
    ['JSON.DEBUG HELP a', "-ERR unknown subcommand, 'MEMORY' is the only one of JSON.DEBUG"],
  ]);
});

/** Runs lines and returns the events they said. */
function eventsOf(runner: CommandRunner, lines: readonly string[]): string[] {
  runner.events = [];
  for (const line of lines) assert.doesNotMatch(runner.line(line), /^-/, line);
  return runner.events;
}

test('every change is said, and nothing else', async () => {
  await using opened = await openTestCommands();
  const lines = [
    'JSON.SET a $ {"n":1,"l":[1],"t":true,"s":"x"}',
    'JSON.GET a',
    'JSON.SET a $.none.x 1',
    'JSON.NUMINCRBY a $.n 1',
    'JSON.NUMINCRBY a $.s 1',
    'JSON.ARRPOP a $.l',
    'JSON.ARRPOP a $.l',
    'JSON.MSET a $.n 1 b $ 1',
    'JSON.DEL a',
  ];
  assert.deepEqual(eventsOf(opened.runner, lines), [
    'd json.set a',
    'd json.numincrby a',
    'd json.arrpop a',
    'd json.mset a',
    'd json.mset b',
    'd json.del a',
  ]);
});

test('documents grow neither too deep nor too large to be read again', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
  assert.equal(runner.run('JSON.SET', 'a', '$', deep(1024)), '+OK\r\n');
  assert.match(
    runner.run('JSON.SET', 'b', '$', deep(1025)),
    /^-ERR invalid JSON at byte 1024: it nests deeper than 1024/,
  );
  assert.match(runner.run('JSON.ARRAPPEND', 'a', '$..*', '1'), /^\*1023/);
  assert.match(
    runner.run('JSON.ARRAPPEND', 'a', '$..*', '[[]]'),
    /^-ERR the document would nest deeper than 1024 levels/,
  );
  assert.match(runner.run('JSON.RESP', 'a'), /^\*2\r\n\+\[\r\n\*3\r\n/);
  assert.match(runner.run('JSON.GET', 'a', '$..*..*..*'), /^-ERR the path selects too much of the document/);
});

/** The stored bytes of a document, from the byte of its form on. */
function storedBody(runner: CommandRunner, key: string): Buffer {
  const { engine } = runner.types;
  writeMetadataKey(engine.key, { ...spanOf(key), namespace: defaultNamespace }, false);
  assert.ok(engine.get(family.metadata, engine.key));
  const record = engine.value.view();
  assert.equal(record.subarray(0, 9).toString('hex'), '8a0000000000000000');
  return Buffer.from(record.subarray(9));
}

test('documents are stored as text or CBOR, as configured when they are written, and read in either form', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const settings: { storageFormat: 'json' | 'cbor'; nestingMax: number } = { storageFormat: 'json', nestingMax: 3 };
  const definitions = runner.definitions as Map<string, CommandDefinition>;
  for (const definition of jsonCommands(runner.types, settings)) definitions.set(definition.name, definition);
  transcript(runner, [
    ['JSON.SET a $ {"b":1.5,"a":[]}', '+OK'],
    ['JSON.SET t $ [[[]]]', '+OK'],
    ['JSON.SET t $ [[[[]]]]', '-ERR invalid JSON at byte 3: it nests deeper than 3 levels'],
  ]);
  assert.equal(storedBody(runner, 'a').toString('latin1'), '\0{"a":[],"b":1.5}');
  settings.storageFormat = 'cbor';
  settings.nestingMax = 1024;
  transcript(runner, [
    ['JSON.INFO a', '[$storage_format $json]'],
    ['JSON.GET a', '${"a":[],"b":1.5}'],
    ['JSON.DEBUG MEMORY a', ':16'],
    ['JSON.SET a $.c 18446744073709551616', '+OK'],
    ['JSON.DEL a $.c', ':1'],
    ['JSON.INFO a', '[$storage_format $cbor]'],
    ['JSON.DEBUG MEMORY a $', '[:11]'],
    ['JSON.DEBUG MEMORY a $.b', '[:5]'],
    ['JSON.SET t $ [[[[]]]]', '+OK'],
    ['JSON.MSET a $.d 2 a $.e.f 3 a $.e {} a $.e.f 3', '+OK'],
    ['JSON.GET a', '${"a":[],"b":1.5,"d":2,"e":{"f":3}}'],
    ['JSON.DEL a $.d', ':1'],
    ['JSON.DEL a $.e', ':1'],
  ]);
  assert.equal(storedBody(runner, 'a').toString('hex'), '01a261618061 62fa3fc00000'.replace(' ', ''));
});

test('a document in a form that is not known, or damaged, is refused', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const { engine } = runner.types;
  const bodies: readonly (readonly [hex: string, error: RegExp])[] = [
    ['02aa', /^-ERR the document is stored in a form that is not known/],
    ['', /^-ERR the document is stored in a form that is not known/],
    ['007b', /^-ERR invalid JSON at byte 1/],
    ['0182', /^-ERR invalid CBOR/],
  ];
  for (const [hex, error] of bodies) {
    writeMetadataKey(engine.key, { ...spanOf('a'), namespace: defaultNamespace }, false);
    engine.tick.put(family.metadata, engine.key, spanOf(Buffer.from(`8a0000000000000000${hex}`, 'hex')));
    for (const line of ['JSON.GET a', 'JSON.ARRAPPEND a $ 1', 'JSON.MERGE a $ {}', 'JSON.SET a $.x 1'])
      assert.match(runner.line(line), error, `${hex} ${line}`);
    assert.equal(runner.line('JSON.MGET a $'), '*1\r\n$-1\r\n');
    assert.equal(runner.line('JSON.DEL a'), ':1\r\n');
  }
});

test('the deepest document that can be stored can be merged, searched and answered', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const definitions = runner.definitions as Map<string, CommandDefinition>;
  const settings = { storageFormat: 'json', nestingMax: 1_000_000 } as const;
  for (const definition of jsonCommands(runner.types, settings)) definitions.set(definition.name, definition);
  const nested = (levels: number, inmost: string): string => '{"a":'.repeat(levels) + inmost + '}'.repeat(levels);
  assert.equal(runner.run('JSON.SET', 'd', '$', nested(2048, '1')), '+OK\r\n');
  assert.match(runner.run('JSON.SET', 'd', '$', nested(2049, '1')), /^-ERR invalid JSON .*2048 levels/);
  assert.equal(runner.run('JSON.MERGE', 'd', '$', nested(2048, '2')), '+OK\r\n');
  assert.equal(runner.run('JSON.GET', 'd'), `$${2048 * 6 + 1}\r\n${nested(2048, '2')}\r\n`);
  assert.match(runner.run('JSON.RESP', 'd'), /^\*3\r\n\+\{/);
  assert.equal(runner.run('JSON.SET', 'l', '$', `[${nested(2047, '2')}]`), '+OK\r\n');
  assert.equal(runner.run('JSON.ARRINDEX', 'l', '$', nested(2047, '2')), '*1\r\n:0\r\n');
  assert.equal(runner.run('JSON.NUMINCRBY', 'd', '$..a', '1').slice(0, 30), '$10238\r\n[null,null,null,null,n');
});
