import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { defaultNamespace } from '@holdfast/engine';
import { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, type Call } from '../command.ts';
import type { Deferred, Session } from '../session.ts';
import { replicationCommands } from './index.ts';
import type { ReplicationPort, RoleFacts } from './port.ts';

interface World {
  readonly seen: string[];
  readonly facts: { cluster: boolean; walDisabled: boolean; refusal: string | undefined; role: RoleFacts };
  run(...args: string[]): string;
  /** Where nothing may wait. */
  runWhole(...args: string[]): string;
}

function world(): World {
  const seen: string[] = [];
  const facts: World['facts'] = {
    cluster: false,
    walDisabled: false,
    refusal: undefined,
    role: { role: 'master', sequence: 7, replicas: [] },
  };
  const port: ReplicationPort = {
    databaseName: () => 'change.me.db',
    clusterEnabled: () => facts.cluster,
    walDisabled: () => facts.walDisabled,
    announce: (_session, announcement) => void seen.push(JSON.stringify(announcement)),
    attach: (_session, { nextSequence, replicationId }) => {
      seen.push(`attach ${replicationId ?? '-'} ${nextSequence}`);
      return facts.refusal;
    },
    sendCheckpointNames: () => void seen.push('names'),
    sendCheckpointFiles: (_session, names) => void seen.push(`files ${names.join(' ')}`),
    followNamed: (host, to, answer) => {
      seen.push(`follow ${host} ${to}`);
      answer(facts.refusal);
    },
    followNobody: (answer) => {
      seen.push('follow nobody');
      answer(undefined);
    },
    role: () => facts.role,
    ackedReplicas: () => 3,
    waitForAcks: (replicas, timeoutMs, session) => {
      const deferred = session.defer();
      seen.push(`wait ${replicas} ${timeoutMs}`);
      deferred.complete((reply) => reply.integer(replicas));
    },
  };
  const commands = new Map(replicationCommands(port).map((command) => [command.name, command]));
  const runWith = (more: Partial<Call>, args: readonly string[]): string => {
    const command = commands.get((args[0] ?? '').toLowerCase());
    assert.ok(command, `no command ${args[0] ?? ''}`);
    const { arity } = command;
    assert.ok(arity > 0 ? args.length === arity : args.length >= -arity, `${args[0] ?? ''} is called with its arity`);
    const reply = new ReplyWriter();
    const deferred: Deferred = { settled: false, complete: (write) => write(reply), abandon: () => undefined };
    const input = command.parse(Request.of(...args));
    if (input instanceof Refusal) return `-${input.message}`;
    const session = { defer: () => deferred } as unknown as Session;
    command.run({ nowMs: 0, namespace: defaultNamespace, session, ...more }, input, reply);
    return reply.take().toString();
  };
  const run = (...args: string[]): string => runWith({ waits: { begin: () => undefined } }, args);
  const runWhole = (...args: string[]): string => runWith({}, args);
  return { seen, facts, run, runWhole };
}

