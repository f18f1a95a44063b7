import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import {
  stepLink,
  stoppedLink,
  type LinkEvent,
  type LinkSettings,
  type LinkState,
  type LogPosition,
} from './link-state.ts';

const plain: LinkSettings = {
  password: undefined,
  databaseName: 'change.me.db',
  announcedPort: 6667,
  announcedHost: undefined,
  topologyMaster: false,
};
const id = 'A'.repeat(16);
const fresh: LogPosition = { nextSequence: 8, replicationId: undefined, attach: undefined };

/** Runs rows of [ms, event]; a text is an answer line. Returns the effects as words. */
function run(
  settings: LinkSettings,
  rows: readonly (readonly [number, LinkEvent | string])[],
  position: LogPosition = fresh,
): { state: LinkState; effects: string[] } {
  let state = stoppedLink;
  const effects: string[] = [];
  for (const [nowMs, row] of rows) {
    const event: LinkEvent = typeof row === 'string' ? { kind: 'line', text: row, position } : row;
    const step = stepLink(settings, state, event, nowMs);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === 'send') effects.push(effect.command.join(' '));
      else effects.push(effect.kind === 'wait' ? `wait ${effect.delayMs}` : effect.kind);
    }
  }
  return { state, effects };
}

const start: readonly [number, LinkEvent] = [0, { kind: 'start' }];
const connected: readonly [number, LinkEvent] = [0, { kind: 'connected' }];
const lost: LinkEvent = { kind: 'lost', reason: 'gone' };
const due: LinkEvent = { kind: 'retry-due' };
/** Up to the question PSYNC. */
const greeted = [start, connected, [0, 'change.me.db'], [0, '+OK'], [0, '-ERR unknown option']] as const;

