import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { itemsOf, textOf, type Reply } from '@holdfast/resp';
import { namespaceOfName } from '../testing/fake-session.ts';
import { FakeNode } from './testing/fake-server.ts';

const texts = (reply: Reply): (string | undefined)[] => (itemsOf(reply) ?? []).map(textOf);

test('what changes or shows the whole server needs an administrator; only flushes and DBSIZE are data', () => {
  const { table } = new FakeNode();
  for (const name of ['config', 'flushall', 'shutdown', 'debug'])
    assert.ok(table.get(name)?.flags.includes('admin'), name);
  for (const name of ['command', 'config', 'info', 'shutdown', 'debug', 'time'])
    assert.ok(!table.get(name)?.flags.some((flag) => flag === 'write' || flag === 'readonly'), name);
  assert.ok(table.get('flushdb')?.flags.includes('write'));
  assert.ok(table.get('dbsize')?.flags.includes('readonly'));
});

test('CONFIG GET, SET, RESETSTAT', () => {
  const node = new FakeNode();
  assert.equal(node.run('CONFIG GET a* b'), '*2\r\n$4\r\nport\r\n$4\r\na*,b\r\n');
  assert.equal(node.run('CONFIG SET timeout 5'), '+OK\r\n');
  assert.equal(node.run('CONFIG SET port 5 timeout 6'), '-ERR not that one\r\n');
  assert.equal(node.run('CONFIG SET timeout 6 hz 7'), '+OK\r\n');
  assert.equal(node.run('CONFIG SET timeout 6 hz'), "-ERR wrong number of arguments for 'config|set' command\r\n");
  assert.equal(node.run('CONFIG SET timeout'), "-ERR wrong number of arguments for 'config|set' command\r\n");
  assert.equal(node.run('CONFIG RESETSTAT'), '+OK\r\n');
  assert.equal(node.run('CONFIG WHAT'), "-ERR unknown subcommand 'WHAT'. Try CONFIG HELP.\r\n");
  assert.deepEqual(node.calls, ['set timeout 5', 'set timeout 6 hz 7', 'resetstat']);
  node.session.protocol = 3;
  assert.match(node.run('CONFIG GET x'), /^%1\r\n/);
});

test('CONFIG REWRITE answers when the file is written', async () => {
  const node = new FakeNode();
  assert.equal(node.run('CONFIG REWRITE'), '');
  assert.deepEqual(node.session.later, []);
  await Promise.resolve();
  assert.deepEqual(node.session.later, ['+OK\r\n']);
  node.rewriteRefusal = 'ERR the server is running without a config file';
  node.run('CONFIG REWRITE');
  await Promise.resolve();
  assert.deepEqual(node.session.later[1], '-ERR the server is running without a config file\r\n');
});

test('INFO, TIME, DBSIZE', () => {
  const node = new FakeNode();
  assert.equal(node.run('INFO'), '$5\r\ninfo \r\n');
  assert.equal(node.run('INFO Stats CPU'), '$14\r\ninfo stats,cpu\r\n');
  assert.equal(node.run('TIME'), '*2\r\n$10\r\n1700000001\r\n$6\r\n234000\r\n');
  assert.equal(node.run('DBSIZE'), ':11\r\n');
  assert.equal(node.run('DBSIZE SCAN'), '+OK\r\n');
  assert.equal(node.run('DBSIZE WHAT'), '-ERR syntax error\r\n');
  assert.deepEqual(node.calls, ['count __namespace']);
});

test('FLUSHDB clears the own namespace, FLUSHALL all', () => {
  const node = new FakeNode();
  node.session.namespace = namespaceOfName('app');
  for (const line of ['FLUSHDB', 'FLUSHDB async', 'FLUSHALL SYNC']) assert.equal(node.run(line), '+OK\r\n', line);
  assert.equal(node.run('FLUSHALL WHAT'), '-ERR syntax error\r\n');
  assert.deepEqual(node.calls, ['flush app', 'flush app', 'flush everything']);
});

test('SHUTDOWN closes without a reply, DEBUG SLEEP stalls', () => {
  const node = new FakeNode();
  assert.equal(node.run('SHUTDOWN what'), '-ERR syntax error\r\n');
  assert.equal(node.run('SHUTDOWN NOSAVE'), '');
  assert.ok(node.session.closing);
  assert.equal(node.run('DEBUG SLEEP 0.25'), '+OK\r\n');
  for (const bad of ['x', '-1', '1e3', '99999', 'inf'])
    assert.equal(node.run(`DEBUG SLEEP ${bad}`), '-ERR value is not a valid float\r\n', bad);
  assert.deepEqual(node.calls, ['shutdown', 'stall 250']);
});

