/**
 * What a node and a real Kvrocks know besides keys, across a directory and across replication: namespaces and their tokens,
 * scripts and functions, messages, and who waits for what a master writes.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { leavesOf } from './model/reply.ts';
import type { Wire } from './model/wire.ts';
import { kvrocksMissing } from './support/kvrocks-server.ts';
import {
  holdfast,
  kvrocks,
  untilCaughtUp,
  wireTo,
  writeEverything,
  writeRandomly,
  type Server,
  type Start,
} from './support/kvrocks-peers.ts';
import { until } from './support/node-process.ts';
import { assertSameState, stateOf, type State } from './support/whole-state.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

const both: readonly (readonly [what: string, first: Start, second: Start])[] = [
  ['Holdfast first, then Kvrocks', holdfast, kvrocks],
  ['Kvrocks first, then Holdfast', kvrocks, holdfast],
];

async function wireAs(t: TestContext, server: Server, token: string): Promise<Wire> {
  const wire = await wireTo(t, server);
  assert.equal(await wire.ask('AUTH', token), '+OK\r\n');
  return wire;
}

/** What the administrator sees, and what the user of each namespace. */
async function statesOf(t: TestContext, server: Server, tokens: readonly string[]): Promise<State[]> {
  const states: State[] = [];
  for (const token of tokens) states.push(await stateOf(await wireAs(t, server, token)));
  return states;
}

const tokens = ['administrator', 'token-of-blue', 'token-of-green'];
const guarded = ['--requirepass', 'administrator', '--masterauth', 'administrator', '--repl-namespace-enabled', 'yes'];

for (const [what, first, second] of both) {
  test(`namespaces and their keys: ${what}`, { skip: kvrocksMissing }, async (t) => {
    const dir = scratchDirectory('peer');
    const writer = await first(t, { dir, args: guarded });
    const admin = await wireAs(t, writer, 'administrator');
    assert.equal(await admin.ask('NAMESPACE', 'ADD', 'blue', 'token-of-blue'), '+OK\r\n');
    assert.equal(await admin.ask('NAMESPACE', 'ADD', 'green', 'token-of-green'), '+OK\r\n');
    await writeEverything(admin, writer);
    await writeRandomly(await wireAs(t, writer, 'token-of-blue'), writer, 11, 700);
    const green = await wireAs(t, writer, 'token-of-green');
    await writeRandomly(green, writer, 12, 300);
    assert.match(await green.ask('FLUSHDB'), /^\+OK/);
    await writeRandomly(green, writer, 13, 300);

    const follower = await second(t, {
      dir: scratchDirectory('peer'),
      args: [...guarded, '--slaveof', `127.0.0.1 ${writer.port}`],
    });
    const followerAdmin = await wireAs(t, follower, 'administrator');
    await untilCaughtUp(followerAdmin, admin);
    const expected = await statesOf(t, writer, tokens);
    for (const [i, state] of (await statesOf(t, follower, tokens)).entries()) {
      assertSameState(state, expected[i] as State, `${follower.name} behind ${writer.name}, ${tokens[i]}`);
    }
    const known = leavesOf(await admin.ask('NAMESPACE', 'GET', '*')).sort();
    assert.deepEqual(leavesOf(await followerAdmin.ask('NAMESPACE', 'GET', '*')).sort(), known);
    await follower.stop();
    await writer.stop();

    const reader = await second(t, { dir, args: guarded });
    for (const [i, state] of (await statesOf(t, reader, tokens)).entries()) {
      assertSameState(state, expected[i] as State, `${reader.name} on what ${writer.name} wrote, ${tokens[i]}`);
    }
    const readerAdmin = await wireAs(t, reader, 'administrator');
    assert.deepEqual(leavesOf(await readerAdmin.ask('NAMESPACE', 'GET', '*')).sort(), known);
    await reader.stop();
  });

  test(
    `messages, waiting readers, scripts and functions reach a replica: ${what}`,
    { skip: kvrocksMissing },
    async (t) => {
      const master = await first(t, { dir: scratchDirectory('peer'), args: [] });
      const replica = await second(t, {
        dir: scratchDirectory('peer'),
        args: ['--slaveof', `127.0.0.1 ${master.port}`],
      });
      const [on, at, listener, waiting] = [
        await wireTo(t, master),
        await wireTo(t, replica),
        await wireTo(t, replica),
        await wireTo(t, replica),
      ];
      await untilCaughtUp(at, on);

      assert.match(await listener.ask('SUBSCRIBE', 'channel'), /^\*3/);
      await on.ask('PUBLISH', 'channel', 'a message');
      const [message = ''] = await listener.replies(1);
      assert.deepEqual(leavesOf(message), ['message', 'channel', 'a message']);

      // A Kvrocks 2.10 looks at the last record of what its master sent, which is the stream's metadata: nobody is woken there.
      if (replica.name === 'Holdfast') {
        waiting.send([['XREAD', 'BLOCK', '0', 'STREAMS', 'stream', '0']]);
        await until(
          () => at.ask('INFO', 'clients'),
          (text) => text.includes('blocked_clients:1\r\n'),
        );
        assert.equal(await on.ask('XADD', 'stream', '1-1', 'f', 'v'), '$3\r\n1-1\r\n');
        const [entry = ''] = await waiting.replies(1);
        assert.deepEqual(leavesOf(entry), ['stream', '1-1', 'f', 'v']);
      }

      const sha = leavesOf(await on.ask('SCRIPT', 'LOAD', "return 'loaded'"))[0] as string;
      const library = "#!lua name=peers\nredis.register_function('peer', function(keys, args) return 'called' end)";
      assert.ok(!(await on.ask('FUNCTION', 'LOAD', library)).startsWith('-'));
      await untilCaughtUp(at, on);
      assert.equal(await at.ask('EVALSHA_RO', sha, '0'), '$6\r\nloaded\r\n');
      assert.equal(await at.ask('FCALL_RO', 'peer', '0'), '$6\r\ncalled\r\n');
      assert.equal(await on.ask('SCRIPT', 'FLUSH'), '+OK\r\n');
      assert.equal(await on.ask('FUNCTION', 'DELETE', 'peers'), '+OK\r\n');
      await untilCaughtUp(at, on);
      assert.equal(leavesOf(await at.ask('SCRIPT', 'EXISTS', sha))[0], '0');
      // A Kvrocks 2.10 goes on running what it has compiled, also behind one of its own.
      if (replica.name === 'Holdfast') {
        assert.match(await at.ask('EVALSHA_RO', sha, '0'), /^-NOSCRIPT/);
        assert.match(await at.ask('FCALL_RO', 'peer', '0'), /^-/);
      }
    },
  );
}
