import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FatalError } from '@holdfast/base';
import { settleSettings, writeSettings } from './layout-file.ts';
import { completeSettings, defaultSettings, planLayout } from './layout.ts';
import { nodeConfig, writeNodeConfig } from './node-config.ts';
import { onLoopback, type Placement } from './placement.ts';

function fatal(status: number, pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof FatalError && error.exitStatus === status && pattern.test(error.message);
}

function settingsPath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-layout-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'up.json');
}

test('the default layout is the documented one', () => {
  const layout = planLayout(defaultSettings);
  assert.deepEqual(layout.masterLbs, ['127.0.0.1:7000', '127.0.0.1:7001', '127.0.0.1:7002']);
  assert.deepEqual(layout.replicaLbs, ['127.0.0.1:7100', '127.0.0.1:7101', '127.0.0.1:7102']);
  assert.deepEqual(
    layout.nodes.map(({ name, shard, port, controlPort }) => [name, shard, port, controlPort]),
    [
      ['node-1', 0, 6661, 16661],
      ['node-2', 0, 6662, 16662],
      ['node-3', 1, 6663, 16663],
      ['node-4', 1, 6664, 16664],
      ['node-5', 2, 6665, 16665],
      ['node-6', 2, 6666, 16666],
    ],
  );
});

test('processes on hosts of their own use the same ports, and nothing is shared but the balancer', () => {
  const names = ['node-1', 'node-2', 'lb', 'controller-1', 'controller-2', 'controller-3', 'etcd'];
  const placement: Placement = {
    ...onLoopback,
    hasOwnHosts: true,
    hostOf: (place) => `10.0.0.${names.indexOf(place) + 1}`,
  };
  const layout = planLayout(completeSettings({ shards: 1, controllers: 3 }), placement);
  assert.deepEqual(
    layout.nodes.map(({ address, controlPort }) => [address, controlPort]),
    [
      ['10.0.0.1:6661', 16_661],
      ['10.0.0.2:6661', 16_661],
    ],
  );
  assert.deepEqual([layout.masterLbs, layout.replicaLbs], [['10.0.0.3:7000'], ['10.0.0.3:7100']]);
  assert.deepEqual(
    layout.controllerPlaces.map(({ api }) => api),
    ['http://10.0.0.4:9379', 'http://10.0.0.5:9379', 'http://10.0.0.6:9379'],
  );
  assert.equal(layout.etcdHost, '10.0.0.7');
});

test('without replicas there are no LB addresses for them', () => {
  const layout = planLayout({ ...defaultSettings, replicas: 0 });
  assert.deepEqual([layout.nodes.length, layout.replicaLbs], [3, []]);
  assert(!layout.ports.some(({ port }) => port >= 7100 && port < 7200));
});

test('two uses of one port and ports that do not exist are refused, naming both uses and the flags', () => {
  const refusal = (settings: object, pattern: RegExp): void =>
    assert.throws(() => planLayout({ ...defaultSettings, ...settings }), fatal(2, pattern));
  refusal(
    { port: 6660 },
    /^port 6661 would be both LB address of shard 1's master and node-1; change --port or --node-port$/,
  );
  refusal({ apiPort: 9380 }, /controller's API and balancer's control port; change --api-port or --lb-control-port/);
  refusal({ port: 16_661 }, /control port of node-1/);
  refusal({ nodePort: 56_000 }, /^port 66000 \(control port of node-1\) is above 65535; lower --node-port$/);
});

test('settings come from the flags and the defaults at first, and from the file afterwards', (t) => {
  const path = settingsPath(t);
  const first = settleSettings(path, { shards: 2, port: 7500 });
  assert.deepEqual(first, { ...defaultSettings, shards: 2, port: 7500, replicaPort: 7600 });
  writeSettings(path, first);
  assert.deepEqual(settleSettings(path, {}), first);
  assert.deepEqual(settleSettings(path, { shards: 2, fences: ['lb', 'lease', 'sync'] }), first);
  assert.throws(
    () => settleSettings(path, { shards: 3 }),
    fatal(2, /^--shards 3 contradicts .*up\.json, which says 2; leave the flag out or use another --dir$/),
  );
  assert.throws(
    () => settleSettings(path, { fences: [] }),
    fatal(2, /^--fences none contradicts .* says lb,lease,sync/),
  );
});

