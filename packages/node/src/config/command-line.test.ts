import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine, usageText } from './command-line.ts';

test('the flags of kvrocks are understood', () => {
  assert.deepEqual(parseCommandLine([]), { kind: 'run', configFile: undefined, overrides: [] });
  assert.deepEqual(parseCommandLine(['-c', '-', '--port', '1', '--bind', '127.0.0.1 ::1']), {
    kind: 'run',
    configFile: '-',
    overrides: [
      ['port', '1'],
      ['bind', '127.0.0.1 ::1'],
    ],
  });
  assert.deepEqual(parseCommandLine(['--config', 'x']), { kind: 'run', configFile: 'x', overrides: [] });
  assert.equal(parseCommandLine(['--port', '1', '-v']).kind, 'version');
  assert.equal(parseCommandLine(['--help']).kind, 'help');
});

test('anything else is a usage error that names it', () => {
  assert.deepEqual(parseCommandLine(['kvrocks.conf']), {
    kind: 'usage',
    problem: "unexpected argument 'kvrocks.conf'",
  });
  assert.deepEqual(parseCommandLine(['-x', '1']), { kind: 'usage', problem: "unexpected argument '-x'" });
  assert.deepEqual(parseCommandLine(['--port']), { kind: 'usage', problem: '--port needs a value' });
  assert.match(usageText('holdfast server'), /^usage: holdfast server /);
});
