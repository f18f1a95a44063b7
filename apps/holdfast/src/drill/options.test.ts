import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDrill, type DrillOptions } from './options.ts';

const defaults: Partial<DrillOptions> = {
  drill: 'hang',
  shard: 1,
  clients: 8,
  seconds: 12,
  fences: ['lb', 'lease', 'sync'],
  leaseMs: 1000,
  output: 'text',
  keep: false,
};

function optionsOf(...args: string[]): Partial<DrillOptions> {
  const parsed = parseDrill(args);
  assert.equal(parsed.kind, 'run', JSON.stringify(parsed));
  return parsed.kind === 'run' ? { ...parsed.options } : {};
}

test('drill options: hang without options drills shard 1 with all fences', () => {
  assert.deepEqual(optionsOf('hang'), defaults);
});

test('drill options: kill writes for a minute', () => {
  assert.deepEqual(optionsOf('kill'), { ...defaults, drill: 'kill', seconds: 60 });
});

test('drill options: each option is read', () => {
  const args =
    '--shard 0 --clients 2 --seconds 9 --fences lease --lease-ms 500 --seed 7 --history h --output json --keep';
  assert.deepEqual(optionsOf('hang', ...args.split(' ')), {
    drill: 'hang',
    shard: 0,
    clients: 2,
    seconds: 9,
    fences: ['lease'],
    leaseMs: 500,
    seed: 7,
    history: 'h',
    output: 'json',
    keep: true,
  });
  assert.deepEqual(optionsOf('hang', '--fences', 'none').fences, []);
});

const wrong = [
  '',
  'fire',
  'hang --shard 3',
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
