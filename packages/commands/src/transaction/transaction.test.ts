import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from '@holdfast/resp';
import { FakeSession, runOn } from '../testing/fake-session.ts';
import { transactionCommands } from './index.ts';

function setup(): { session: FakeSession; calls: string[]; run: (line: string) => string } {
  const session = new FakeSession();
  const calls: string[] = [];
  const commands = transactionCommands({
    watch: (_session, key) => void calls.push(`watch ${key.toString()}`),
    unwatch: () => void calls.push('unwatch'),
    execute: (one, reply) => {
      calls.push(`execute ${one.queued?.length}`);
      one.queued = undefined;
      reply.array(0);
    },
  });
  return { session, calls, run: (line) => runOn(commands, session, line.split(' ')) };
}

test('MULTI begins a queue once, EXEC hands it to the node', () => {
  const { session, calls, run } = setup();
  session.queueRefused = true;
  assert.equal(run('MULTI'), '+OK\r\n');
  assert.deepEqual([session.queued, session.queueRefused], [[], false]);
  assert.equal(run('MULTI'), '-ERR MULTI calls can not be nested\r\n');
  session.queued?.push(Request.of('GET', 'a'));
  assert.equal(run('EXEC'), '*0\r\n');
  assert.deepEqual(calls, ['execute 1']);
});

test('EXEC and DISCARD need MULTI', () => {
  const { calls, run } = setup();
  assert.equal(run('EXEC'), '-ERR EXEC without MULTI\r\n');
  assert.equal(run('DISCARD'), '-ERR DISCARD without MULTI\r\n');
  assert.deepEqual(calls, []);
});

test('DISCARD drops the queue and stops watching', () => {
  const { session, calls, run } = setup();
  run('MULTI');
  session.queueRefused = true;
  assert.equal(run('DISCARD'), '+OK\r\n');
  assert.deepEqual([session.queued, session.queueRefused], [undefined, false]);
  assert.deepEqual(calls, ['unwatch']);
});

test('WATCH takes every key, but not inside MULTI; UNWATCH forgets them', () => {
  const { calls, run } = setup();
  assert.equal(run('WATCH a b'), '+OK\r\n');
  assert.equal(run('UNWATCH'), '+OK\r\n');
  run('MULTI');
  assert.equal(run('WATCH c'), '-ERR WATCH inside MULTI is not allowed\r\n');
  assert.deepEqual(calls, ['watch a', 'watch b', 'unwatch']);
});

test('UNWATCH is queued like any command, so that EXEC still notices a conflict; the others never are', () => {
  const commands = transactionCommands({ watch: () => undefined, unwatch: () => undefined, execute: () => undefined });
  const never = commands.filter(({ flags }) => flags.includes('transaction')).map(({ name }) => name);
  assert.deepEqual(never, ['multi', 'exec', 'discard', 'watch']);
});
