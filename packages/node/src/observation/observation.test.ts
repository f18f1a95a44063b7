import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { define, noKeys, type Session } from '@holdfast/commands';
import { namespaceOf, type Namespace } from '@holdfast/engine';
import { Request } from '@holdfast/resp';
import { commandEntry, type CommandEntry } from '../execution/command-entry.ts';
import type { CommandOrigin } from '../execution/command-observer.ts';
import type { Monitoring } from './monitors.ts';
import { Observation, type ObservationSettings } from './observation.ts';

function entryOf(name: string, flags: readonly ('admin' | 'fast')[] = []): CommandEntry {
  return commandEntry(
    define({
      name,
      arity: -1,
      flags,
      keys: noKeys,
      group: 'server',
      since: '1.0.0',
      complexity: 'O(1)',
      summary: 'A test.',
      parse: () => null,
      run: () => undefined,
    }),
  );
}

interface Client extends Monitoring {
  readonly peer: string;
  readonly name: string;
  namespace: Namespace;
  admin: boolean;
}

class World {
  readonly settings: { -readonly [Name in keyof ObservationSettings]: ObservationSettings[Name] } = {
    slowerThanUs: 100,
    slowEntriesMax: 3,
    slowLogLevel: 'off',
    sampleRatio: 0,
    sampleEntriesMax: 2,
    sampleThresholdMs: 1,
    sampledCommands: '',
    spikeFromMs: 0,
  };
  readonly entries = new Map([entryOf('get'), entryOf('set')].map((entry) => [entry.definition.name, entry]));
  readonly lines: string[] = [];
  readonly logged: string[] = [];
  observedFromUs = Infinity;
  observesBegins = false;
  observesCommits = false;
  profiling = false;
  random = 0;
  readonly observation: Observation = new Observation({
    settings: this.settings,
    profiler: {
      begin: () => void (this.profiling = true),
      end: () => {
        assert.ok(this.profiling);
        this.profiling = false;
        return { reads: 'get_count = 1', files: '' };
      },
    },
    random: { u32: () => this.random * 2 ** 32, bytes: (length) => new Uint8Array(length) },
    secrets: (name) => name === 'requirepass',
    entries: () => this.entries.values(),
    named: (name) => [this.entries.get(name)].filter((entry) => entry !== undefined),
    observeFrom: (us) => void (this.observedFromUs = us),
    observeBegins: (on) => void (this.observesBegins = on),
    observeCommits: (on) => void (this.observesCommits = on),
    sendLine: (to, line) => void this.lines.push(`${to.id}: ${line.toString('latin1').trimEnd()}`),
    logSlow: (level, { args }) => void this.logged.push(`${level} ${args.join(' ')}`),
  });

  client(id: number, namespace = '__namespace', admin = true): Client {
    const peer = `127.0.0.1:${id}`;
    return { id, peer, name: 'me', admin, monitoring: false, namespace: namespaceOf(namespace) };
  }

  run(
    client: Client,
    line: string | Request,
    how: { us?: number; origin?: CommandOrigin; admin?: true; fast?: true; waits?: true; leaves?: true } = {},
  ): void {
    const request = typeof line === 'string' ? Request.of(...line.split(' ')) : line;
    const name = request.latin1(0).toLowerCase();
    const command = {
      session: client as unknown as Session,
      request,
      entry:
        this.entries.get(name) ?? entryOf(name, how.admin === true ? ['admin'] : how.fast === true ? ['fast'] : []),
      nowMs: 1_700_000_000_250,
      origin: how.origin ?? 'client',
    };
    const durationUs = how.us ?? 100;
    if (this.observesBegins && how.origin !== 'wait') this.observation.begins(command);
    if (how.leaves !== true) this.observation.executed({ ...command, durationUs, isDone: how.waits !== true });
  }

  slowArguments(): string[] {
    return this.observation.slow.newest(99).map(({ args }) => args.join(' '));
  }
}

