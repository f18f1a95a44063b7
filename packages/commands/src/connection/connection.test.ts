import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Request } from '@holdfast/resp';
import { FakeSession, namespaceOfName, runOn } from '../testing/fake-session.ts';
import { sameSecret } from './authentication.ts';
import { connectionCommands } from './index.ts';
import type { ConnectionPort } from './port.ts';

class FakeNode {
  password = '';
  tokens: [string, string][] = [];
  resp3 = true;
  readonly sessions: FakeSession[] = [];
  readonly disconnected: number[] = [];
  readonly killedLinks: object[] = [];
  readonly resets: number[] = [];

  readonly port: ConnectionPort = {
    password: () => this.password,
    namespaceTokens: () => new Map(this.tokens),
    namespaceNamed: namespaceOfName,
    defaultNamespace: namespaceOfName('__namespace'),
    resp3Enabled: () => this.resp3,
    redisVersion: '7.0.0',
    mode: 'standalone',
    role: () => 'master',
    clients: () => this.sessions,
    subscriptionCounts: ({ subscriptions }) => ({ channels: subscriptions, patterns: 0, shardChannels: 0 }),
    disconnect: (id) => void this.disconnected.push(id),
    killLinks: (which) => {
      this.killedLinks.push(which);
      return 'type' in which ? 2 : 0;
    },
    unblock: () => false,
    pause: () => undefined,
    unpause: () => undefined,
    reset: (session) => void this.resets.push(session.id),
  };
  readonly commands = connectionCommands(this.port);

  connect(): FakeSession {
    const session = new FakeSession(this.sessions.length + 1);
    session.authenticated = this.password === '';
    session.admin = session.authenticated;
    this.sessions.push(session);
    return session;
  }

  /** Runs a line of words. */
  run(session: FakeSession, line: string): string {
    return runOn(this.commands, session, line.split(' '));
  }
}

test('none of the family needs a lease: they neither read nor write data', () => {
  for (const { name, flags } of new FakeNode().commands) {
    assert.ok(!flags.includes('write') && !flags.includes('readonly'), name);
    if (name !== 'ping')
      assert.ok(flags.includes('loading'), `${name} works while loading; PING tells that it is not over`);
  }
});

test('PING, ECHO, SELECT, QUIT', () => {
  const node = new FakeNode();
  const session = node.connect();
  assert.equal(node.run(session, 'PING'), '+PONG\r\n');
  assert.equal(node.run(session, 'ping hello'), '$5\r\nhello\r\n');
  assert.equal(node.run(session, 'PING a b'), "-ERR wrong number of arguments for 'ping' command\r\n");
  assert.equal(node.run(session, 'ECHO x'), '$1\r\nx\r\n');
  session.subscriptions = 1;
  assert.equal(node.run(session, 'PING'), '*2\r\n$4\r\npong\r\n$0\r\n\r\n');
  assert.equal(node.run(session, 'PING hello'), '*2\r\n$4\r\npong\r\n$5\r\nhello\r\n');
  session.protocol = 3;
  assert.equal(node.run(session, 'PING'), '+PONG\r\n');
  session.protocol = 2;
  session.subscriptions = 0;
  assert.equal(node.run(session, 'SELECT 7'), '+OK\r\n');
  assert.equal(node.run(session, 'QUIT'), '+OK\r\n');
  assert.ok(session.closing);
});

describe('AUTH', () => {
  test('without a password says that none is set', () => {
    const node = new FakeNode();
    assert.equal(node.run(node.connect(), 'AUTH x'), '-ERR Client sent AUTH, but no password is set\r\n');
  });

  test('the password makes an administrator, a token a user of its namespace; tokens are looked up first', () => {
    const node = new FakeNode();
    node.password = 'top';
    node.tokens = [
      ['app', 'token'],
      ['shadow', 'top'],
    ];
    const admin = node.connect();
    assert.equal(node.run(admin, 'AUTH token'), '+OK\r\n');
    assert.deepEqual([admin.namespace.name, admin.admin, admin.authenticated], ['app', false, true]);
    node.tokens.pop();
    assert.equal(node.run(admin, 'AUTH default top'), '+OK\r\n');
    assert.deepEqual([admin.namespace.name, admin.admin], ['__namespace', true]);
    node.tokens.push(['shadow', 'top']);
    assert.equal(node.run(admin, 'AUTH top'), '+OK\r\n');
    assert.deepEqual([admin.namespace.name, admin.admin], ['shadow', false]);
  });

  test('a wrong secret, or another user, is refused, changes nothing and is not repeated', () => {
    const node = new FakeNode();
    node.password = 'top';
    const session = node.connect();
    for (const line of ['AUTH hunter2', 'AUTH bob top', 'AUTH default hunter2']) {
      assert.equal(node.run(session, line), '-ERR Invalid password\r\n', line);
      assert.equal(session.authenticated, false);
    }
    assert.equal(node.run(session, 'AUTH a b c'), "-ERR wrong number of arguments for 'auth' command\r\n");
    assert.equal(node.run(session, 'AUTH top'), '+OK\r\n');
    assert.equal(node.run(session, 'AUTH nope'), '-ERR Invalid password\r\n');
    assert.ok(session.authenticated && session.admin, 'as in Redis, a failed AUTH takes nothing away');
  });

  test('secrets are compared whole, bytes included', () => {
    assert.ok(sameSecret(Buffer.from('pässword'), 'pässword'));
    assert.ok(!sameSecret(Buffer.from('passwor'), 'password'));
    assert.ok(!sameSecret(Buffer.from('password '), 'password'));
    assert.ok(!sameSecret(Buffer.alloc(0), 'password'));
  });
});

