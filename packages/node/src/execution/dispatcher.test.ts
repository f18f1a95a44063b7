import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Call, CommandDefinition, LongRun } from '@holdfast/commands';
import { ReplyWriter, Request } from '@holdfast/resp';
import type { CommandObserver } from './command-observer.ts';
import { nestedErrors } from './nested-commands.ts';
import { command, ExecutionWorld } from './testing/execution-world.ts';

const unblocked = '-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n';

describe('waits', () => {
  test('who waits is admitted anew: while the gate holds nobody is served, and afterwards in the old order', async () => {
    const world = new ExecutionWorld();
    const [first, second, writer] = [world.connect(), world.connect(), world.connect()];
    await first.say('BPOP a 0');
    await second.say('BPOP a 0');
    world.dispatcher.waits.serve();
    await writer.say('PUSH a x');
    assert.equal(first.socket.written, '$1\r\nx\r\n');
    // The lease lapses between a write and the service of it: as after a tick that was too full.
    world.engine.list('a').push('y');
    world.admission = 'hold';
    world.dispatcher.written.noteAll();
    world.dispatcher.waits.serve();
    assert.equal(await second.say(), '');
    world.admission = 'execute';
    world.dispatcher.waits.serve();
    assert.equal(await second.say(), '$1\r\ny\r\n');
  });

  test('a node that became a replica refuses the write of who is served, and goes on to the next', async () => {
    const world = new ExecutionWorld();
    const [first, second] = [world.connect(), world.connect()];
    await first.say('BPOP a 0', 'PING');
    await second.say('BPOP b 0');
    world.condition.readOnly = true;
    world.engine.list('a').push('x');
    world.dispatcher.written.noteAll();
    world.dispatcher.waits.serve();
    assert.equal(await first.say(), "-READONLY You can't write against a read only slave.\r\n+PONG\r\n");
    assert.match(await second.say(), /^-READONLY/);
    assert.deepEqual(world.engine.list('a'), ['x'], 'nothing was executed');
  });

  test('a role change that is under way leaves waits to be ended by it', async () => {
    const world = new ExecutionWorld();
    const client = world.connect();
    await client.say('BPOP a 0');
    world.engine.list('a').push('x');
    for (const admission of ['redirect', 'close', 'await-master'] as const) {
      world.admission = admission;
      world.dispatcher.written.noteAll();
      world.dispatcher.waits.serve();
      assert.equal(await client.say(), '');
    }
    client.connection.closeGracefully();
    assert.equal(await client.say(), unblocked);
    assert.ok(client.socket.isEnded);
  });

  test('what a waiting command fails at is its reply, and its writes are taken back', async () => {
    const world = new ExecutionWorld();
    const [mover, writer] = [world.connect(), world.connect()];
    await mover.say('BMOVE a b');
    await writer.say('PUSH a poison');
    assert.equal(await mover.say(), '-ERR poison was moved\r\n');
    assert.deepEqual([world.engine.list('a'), world.engine.list('b')], [['poison'], []]);
  });

  test('a command that waits has written nothing: it spoils no watch and serves nobody', async () => {
    const world = new ExecutionWorld();
    const seen: string[] = [];
    const executed: CommandObserver['executed'] = ({ entry, origin }) => {
      seen.push(`${entry.definition.name} ${origin}`);
    };
    Object.assign(world.dispatcher.runs, { observer: { executed }, observedFromUs: 0 });
    const [mover, popper, writer] = [world.connect(), world.connect(), world.connect()];
    await popper.say('BPOP b 0');
    await mover.say('BMOVE a b');
    assert.deepEqual(seen, ['bpop client', 'bmove client']);
    await writer.say('MULTI', 'PUSH a x', 'EXEC');
    assert.deepEqual(seen.slice(2), ['multi client', 'push queue', 'exec client', 'bmove wait', 'bpop wait']);
    assert.equal(await popper.say(), '$1\r\nx\r\n');
  });

  test('a timeout is exact to the millisecond, and does not come after an end', async () => {
    const world = new ExecutionWorld();
    const [late, served, writer] = [world.connect(), world.connect(), world.connect()];
    await late.say('BPOP a 100', 'PING');
    await served.say('BPOP b 100');
    await writer.say('PUSH b x');
    world.time.advance(99);
    assert.equal(await late.say(), '');
    world.time.advance(1);
    assert.equal(await late.say(), '$-1\r\n+PONG\r\n');
    assert.equal(await served.say(), '$1\r\nx\r\n');
  });

  test('a lapse of the lease cuts who asked something whose outcome is unknown, and tells who only waits', async () => {
    const world = new ExecutionWorld();
    const [waiting, writing] = [world.connect(), world.connect()];
    await waiting.say('BPOP a 0');
    writing.socket.push('PUSH b x\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    world.loop.dropAll('the lease lapsed');
    waiting.connection.closeGracefully();
    assert.equal(await waiting.say(), unblocked);
    assert.deepEqual([writing.socket.written, writing.socket.destroyed], ['', true]);
  });
});

describe('a command that writes more than it may', () => {
  const refused = '-ERR Operation aborted: Memory limit reached\r\n';
  const fill = (world: () => ExecutionWorld): CommandDefinition =>
    command('fill', ['write'], (_call, request, reply) => {
      world().engine.list(request.latin1(1)).push('x');
      world().engine.openTickBytes += 60;
      reply.ok();
    });

  test('is refused when it waited and is served', async () => {
    const world: ExecutionWorld = new ExecutionWorld([
      command('bfill', ['write', 'blocking'], (call, request) => {
        const key = Buffer.from(request.bytes(1));
        const retry = (_call: Call, late: ReplyWriter): boolean => {
          world.engine.list('filled').push('x');
          world.engine.openTickBytes += 100;
          late.ok();
          return true;
        };
        call.waits?.begin({ keys: [key], timeoutMs: 0, retry, expire: () => undefined });
      }),
    ]);
    world.dispatcher.runs.writtenBytesMax = 99;
    const [client, writer] = [world.connect(), world.connect()];
    await client.say('BFILL a');
    await writer.say('PUSH a x');
    assert.equal(await client.say('PING'), `${refused}+PONG\r\n`);
    assert.deepEqual(world.engine.list('filled'), []);
  });

  test('is refused in EXEC for what the transaction has written with it; what came before stays', async () => {
    const world: ExecutionWorld = new ExecutionWorld([fill(() => world)]);
    world.dispatcher.runs.writtenBytesMax = 100;
    const client = world.connect();
    const queued = '+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n';
    assert.equal(
      await client.say('MULTI', 'FILL a', 'FILL b', 'PUSH c x', 'EXEC'),
      `${queued}*3\r\n+OK\r\n${refused}:1\r\n`,
    );
    assert.deepEqual([world.engine.list('a'), world.engine.list('b'), world.engine.list('c')], [['x'], [], ['x']]);
  });
});

describe('a failing command', () => {
  test('that has begun to wait leaves the wait: its error is its only reply, and its client goes on', async () => {
    const world = new ExecutionWorld([
      command('join', ['write', 'blocking'], (call, request) => {
        const key = request.bytes(1);
        call.waits?.begin({ keys: [Buffer.from(key)], timeoutMs: 0, retry: () => false, expire: () => undefined });
        if (request.is(2, 'throw')) throw new Error('joining failed');
        world.engine.openTickBytes += 100;
      }),
    ]);
    world.dispatcher.runs.writtenBytesMax = 99;
    const [client, writer] = [world.connect(), world.connect()];
    const refused = '-ERR Operation aborted: Memory limit reached\r\n';
    assert.equal(await client.say('JOIN a write', 'PING'), `${refused}+PONG\r\n`);
    assert.equal(await client.say('JOIN a throw'), `${refused}+PONG\r\n-ERR joining failed\r\n`);
    await writer.say('PUSH a x');
    assert.equal(await client.say('PING'), `${refused}+PONG\r\n-ERR joining failed\r\n+PONG\r\n`);
  });

  test('that has begun a reply in slices lets them go', async () => {
    let closed = 0;
    const world = new ExecutionWorld([
      command('walk', [], (call, _request, reply) => {
        reply.array(2);
        const next = (late: ReplyWriter): boolean => {
          late.integer(1);
          return false;
        };
        call.slices?.begin({ next, close: () => void closed++ });
        throw new Error('walking failed');
      }),
    ]);
    const client = world.connect();
    assert.equal(await client.say('WALK a', 'PING'), '-ERR walking failed\r\n+PONG\r\n');
    assert.deepEqual([closed, world.dispatcher.slicedReplies.size], [1, 0]);
  });

  test('leaves neither writes nor half a reply', async () => {
    const world = new ExecutionWorld();
    const client = world.connect();
    assert.equal(await client.say('FAIL a', 'PING'), '-ERR failed\r\n+PONG\r\n');
    assert.deepEqual(world.engine.list('a'), []);
  });
});

describe('subscribers', () => {
  test('in RESP2 may run the commands of pub/sub only', async () => {
    const world = new ExecutionWorld();
    const client = world.connect();
    client.connection.subscriptions = 1;
    const said = await client.say('PING', 'POP a');
    assert.equal(
      said,
      "+PONG\r\n-ERR Can't execute 'pop': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n",
    );
    client.connection.protocol = 3;
    assert.match(await client.say('POP a'), /_\r\n$/);
  });

  test('get what is pushed with the tick, after the reply that is being written and not within it', async () => {
    const push = command(
      'self',
      [],
      (call, _request, reply) => {
        world.clients[0]?.connection.push(Buffer.from('>1\r\n+message\r\n'));
        reply.array(2);
        reply.ok();
        reply.integer(Number(call.session.id));
      },
      false,
    );
    const world = new ExecutionWorld([push]);
    const client = world.connect();
    assert.equal(await client.say('SELF', 'PING'), '*2\r\n+OK\r\n:1\r\n>1\r\n+message\r\n+PONG\r\n');
    client.connection.push(Buffer.from('+idle\r\n'));
    assert.match(await client.say(), /\+idle\r\n$/);
  });

  test('that do not read are cut at the hard limit, or when the soft one lasts', async () => {
    const world = new ExecutionWorld();
    const [hard, soft] = [world.connect(), world.connect()];
    world.limit = { hardBytes: 5000, softBytes: 500, softMs: 1000 };
    for (const { connection, socket } of [hard, soft]) {
      connection.subscriptions = 1;
      socket.reads = false;
    }
    for (let i = 0; i < 7; i++) hard.connection.push(Buffer.alloc(1000, 'x'));
    assert.deepEqual(world.cut, [1]);
    soft.connection.push(Buffer.alloc(1000, 'x'));
    world.time.advance(999);
    soft.connection.checkOutput();
    assert.deepEqual(world.cut, [1]);
    world.time.advance(1);
    soft.connection.checkOutput();
    assert.deepEqual(world.cut, [1, 2]);
  });
});

test('what a client waits for counts to its memory while it waits', async () => {
  const world = new ExecutionWorld();
  const { connection, say } = world.connect();
  const before = connection.memoryBytes;
  await say(`BPOP ${'k'.repeat(5000)} 100`);
  assert.ok(connection.memoryBytes > before + 5000);
  world.time.advance(100);
  assert.equal(await say(), '$-1\r\n');
  assert.ok(connection.memoryBytes < before + 5000);
});

test('messages for a client whose reply is still being written are held to its limit too', async () => {
  const endless = command(
    'endless',
    [],
    (call, _request, reply) => {
      reply.array(1_000_000);
      call.slices?.begin({
        next: (late): boolean => {
          late.bulk(Buffer.alloc(100_000));
          return true;
        },
        close: () => undefined,
      });
    },
    false,
  );
  const world = new ExecutionWorld([endless]);
  const { connection, socket, say } = world.connect();
  connection.subscriptions = 1;
  connection.protocol = 3;
  socket.reads = false;
  world.limit = { hardBytes: 3_000_000, softBytes: 0, softMs: 0 };
  await say('ENDLESS');
  const held = connection.outputBytes;
  assert.ok(held >= 1024 * 1024 && held < 1_300_000, `${held} bytes`);
  for (let i = 0; i < 30 && world.cut.length === 0; i++) connection.push(Buffer.alloc(100_000));
  assert.deepEqual(world.cut, [1]);
});

/** A script of so many turns, each of which pushes to `key`. */
class Script implements LongRun {
  turns: number;
  aborted = 0;
  isBusy = false;
  readonly #step: () => void;
  readonly #end: () => void;

  constructor(turns: number, step: () => void, end: () => void) {
    this.turns = turns;
    this.#step = step;
    this.#end = end;
  }

  next(reply: ReplyWriter): boolean {
    this.#step();
    if (--this.turns > 0) return true;
    this.#end();
    reply.simple('done');
    return false;
  }

  abort(): void {
    this.aborted++;
  }

  busy(): string | undefined {
    return this.isBusy ? 'BUSY a script runs' : undefined;
  }

  admits(definition: { readonly name: string }): boolean {
    return definition.name === 'kill';
  }
}

interface ScriptWorld {
  readonly world: ExecutionWorld;
  readonly script: () => Script;
}

/** SCRIPT begins one of 1000 turns that pushes to `a` in each; KILL ends it after its present turn. */
function scriptWorld(): ScriptWorld {
  let script: Script | undefined;
  const eval_ = command('script', ['write'], (call: Call) => {
    const { nested } = world.dispatcher;
    nested.begin(call, { readOnly: false, slot: undefined }, false);
    const step = (): void => nested.run(Request.of('PUSH', 'a', 'x'), new ReplyWriter());
    script = new Script(1000, step, () => nested.end());
    call.turns?.begin(script);
  });
  const kill = command(
    'kill',
    [],
    (_call, _request, reply) => {
      (script as Script).turns = 1;
      reply.ok();
    },
    false,
  );
  const world = new ExecutionWorld([eval_, kill]);
  return { world, script: () => script as Script };
}

describe('a script that takes several turns', () => {
  test('is one command: others are held until it has ended, then run, and who waits is served', async () => {
    const { world, script } = scriptWorld();
    const [runner, other, waiting] = [world.connect(), world.connect(), world.connect()];
    await waiting.say('BPOP a 0');
    runner.socket.push('SCRIPT x\r\nPING\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    other.socket.push('PUSH b x\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([other.connection.held, world.engine.list('b')], [true, []]);
    script().turns = 3;
    assert.equal(await runner.say(), '+done\r\n+PONG\r\n');
    assert.equal(await other.say(), ':1\r\n');
    assert.equal(await waiting.say(), '$1\r\nx\r\n');
    assert.deepEqual(world.engine.list('a'), ['x', 'x'], 'three were pushed, one was taken');
    assert.deepEqual(world.engine.calls, ['begin', 'end']);
  });

  test('is measured from its beginning to its end, and told of and counted then', async () => {
    const { world, script } = scriptWorld();
    const seen: unknown[] = [];
    const executed: CommandObserver['executed'] = ({ entry, request, origin, durationUs, isDone, nowMs }) => {
      if (origin === 'client') seen.push([entry.definition.name, request.latin1(1), durationUs, isDone, nowMs]);
    };
    Object.assign(world.dispatcher.runs, { observer: { executed }, observedFromUs: 0 });
    const runner = world.connect();
    const beganAtMs = world.time.wallMs();
    runner.socket.push('SCRIPT x\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    const entry = [...world.dispatcher.entries].find(({ definition }) => definition.name === 'script');
    assert.deepEqual([seen, entry?.calls], [[], 0]);
    script().turns = 3;
    // After each turn but the last.
    script().busy = (): undefined => world.time.advance(100) as undefined;
    await runner.say();
    world.time.advance(1000);
    assert.equal(await runner.say(), '+done\r\n');
    assert.deepEqual(seen, [['script', 'x', 200_000, true, beganAtMs]]);
    assert.deepEqual([entry?.calls, entry?.usec], [1, 200_000]);
  });

  test('that is busy has others told so, and may be ended by those it admits', async () => {
    const { world, script } = scriptWorld();
    const [runner, other, killer] = [world.connect(), world.connect(), world.connect()];
    runner.socket.push('SCRIPT x\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    other.socket.push('PUSH b x\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    script().isBusy = true;
    let turns = 0;
    const later = (): void => {
      if (++turns < 5) world.time.soon(later);
      else killer.socket.push('KILL\r\n');
    };
    world.time.soon(later);
    script().turns = 20;
    await other.say();
    assert.equal(other.socket.written, '-BUSY a script runs\r\n');
    assert.equal(await killer.say(), '+OK\r\n');
    assert.equal(await runner.say(), '+done\r\n');
    assert.deepEqual(world.engine.list('b'), []);
  });

  test('is ended by a role change: nothing of it stays, its client is cut, and the tick goes on', async () => {
    const { world, script } = scriptWorld();
    const [runner, other] = [world.connect(), world.connect()];
    runner.socket.push('PUSH b before\r\nSCRIPT x\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    other.socket.push('PUSH c held\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    script().next(new ReplyWriter());
    assert.deepEqual(world.engine.list('a'), ['x']);
    world.dispatcher.longRuns.abort();
    world.dispatcher.longRuns.abort();
    assert.deepEqual([script().aborted, world.engine.list('a'), world.engine.list('b')], [1, [], ['before']]);
    await world.turn();
    assert.ok(runner.socket.destroyed);
    assert.equal(await other.say(), ':1\r\n');
    assert.equal(world.loop.isPinned, false);
  });

  test('goes with its tick when that is dropped', async () => {
    const { world, script } = scriptWorld();
    const runner = world.connect();
    runner.socket.push('SCRIPT x\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    world.loop.dropAll('the role changes');
    assert.deepEqual([script().aborted, world.loop.isPinned, world.dispatcher.nested.isOpen], [1, false, false]);
    assert.ok(runner.socket.destroyed);
    const other = world.connect();
    assert.equal(await other.say('SCRIPT x'), '+done\r\n', 'the next one begins anew');
  });
});

describe('commands of a script', () => {
  function nestedWorld(options: { readOnly?: boolean } = {}): (line: string) => string {
    const forbidden = command('forbidden', ['no-script'], (_call, _request, reply) => reply.ok());
    const world = new ExecutionWorld([forbidden]);
    const { connection } = world.connect();
    const call = { nowMs: 7, namespace: connection.namespace, session: connection };
    world.dispatcher.nested.begin(call, { readOnly: options.readOnly ?? false, slot: undefined }, false);
    return (line) => {
      const reply = new ReplyWriter();
      world.dispatcher.nested.run(Request.of(...line.split(' ')), reply);
      return reply.take().toString();
    };
  }

  test('are refused with the texts of Redis', () => {
    const run = nestedWorld();
    assert.equal(run('NOSUCH'), `-${nestedErrors.unknown}\r\n`);
    assert.equal(run('PUSH'), `-${nestedErrors.arity}\r\n`);
    assert.equal(run('FORBIDDEN x'), `-${nestedErrors.notAllowed}\r\n`);
    assert.equal(run('MULTI'), `-${nestedErrors.notAllowed}\r\n`);
    assert.equal(nestedWorld({ readOnly: true })('PUSH a x'), `-${nestedErrors.readOnly}\r\n`);
  });

  test('each have a savepoint, never wait, and see what the script wrote', () => {
    const run = nestedWorld();
    assert.equal(run('PUSH a x'), ':1\r\n');
    assert.equal(run('FAIL a'), '-ERR failed\r\n');
    assert.equal(run('BPOP a 0'), '$1\r\nx\r\n');
    assert.equal(run('BPOP a 0'), '$-1\r\n');
  });
});