describe('the slow log', () => {
  test('remembers the newest commands that took long enough, numbered from 1', () => {
    const world = new World();
    const client = world.client(7);
    world.run(client, 'GET quick', { us: 99 });
    for (const key of ['a', 'b', 'c', 'd']) world.run(client, `GET ${key}`, { us: 100 });
    assert.deepEqual(world.slowArguments(), ['GET d', 'GET c', 'GET b']);
    const [newest] = world.observation.slow.newest(1);
    assert.deepEqual([newest?.id, newest?.peer, newest?.clientName], [4, '127.0.0.1:7', 'me']);
    world.settings.slowEntriesMax = 1;
    world.observation.settingsChanged();
    assert.deepEqual(world.slowArguments(), ['GET d']);
    world.observation.slow.clear();
    world.run(client, 'GET e');
    assert.equal(world.observation.slow.newest(1)[0]?.id, 5, 'numbers go on');
    world.settings.slowerThanUs = -1;
    world.run(client, 'GET f');
    assert.deepEqual(world.slowArguments(), ['GET e']);
  });

  test('cuts many and long arguments as Redis does', () => {
    const world = new World();
    const many = ['sadd', 'set', ...Array.from({ length: 31 }, (_, i) => String(i + 3))];
    world.run(world.client(1), many.join(' '));
    assert.equal(world.slowArguments()[0], [...many.slice(0, 31), '... (2 more arguments)'].join(' '));
    world.run(world.client(1), `sadd set foo ${'A'.repeat(129)}`);
    assert.equal(world.slowArguments()[0], `sadd set foo ${'A'.repeat(128)}... (1 more bytes)`);
  });

  test('has what EXEC ran, but neither EXEC itself nor what a script ran', () => {
    const world = new World();
    world.run(world.client(1), 'SET a 1', { origin: 'queue' });
    world.run(world.client(1), 'EXEC');
    world.run(world.client(1), 'SET b 1', { origin: 'script' });
    assert.deepEqual(world.slowArguments(), ['SET a 1']);
  });

  test('has what waited once it is served', () => {
    const world = new World();
    world.run(world.client(1), 'BLPOP k 0', { waits: true });
    assert.deepEqual(world.slowArguments(), []);
    world.run(world.client(1), 'BLPOP k 0', { origin: 'wait' });
    assert.deepEqual(world.slowArguments(), ['BLPOP k 0']);
  });

  test('writes to the log where it is told to', () => {
    const world = new World();
    world.settings.slowLogLevel = 'warning';
    world.run(world.client(1), 'GET a');
    assert.deepEqual(world.logged, ['warning GET a']);
  });
});

test('secrets are never shown, right or wrong, wherever they stand', () => {
  const world = new World();
  world.settings.slowEntriesMax = 99;
  const cases: readonly (readonly [string, string])[] = [
    ['AUTH hunter2', 'AUTH (redacted)'],
    ['AUTH default hunter2', 'AUTH (redacted) (redacted)'],
    ['HELLO 3 AUTH default hunter2 SETNAME me', 'HELLO 3 AUTH (redacted) (redacted) SETNAME me'],
    ['HELLO 3 SETNAME me AUTH hunter2', 'HELLO 3 SETNAME me AUTH (redacted)'],
    ['HELLO 3 AUTH hunter2 SETNAME me', 'HELLO 3 AUTH (redacted) SETNAME me'],
    ['CONFIG SET requirepass hunter2', 'CONFIG SET (redacted) (redacted)'],
    ['CONFIG SET timeout 3 REQUIREPASS hunter2', 'CONFIG SET timeout 3 (redacted) (redacted)'],
    ['CONFIG GET requirepass', 'CONFIG GET requirepass'],
    ['NAMESPACE ADD app hunter2', 'NAMESPACE ADD app (redacted)'],
    ['SET auth value', 'SET auth value'],
  ];
  for (const [line, shown] of cases) {
    world.run(world.client(1), line);
    assert.equal(world.slowArguments()[0], shown);
  }
  world.observation.monitor(world.client(2) as unknown as Session);
  world.run(world.client(1), 'AUTH hunter2');
  assert.equal(world.lines[0], '2: +1700000000.250000 [0 127.0.0.1:1] "AUTH" "(redacted)"');
});

