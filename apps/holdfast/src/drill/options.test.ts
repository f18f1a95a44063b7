import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drillCases } from './cases/index.ts';
import { parseDrill, runsOnLoopback, type DrillOptions } from './options.ts';

const defaults: Partial<DrillOptions> = {
  drill: 'hang',
  network: 'namespaces',
  shards: 2,
  shard: 1,
  clients: 8,
  seconds: 12,
  fences: ['lb', 'lease', 'sync'],
  leaseMs: 1000,
  seed: undefined,
  history: undefined,
  output: 'text',
  keep: false,
  peer: undefined,
  peerNodeTimeoutMs: 1000,
};

function optionsOf(...args: string[]): Partial<DrillOptions> {
  const parsed = parseDrill(args);
  assert.equal(parsed.kind, 'run', JSON.stringify(parsed));
  return parsed.kind === 'run' ? { ...parsed.options } : {};
}

test('drill options: hang without options drills shard 1 with all fences', () => {
  assert.deepEqual(optionsOf('hang'), defaults);
});

test('drill options: a cluster of one shard is drilled there', () => {
  assert.equal(optionsOf('hang', '--shards', '1').shard, 0);
});

test('drill options: every case is a subcommand with its own length, and others are named in the help', () => {
  for (const { name, seconds, summary } of drillCases) {
    const options = optionsOf(name);
    assert.deepEqual([options.drill, options.seconds], [name, seconds]);
    const help = parseDrill(['--help'], [{ name: 'other', summary: 'does other things' }]);
    assert.ok(help.kind === 'exit' && help.stdout.replaceAll(/\s+/g, ' ').includes(summary), name);
    assert.ok(help.stdout.includes('does other things'));
  }
});

test('drill options: on loopback there are only the cases that need no hosts of their own', () => {
  for (const each of drillCases) {
    const parsed = parseDrill([each.name, '--network', 'loopback']);
    assert.equal(parsed.kind, runsOnLoopback(each) ? 'run' : 'exit', each.name);
    if (parsed.kind === 'exit')
      assert.match(parsed.stderr, /needs --network namespaces; without them there are hang, /);
  }
});

test('drill options: kill writes for a minute', () => {
  assert.deepEqual(optionsOf('kill'), { ...defaults, drill: 'kill', seconds: 60 });
});

test('drill options: each option is read', () => {
  const args =
    '--network loopback --shards 3 --shard 2 --clients 2 --seconds 9 --fences lease --lease-ms 500 --seed 7 --history h --output json --keep';
  assert.deepEqual(optionsOf('hang', ...args.split(' ')), {
    drill: 'hang',
    network: 'loopback',
    shards: 3,
    shard: 2,
    clients: 2,
    seconds: 9,
    fences: ['lease'],
    leaseMs: 500,
    seed: 7,
    history: 'h',
    output: 'json',
    keep: true,
    peer: undefined,
    peerNodeTimeoutMs: 1000,
  });
  assert.deepEqual(optionsOf('hang', '--fences', 'none').fences, []);
});

const wrong = [
  '',
  'fire',
  'hang --shard 2',
  'hang --shards 1 --shard 1',
  'hang --shards 0',
  'hang --network internet',
  'hang --shard x',
  'hang --shard 1e0',
  'hang --clients 0',
  'hang --seconds 7',
  'hang --fences lb,moat',
  'hang --fences lb,lb',
  'hang --fences',
  'hang --lease-ms 3000',
  'hang --output yaml',
  'hang --nonsense',
  'hang left-over',
];
for (const line of wrong) {
  test(`drill options: "${line}" is a usage error that says something`, () => {
    const parsed = parseDrill(line.split(' ').filter((word) => word !== ''));
    assert.ok(parsed.kind === 'exit' && parsed.status === 2 && parsed.stderr.length > 0, JSON.stringify(parsed));
  });
}

test('drill options: --help is no error and names the exit statuses', () => {
  const parsed = parseDrill(['hang', '--help']);
  assert.ok(parsed.kind === 'exit' && parsed.status === 0);
  assert.match(parsed.stdout, /3 could not run/);
});

test('drill options: a peer is compared with where the case means the same to it', () => {
  const { peer, peerNodeTimeoutMs } = optionsOf('hang', '--peer', 'redis-cluster', '--peer-node-timeout', '500');
  assert.deepEqual([peer, peerNodeTimeoutMs], ['redis-cluster', 500]);
  assert.equal(optionsOf('kill', '--peer', 'redis-cluster').peer, 'redis-cluster');
  for (const wrong of [
    ['hang', '--peer', 'valkey'],
    ['hang', '--peer', 'redis-cluster', '--peer-node-timeout', '1'],
    ['partition', '--peer', 'redis-cluster'],
  ]) {
    const parsed = parseDrill(wrong);
    assert.ok(parsed.kind === 'exit' && parsed.status === 2, wrong.join(' '));
  }
});
