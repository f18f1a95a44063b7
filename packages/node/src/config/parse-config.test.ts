import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { directiveGroups, directiveNames, directiveOf, findDirective } from './directives.ts';
import { formatConfigError, formatConfigProblem, parseConfig, type ConfigInput } from './parse-config.ts';
import { formatValue, parseValue } from './value.ts';

/** All errors of a text as they are printed. */
const errorsOf = (text: string, more: ConfigInput = {}): string[] =>
  parseConfig({ text, fileName: 'kvrocks.conf', ...more }).errors.map(formatConfigError);
const warningsOf = (text: string): string[] =>
  parseConfig({ text, fileName: 'kvrocks.conf' }).warnings.map(formatConfigProblem);

describe('the table of directives', () => {
  test('has no name twice, and every default is itself an allowed value', () => {
    const count = directiveGroups.reduce((sum, { table }) => sum + Object.keys(table).length, 0);
    assert.equal(directiveNames.length, count);
    for (const name of directiveNames) {
      const directive = directiveOf(name);
      assert.equal(name, name.toLowerCase());
      assert.match(directive.doc, /^\S.*[.]$/s, name);
      if (directive.type === 'renames') continue;
      assert.deepEqual(
        parseValue(directive, formatValue(directive, directive.default)),
        { value: directive.default },
        name,
      );
    }
  });

  test('is found in any case and by alias', () => {
    assert.equal(findDirective('PoRt'), 'port');
    assert.equal(findDirective('replicaof'), 'slaveof');
    assert.equal(findDirective('ports'), undefined);
    assert.equal(findDirective('constructor'), undefined);
  });
});

test('settings are typed, the last line wins, and the command line wins over the file', () => {
  const { values, errors } = parseConfig({
    text: 'port 7000\nPORT 7001\nbind 127.0.0.1  ::1\ncluster-enabled YES\nproto-max-bulk-len 2mb\nlog-level Info\nport',
    overrides: [['port', '7002']],
  });
  assert.deepEqual(errors, []);
  assert.deepEqual(Object.fromEntries(values), {
    port: 7002,
    bind: ['127.0.0.1', '::1'],
    'cluster-enabled': true,
    'proto-max-bulk-len': 2097152,
    'log-level': 'info',
  });
});

test('a bad value names file, line, directive and what is allowed', () => {
  assert.deepEqual(errorsOf('# a\n\nport 70000'), [
    "Failed to load config. Error: at line #L3: port: expected a whole number from 0 to 65535, got '70000' (kvrocks.conf)",
  ]);
  assert.deepEqual(errorsOf('daemonize maybe'), [
    "Failed to load config. Error: at line #L1: daemonize: expected yes or no, got 'maybe' (kvrocks.conf)",
  ]);
  assert.deepEqual(errorsOf('migrate-type x'), [
    'Failed to load config. Error: at line #L1: migrate-type: expected one of redis-command, raw-key-value, ' +
      "got 'x' (kvrocks.conf)",
  ]);
  assert.deepEqual(errorsOf('', { overrides: [['port', 'x']] }), [
    "Failed to load config. Error: port: expected a whole number from 0 to 65535, got 'x' (command line)",
  ]);
  assert.deepEqual(errorsOf('redis-databases 0\nredis-databases 16'), [
    'Failed to load config. Error: at line #L2: redis-databases: expected 0 (databases with numbers, of Kvrocks 2.15, do ' +
      "not exist here: use namespaces), got '16' (kvrocks.conf)",
  ]);
  assert.deepEqual(errorsOf('port 1\ndir "x'), [
    'Failed to load config. Error: at line #L2: config line ends unexpectedly in quoted string (kvrocks.conf)',
  ]);
});

test('each type refuses what it does not mean', () => {
  const refused = [
    'port -1',
    'port 6666x',
    'port 1e3',
    'port -1',
    'timeout 2147483648',
    'unixsocketperm 0999',
    'proto-max-bulk-len 1k',
    'proto-max-bulk-len 1tb',
    'dir ""',
    'slaveof localhost',
    'slaveof localhost 0',
    'slaveof localhost 1 2',
    'bgsave-cron 0 3 * *',
    'bgsave-cron 60 3 * * *',
    'bgsave-cron */0 3 * * *',
    'bgsave-cron 5-3 3 * * *',
    'compaction-checker-range 0-25',
    'compaction-checker-range 7',
    'rename-command KEYS',
    'min-isr 0',
    'stall-limit-ms 1',
  ];
  for (const line of refused) assert.equal(errorsOf(line).length, 1, line);
  const accepted = [
    'bgsave-cron 0 3 * * *',
    'bgsave-cron */5,30 3-7/2 1 12 7 0 4 * * *',
    'compaction-checker-range 0-7',
    'unixsocketperm 777',
    'slaveof no one',
    'slaveof ""',
    'slaveof ::1 6666',
    'log-retention-days -1',
  ];
  for (const line of accepted) assert.deepEqual(errorsOf(line), [], line);
});