describe('the handshake', () => {
  it('names itself, offers what it can and asks for the log', () => {
    const { state, effects } = run(plain, [...greeted, [0, '+OK']]);
    assert.deepEqual(effects, [
      'connect',
      '_db_name',
      'replconf listening-port 6667',
      'replconf capa holdfast-ack',
      'PSYNC 8',
      'stream',
    ]);
    assert.deepEqual([state.phase.kind, state.acksPromptly], ['streaming', false]);
  });

  it('knows a master of ours by its answer to the offer', () => {
    const { state } = run(plain, [start, connected, [0, 'change.me.db'], [0, '+OK'], [0, '+OK'], [0, '+OK']]);
    assert.equal(state.acksPromptly, true);
  });

  it('authenticates first when a password is set', () => {
    const settings = { ...plain, password: 'secret' };
    assert.deepEqual(run(settings, [start, connected, [0, '+OK']]).effects, ['connect', 'AUTH secret', '_db_name']);
    const wrong = run(settings, [start, connected, [0, '-ERR Invalid password']]);
    assert.deepEqual(wrong.effects.slice(2), ['close', 'wait 10000']);
  });

  it('leaves its address out for a master that does not know that option, once', () => {
    const settings = { ...plain, announcedHost: '10.0.0.7' };
    const { effects } = run(settings, [
      start,
      connected,
      [0, 'change.me.db'],
      [0, '-ERR unknown option'],
      [0, '-ERR unknown option'],
    ]);
    assert.deepEqual(effects.slice(2), [
      'replconf listening-port 6667 ip-address 10.0.0.7',
      'replconf listening-port 6667',
      'replconf capa holdfast-ack',
    ]);
  });

  it('goes on whatever else REPLCONF answers, but not while the master is loading', () => {
    const begun = [start, connected, [0, 'change.me.db']] as const;
    assert.equal(run(plain, [...begun, [0, '-ERR whatever']]).effects.at(-1), 'replconf capa holdfast-ack');
    assert.equal(run(plain, [...begun, [0, '-LOADING x']]).effects.at(-1), 'wait 10000');
  });

  it('stays away for 10 s from a master with another database name', () => {
    const { state, effects } = run(plain, [start, connected, [0, 'other.db']]);
    assert.deepEqual(effects.slice(2), ['close', 'wait 10000']);
    assert.match(state.phase.kind === 'waiting' ? state.phase.reason : '', /"other\.db"/);
  });

  it('says under which id its last entry was written, and does without when the master is too old for that', () => {
    const position = { ...fresh, replicationId: id };
    const { effects } = run(plain, [...greeted, [0, '-ERR wrong number of arguments'], [0, '+OK']], position);
    assert.deepEqual(effects.slice(-3), [`PSYNC ${id} 8`, 'PSYNC 8', 'stream']);
  });

  const psyncAnswers: readonly [answer: string, ...effects: string[]][] = [
    ['-ERR sequence out of range, please use fullsync', 'close', 'full-sync'],
    ['-ERR wrong replication id of the last log', 'close', 'full-sync'],
    ['-ERR wrong number of arguments', 'close', 'full-sync'],
    ['-LOADING kvrocks is restoring the db from backup', 'close', 'wait 10000'],
    ['-CLUSTERDOWN The cluster is down', 'close', 'wait 10000'],
    ['-NOAUTH Authentication required.', 'close', 'wait 10000'],
  ];
  for (const [answer, ...effects] of psyncAnswers)
    it(`after PSYNC ${answer}: ${effects.join(', ')}`, () => {
      assert.deepEqual(run(plain, [...greeted, [0, answer]]).effects.slice(-2), effects);
    });

  const outline = { history: [{ epoch: 2, firstSequence: 5 }], latestSequence: 7 };
  const armed: LogPosition = {
    ...fresh,
    attach: { epoch: 3, nodeId: 'n'.repeat(40), logId: 'c'.repeat(20), outline },
  };
  const attaching = `CLUSTERX ATTACH 3 ${'n'.repeat(40)} ${'c'.repeat(20)} 7 2:5`;

  it('of an armed replica compares the logs before it asks for the stream', () => {
    for (const replicationId of [undefined, id]) {
      const { effects } = run(plain, [...greeted, [0, '+COMMON 7 2'], [0, '+OK']], { ...armed, replicationId });
      assert.deepEqual(effects.slice(-3), [attaching, 'PSYNC 8', 'stream']);
    }
  });

  const attachAnswers: readonly [answer: string, ...effects: string[]][] = [
    ['+COMMON 5 2', 'close', 'rewind'],
    ['+COMMON 9 2', 'close', 'wait 10000'],
    ['-ERR no common history: x', 'close', 'rewind'],
    ['-ERR node is not armed: attach by plain PSYNC', 'close', 'wait 1000'],
    ['-ERR stale epoch: this node is in 2, the follower in 3', 'close', 'wait 1000'],
    ['-LOADING kvrocks is restoring the db from backup', 'close', 'wait 10000'],
  ];
  for (const [answer, ...effects] of attachAnswers)
    it(`after ATTACH ${answer}: ${effects.join(', ')}`, () => {
      assert.deepEqual(run(plain, [...greeted, [0, answer]], armed).effects.slice(-2), effects);
    });

  it('attaches anew after a rewind, and takes a whole copy when that could not be done', () => {
    const rewinding = [...greeted, [0, '+COMMON 5 2']] as const;
    const done = (outcome: 'rewound' | 'full-sync'): readonly [number, LinkEvent] => [
      0,
      { kind: 'rewind-done', outcome },
    ];
    assert.equal(run(plain, [...rewinding, done('rewound')], armed).effects.at(-1), 'connect');
    assert.deepEqual(run(plain, [...rewinding, done('full-sync')], armed).effects.slice(-2), ['close', 'full-sync']);
    const failed = run(plain, [...rewinding, [0, { kind: 'rewind-failed', reason: 'disk full' }]], armed);
    assert.deepEqual(failed.effects.slice(-2), ['close', 'wait 1000']);
  });

  it('ignores answers nobody waits for', () => {
    assert.deepEqual(run(plain, [start, [0, 'change.me.db']]).effects, ['connect']);
    assert.deepEqual(run(plain, [[0, '+OK']]).effects, []);
  });
});

