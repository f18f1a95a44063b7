import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommandDefinition } from '@holdfast/commands';
import { encodeCommand } from '@holdfast/resp';
import type { CommandObserver } from './command-observer.ts';
import { command, ExecutionWorld, type Client } from './testing/execution-world.ts';

/** GETK keys…: reads; ADDK key text: writes, then reads; KEYLESS. */
class ColdWorld extends ExecutionWorld {
  constructor(onDisk: readonly string[]) {
    const extra: CommandDefinition[] = [
      {
        ...command('getk', ['readonly'], (_call, request, reply) => {
          reply.array(request.count - 1);
          for (let i = 1; i < request.count; i++) {
            const key = request.latin1(i);
            if (this.disk.reads(key)) reply.bulkLatin1(key);
            else reply.nil();
          }
        }),
        keys: { first: 1, last: -1, step: 1 },
      },
      {
        ...command('addk', ['write'], (_call, request, reply) => {
          for (let i = 1; i < request.count; i++) {
            this.engine.list(request.latin1(i)).push('x');
            this.disk.reads(request.latin1(i));
          }
          reply.ok();
        }),
        keys: { first: 1, last: -1, step: 1 },
      },
      command('broken', ['readonly'], (_call, request) => {
        if (!this.disk.reads(request.latin1(1))) throw new Error('what is there is not there');
      }),
    ];
    super(extra);
    for (const key of onDisk) this.disk.keys.add(key);
  }

  /** What workers are reading, by job. */
  get reading(): string[] {
    return this.disk.jobs.map(({ keys }) => keys.join());
  }

  /** The oldest job ends. */
  async fetched(error?: Error): Promise<void> {
    this.disk.jobs[0]?.end(error);
    await this.turn();
  }
}

function bulks(...texts: string[]): string {
  return `*${texts.length}\r\n${texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('')}`;
}

async function answered(client: Client): Promise<string> {
  return client.say();
}

