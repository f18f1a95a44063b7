import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseLibraryHead, parseScriptHead, plainFlags } from './shebang.ts';

const none = { noWrites: false, allowStale: false, noCluster: false, crossSlot: false };

describe('the first line of a script', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['return 1', { from: 0, flags: plainFlags }],
    ['', { from: 0, flags: plainFlags }],
    ['#!lua\nreturn 1', { from: 5, flags: none }],
    ['#!lua\r\nreturn 1', { from: 6, flags: none }],
    ['#!lua flags=\nx', { from: 12, flags: none }],
    ['#!lua flags=no-writes,allow-oom\nx', { from: 31, flags: { ...none, noWrites: true } }],
    ['#!lua flags=allow-stale,no-cluster\nx', { from: 34, flags: { ...none, allowStale: true, noCluster: true } }],
    ['#!lua  flags=allow-cross-slot-keys \nx', { from: 35, flags: { ...none, crossSlot: true } }],
    ['#!lua', 'ERR Invalid script shebang'],
    ['#!perl\nx', 'ERR Unexpected engine in script shebang: perl'],
    ['#!luaflags=x\nx', 'ERR Unexpected engine in script shebang: luaflags=x'],
    ['#!lua name=x\nx', 'ERR Unknown lua shebang option: name=x'],
    ['#!lua flags=a\nx', 'ERR Unknown flag given: Unexpected flag in script shebang: a'],
    ['#!lua flags=no-writes flags=no-writes\nx', 'ERR Redundant flags in script shebang'],
  ];
  for (const [text, expected] of cases) {
    test(JSON.stringify(text), () => assert.deepEqual(parseScriptHead(Buffer.from(text)), expected));
  }
});

describe('the first line of a library', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['#!lua name=a_1\nx', { from: 14, name: 'a_1' }],
    ['#!LUA name="foo"\nx', { from: 16, name: 'foo' }],
    ['return 1', 'ERR Missing library metadata'],
    ['#!lua name=a', 'ERR Invalid library metadata'],
    ['#!lua\nx', 'ERR Library name was not given'],
    ['#! name=a\nx', "ERR Engine '' not found"],
    ['#!bad name=a\nx', "ERR Unexpected engine in script shebang: Engine 'bad' not found"],
    ['#!lua name=a foo=bar\nx', 'ERR Unknown lua shebang option: foo=bar'],
    ['#!lua name=a name=b\nx', 'ERR Redundant library name in script shebang'],
    [
      '#!lua name=$$\nx',
      'ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long',
    ],
  ];
  for (const [text, expected] of cases) {
    test(JSON.stringify(text), () => assert.deepEqual(parseLibraryHead(Buffer.from(text)), expected));
  }
});