test('several controllers follow each other, share an etcd, and move the balancer out of their way', () => {
  const settings = completeSettings({ controllers: 3 });
  assert.deepEqual([settings.store, settings.lbControlPort], ['etcd', 9382]);
  const { controllerPlaces, hasOwnEtcd, ports } = planLayout(settings);
  assert.deepEqual(
    controllerPlaces.map(({ name, port, api }) => [name, port, api]),
    [
      ['controller-1', 9379, 'http://127.0.0.1:9379'],
      ['controller-2', 9380, 'http://127.0.0.1:9380'],
      ['controller-3', 9381, 'http://127.0.0.1:9381'],
    ],
  );
  assert.deepEqual(
    [hasOwnEtcd, ports.filter(({ use }) => use === 'etcd').map(({ port }) => port)],
    [true, [9390, 9391]],
  );
  const elsewhere = completeSettings({ etcdEndpoints: ['http://10.0.0.1:2379'] });
  assert.deepEqual([elsewhere.store, planLayout(elsewhere).hasOwnEtcd], ['etcd', false]);
  assert.throws(
    () => completeSettings({ controllers: 3, store: 'embedded' }),
    fatal(2, /--store embedded is for one controller/),
  );
});

test('a settings file of one controller, written before there could be several, is continued as it was', (t) => {
  const path = settingsPath(t);
  writeSettings(path, defaultSettings);
  const { version, ...rest } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  for (const name of ['controllers', 'store', 'etcdEndpoints', 'etcdPort']) delete rest[name];
  writeFileSync(path, JSON.stringify({ version, ...rest, fences: ['lb', 'lease'] }));
  assert.deepEqual(settleSettings(path, {}), { ...defaultSettings, fences: ['lb', 'lease'] });
});

test('a settings file that is not ours is named', (t) => {
  const path = settingsPath(t);
  writeSettings(path, defaultSettings);
  const whole = readFileSync(path, 'utf8');
  for (const damaged of [
    '',
    '{}',
    whole.slice(0, 50),
    whole.replace('"shards": 3', '"shards": "3"'),
    whole.replace('"lb"', '"x"'),
  ]) {
    writeFileSync(path, damaged);
    assert.throws(() => settleSettings(path, {}), fatal(3, /up\.json is damaged/), damaged);
  }
});

test("kvrocks.conf is brought up to date and keeps the operator's own lines", () => {
  const place = planLayout(defaultSettings).nodes[2] ?? assert.fail();
  const first = nodeConfig(place, 'sync', '/data dir/node-3', '');
  assert.match(first, /^port 6663$/m);
  assert.match(first, /^dir "\/data dir\/node-3"$/m);
  assert.match(first, /^use-rsid-psync yes$/m);
  assert.match(first, /^replication-mode sync$/m);
  assert.equal(nodeConfig(place, 'sync', '/data dir/node-3', first), first);
  const edited = `${first}\n# mine\nmaxclients 500\nPORT 1\nuse-rsid-psync no\n`;
  const second = nodeConfig({ ...place, port: 8000 }, 'async', '/elsewhere', edited);
  assert.match(second, /^port 8000$/m);
  assert.match(second, /^replication-mode async$/m);
  assert.match(second, /\n# mine\nmaxclients 500\n$/);
  assert(!/PORT 1|rsid-psync no|data dir/.test(second));
});

test('directives for a new node do not come back when somebody took them out', (t) => {
  const directory = dirname(settingsPath(t));
  const place = planLayout(defaultSettings).nodes[0] ?? assert.fail();
  const path = writeNodeConfig(place, 'sync', directory, 'min-free-mb 32');
  const first = readFileSync(path, 'utf8');
  assert.match(first, /^min-free-mb 32$/m);
  writeFileSync(path, first.replace('min-free-mb 32', ''));
  writeNodeConfig(place, 'sync', directory, 'min-free-mb 32');
  assert(!readFileSync(path, 'utf8').includes('min-free-mb'));
});