test('an unknown directive is a warning with its line, and so is one without effect unless it holds its default', () => {
  assert.deepEqual(warningsOf('port 1\nno-such-thing 5\nworkers 8\nworkers 2'), [
    'at line #L2: no-such-thing: unknown directive, ignored (kvrocks.conf)',
    'at line #L4: workers: accepted, but without effect here (kvrocks.conf)',
  ]);
});

test('namespaces keep their case and bring their rules', () => {
  const { namespaces, errors } = parseConfig({ text: 'requirepass x\nnamespace.MyApp Token\nNAMESPACE.b t' });
  assert.deepEqual(errors, []);
  assert.deepEqual(Object.fromEntries(namespaces), { MyApp: 'Token', b: 't' });
  assert.match(errorsOf('namespace.a t')[0] ?? '', /requirepass empty wasn't allowed while the namespace exists/);
  assert.match(
    errorsOf('namespace.a t\nrequirepass x\ncluster-enabled yes')[0] ?? '',
    /enabled cluster mode wasn't allowed while the namespace exists/,
  );
  assert.match(errorsOf(`requirepass x\nnamespace.${'n'.repeat(256)} t`)[0] ?? '', /size exceed limit 255/);
  assert.match(errorsOf('requirepass x\nnamespace.a\x7f t')[0] ?? '', /illegal letter/);
  assert.match(errorsOf('requirepass x\nnamespace. t')[0] ?? '', /expected namespace\.<name>/);
});

test('renames repeat, and an empty new name removes the command', () => {
  const { values } = parseConfig({
    text: 'rename-command KEYS ""\nrename-command Flushall  Wipe\nrename-command GET \'\'',
  });
  assert.deepEqual(values.get('rename-command'), [
    { from: 'KEYS', to: '' },
    { from: 'Flushall', to: 'Wipe' },
    { from: 'GET', to: '' },
  ]);
});

test('secrets are not repeated in messages: any text is allowed for them', () => {
  for (const name of directiveNames) {
    const directive = directiveOf(name);
    if (directive.type === 'text' && directive.secret === true)
      assert.deepEqual(parseValue(directive, 'hunter2'), { value: 'hunter2' }, name);
    else assert.doesNotMatch(name, /pass|auth$|token/, `${name} should be marked as secret`);
  }
  const { errors, warnings } = parseConfig({ text: 'tls-key-file-passs hunter2\nrequirepass "hunter2' });
  assert.equal(errors.length + warnings.length, 2);
  assert.doesNotMatch(JSON.stringify([errors, warnings]), /hunter2/);
});

test('a Unix socket takes the place of the default address, which is there when it is named', () => {
  const bindOf = (text: string): unknown => parseConfig({ text }).values.get('bind');
  assert.equal(bindOf('port 1'), undefined);
  assert.deepEqual(bindOf('unixsocket /tmp/s'), []);
  assert.deepEqual(bindOf('unixsocket /tmp/s\nbind 127.0.0.1'), ['127.0.0.1']);
});

test('a node that could hear nobody, or not those it needs, does not start', () => {
  const prefix = 'Failed to load config. Error: ';
  const noCluster = "node is in cluster mode, but TCP listen address wasn't specified via configuration file";
  for (const text of ['port 0\nunixsocket /s', 'unixsocket /s', 'port 0'])
    assert.deepEqual(errorsOf(`${text}\ncluster-enabled yes`), [`${prefix}${noCluster} (kvrocks.conf)`], text);
  assert.deepEqual(errorsOf('unixsocket /s\nslaveof h 1'), [
    `${prefix}replication doesn't support unix socket (kvrocks.conf)`,
  ]);
  assert.deepEqual(errorsOf('port 0'), [
    `${prefix}there is no address to listen on: set bind and port, tls-port or unixsocket (kvrocks.conf)`,
  ]);
  for (const text of [
    'port 0\ntls-port 1',
    'unixsocket /s',
    'unixsocket /s\nbind ::1\ncluster-enabled yes',
    'socket-fd 3\nport 0',
  ])
    assert.deepEqual(errorsOf(text), [], text);
});