describe('the times between attempts', () => {
  const failures = (settings: LinkSettings, count: number, everyMs: number): string[] => {
    const rows: (readonly [number, LinkEvent])[] = [start];
    for (let i = 0; i < count; i++) rows.push([i * everyMs, lost], [i * everyMs, due]);
    return run(settings, rows).effects.filter((effect) => effect.startsWith('wait'));
  };

  it('double from 1 s to 60 s', () => {
    const expected = [1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => `wait ${seconds * 1000}`);
    assert.deepEqual(failures(plain, 8, 1000), expected);
  });

  it('begin anew after a granted PSYNC and after a full sync', () => {
    const again = run(plain, [start, [0, lost], [0, due], connected, ...greeted.slice(2), [0, '+OK'], [0, lost]]);
    assert.equal(again.effects.at(-1), 'wait 1000');
    const copied = run(plain, [
      start,
      [0, lost],
      [0, due],
      connected,
      ...greeted.slice(2),
      [0, '-ERR sequence out of range, please use fullsync'],
      [0, { kind: 'full-sync-done' }],
      [0, lost],
    ]);
    assert.deepEqual(copied.effects.slice(-4), ['full-sync', 'connect', 'close', 'wait 1000']);
  });

  it('are at most 500 ms in the first 10 s for a master of the topology, then as for any other', () => {
    const settings = { ...plain, topologyMaster: true };
    assert.deepEqual(failures(settings, 5, 100), ['wait 100', 'wait 200', 'wait 400', 'wait 500', 'wait 500']);
    const rows: (readonly [number, LinkEvent])[] = [
      start,
      [0, lost],
      [0, due],
      [9_999, lost],
      [9_999, due],
      [10_000, lost],
    ];
    assert.deepEqual(
      run(settings, rows).effects.filter((effect) => effect.startsWith('wait')),
      ['wait 100', 'wait 200', 'wait 4000'],
    );
  });

  it('are 10 s after garbage in the stream, whoever the master is', () => {
    const settings = { ...plain, topologyMaster: true };
    const { effects } = run(settings, [...greeted, [0, '+OK'], [5, { kind: 'broken', reason: 'garbage' }]]);
    assert.deepEqual(effects.slice(-2), ['close', 'wait 10000']);
  });

  it('grow for a full sync that fails, also with a master of the topology', () => {
    const settings = { ...plain, topologyMaster: true };
    const refused = [0, '-ERR sequence out of range, please use fullsync'] as const;
    const failed = [0, { kind: 'full-sync-failed', reason: 'disk' }] as const;
    const { effects } = run(settings, [
      ...greeted,
      refused,
      failed,
      [0, due],
      connected,
      ...greeted.slice(2),
      refused,
      failed,
    ]);
    assert.deepEqual(
      effects.filter((effect) => effect.startsWith('wait')),
      ['wait 1000', 'wait 2000'],
    );
  });
});

describe('stopping', () => {
  it('closes from every phase, and nothing that comes later changes it', () => {
    for (const rows of [
      [start],
      [start, connected],
      [...greeted],
      [...greeted, [0, '+OK']],
      [start, [0, lost]],
    ] as const) {
      const { state, effects } = run(plain, [...rows, [0, { kind: 'stop' }], [0, due], [0, lost], [0, '+OK']]);
      assert.equal(effects.at(-1), 'close');
      assert.deepEqual(state, stoppedLink);
    }
  });

  it('can be started again', () => {
    assert.deepEqual(run(plain, [start, [0, { kind: 'stop' }], start, start]).effects, ['connect', 'close', 'connect']);
  });
});