describe('COMMAND', () => {
  test('COUNT, and the whole table', () => {
    const node = new FakeNode();
    assert.equal(node.run('COMMAND COUNT'), `:${node.table.size}\r\n`);
    assert.equal(itemsOf(node.replies('COMMAND'))?.length, node.table.size);
  });

  test('INFO has six elements, and nil for what does not exist', () => {
    const node = new FakeNode();
    assert.equal(
      node.run('COMMAND INFO GET nope mset'),
      '*3\r\n*6\r\n$3\r\nget\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n*-1\r\n' +
        '*6\r\n$4\r\nmset\r\n:-3\r\n*1\r\n+write\r\n:1\r\n:-1\r\n:2\r\n',
    );
    assert.match(node.run('COMMAND INFO eval'), /\+movablekeys\r\n/);
    assert.match(node.run('COMMAND INFO config'), /\+readonly\r\n\+admin\r\n/);
    assert.match(node.run('COMMAND INFO config|get'), /^\*1\r\n\*6\r\n\$10\r\nconfig\|get\r\n:-3\r\n/);
    assert.equal(node.run('COMMAND INFO config|nope get|x'), '*2\r\n*-1\r\n*-1\r\n');
    assert.equal(node.run('COMMAND INFO config|get|x'), '*1\r\n*-1\r\n');
  });

  test('a renamed command is found by its new name and tells its own; the whole table knows it still', () => {
    const node = new FakeNode();
    const { size } = node.table;
    node.table.rename('GET', 'fetch');
    node.table.rename('mset', '');
    assert.equal(node.run('COMMAND INFO get'), '*1\r\n*-1\r\n');
    assert.match(node.run('COMMAND INFO Fetch'), /^\*1\r\n\*6\r\n\$3\r\nget\r\n/);
    assert.equal(node.run('COMMAND COUNT'), `:${size - 1}\r\n`);
    assert.equal(itemsOf(node.replies('COMMAND'))?.length, size);
    assert.deepEqual(texts(node.replies('COMMAND GETKEYS fetch a')), ['a']);
  });

  test('DOCS tells of the commands named', () => {
    const node = new FakeNode();
    assert.equal(
      node.run('COMMAND DOCS get nope'),
      '*2\r\n$3\r\nget\r\n*8\r\n$7\r\nsummary\r\n$7\r\nA test.\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n' +
        '$5\r\ngroup\r\n$6\r\nstring\r\n$10\r\ncomplexity\r\n$4\r\nO(1)\r\n',
    );
    assert.match(
      node.run('COMMAND DOCS slowlog'),
      /\$11\r\nsubcommands\r\n\*8\r\n\$11\r\nslowlog\|get\r\n\*4\r\n\$7\r\nsummary\r\n/,
    );
  });

  test('GETKEYS', () => {
    const node = new FakeNode();
    assert.deepEqual(texts(node.replies('COMMAND GETKEYS MSET a 1 b 2')), ['a', 'b']);
    assert.deepEqual(texts(node.replies('COMMAND GETKEYS eval x 1 k')), ['k']);
    assert.equal(node.run('COMMAND GETKEYSANDFLAGS MSET a 1'), '*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RW\r\n+access\r\n');
    assert.match(node.run('COMMAND GETKEYSANDFLAGS GET a'), /\+RO\r\n\+access\r\n$/);
    assert.equal(node.run('COMMAND GETKEYS nope a'), '-ERR Invalid command specified\r\n');
    assert.equal(node.run('COMMAND GETKEYS time'), '-ERR The command has no key arguments\r\n');
    assert.equal(node.run('COMMAND GETKEYS get'), '-ERR Invalid number of arguments specified for command\r\n');
    assert.equal(node.run('COMMAND GETKEYS eval x 1'), '-ERR Invalid arguments specified for command\r\n');
  });

  test('LIST, filtered by pattern, category and module', () => {
    const node = new FakeNode();
    const all = texts(node.replies('COMMAND LIST'));
    assert.equal(all.filter((name) => name?.includes('|') === false).length, node.table.size);
    assert.ok(all.includes('config|get'));
    assert.deepEqual(texts(node.replies('COMMAND LIST FILTERBY PATTERN lat*help')), ['latency|help']);
    assert.deepEqual(texts(node.replies('COMMAND LIST FILTERBY PATTERN config|re*')), [
      'config|rewrite',
      'config|resetstat',
    ]);
    assert.deepEqual(texts(node.replies('COMMAND LIST FILTERBY PATTERN ?Et')), ['get']);
    assert.deepEqual(texts(node.replies('COMMAND LIST FILTERBY ACLCAT @write')), [
      'flushdb',
      'flushall',
      'applybatch',
      'mset',
      'eval',
    ]);
    assert.deepEqual(texts(node.replies('COMMAND LIST FILTERBY ACLCAT string')), ['get', 'mset', 'eval']);
    assert.deepEqual(texts(node.replies('COMMAND LIST FILTERBY MODULE json')), []);
    assert.equal(node.run('COMMAND LIST FILTERBY WHAT x'), '-ERR syntax error\r\n');
  });
});