describe('PERFLOG', () => {
  function sampling(ratio: number, commands: string): World {
    const world = new World();
    Object.assign(world.settings, { sampleRatio: ratio, sampledCommands: commands });
    world.observation.settingsChanged();
    return world;
  }

  test('samples the commands that are named, from a duration on, as often as it is told', () => {
    const world = sampling(50, 'set, HGET');
    const client = world.client(1);
    world.run(client, 'SET a 1', { us: 1000 });
    world.run(client, 'SET a 1', { us: 999 });
    world.run(client, 'GET a', { us: 5000 });
    world.random = 0.5;
    world.run(client, 'SET a 2', { us: 1000 });
    assert.equal(world.observation.sampled.length, 1);
    Object.assign(world.settings, { sampledCommands: '*', sampleRatio: 100 });
    world.observation.settingsChanged();
    for (let i = 0; i < 3; i++) world.run(client, 'GET a', { us: 1000 });
    assert.deepEqual(
      world.observation.sampled.newest(9).map(({ id, name, reads }) => [id, name, reads]),
      [
        [4, 'get', 'get_count = 1'],
        [3, 'get', 'get_count = 1'],
      ],
    );
    assert.ok(!world.profiling);
  });

  test('profiles one command at a time: of EXEC those of its queue, of a script the whole of it', () => {
    const world = sampling(100, '*');
    const client = world.client(1);
    world.run(client, 'SET a 1', { origin: 'queue', us: 1000 });
    world.run(client, 'EXEC', { us: 2000 });
    world.run(client, 'EVAL x 0', { leaves: true });
    world.run(client, 'GET a', { origin: 'script', us: 1000 });
    assert.ok(world.profiling);
    assert.deepEqual(
      world.observation.sampled.newest(9).map(({ name }) => name),
      ['set'],
    );
  });

  test('a command that did not end, or waits, has no entry, and its profile ends', () => {
    const world = sampling(100, 'get,blpop');
    const client = world.client(1);
    world.run(client, 'GET a', { leaves: true });
    assert.ok(world.profiling);
    world.run(client, 'SET a 1', { us: 1000 });
    assert.ok(!world.profiling);
    world.run(client, 'BLPOP k 0', { waits: true, us: 1000 });
    world.run(client, 'BLPOP k 0', { origin: 'wait', us: 1000 });
    world.run(client, 'GET a', { leaves: true });
    world.settings.sampleRatio = 0;
    world.observation.settingsChanged();
    assert.ok(!world.profiling && !world.observesBegins);
    assert.equal(world.observation.sampled.length, 0);
  });
});

