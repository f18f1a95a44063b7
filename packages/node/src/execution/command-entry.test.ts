import assert from 'node:assert/strict';
import { test } from 'node:test';
import { define, firstKey, type CommandFlag } from '@holdfast/commands';
import { commandEntry } from './command-entry.ts';

test('keys are brought near for commands that look them up: reads, and writes that read what they write', () => {
  const rows: readonly (readonly [name: string, flag: CommandFlag, group: string, looksUp: boolean])[] = [
    ['get', 'readonly', 'string', true],
    ['zscore', 'readonly', 'sorted-set', true],
    ['incr', 'write', 'string', true],
    ['hset', 'write', 'hash', true],
    ['set', 'write', 'string', false],
    ['lpush', 'write', 'list', false],
    ['xadd', 'write', 'stream', false],
    ['ping', 'fast', 'connection', false],
    ['info', 'readonly', 'server', false],
  ];
  const common = { arity: 2, keys: firstKey, since: '1.0.0', complexity: 'O(1)', summary: '' };
  for (const [name, flag, group, looksUp] of rows) {
    const facts = { ...common, name, group, flags: [flag], parse: () => undefined, run: () => undefined };
    assert.equal(commandEntry(define(facts)).looksUp, looksUp, name);
  }
});
