import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { apiUrls, etcdEndpoints, fenceList, replicationOf } from './option-values.ts';

function refuse(reason: string): never {
  throw new Error(reason);
}

test('fences and replication say the same thing in two ways, and may not contradict each other', () => {
  const settled = (fences: string | undefined, replication: 'sync' | 'async' | undefined): string => {
    const all = replicationOf(fences === undefined ? undefined : fenceList(fences), replication, refuse);
    return `${all.fences.join(',')} ${all.replication}`;
  };
  assert.equal(settled(undefined, undefined), 'lb,lease sync');
  assert.equal(settled(undefined, 'async'), 'lb,lease async');
  assert.equal(settled('lb,lease', undefined), 'lb,lease async');
  assert.equal(settled('sync,lease', undefined), 'lease sync');
  assert.equal(settled('none', undefined), ' async');
  assert.throws(() => settled('lb,lease', 'sync'), /--fences lb,lease and --replication sync contradict each other/);
  assert.throws(() => settled('lb,sync', undefined), /sync needs lease/);
  assert.deepEqual(replicationOf(fenceList('lb,sync'), undefined, refuse, true), {
    fences: ['lb'],
    replication: 'sync',
  });
});

test('URLs of APIs and of etcd are read one by one, without paths', () => {
  assert.deepEqual(apiUrls('http://a:1/,http://[::1]:2'), ['http://a:1', 'http://[::1]:2']);
  assert.deepEqual(etcdEndpoints('http://a:2379'), ['http://a:2379']);
  for (const wrong of ['a:1', 'ftp://a', 'http://a/path', ''])
    assert.throws(() => apiUrls(wrong), /A URL such as http/, wrong);
  assert.throws(() => etcdEndpoints('http://a'), /needs its port/);
});

test('controller and up refuse flags that do not belong together, with status 2', () => {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const rows: readonly (readonly [string, RegExp])[] = [
    ['controller --dir /nowhere --store etcd', /needs --etcd-endpoints/],
    ['controller --dir /nowhere --etcd-endpoints http://a:1', /needs --store etcd/],
    ['controller --dir /nowhere --store etcd --etcd-endpoints http://a:1 --etcd-user u', /belong together/],
    ['controller --dir /nowhere --store etcd --etcd-endpoints http://a:1 --etcd-ca x', /need https endpoints/],
    ['up --dir /nowhere --fences lb --replication sync', /contradict each other/],
    ['up --dir /nowhere --fences sync', /sync needs lease/],
    ['controller --dir /nowhere --fences sync', /sync needs lease/],
  ];
  for (const [line, reason] of rows) {
    const ended = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...line.split(' ')]);
    assert.equal(ended.status, 2, line);
    assert.match(ended.stderr.toString(), reason);
  }
});
