import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Request } from '@holdfast/resp';
import { FakeSession, namespaceOfName, runOn } from '../testing/fake-session.ts';
import { namespaceCommands, type NamespacePort } from './index.ts';

class FakeNode {
  requirepass = 'admin';
  cluster = false;
  database = false;
  replica = false;
  file = true;
  writeError: string | undefined;
  readonly kept = new Map<string, string>();
  readonly session = new FakeSession();
  readonly commands = namespaceCommands(this.#port());

  #port(): NamespacePort {
    const cluster = (): boolean => this.cluster;
    return {
      password: () => this.requirepass,
      masterPassword: () => 'master',
      get isCluster() {
        return cluster();
      },
      inDatabase: () => this.database,
      isReplica: () => this.replica,
      canKeep: () => this.file || this.database,
      tokens: () => this.kept,
      change: (name, token) => {
        if (this.writeError !== undefined) return this.writeError;
        if (token === undefined) this.kept.delete(name);
        else this.kept.set(name, token);
        return undefined;
      },
    };
  }

  run(line: string): string {
    return runOn(this.commands, this.session, line.split(' '));
  }
}

describe('NAMESPACE', () => {
  test('is added, shown, changed and taken away', () => {
    const node = new FakeNode();
    assert.equal(node.run('NAMESPACE ADD a t1'), '+OK\r\n');
    assert.equal(node.run('NAMESPACE ADD a t1'), '+OK\r\n', 'the same again is fine');
    assert.equal(node.run('NAMESPACE ADD a t2'), '-ERR the namespace already exists\r\n');
    assert.equal(node.run('NAMESPACE GET a'), '$2\r\nt1\r\n');
    assert.equal(node.run('namespace set a t2'), '+OK\r\n');
    assert.equal(node.run('NAMESPACE SET b t3'), '+OK\r\n', 'SET adds as well');
    assert.equal(
      node.run('NAMESPACE GET *'),
      '*6\r\n$1\r\na\r\n$2\r\nt2\r\n$1\r\nb\r\n$2\r\nt3\r\n$11\r\n__namespace\r\n$5\r\nadmin\r\n',
    );
    assert.equal(node.run('NAMESPACE GET __namespace'), '$5\r\nadmin\r\n');
    assert.equal(node.run('NAMESPACE DEL a'), '+OK\r\n');
    assert.equal(node.run('NAMESPACE GET a'), '$-1\r\n');
    assert.equal(node.run('NAMESPACE DEL a'), '-ERR the namespace was not found\r\n');
  });

  test('what may not be is refused in Kvrocks’ words, and changes nothing', () => {
    const node = new FakeNode();
    node.kept.set('a', 't');
    const refused = (line: string, error: string): void => assert.equal(node.run(line), `-ERR ${error}\r\n`, line);
    refused('NAMESPACE ADD b t', 'the token already exists');
    refused('NAMESPACE SET b t', 'the token already exists');
    refused('NAMESPACE ADD b admin', 'the token is duplicated with requirepass or masterauth');
    refused('NAMESPACE ADD b master', 'the token is duplicated with requirepass or masterauth');
    refused('NAMESPACE ADD __namespace x', 'forbidden to add the default namespace');
    refused('NAMESPACE DEL __namespace', 'forbidden to delete the default namespace');
    refused(`NAMESPACE ADD ${'n'.repeat(256)} x`, 'size exceed limit 255');
    refused('NAMESPACE ADD b\x7f x', 'namespace contain illegal letter');
    refused('NAMESPACE ADD b\n x', 'namespace contain illegal letter');
    refused('NAMESPACE WHAT', 'NAMESPACE subcommand must be one of GET, SET, DEL, ADD');
    refused('NAMESPACE ADD b', 'syntax error');
    node.requirepass = '';
    refused('NAMESPACE ADD b x', 'forbidden to add namespace when requirepass was empty');
    node.requirepass = 'admin';
    node.cluster = true;
    refused('NAMESPACE ADD b x', 'forbidden to add namespace when cluster mode was enabled');
    node.cluster = false;
    node.writeError = 'ERR Rewriting config file: no';
    refused('NAMESPACE ADD b x', 'Rewriting config file: no');
    node.file = false;
    const nowhere =
      'modify namespace requires the server is running with a configuration file or enabled namespace replication';
    for (const line of ['ADD b x', 'SET b x', 'DEL a']) refused(`NAMESPACE ${line}`, nowhere);
    assert.deepEqual([...node.kept], [['a', 't']]);
  });

  test('in the database a change is a write; a replica refuses it itself', () => {
    const node = new FakeNode();
    const flagsOf = (...words: string[]): readonly string[] =>
      node.commands[0]?.flagsOf?.(Request.of('NAMESPACE', ...words)) ?? [];
    assert.ok(!flagsOf('ADD', 'a', 'b').includes('write'), 'lines of a file are no records');
    node.database = true;
    assert.ok(flagsOf('add', 'a', 'b').includes('write'));
    assert.ok(!flagsOf('GET', 'a').includes('write'));
    node.replica = true;
    assert.ok(!flagsOf('DEL', 'a').includes('write'));
    assert.equal(node.run('NAMESPACE ADD a b'), '-ERR namespace is read-only for slave\r\n');
  });

  test('a connection may ask for its own, whoever it is; the rest is for administrators', () => {
    const node = new FakeNode();
    node.session.namespace = namespaceOfName('app');
    assert.equal(node.run('NAMESPACE CURRENT'), '$3\r\napp\r\n');
    const flagsOf = node.commands[0]?.flagsOf;
    assert.ok(!flagsOf?.(Request.of('NAMESPACE', 'CURRENT')).includes('admin'));
    assert.ok(flagsOf?.(Request.of('NAMESPACE', 'GET', '*')).includes('admin'));
  });
});
