import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Request } from '@holdfast/resp';
import { keysOf } from '../table.ts';
import { namespaceOfName } from '../testing/fake-session.ts';
import { FakeNode } from './testing/fake-server.ts';

const entry = (id: number): string =>
  `*6\r\n:${id}\r\n:1700000000\r\n:13\r\n*2\r\n$3\r\nget\r\n$1\r\na\r\n$11\r\n127.0.0.1:1\r\n$2\r\nme\r\n`;

describe('SLOWLOG', () => {
  test('GET shows the newest entries, ten or as many as are asked for, -1 for all', () => {
    const node = new FakeNode();
    assert.equal(node.run('SLOWLOG GET'), `*3\r\n${entry(3)}${entry(2)}${entry(1)}`);
    assert.equal(node.run('SLOWLOG GET 1'), `*1\r\n${entry(3)}`);
    assert.equal(node.run('SLOWLOG GET 0'), '*0\r\n');
    assert.match(node.run('SLOWLOG GET -1'), /^\*3\r\n/);
    assert.equal(node.run('SLOWLOG GET -2'), '-ERR count should be greater than or equal to -1\r\n');
    assert.equal(node.run('SLOWLOG GET x'), '-ERR value is not an integer or out of range\r\n');
  });

  test('LEN, RESET and HELP', () => {
    const node = new FakeNode();
    assert.equal(node.run('SLOWLOG LEN'), ':3\r\n');
    assert.equal(node.run('SLOWLOG RESET'), '+OK\r\n');
    assert.equal(node.run('slowlog len'), ':0\r\n');
    assert.match(node.run('SLOWLOG HELP'), /^\*7\r\n\+SLOWLOG <subcommand>/);
    assert.equal(node.run('SLOWLOG LEN x'), "-ERR wrong number of arguments for 'slowlog|len' command\r\n");
  });
});

test('PERFLOG has names, durations and what RocksDB counted', () => {
  const node = new FakeNode();
  assert.equal(
    node.run('PERFLOG GET *'),
    '*1\r\n*6\r\n:7\r\n:1700000000\r\n$3\r\nget\r\n:13\r\n$5\r\na = 1\r\n$0\r\n\r\n',
  );
  assert.equal(node.run('PERFLOG RESET'), '+OK\r\n');
  assert.equal(node.run('PERFLOG LEN'), ':0\r\n');
});

test('LATENCY HISTOGRAM is a map by command', () => {
  const node = new FakeNode();
  const histogram = '$14\r\nhistogram_usec\r\n*4\r\n:8\r\n:1\r\n:64\r\n:3\r\n';
  assert.equal(node.run('LATENCY HISTOGRAM'), `*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:3\r\n${histogram}`);
  assert.equal(node.run('LATENCY HISTOGRAM nope'), '*0\r\n');
  assert.match(node.run('LATENCY HISTOGRAM GET'), /^\*2\r\n\$3\r\nget\r\n/);
  node.session.protocol = 3;
  assert.match(node.run('LATENCY HISTOGRAM'), /^%1\r\n.*%2\r\n.*%2\r\n/s);
});

describe('LATENCY', () => {
  test('shows spikes by event as Redis does', () => {
    const node = new FakeNode();
    node.spikes = [
      {
        event: 'command',
        spikes: [
          { atSeconds: 1_700_000_000, durationMs: 300 },
          { atSeconds: 1_700_000_001, durationMs: 500 },
        ],
        worstMs: 900,
      },
    ];
    assert.equal(node.run('LATENCY LATEST'), '*1\r\n*4\r\n$7\r\ncommand\r\n:1700000001\r\n:500\r\n:900\r\n');
    const history = '*2\r\n*2\r\n:1700000000\r\n:300\r\n*2\r\n:1700000001\r\n:500\r\n';
    assert.equal(node.run('LATENCY HISTORY command'), history);
    assert.equal(node.run('LATENCY HISTORY Command'), '*0\r\n', 'events are told apart by case');
    assert.equal(node.run('LATENCY RESET a b'), ':2\r\n');
    assert.equal(node.run('LATENCY RESET'), ':2\r\n');
    assert.deepEqual(node.calls, ['forget a,b', 'forget all']);
  });

  test('GRAPH draws a column for each spike', () => {
    const node = new FakeNode();
    node.spikes = [
      {
        event: 'commit',
        spikes: [100, 200, 400].map((durationMs, i) => ({ atSeconds: 1_700_000_000 - 10 * (2 - i), durationMs })),
        worstMs: 900,
      },
    ];
    const lines = node.run('LATENCY GRAPH commit').split('\n').slice(1);
    assert.deepEqual(lines, [
      'commit - high 400 ms, low 100 ms (all time high 900 ms)',
      '-'.repeat(80),
      '  #',
      '  #',
      ' ##',
      '###',
      'from 21 s ago on the left to 1 s ago on the right',
      '\r',
      '',
    ]);
    assert.equal(node.run('LATENCY GRAPH x'), "-ERR No samples available for event 'x'\r\n");
  });

  test('DOCTOR says whether spikes are watched for, what there was, and where to look', () => {
    const node = new FakeNode();
    assert.match(node.run('LATENCY DOCTOR'), /not watched for.*latency-monitor-threshold.* None is remembered/);
    node.spikeFromMs = 50;
    node.spikes = [{ event: 'command', spikes: [{ atSeconds: 1, durationMs: 60 }], worstMs: 70 }];
    const text = node.run('LATENCY DOCTOR');
    assert.match(text, /What takes 50 ms or longer/);
    assert.match(text, /command: 1 seconds with spikes, 60 ms on average, 70 ms at worst. SLOWLOG GET/);
  });
});

