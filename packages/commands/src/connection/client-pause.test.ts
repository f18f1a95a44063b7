import assert from 'node:assert/strict';
import { test } from 'node:test';
import { define } from '../command.ts';
import { commandWithRows } from '../sub-command.ts';
import { FakeSession, namespaceOfName, runOn } from '../testing/fake-session.ts';
import { pauseRows } from './client-pause.ts';
import type { ConnectionPort } from './port.ts';

/** Sessions 1 (an administrator's) and 2 (of another namespace), of which 2 waits. */
function world(): { run: (session: FakeSession, line: string) => string; calls: string[]; sessions: FakeSession[] } {
  const calls: string[] = [];
  const sessions = [new FakeSession(1), new FakeSession(2), new FakeSession(3)];
  for (const session of sessions.slice(1)) session.admin = false;
  (sessions[2] as FakeSession).namespace = namespaceOfName('other');
  const port = {
    clients: () => sessions,
    unblock: (id, how): boolean => {
      calls.push(`unblock ${id} ${how}`);
      return id === 2;
    },
    pause: (mode, durationMs): void => void calls.push(`pause ${mode} ${durationMs}`),
    unpause: (): void => void calls.push('unpause'),
  } satisfies Partial<ConnectionPort> as unknown as ConnectionPort;
  const rows = pauseRows(port);
  const base = { name: 'client', flags: [], group: 'connection', since: '2.4.0', summary: '' };
  const commands = [define(commandWithRows({ ...base, rows }))];
  return { run: (session, line) => runOn(commands, session, line.split(' ')), calls, sessions };
}

test('CLIENT PAUSE holds everything unless only writes are meant, and UNPAUSE ends it', () => {
  const { run, calls, sessions } = world();
  const [admin] = sessions as [FakeSession];
  for (const line of ['PAUSE 100', 'PAUSE 0 all', 'PAUSE 7 Write', 'UNPAUSE'])
    assert.equal(run(admin, `CLIENT ${line}`), '+OK\r\n');
  assert.deepEqual(calls, ['pause all 100', 'pause all 0', 'pause write 7', 'unpause']);
});

test('what CLIENT PAUSE and UNBLOCK cannot read they refuse, and nothing is done', () => {
  const { run, calls, sessions } = world();
  const [admin] = sessions as [FakeSession];
  for (const [line, error] of [
    ['PAUSE x', 'timeout is not an integer or out of range'],
    ['PAUSE -1', 'timeout is negative'],
    ['PAUSE 1 some', 'CLIENT PAUSE mode must be WRITE or ALL'],
    ['PAUSE 1 all all', 'syntax error'],
    ['UNBLOCK x', 'value is not an integer or out of range'],
    ['UNBLOCK 1 now', 'CLIENT UNBLOCK reason should be TIMEOUT or ERROR'],
    ['UNBLOCK 1 error error', 'syntax error'],
  ] as const)
    assert.equal(run(admin, `CLIENT ${line}`), `-ERR ${error}\r\n`, line);
  assert.deepEqual(calls, []);
});

test('CLIENT UNBLOCK says whether the client waited; clients of other namespaces are not there', () => {
  const { run, calls, sessions } = world();
  const [admin, , other] = sessions as [FakeSession, FakeSession, FakeSession];
  assert.equal(run(admin, 'CLIENT UNBLOCK 2'), ':1\r\n');
  assert.equal(run(admin, 'CLIENT UNBLOCK 3 ERROR'), ':0\r\n');
  assert.equal(run(admin, 'CLIENT UNBLOCK 77 timeout'), ':0\r\n');
  assert.equal(run(other, 'CLIENT UNBLOCK 2'), ':0\r\n');
  assert.deepEqual(calls, ['unblock 2 timeout', 'unblock 3 error']);
});
