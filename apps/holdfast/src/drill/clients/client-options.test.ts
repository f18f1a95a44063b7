import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseClientDrill } from './client-options.ts';
import { drilledClients } from './client-list.ts';

test('without options every client is played once through everything', () => {
  const parsed = parseClientDrill([]);
  assert.equal(parsed.kind, 'run');
  if (parsed.kind !== 'run') return;
  const { options } = parsed;
  assert.deepEqual(
    options.clients,
    drilledClients.map(({ name }) => name),
  );
  assert.deepEqual(options.events, ['hang', 'switchover', 'swap']);
  assert.deepEqual(options.settings, ['default', 'recommended']);
  assert.equal(options.runs, 1);
  assert.equal(options.network, 'namespaces');
  assert.equal(options.output, 'text');
});

test('lists are taken in the order of the table, and one unknown word is refused with what there is', () => {
  const parsed = parseClientDrill(['--clients', 'jedis-cluster,own', '--events', 'swap', '--runs', '3']);
  assert.equal(parsed.kind === 'run' && parsed.options.clients.join(), 'own,jedis-cluster');
  const wrong = parseClientDrill(['--clients', 'own,lettuce']);
  assert.equal(wrong.kind, 'exit');
  if (wrong.kind !== 'exit') return;
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /lettuce is none of own, ioredis-cluster/);
});

test('a shard that the cluster does not have is refused', () => {
  const parsed = parseClientDrill(['--shards', '1', '--shard', '1']);
  assert.equal(parsed.kind === 'exit' && parsed.status, 2);
});

test('help names the clients and ends with status 0', () => {
  const parsed = parseClientDrill(['--help']);
  assert.equal(parsed.kind, 'exit');
  assert.match(parsed.kind === 'exit' ? parsed.stdout : '', /redis-py-cluster/);
  assert.equal(parsed.kind === 'exit' && parsed.status, 0);
});