describe('what a replica says to its master', () => {
  const replconf: readonly [args: string, reply: string, announced?: string][] = [
    ['listening-port 6667', '+OK\r\n', '{"listeningPort":6667}'],
    ['LISTENING-PORT 65534 ip-address 10.0.0.7', '+OK\r\n', '{"listeningPort":65534,"host":"10.0.0.7"}'],
    ['capa holdfast-ack', '+OK\r\n', '{"capability":"holdfast-ack"}'],
    ['capa eof', '-ERR unknown option'],
    ['listening-port 0', '-ERR listening-port should be number or out of range'],
    ['listening-port 65535', '-ERR listening-port should be number or out of range'],
    ['listening-port x', '-ERR listening-port should be number or out of range'],
    ['ip-address ', '-ERR ip-address should not be empty'],
    ['listening-port 6667 ip-address', '-ERR wrong number of arguments'],
    ['ack 7', '-ERR unknown option'],
  ];
  for (const [args, reply, announced] of replconf)
    it(`REPLCONF ${args}`, () => {
      const { run, seen } = world();
      assert.equal(run('REPLCONF', ...args.split(' ')), reply);
      assert.deepEqual(seen, announced === undefined ? [] : [announced]);
    });

  const id = 'A'.repeat(16);
  const psync: readonly [args: string, reply: string, seen?: string][] = [
    ['8', '', 'attach - 8'],
    [`${id} 8`, '', `attach ${id} 8`],
    ['x', '-ERR value is not an unsigned long long or out of range'],
    ['-1', '-ERR value is not an unsigned long long or out of range'],
    [`${id} x`, '-ERR value is not an unsigned long long or out of range'],
    ['short 8', '-ERR Wrong replication id length'],
  ];
  for (const [args, reply, attached] of psync)
    it(`PSYNC ${args}`, () => {
      const { run, seen } = world();
      assert.equal(run('PSYNC', ...args.split(' ')), reply);
      assert.deepEqual(seen, attached === undefined ? [] : [attached]);
    });

  it('a refused PSYNC is answered on the connection, which stays', () => {
    const { run, facts } = world();
    facts.refusal = 'ERR sequence out of range, please use fullsync';
    assert.equal(run('PSYNC', '99'), '-ERR sequence out of range, please use fullsync\r\n');
  });

  it('the database name is a bare line', () => {
    assert.equal(world().run('_db_name'), 'change.me.db\r\n');
  });

  it('files are asked for as one list', () => {
    const { run, seen } = world();
    assert.equal(run('_fetch_meta') + run('_fetch_file', 'CURRENT,000010.log'), '');
    assert.deepEqual(seen, ['names', 'files CURRENT 000010.log']);
  });
});

describe('SLAVEOF', () => {
  it('follows, under both names', () => {
    const { run, seen } = world();
    assert.equal(run('SLAVEOF', 'db1', '6666'), '+OK\r\n');
    assert.equal(run('replicaof', 'NO', 'one'), '+OK\r\n');
    assert.deepEqual(seen, ['follow db1 6666', 'follow nobody']);
  });

  it('is refused in Kvrocks’ words', () => {
    const { run, facts, seen } = world();
    assert.equal(run('SLAVEOF', 'db1', 'x'), '-ERR port should be number');
    facts.walDisabled = true;
    assert.equal(run('SLAVEOF', 'db1', '6666'), "-ERR slaveof doesn't work with disable_wal option\r\n");
    facts.cluster = true;
    assert.equal(run('SLAVEOF', 'no', 'one'), "-ERR can't change to slave in cluster mode\r\n");
    assert.deepEqual(seen, []);
    [facts.cluster, facts.walDisabled] = [false, false];
    facts.refusal = 'ERR Can not resolve hostname: db1';
    assert.equal(run('SLAVEOF', 'db1', '6666'), '-ERR Can not resolve hostname: db1\r\n');
  });
});

describe('ROLE', () => {
  const bulks = (...texts: string[]): string => texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('');

  it('is all bulk strings, and on a master has replicas only when there are any', () => {
    const { run, facts } = world();
    assert.equal(run('ROLE'), `*2\r\n${bulks('master', '7')}`);
    facts.role = { role: 'master', sequence: 7, replicas: [{ host: '10.0.0.7', port: 6667, offset: 5 }] };
    assert.equal(run('ROLE'), `*3\r\n${bulks('master', '7')}*1\r\n*3\r\n${bulks('10.0.0.7', '6667', '5')}`);
    facts.role = { role: 'replica', host: '10.0.0.1', port: 6666, state: 'sync', sequence: 5 };
    assert.equal(run('ROLE'), `*5\r\n${bulks('slave', '10.0.0.1', '6666', 'sync', '5')}`);
  });
});

describe('WAIT', () => {
  it('hands over what to wait for, and judges its arguments first', () => {
    const { run, seen } = world();
    assert.equal(run('WAIT', '2', '100'), ':2\r\n');
    assert.equal(run('WAIT', '-1', '100'), '-ERR value is not an integer or out of range');
    assert.equal(run('WAIT', '1', '-1'), '-ERR timeout is negative');
    assert.equal(run('WAIT', '1', 'x'), '-ERR timeout is not an integer or out of range');
    assert.deepEqual(seen, ['wait 2 100']);
  });

  it('answers at once how many it is where nothing may wait, in EXEC and scripts', () => {
    const { runWhole, seen } = world();
    assert.equal(runWhole('WAIT', '9', '0'), ':3\r\n');
    assert.deepEqual(seen, []);
  });
});