describe('MONITOR', () => {
  test('shows each command once it has run, quoted, with who sent it', () => {
    const world = new World();
    const watcher = world.client(9);
    world.observation.monitor(watcher as unknown as Session);
    assert.ok(watcher.monitoring);
    world.run(world.client(1), Request.of('set', Buffer.from([0, 10, 34, 92, 200, 97]), 'b c'), { us: 0 });
    world.run(world.client(1), 'GET k', { us: 0, origin: 'script' });
    world.run(world.client(1), 'BLPOP k 0', { us: 0, origin: 'wait' });
    world.run(world.client(1), 'CONFIG GET x', { us: 0, admin: true });
    world.run(watcher, 'PING', { us: 0 });
    assert.deepEqual(world.lines, [
      '9: +1700000000.250000 [0 127.0.0.1:1] "set" "\\x00\\n\\"\\\\\\xc8a" "b c"',
      '9: +1700000000.250000 [0 lua] "GET" "k"',
    ]);
    world.observation.forget(watcher);
    world.run(world.client(1), 'GET k');
    assert.equal(world.lines.length, 2);
    assert.ok(!watcher.monitoring);
  });

  test("a namespace's user sees commands of that namespace only, an administrator all", () => {
    const world = new World();
    world.observation.monitor(world.client(8, 'app', false) as unknown as Session);
    world.observation.monitor(world.client(9) as unknown as Session);
    world.run(world.client(1, 'app', false), 'GET a');
    world.run(world.client(2, 'other', false), 'GET b');
    world.run(world.client(3), 'GET c');
    assert.deepEqual(
      world.lines.map((line) => line.replace(/\+\S+ /, '')),
      [
        '8: [0 127.0.0.1:1] "GET" "a"',
        '9: [0 127.0.0.1:1] "GET" "a"',
        '9: [0 127.0.0.1:2] "GET" "b"',
        '9: [0 127.0.0.1:3] "GET" "c"',
      ],
    );
  });
});

test('commands are told of from the duration that somebody wants to know', () => {
  const world = new World();
  const from = (change: Partial<World['settings']>): number => {
    Object.assign(world.settings, change);
    world.observation.settingsChanged();
    return world.observedFromUs;
  };
  assert.equal(from({}), 100);
  assert.equal(from({ slowerThanUs: -1 }), Infinity);
  assert.equal(from({ slowerThanUs: 2000, sampleRatio: 1 }), 2000, 'no command is named');
  assert.ok(!world.observesBegins);
  assert.equal(from({ sampledCommands: 'get' }), 0, 'a profile is ended');
  assert.ok(world.observesBegins);
  assert.equal(from({ sampleRatio: 0 }), 2000);
  const watcher = world.client(9);
  world.observation.monitor(watcher as unknown as Session);
  assert.deepEqual([world.observedFromUs, world.observesBegins], [0, true]);
  world.observation.forget(watcher);
  assert.deepEqual([world.observedFromUs, world.observesBegins], [2000, false]);
});

test('what takes as long as latency-monitor-threshold says is a spike; nothing is watched for while it is 0', () => {
  const world = new World();
  world.settings.slowerThanUs = -1;
  world.observation.settingsChanged();
  assert.deepEqual([world.observedFromUs, world.observesCommits], [Infinity, false]);
  world.settings.spikeFromMs = 20;
  world.observation.settingsChanged();
  assert.deepEqual([world.observedFromUs, world.observesCommits], [20_000, true]);
  const client = world.client(7);
  world.run(client, 'GET a', { us: 19_999 });
  world.run(client, 'GET b', { us: 20_999 });
  world.run(client, 'GET c', { us: 900_000, origin: 'script' });
  world.run(client, 'GET d', { us: 900_000, waits: true });
  world.run(client, 'PING', { us: 800_000, fast: true });
  world.observation.committed(19.9, 1_700_000_000_000);
  world.observation.committed(1500.4, 1_700_000_000_000);
  const spikes = world.observation.spikes.events().map(({ event, spikes: all }) => [event, all]);
  assert.deepEqual(spikes, [
    ['command', [{ atSeconds: 1_700_000_000, durationMs: 20 }]],
    ['fast-command', [{ atSeconds: 1_700_000_001, durationMs: 800 }]],
    ['commit', [{ atSeconds: 1_700_000_001, durationMs: 1500 }]],
  ]);
  assert.deepEqual(world.slowArguments(), []);
});

test('LATENCY HISTOGRAM tells of commands that were called, each once', () => {
  const world = new World();
  world.entries.get('get')?.latency.record(5);
  assert.deepEqual(world.observation.latencies(undefined), [{ name: 'get', calls: 1, cumulative: [[8, 1]] }]);
  assert.equal(world.observation.latencies(['get', 'get', 'set', 'nope']).length, 1);
});