test('MONITOR answers first', () => {
  const node = new FakeNode();
  assert.equal(node.run('MONITOR'), '+OK\r\n');
  assert.deepEqual(node.calls, ['monitor 1']);
});

test('backups and compactions begin, or say why not', () => {
  const node = new FakeNode();
  for (const line of ['BGSAVE', 'BGSAVE SCHEDULE', 'FLUSHBACKUP', 'COMPACT', 'FLUSHMEMTABLE ASYNC', 'FLUSHBLOCKCACHE'])
    assert.equal(node.run(line), '+OK\r\n', line);
  assert.equal(node.run('FLUSHMEMTABLE'), '', 'it answers when it has ended');
  assert.deepEqual(node.session.later, ['+OK\r\n']);
  node.session.admin = false;
  node.session.namespace = namespaceOfName('app');
  node.run('COMPACT');
  assert.deepEqual(node.calls, [
    'backup',
    'backup',
    'delete backup',
    'compact everything',
    'flush memtables',
    'flush block cache',
    'flush memtables',
    'compact app',
  ]);
  node.refusal = 'ERR busy';
  for (const line of ['BGSAVE', 'FLUSHBACKUP', 'COMPACT', 'FLUSHBLOCKCACHE'])
    assert.equal(node.run(line), '-ERR busy\r\n', line);
  assert.equal(node.run('BGSAVE WHAT'), '-ERR syntax error\r\n');
  assert.equal(node.run('STATS'), '$2\r\n{}\r\n');
  assert.match(node.run('KPROFILE ENABLE'), /^-ERR memory profiling is not supported/);
});

test('LASTSAVE is a Unix time, -1 before the first backup', () => {
  const node = new FakeNode();
  assert.equal(node.run('LASTSAVE'), ':-1\r\n');
  assert.equal(node.run('LASTSAVE ISO8601'), '$0\r\n\r\n');
  node.lastBackup = 1_700_000_000;
  assert.equal(node.run('LASTSAVE'), ':1700000000\r\n');
  assert.equal(node.run('lastsave iso8601'), '$24\r\n2023-11-14T22:13:20.000Z\r\n');
});

describe('POLLUPDATES and APPLYBATCH', () => {
  test('batches come in hexadecimal digits, with where to go on', () => {
    const node = new FakeNode();
    assert.equal(node.run('POLLUPDATES 3'), '');
    node.run('POLLUPDATES 3 MAX 6 STRICT FORMAT RAW');
    assert.deepEqual(node.calls, [
      'poll {"sequence":3,"max":16,"strict":false}',
      'poll {"sequence":3,"max":6,"strict":true}',
    ]);
    assert.equal(
      node.session.later[0],
      '*6\r\n$15\r\nlatest_sequence\r\n:9\r\n$7\r\nupdates\r\n*1\r\n$4\r\nAB01\r\n$13\r\nnext_sequence\r\n:4\r\n',
    );
    node.refusal = 'ERR mismatched sequence number';
    node.run('POLLUPDATES 3');
    assert.equal(node.session.later[2], '-ERR mismatched sequence number\r\n');
  });

  test('bad arguments are refused before anything is read', () => {
    const node = new FakeNode();
    for (const [line, error] of [
      ['POLLUPDATES x', 'ERR value is not an integer or out of range'],
      ['POLLUPDATES -1', 'ERR value is not an integer or out of range'],
      ['POLLUPDATES 0 MAX 0', 'ERR out of numeric range'],
      ['POLLUPDATES 0 MAX 1001', 'ERR out of numeric range'],
      ['POLLUPDATES 0 FORMAT RESP', 'ERR invalid FORMAT option, only support RAW'],
      ['POLLUPDATES 0 MAX', 'ERR syntax error'],
      ['POLLUPDATES 0 WHAT x', 'ERR syntax error'],
      ['APPLYBATCH x HIGHPRI', 'ERR syntax error'],
    ] as const)
      assert.equal(node.run(line), `-${error}\r\n`, line);
    assert.deepEqual(node.calls, []);
  });

  test('an applied batch answers its length', () => {
    const node = new FakeNode();
    assert.equal(node.run('APPLYBATCH abc LOWPRI'), ':3\r\n');
    assert.deepEqual(node.calls, ['apply abc __namespace']);
    node.refusal = 'ERR no';
    assert.equal(node.run('APPLYBATCH abc'), '-ERR no\r\n');
  });
});