describe('cold commands', () => {
  test('while a worker reads what one client needs, others go on; it answers when that is there', async () => {
    const world = new ColdWorld(['a']);
    const [cold, hot] = [world.connect(), world.connect()];
    assert.equal(await cold.say('GETK a'), '');
    assert.deepEqual(world.reading, ['a']);
    assert.equal(await hot.say('GETK b', 'PUSH l x'), `${bulks('b')}:1\r\n`);
    await world.fetched();
    assert.equal(await answered(cold), bulks('a'));
    assert.deepEqual(world.dispatcher.cold.figures, { commands: 1, records: 1, recordsInFlight: 0 });
  });

  test('a pipeline is answered in its order, and what its requests read is fetched together', async () => {
    const world = new ColdWorld(['a', 'b', 'c', 'd']);
    const client = world.connect();
    const lines = ['PING', 'GETK a', 'ADDK b', 'GETK hot c', 'PING', 'GETK d'];
    assert.equal(await client.say(...lines), '+PONG\r\n');
    assert.deepEqual(world.reading, ['a,b,c'], 'up to the first that is no command of data');
    await world.fetched();
    assert.deepEqual(world.reading, ['d']);
    const first = `+PONG\r\n${bulks('a')}+OK\r\n${bulks('hot', 'c')}+PONG\r\n`;
    assert.equal(await answered(client), first);
    await world.fetched();
    assert.equal(await answered(client), `${first}${bulks('d')}`);
  });

  test('a record that several clients need is read once', async () => {
    const world = new ColdWorld(['a', 'b']);
    const [one, two, late, later] = [world.connect(), world.connect(), world.connect(), world.connect()];
    one.socket.push('GETK a b\r\n');
    two.socket.push('GETK b\r\n');
    await world.turn();
    await late.say('GETK a');
    assert.deepEqual(world.reading, ['a,b']);
    await world.fetched();
    assert.deepEqual(
      [await answered(one), await answered(two), await answered(late)],
      [bulks('a', 'b'), bulks('b'), bulks('a')],
    );
    await later.say('GETK a');
    assert.deepEqual(world.reading, ['a'], 'nothing is kept for those who come later');
  });

  test('a command that writes is taken back whole, and runs once', async () => {
    const world = new ColdWorld(['b', 'c']);
    const client = world.connect();
    assert.equal(await client.say('ADDK a b c'), '');
    assert.deepEqual(world.engine.lists.size, 0);
    assert.deepEqual(world.reading, ['b,c'], 'with its other keys');
    await world.fetched();
    assert.equal(await answered(client), '+OK\r\n');
    assert.deepEqual(world.engine.list('a'), ['x']);
  });

  test('what was taken back is not counted: no call, no lookup, nobody is told', async () => {
    const world = new ColdWorld(['a']);
    const seen: string[] = [];
    const executed: CommandObserver['executed'] = ({ entry }) => void seen.push(entry.definition.name);
    Object.assign(world.dispatcher.runs, { observer: { executed }, observedFromUs: 0 });
    const client = world.connect();
    await client.say('GETK hot a');
    assert.deepEqual(world.disk.lookups, { hits: 0, misses: 0 });
    assert.deepEqual([seen, world.dispatcher.commandsProcessed], [[], 0]);
    await world.fetched();
    assert.deepEqual(world.disk.lookups, { hits: 2, misses: 0 });
    assert.deepEqual([seen, world.dispatcher.commandsProcessed], [['getk'], 1]);
    const entry = [...world.dispatcher.entries].find(({ definition }) => definition.name === 'getk');
    assert.equal(entry?.calls, 1);
  });

  test('an error that follows from what was taken as absent is none', async () => {
    const world = new ColdWorld(['a']);
    const client = world.connect();
    assert.equal(await client.say('BROKEN a', 'GETK b'), '');
    assert.equal(world.dispatcher.runs.errors.total, 0);
    await world.fetched();
    assert.equal(await answered(client), bulks('b'));
  });

  test('it is admitted anew: where the node may no longer, it refuses', async () => {
    const world = new ColdWorld(['a', 'b', 'c']);
    const [writer, reader, mover] = [world.connect(), world.connect(), world.connect()];
    for (const [client, line] of [
      [writer, 'ADDK a'],
      [reader, 'GETK b'],
      [mover, 'GETK c'],
    ] as const)
      await client.say(line);
    world.condition.readOnly = true;
    world.disk.jobs[0]?.end();
    assert.match(await answered(writer), /^-READONLY/);
    assert.equal(world.engine.lists.size, 0);
    world.condition.readOnly = false;
    world.admission = 'hold';
    await world.fetched();
    assert.equal(await answered(reader), '');
    world.admission = 'execute';
    reader.connection.resume();
    assert.equal(await answered(reader), '', 'what was read for it was not kept meanwhile');
    world.disk.jobs.at(-1)?.end();
    assert.equal(await answered(reader), bulks('b'));
    mover.connection.startMoving();
    world.time.advance(50);
    assert.match(await answered(mover), /^-MOVED/);
    await world.fetched();
    assert.doesNotMatch(await answered(mover), /\$/, 'nothing of it was executed');
  });

  test('a client that goes while a worker reads for it leaves nothing behind', async () => {
    const world = new ColdWorld(['a', 'b']);
    const [killed, ended] = [world.connect(), world.connect()];
    await killed.say('ADDK a');
    await ended.say('GETK b');
    killed.connection.destroy();
    ended.socket.end();
    await world.fetched();
    await world.fetched();
    assert.deepEqual([killed.socket.written, world.engine.lists.size], ['', 0]);
    assert.deepEqual([world.reading, world.dispatcher.cold.figures.recordsInFlight], [[], 0]);
  });

  test('what workers do not hand over, or cannot read, is read where the command runs', async () => {
    const world = new ColdWorld(['a', 'b']);
    const client = world.connect();
    world.disk.large.add('a');
    await client.say('GETK a');
    for (let fetch = 1; fetch <= 4; fetch++) {
      assert.deepEqual(world.reading, ['a'], `fetch ${fetch}`);
      await world.fetched();
    }
    assert.equal(await answered(client), bulks('a'));
    await client.say('GETK b');
    await world.fetched(new Error('a block is damaged'));
    assert.equal(await answered(client), bulks('a') + bulks('b'));
    await client.say('GETK b');
    assert.deepEqual(world.reading, ['b'], 'the next command is another matter');
  });

  test('only so many jobs are under way, each of so many records', async () => {
    const world = new ColdWorld(Array.from({ length: 400 }, (_, i) => `k${i}`));
    const client = world.connect();
    const line = Array.from({ length: 400 }, (_, i) => `k${i}`).join(' ');
    await client.say(`GETK ${line}`);
    assert.deepEqual(
      world.disk.jobs.map(({ keys }) => keys.length),
      [32, 32, 32, 32, 32, 32],
    );
    for (let job = 0; job < 10; job++) {
      assert.equal(await answered(client), '');
      await world.fetched();
      if (job === 5)
        assert.deepEqual(
          world.disk.jobs.map(({ keys }) => keys.length),
          [64, 64, 64, 16],
          'larger ones while all workers were busy',
        );
    }
    assert.equal(await answered(client), bulks(...line.split(' ')));
  });

  test('in EXEC, and with cold-reads loop, lookups wait for the disk', async () => {
    const world = new ColdWorld(['a']);
    const client = world.connect();
    const replies = await client.say('MULTI', 'GETK a', 'EXEC');
    assert.ok(replies.endsWith(`*1\r\n${bulks('a')}`), replies);
    world.disk.cold.isEnabled = false;
    assert.equal(await client.say('GETK a'), `${replies}${bulks('a')}`);
    assert.deepEqual(world.reading, []);
  });
});

describe('a pipeline', () => {
  test('that follows reads has its keys brought near, some requests at a time', async () => {
    const world = new ColdWorld([]);
    const client = world.connect();
    const names = Array.from({ length: 40 }, (_, i) => `k${i}`);
    const gets = Buffer.concat(names.map((name) => encodeCommand(['GETK', name])));
    for (const before of ['PUSH l x', 'PING']) {
      await client.say(before);
      client.socket.push(encodeCommand(['GETK', 'first']));
      client.socket.push(encodeCommand(['GETK', 'alone']));
      await world.turn();
      assert.deepEqual(world.disk.warmed.splice(0), [], 'one key gains nothing');
      client.socket.push(gets);
      await world.turn();
      assert.deepEqual(world.disk.warmed.splice(0), [names.slice(0, 32).join(), names.slice(32).join()]);
      await client.say('PING');
      client.socket.push(encodeCommand(['PING']));
      await world.turn();
      assert.deepEqual(world.disk.warmed.splice(0), []);
    }
  });
});