describe('HELLO', () => {
  const answer3 =
    '%6\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n4.0.0\r\n$5\r\nproto\r\n:3\r\n' +
    '$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n_\r\n';

  test('changes the protocol, and answers in it', () => {
    const node = new FakeNode();
    const session = node.connect();
    assert.equal(node.run(session, 'HELLO 3'), answer3);
    assert.equal(session.protocol, 3);
    assert.equal(node.run(session, 'HELLO'), answer3);
    assert.match(node.run(session, 'HELLO 2'), /^\*12\r\n/);
    assert.equal(node.run(session, 'HELLO 4'), '-NOPROTO unsupported protocol version\r\n');
    assert.equal(node.run(session, 'HELLO x'), '-ERR Protocol version is not an integer or out of range\r\n');
    assert.equal(node.run(session, 'HELLO 3 WHAT'), "-ERR Syntax error in HELLO option 'WHAT'\r\n");
    assert.equal(node.run(session, 'HELLO 3 AUTH'), '-ERR syntax error\r\n');
    node.resp3 = false;
    assert.match(node.run(session, 'HELLO 3'), /^\*12\r\n[^:]*:2\r\n/);
    assert.equal(session.protocol, 2);
  });

  test('authenticates and names, all or nothing', () => {
    const node = new FakeNode();
    node.password = 'top';
    const session = node.connect();
    assert.match(node.run(session, 'HELLO 3'), /^-NOAUTH HELLO must be called/);
    assert.equal(node.run(session, 'HELLO 3 AUTH default nope SETNAME me'), '-ERR Invalid password\r\n');
    assert.equal(node.run(session, 'HELLO 3 AUTH bob top'), '-ERR Invalid password\r\n');
    assert.deepEqual([session.protocol, session.name, session.authenticated], [2, '', false]);
    assert.match(node.run(session, 'HELLO 3 AUTH default top SETNAME me'), /^%6/);
    assert.deepEqual([session.protocol, session.name, session.admin], [3, 'me', true]);
    const other = node.connect();
    assert.match(node.run(other, 'HELLO 2 AUTH top SETNAME it'), /^\*12/);
    assert.deepEqual([other.name, other.authenticated], ['it', true]);
    assert.match(node.run(node.connect(), 'HELLO 2 AUTH top'), /^\*12/);
  });
});

test('RESET makes the connection new, without the administrator rights that Kvrocks 2.10 gives away', () => {
  const node = new FakeNode();
  node.password = 'top';
  node.tokens = [['app', 'token']];
  const session = node.connect();
  node.run(session, 'HELLO 3 AUTH token SETNAME me');
  session.queued = [Request.of('GET', 'a')];
  session.replyMode = 'off';
  assert.equal(node.run(session, 'RESET'), '+RESET\r\n');
  assert.deepEqual(
    [session.authenticated, session.admin, session.namespace.name, session.protocol, session.name, session.queued],
    [false, false, '__namespace', 2, '', undefined],
  );
  assert.equal(session.replyMode, 'on');
  assert.deepEqual(node.resets, [1]);
  node.password = '';
  node.run(session, 'RESET');
  assert.ok(session.authenticated && session.admin);
});