test('MEMORY and DISK tell sizes of keys; only USAGE has a key', () => {
  const node = new FakeNode();
  assert.equal(node.run('MEMORY USAGE k'), ':1100\r\n');
  assert.equal(node.run('MEMORY USAGE k SAMPLES 0'), ':100\r\n');
  assert.equal(node.run('MEMORY USAGE k SAMPLES -1'), '-ERR syntax error\r\n');
  assert.equal(node.run('MEMORY USAGE nope'), '$-1\r\n');
  assert.equal(node.run('DISK usage k'), ':777\r\n');
  assert.equal(node.run('DISK usage nope'), '$-1\r\n');
  assert.equal(node.run('DISK usa k'), '-ERR Unknown operation\r\n');
  assert.match(node.run('MEMORY STATS'), /^\*10\r\n\$15\r\ntotal\.allocated\r\n:3\r\n/);
  assert.equal(node.run('MEMORY PURGE'), '+OK\r\n');
  assert.match(node.run('MEMORY DOCTOR'), /on disk/);
  const memory = node.table.get('memory');
  assert.ok(memory !== undefined);
  assert.deepEqual(keysOf(memory, Request.of('MEMORY', 'USAGE', 'k', 'SAMPLES', '3')), [2]);
  assert.deepEqual(keysOf(memory, Request.of('MEMORY', 'STATS')), []);
  assert.equal(node.run('MEMORY HELP x'), "-ERR wrong number of arguments for 'memory|help' command\r\n");
});

test('DEBUG PROTOCOL answers an example of each type', () => {
  const node = new FakeNode();
  const answers = (): Record<string, string> =>
    Object.fromEntries(
      ['string', 'double', 'null', 'set', 'map', 'bignum', 'true', 'false'].map((name) => [
        name,
        node.run(`DEBUG PROTOCOL ${name}`),
      ]),
    );
  assert.deepEqual(answers(), {
    string: '$11\r\nHello World\r\n',
    double: '$5\r\n3.141\r\n',
    null: '$-1\r\n',
    set: '*3\r\n:0\r\n:1\r\n:2\r\n',
    map: '*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n',
    bignum: '$37\r\n1234567999999999999999999999999999999\r\n',
    true: ':1\r\n',
    false: ':0\r\n',
  });
  node.session.protocol = 3;
  assert.deepEqual(answers(), {
    string: '$11\r\nHello World\r\n',
    double: ',3.141\r\n',
    null: '_\r\n',
    set: '~3\r\n:0\r\n:1\r\n:2\r\n',
    map: '%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n',
    bignum: '(1234567999999999999999999999999999999\r\n',
    true: '#t\r\n',
    false: '#f\r\n',
  });
  assert.match(node.run('DEBUG PROTOCOL what'), /^-ERR Wrong protocol type name/);
});

test('the other aids of DEBUG, and what cannot be had', () => {
  const node = new FakeNode();
  assert.equal(node.run('DEBUG DBSIZE-LIMIT 1'), '+OK\r\n');
  assert.equal(node.run('DEBUG DBSIZE-LIMIT 2'), '-ERR syntax error\r\n');
  assert.equal(node.run('DEBUG SET-ACTIVE-EXPIRE 0'), '+OK\r\n');
  assert.match(node.run('DEBUG RELOAD'), /^-ERR unknown subcommand 'RELOAD'/);
  assert.deepEqual(node.calls, ['full true']);
  assert.match(node.run('SWAPDB 0 1'), /^-ERR SWAPDB is not supported: /);
  assert.match(node.run('FAILOVER'), /^-ERR FAILOVER is not supported: the controller moves masters/);
  assert.equal(node.run('LOLWUT'), '$12\r\nTest ver. 1\n\r\n');
  for (const [line, error] of [
    ['SHUTDOWN SAVE NOSAVE', 'ERR syntax error'],
    ['SHUTDOWN ABORT', 'ERR No shutdown in progress.'],
  ] as const)
    assert.equal(node.run(line), `-${error}\r\n`, line);
  assert.equal(node.run('SHUTDOWN NOSAVE NOW FORCE'), '');
});
