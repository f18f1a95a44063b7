import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Deferred } from '@holdfast/commands';
import { command, ExecutionWorld, type Client } from './testing/execution-world.ts';

/** LATER puts its reply off, NOW answers a reply that it has put off before it returns. */
class World {
  readonly later: Deferred[] = [];
  readonly execution: ExecutionWorld;
  readonly client: Client;

  constructor() {
    this.execution = new ExecutionWorld([
      command('later', ['readonly'], ({ session }) => void this.later.push(session.defer()), false),
      command('now', ['readonly'], ({ session }) => session.defer().complete((late) => late.simple('at once')), false),
    ]);
    this.client = this.execution.connect();
  }

  async transaction(...commands: string[]): Promise<string> {
    const { socket } = this.client;
    await this.client.say('MULTI', ...commands, 'EXEC', 'PING');
    const queued = `+OK\r\n${'+QUEUED\r\n'.repeat(commands.length)}`;
    assert.ok(socket.written.startsWith(queued), socket.written);
    return socket.written.slice(queued.length);
  }

  /** What was put off is answered. @returns what EXEC and what follows it answered. */
  async answer(commands: number, text: string): Promise<string> {
    const deferred = this.later.shift();
    assert.ok(deferred !== undefined, 'nothing was put off');
    deferred.complete((late) => (text.startsWith('ERR') ? late.error(text) : late.simple(text)));
    await this.execution.turn();
    return this.client.socket.written.slice(5 + 9 * commands);
  }

  list(key: string): readonly string[] {
    return this.execution.engine.list(key);
  }
}

describe('a command of EXEC that is not at its end when it returns', () => {
  test('has its reply at its place, and what follows runs after it and answers after it', async () => {
    const world = new World();
    assert.equal(await world.transaction('PUSH a x', 'LATER', 'PUSH a y', 'LATER', 'LATER'), '');
    assert.deepEqual(world.list('a'), ['x'], 'what follows waits');
    assert.equal(await world.answer(5, 'first'), '');
    assert.deepEqual(world.list('a'), ['x', 'y']);
    assert.equal(await world.answer(5, 'ERR second'), '');
    const expected = '*5\r\n:1\r\n+first\r\n:2\r\n-ERR second\r\n+third\r\n+PONG\r\n';
    assert.equal(await world.answer(5, 'third'), expected);
    assert.deepEqual(world.execution.engine.calls, ['begin', 'end', 'begin', 'end', 'begin', 'end', 'begin', 'end']);
  });

  test('and answers before that is one of its queue like any other', async () => {
    const world = new World();
    assert.equal(await world.transaction('NOW', 'PUSH a x', 'NOW'), '*3\r\n+at once\r\n:1\r\n+at once\r\n+PONG\r\n');
    assert.deepEqual(world.execution.engine.calls, ['begin', 'end']);
  });

  test('lets others run meanwhile; nothing of the array is sent before its end', async () => {
    const world = new World();
    const other = world.execution.connect();
    await world.transaction('PUSH a x', 'LATER', 'POP a');
    assert.equal(await other.say('POP a'), '$1\r\nx\r\n', 'the parts before and behind it are apart');
    world.client.connection.push(Buffer.from('+message\r\n'));
    await world.execution.turn();
    assert.equal(await world.answer(3, 'done'), '+message\r\n*3\r\n:1\r\n+done\r\n$-1\r\n+PONG\r\n');
  });

  test('serves who waits for what the rest writes', async () => {
    const world = new World();
    const other = world.execution.connect();
    await other.say('BPOP a 0');
    await world.transaction('LATER', 'PUSH a x');
    await world.answer(2, 'done');
    assert.equal(await other.say(), '$1\r\nx\r\n');
  });

  test('makes no reply when nobody wants one', async () => {
    const world = new World();
    await world.client.say('MULTI', 'LATER', 'PUSH a x');
    world.client.connection.replyMode = 'skip';
    await world.client.say('EXEC', 'PING');
    assert.equal(await world.answer(2, 'done'), '+PONG\r\n');
    assert.deepEqual(world.list('a'), ['x']);
  });

  test('ends the connection without a reply when its outcome is unknown, and nothing further is run', async () => {
    for (const end of ['abandon', 'role change', 'close'] as const) {
      const world = new World();
      await world.transaction('PUSH a x', 'LATER', 'PUSH a y');
      const { connection, socket } = world.client;
      const [deferred] = world.later;
      if (end === 'abandon') deferred?.abandon();
      else if (end === 'role change') connection.closeGracefully();
      else connection.destroy();
      assert.equal(deferred?.settled, true, end);
      assert.equal(await world.answer(3, 'done'), '', end);
      assert.ok(socket.destroyed, end);
      assert.deepEqual(world.list('a'), ['x'], end);
    }
  });

  test('has what follows admitted anew: held with the gate, ended where its error would deny what ran', async () => {
    for (const [admission, expected] of [
      ['hold', '*3\r\n:1\r\n+done\r\n:2\r\n+PONG\r\n'],
      ['refuse-expired', ''],
      ['redirect', ''],
      ['close', ''],
    ] as const) {
      const world = new World();
      await world.transaction('PUSH a x', 'LATER', 'PUSH a y');
      world.execution.admission = admission;
      assert.equal(await world.answer(3, 'done'), '', admission);
      assert.deepEqual(world.list('a'), ['x'], admission);
      assert.equal(world.client.connection.held, admission === 'hold');
      world.execution.admission = 'execute';
      world.client.connection.resume();
      await world.execution.turn();
      assert.equal(await world.client.say(), `+OK\r\n${'+QUEUED\r\n'.repeat(3)}${expected}`, admission);
    }
  });

  test('has what follows refused as a command of its own on a node that became a replica', async () => {
    const world = new World();
    await world.transaction('LATER', 'PUSH a x', 'PING');
    world.execution.condition.readOnly = true;
    const expected = "*3\r\n+done\r\n-READONLY You can't write against a read only slave.\r\n+PONG\r\n+PONG\r\n";
    assert.equal(await world.answer(3, 'done'), expected);
  });

  test('has what follows wait for the end of CLIENT PAUSE', async () => {
    const world = new World();
    const { pause } = world.execution.dispatcher;
    await world.transaction('LATER', 'PUSH a x');
    pause.begin('all', 1000);
    assert.equal(await world.answer(2, 'done'), '');
    pause.end();
    await world.execution.turn();
    assert.equal(world.client.socket.written.slice(23), '*2\r\n+done\r\n:1\r\n+PONG\r\n');
  });
});
