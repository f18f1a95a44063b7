import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { define, noKeys, type CommandDefinition } from '@holdfast/commands';
import { ExecutionWorld } from './testing/execution-world.ts';

function command(name: string, run: CommandDefinition['run']): CommandDefinition {
  return define({
    name,
    arity: -1,
    flags: ['write'],
    keys: noKeys,
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'A test.',
    parse: () => null,
    run,
  });
}

describe('what is counted of commands', () => {
  test('calls, refusals, failures, kinds of errors, and how long they took', async () => {
    const world = new ExecutionWorld([
      command('fails', (_call, _input, reply) => reply.error('WRONGTYPE no')),
      command('throws', () => {
        throw new Error('broken');
      }),
    ]);
    const client = world.connect();
    assert.equal(await client.say('FAILS'), '-WRONGTYPE no\r\n');
    assert.match(await client.say('THROWS'), /-ERR broken\r\n$/);
    await client.say('PUSH');
    await client.say('NOPE');
    await client.say('PUSH a x');
    const { runs, entries } = world.dispatcher;
    const of = (name: string): readonly number[] => {
      const found = [...entries].find(({ definition }) => definition.name === name);
      return [found?.calls ?? -1, found?.rejectedCalls ?? -1, found?.failedCalls ?? -1, found?.latency.calls ?? -1];
    };
    assert.deepEqual(of('fails'), [1, 0, 1, 1]);
    assert.deepEqual(of('throws'), [1, 0, 1, 1]);
    assert.deepEqual(of('push'), [1, 1, 0, 1]);
    assert.deepEqual(runs.errors.kinds, [
      ['ERR', 3],
      ['WRONGTYPE', 1],
    ]);
    assert.equal(runs.errors.total, 4);
    world.dispatcher.resetStatistics();
    assert.deepEqual([of('fails'), runs.errors.total], [[0, 0, 0, 0], 0]);
  });

  test('a command that waited once, served or not, and its failure when it is served', async () => {
    const world = new ExecutionWorld();
    const [waiting, other] = [world.connect(), world.connect()];
    const counts = (name: string): readonly number[] => {
      const found = [...world.dispatcher.entries].find(({ definition }) => definition.name === name);
      return [found?.calls ?? -1, found?.failedCalls ?? -1, found?.latency.calls ?? -1];
    };
    await waiting.say('BPOP a 0');
    await other.say('PUSH a x');
    assert.match(await waiting.say(), /x/);
    assert.deepEqual(counts('bpop'), [1, 0, 1]);
    await waiting.say('BMOVE from to');
    await other.say('PUSH from poison');
    assert.match(await waiting.say(), /-ERR poison was moved/);
    assert.deepEqual(counts('bmove'), [1, 1, 1]);
    assert.equal(world.dispatcher.commandsProcessed, 4);
  });

  test('sub-commands are counted each for itself', async () => {
    const world = new ExecutionWorld([
      define({
        ...command('tool', (_call, _input, reply) => reply.error('ERR no')),
        subCommands: [{ name: 'use', arity: 2, usage: '', summary: 'A test.' }],
      }),
    ]);
    const client = world.connect();
    for (const line of ['TOOL USE', 'TOOL Use x', 'TOOL other']) await client.say(line);
    const counted = [...world.dispatcher.entries]
      .filter(({ calls }) => calls > 0)
      .map(({ definition, calls, failedCalls, latency }) => [definition.name, calls, failedCalls, latency.calls]);
    assert.deepEqual(counted, [
      ['tool', 1, 1, 1],
      ['tool|use', 2, 2, 2],
    ]);
  });

  test('nothing of durations while latency-tracking is off', async () => {
    const world = new ExecutionWorld();
    world.dispatcher.runs.countsLatency = false;
    await world.connect().say('PUSH a x');
    for (const { latency } of world.dispatcher.entries) assert.equal(latency.calls, 0);
  });

  test('a command that writes more than it may is taken back and fails', async () => {
    const world = new ExecutionWorld([
      command('fill', (_call, _input, reply) => {
        world.engine.openTickBytes += 100;
        reply.ok();
      }),
    ]);
    const client = world.connect();
    world.dispatcher.runs.writtenBytesMax = 99;
    assert.equal(await client.say('FILL'), '-ERR Operation aborted: Memory limit reached\r\n');
    world.dispatcher.runs.writtenBytesMax = 100;
    assert.match(await client.say('FILL'), /limit reached\r\n\+OK\r\n$/);
  });

  test('the observer is told of what took long enough, and of nothing while nobody wants to know', async () => {
    const world = new ExecutionWorld([
      command('slow', (_call, _input, reply) => {
        world.time.advance(5);
        reply.ok();
      }),
    ]);
    const seen: string[] = [];
    const begun: string[] = [];
    world.dispatcher.runs.observer = {
      begins: ({ entry }) => void begun.push(entry.definition.name),
      executed: ({ entry, durationUs }) => void seen.push(`${entry.definition.name} ${durationUs}`),
    };
    const client = world.connect();
    await client.say('SLOW');
    world.dispatcher.runs.observedFromUs = 5000;
    await client.say('PUSH a x');
    await client.say('SLOW');
    assert.deepEqual(seen, ['slow 5000']);
    world.dispatcher.runs.observesBegins = true;
    await client.say('SLOW');
    assert.deepEqual(begun, ['slow']);
  });
});