describe('CLIENT', () => {
  test('names, ids and libraries', () => {
    const node = new FakeNode();
    const session = node.connect();
    assert.equal(node.run(session, 'CLIENT ID'), ':1\r\n');
    assert.equal(node.run(session, 'CLIENT GETNAME'), '$-1\r\n');
    assert.equal(node.run(session, 'client setname me'), '+OK\r\n');
    assert.equal(node.run(session, 'CLIENT GETNAME'), '$2\r\nme\r\n');
    assert.equal(
      runOn(node.commands, session, ['CLIENT', 'SETNAME', 'a b']),
      '-ERR Client names cannot contain spaces, newlines or special characters.\r\n',
    );
    assert.equal(node.run(session, 'CLIENT SETINFO LIB-NAME ioredis'), '+OK\r\n');
    assert.equal(node.run(session, 'CLIENT SETINFO lib-ver 6.0'), '+OK\r\n');
    assert.equal(node.run(session, 'CLIENT SETINFO lib-x 6.0'), "-ERR Unrecognized option 'lib-x'\r\n");
    assert.equal(
      runOn(node.commands, session, ['CLIENT', 'SETINFO', 'lib-ver', 'a\n']),
      '-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n',
    );
    assert.match(node.run(session, 'CLIENT INFO'), / name=me .* lib-name=ioredis lib-ver=6\.0\n\r\n$/);
  });

  test('LIST has a line for each connection, filtered by id and type', () => {
    const node = new FakeNode();
    const session = node.connect();
    const other = node.connect();
    other.queued = [];
    other.lastCommand = 'multi';
    const list = node.run(session, 'CLIENT LIST');
    assert.match(
      list,
      /^\$\d+\r\nid=1 addr=127\.0\.0\.1:5001 laddr=127\.0\.0\.1:6666 fd=-1 name= age=1 idle=1 flags=N namespace=__namespace db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 obl=0 oll=0 obuf=0 omem=0 tot-mem=512 events=r cmd=NULL user=default redir=-1 resp=2 lib-name= lib-ver=\n/,
    );
    assert.match(list, /\nid=2 .* flags=x .* multi=0 .* cmd=multi /);
    assert.doesNotMatch(node.run(session, 'CLIENT LIST ID 2 9'), /id=1 /);
    assert.match(node.run(session, 'CLIENT LIST TYPE normal'), /id=1 .*\n.*id=2 /);
    assert.equal(node.run(session, 'CLIENT LIST TYPE replica'), '$0\r\n\r\n');
    assert.equal(node.run(session, 'CLIENT LIST TYPE pubsub'), '$0\r\n\r\n');
    other.subscriptions = 2;
    assert.match(node.run(session, 'CLIENT LIST TYPE pubsub'), /id=2 .* flags=xP .* sub=2 psub=0 ssub=0 /);
    assert.doesNotMatch(node.run(session, 'CLIENT LIST TYPE normal'), /id=2 /);
    assert.equal(node.run(session, 'CLIENT LIST TYPE x'), "-ERR Unknown client type 'x'\r\n");
    assert.equal(node.run(session, 'CLIENT LIST ID x'), '-ERR Invalid client ID\r\n');
    assert.equal(node.run(session, 'CLIENT LIST what'), '-ERR syntax error\r\n');
    session.protocol = 3;
    assert.match(node.run(session, 'CLIENT INFO'), /^=\d+\r\ntxt:id=1 /);
  });

  test('KILL by address and by filters', () => {
    const node = new FakeNode();
    const session = node.connect();
    for (let i = 0; i < 3; i++) node.connect();
    assert.equal(node.run(session, 'CLIENT KILL 127.0.0.1:5002'), '+OK\r\n');
    assert.equal(node.run(session, 'CLIENT KILL 127.0.0.1:1'), '-ERR No such client\r\n');
    assert.equal(node.run(session, 'CLIENT KILL ID 3'), ':1\r\n');
    assert.equal(node.run(session, 'CLIENT KILL ADDR 127.0.0.1:5004 ID 3'), ':0\r\n');
    assert.deepEqual(node.disconnected, [2, 3]);
    assert.equal(session.closing, false);
    assert.equal(node.run(session, 'CLIENT KILL TYPE normal'), ':3\r\n', 'oneself is skipped unless asked');
    assert.equal(node.run(session, 'CLIENT KILL TYPE normal SKIPME no'), ':4\r\n');
    assert.ok(session.closing);
    assert.equal(node.run(session, 'CLIENT KILL ID 0'), '-ERR client-id should be greater than 0\r\n');
    for (const line of ['CLIENT KILL ID 1 ADDR', 'CLIENT KILL WHAT 1', 'CLIENT KILL SKIPME maybe'])
      assert.equal(node.run(session, line), '-ERR syntax error\r\n', line);
  });

  test('KILL ends links of replication by their type, or by the address of the master, for administrators', () => {
    const node = new FakeNode();
    const session = node.connect();
    assert.equal(node.run(session, 'CLIENT KILL TYPE slave'), ':2\r\n');
    assert.equal(node.run(session, 'CLIENT KILL TYPE master'), ':2\r\n');
    assert.equal(node.run(session, 'CLIENT KILL TYPE replica ID 7'), ':0\r\n', 'a link has no id');
    assert.equal(node.run(session, 'CLIENT KILL 127.0.0.1:9'), '-ERR No such client\r\n');
    assert.deepEqual(node.killedLinks, [{ type: 'replica' }, { type: 'master' }, { address: '127.0.0.1:9' }]);
    session.admin = false;
    assert.equal(node.run(session, 'CLIENT KILL TYPE slave'), ':0\r\n');
    assert.equal(node.run(session, 'CLIENT KILL USER default SKIPME no'), ':1\r\n');
    assert.equal(node.run(session, 'CLIENT KILL USER bob'), "-ERR No such user 'bob'\r\n");
  });

  test('client-side caching is not supported, and clients that only ask learn so', () => {
    const node = new FakeNode();
    const session = node.connect();
    assert.equal(node.run(session, 'CLIENT TRACKING OFF'), '+OK\r\n');
    assert.match(node.run(session, 'CLIENT TRACKING ON BCAST'), /^-ERR CLIENT TRACKING is not supported/);
    assert.equal(node.run(session, 'CLIENT GETREDIR'), ':-1\r\n');
    assert.match(node.run(session, 'CLIENT TRACKINGINFO'), /^\*6\r\n\$5\r\nflags\r\n\*1\r\n\$3\r\noff\r\n/);
    assert.match(node.run(session, 'CLIENT CACHING YES'), /^-ERR CLIENT CACHING YES is only valid when tracking/);
    assert.equal(node.run(session, 'CLIENT NO-TOUCH ON'), '+OK\r\n');
    session.monitoring = true;
    assert.match(node.run(session, 'CLIENT INFO'), / flags=O /);
  });

  test("a namespace's user sees and ends clients of that namespace only", () => {
    const node = new FakeNode();
    const admin = node.connect();
    const user = node.connect();
    user.admin = false;
    user.namespace = namespaceOfName('app');
    assert.doesNotMatch(node.run(user, 'CLIENT LIST'), /id=1 /);
    assert.equal(node.run(user, 'CLIENT KILL ID 1'), ':0\r\n');
    assert.equal(node.run(admin, 'CLIENT KILL ID 2'), ':1\r\n');
  });

  test('REPLY and NO-EVICT', () => {
    const node = new FakeNode();
    const session = node.connect();
    assert.equal(node.run(session, 'CLIENT NO-EVICT on'), '+OK\r\n');
    assert.equal(session.noEvict, true);
    assert.equal(node.run(session, 'CLIENT NO-EVICT maybe'), '-ERR syntax error\r\n');
    assert.equal(node.run(session, 'CLIENT REPLY SKIP'), '');
    assert.equal(session.replyMode, 'skip');
    assert.equal(node.run(session, 'CLIENT REPLY OFF'), '');
    assert.equal(node.run(session, 'CLIENT REPLY SKIP'), '');
    assert.equal(session.replyMode, 'off', 'SKIP does nothing while replies are off');
    assert.equal(node.run(session, 'CLIENT REPLY ON'), '+OK\r\n');
    assert.equal(session.replyMode, 'on');
  });

  test('unknown sub-commands, wrong arities and HELP', () => {
    const node = new FakeNode();
    const session = node.connect();
    assert.equal(node.run(session, 'CLIENT WHAT'), "-ERR unknown subcommand 'WHAT'. Try CLIENT HELP.\r\n");
    assert.equal(
      node.run(session, 'CLIENT GETNAME x'),
      "-ERR wrong number of arguments for 'client|getname' command\r\n",
    );
    assert.equal(node.run(session, 'CLIENT KILL'), "-ERR wrong number of arguments for 'client|kill' command\r\n");
    assert.equal(node.run(session, 'CLIENT'), '(arity)');
    assert.match(node.run(session, 'CLIENT HELP'), /^\*35\r\n\+CLIENT <subcommand>.*\+ID\r\n\+ {4}Returns/s);
    const client = node.commands.find(({ name }) => name === 'client');
    assert.ok(client?.flagsOf?.(Request.of('CLIENT', 'REPLY', 'OFF')).includes('no-multi'));
    assert.ok(!client?.flagsOf?.(Request.of('CLIENT', 'ID')).includes('no-multi'));
  });
});
