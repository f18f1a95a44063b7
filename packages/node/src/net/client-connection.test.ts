import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Socket } from 'node:net';
import { silentLogger } from '@holdfast/base';
import { clientTransport } from '@holdfast/base/real';
import { VirtualTime } from '@holdfast/base/testing';
import { defaultNamespace } from '@holdfast/engine';
import { defaultRequestLimits, type Request } from '@holdfast/resp';
import { TickLoop } from '../execution/tick-loop.ts';
import { ClientConnection } from './client-connection.ts';
import { ClientMemory } from './client-memory.ts';
import { FakeSocket } from './testing/fake-socket.ts';

const moved = '-MOVED 0 lb:7000\r\n';

/** A node that resigned: PING is executed, everything else has to move. */
class World {
  readonly time = new VirtualTime();
  readonly socket = new FakeSocket();
  readonly connection: ClientConnection;
  readonly loop: TickLoop;

  constructor() {
    this.loop = new TickLoop({
      engine: {
        openTickBytes: 0,
        commit: (done) => done(undefined),
        settle: (): void => undefined,
        dropTick: (): void => undefined,
        latestSequence: () => 0,
      },
      gate: { tickOpened: (): void => undefined, mayCommit: () => 'pass', mayRelease: () => 'pass' },
      followers: { onCommit: (): void => undefined, probe: () => 0, mayRelease: () => true },
      clock: this.time,
      timers: this.time,
      logger: silentLogger,
      onWriteFailure: (): void => undefined,
      onRoom: (): void => undefined,
    });
    this.connection = new ClientConnection(
      clientTransport(this.socket as unknown as Socket),
      {
        loop: this.loop,
        clock: this.time,
        timers: this.time,
        requestLimits: defaultRequestLimits,
        requestsBegin: (): void => undefined,
        execute: (connection, request) => this.#execute(connection, request),
        redirect: (connection) => connection.reply.error('MOVED 0 lb:7000'),
        redirectPauseMs: () => 10,
        executePinned: () => false,
        outputLimit: () => ({ hardBytes: 0, softBytes: 0, softMs: 0 }),
        cutSlowReader: (connection) => connection.destroy(),
        countInput: (): void => undefined,
        countOutput: (): void => undefined,
        closed: (): void => undefined,
      },
      {
        id: 1,
        namespace: defaultNamespace,
        memory: new ClientMemory([], () => 0, silentLogger),
        ends: { peer: '?:0', local: '?:0' },
      },
    );
  }

  #execute(connection: ClientConnection, request: Request): boolean {
    if (request.is(0, 'ping')) connection.reply.simple('PONG');
    else connection.startMoving();
    return true;
  }

  /** Resolves when the connection has read it. */
  async send(...commands: string[]): Promise<void> {
    this.socket.push(commands.map((command) => `${command}\r\n`).join(''));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('the answers that send a client on leave together with the end, although it had joined a tick', async () => {
  const world = new World();
  const { time, socket, loop } = world;
  await world.send('SET a 1', 'SET b 2');
  loop.end();
  assert.equal(socket.written, '', 'a client that knew early would come back over this connection');
  time.advance(9);
  await world.send('SET c 3');
  time.advance(9);
  assert.equal(socket.written, '');
  time.advance(1);
  assert.equal(socket.written, moved.repeat(3));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(socket.isEnded);
});

test('a client that has to move although it is owed a reply gets that first', async () => {
  const world = new World();
  const { time, socket, loop } = world;
  await world.send('PING', 'SET a 1');
  loop.end();
  assert.equal(socket.written, '+PONG\r\n');
  time.advance(10);
  assert.equal(socket.written, `+PONG\r\n${moved}`);
});

test('a tick whose outcome is unknown does not end a client that has to move: nothing of its was executed', async () => {
  const world = new World();
  const { time, socket, loop } = world;
  await world.send('SET a 1');
  loop.countCommand(true);
  loop.dropAll('another client wrote in this tick');
  assert.equal(socket.destroyed, false);
  time.advance(10);
  assert.equal(socket.written, moved);
});
