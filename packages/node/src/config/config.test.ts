import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config } from './config.ts';
import { directiveNames, directiveOf } from './directives.ts';
import { parseConfig } from './parse-config.ts';

const configOf = (text: string): Config => {
  const settings = parseConfig({ text });
  assert.deepEqual(settings.errors, []);
  return new Config(settings);
};

test('what is not set has its default, and paths follow dir', () => {
  const config = configOf('dir /data/');
  assert.equal(config.get('port'), 6666);
  assert.deepEqual(config.get('bind'), ['127.0.0.1']);
  assert.equal(config.get('slaveof'), undefined);
  assert.equal(config.get('pidfile'), '/data/kvrocks.pid');
  assert.equal(config.get('backup-dir'), '/data/backup');
  assert.equal(config.get('log-dir'), '/data/');
  assert.ok(config.isDefault('backup-dir'));
  assert.ok(!configOf('pidfile /run/x').isDefault('pidfile'));
  assert.equal(configOf('pidfile ""').get('pidfile'), '/tmp/kvrocks/kvrocks.pid');
});

test('CONFIG GET matches names by glob, aliases too, and shows values as they are written', () => {
  const config = configOf('slaveof h 1\nunixsocketperm 0700\nrename-command keys ""');
  const shown = (...patterns: string[]): string[] => config.show(patterns).map(({ name, value }) => `${name}=${value}`);
  assert.deepEqual(shown('PORT'), ['port=6666']);
  assert.deepEqual(shown('slave-r*', 'tim?out'), ['timeout=0', 'slave-read-only=yes']);
  assert.deepEqual(shown('*[lc]aof', 'slaveof'), ['slaveof=h 1', 'replicaof=h 1']);
  assert.deepEqual(shown('unixsocketperm', 'rename-command'), ['unixsocketperm=0700', 'rename-command=keys ""']);
  assert.deepEqual(shown('nothing'), []);
  const aliases = directiveNames.filter((name) => directiveOf(name).alias !== undefined).length;
  assert.equal(shown('*').length, directiveNames.length + aliases);
});

test('CONFIG SET changes run-time directives and tells listeners the typed value', () => {
  const config = configOf('');
  const seen: number[] = [];
  config.onChange('maxclients', (value) => void seen.push(value + 1));
  assert.equal(config.set([['MAXCLIENTS', '5']]), undefined);
  assert.equal(config.get('maxclients'), 5);
  assert.deepEqual(seen, [6]);
});

const failed = (name: string, reason: string): string =>
  `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;

test('CONFIG SET refuses unknown, start-only, repeated and bad values in Redis’ words', () => {
  const config = configOf('requirepass x\nnamespace.a t');
  assert.equal(config.set([['nope', '1']]), "ERR Unknown option or number of arguments for CONFIG SET - 'nope'");
  assert.equal(config.set([['port', '1']]), failed('port', "can't set immutable config"));
  assert.equal(
    config.set([['timeout', 'x']]),
    failed('timeout', "expected a whole number from 0 to 2147483647, got 'x'"),
  );
  assert.match(config.set([['log-level', 'loud']]) ?? '', /'log-level'\) - invalid enum option: expected /);
  assert.equal(
    config.set([
      ['timeout', '1'],
      ['Timeout', '2'],
    ]),
    failed('Timeout', 'duplicate parameter'),
  );
  assert.equal(
    config.set([['requirepass', '']]),
    failed('requirepass', "requirepass empty wasn't allowed while the namespace exists"),
  );
  assert.equal(config.get('requirepass'), 'x');
  assert.equal(config.get('timeout'), 0);
});

test('CONFIG SET of several directives sets all or none', () => {
  const config = configOf('');
  const told: string[] = [];
  config.onChange('timeout', (value) => void told.push(`timeout ${value}`));
  config.onChange('log-level', (value) => (value === 'debug' ? 'too chatty' : undefined));
  const set = (level: string): string | undefined =>
    config.set([
      ['timeout', '7'],
      ['log-level', level],
      ['hash-max-ziplist-entries', '100'],
    ]);
  assert.equal(set('debug'), failed('log-level', 'too chatty'));
  assert.deepEqual(told, ['timeout 7', 'timeout 0']);
  assert.equal(config.get('timeout'), 0);
  assert.equal(set('warning'), undefined);
  assert.deepEqual([config.get('timeout'), config.get('log-level')], [7, 'warning']);
  assert.deepEqual(config.show(['hash-max-*-entries']), [
    { name: 'hash-max-listpack-entries', value: '100' },
    { name: 'hash-max-ziplist-entries', value: '100' },
  ]);
  const words = config.set([
    ['timeout', '8'],
    ['nope', '1'],
  ]);
  assert.match(words ?? '', /Unknown option/);
  assert.equal(config.get('timeout'), 7);
});

test('a listener that refuses undoes the change, also with those told before it', () => {
  const config = configOf('');
  const told: string[] = [];
  config.onChange('log-level', (value) => void told.push(value));
  config.onChange('log-level', (value) => (value === 'debug' ? 'too chatty' : undefined));
  config.onChange('timeout', () => {
    throw new Error('no timers');
  });
  assert.equal(config.set([['log-level', 'debug']]), failed('log-level', 'too chatty'));
  assert.equal(config.get('log-level'), 'info');
  assert.deepEqual(told, ['debug', 'info']);
  assert.equal(config.set([['timeout', '3']]), failed('timeout', 'no timers'));
  assert.equal(config.get('timeout'), 0);
});

test('SLAVEOF changes a start-only directive from inside', () => {
  const config = configOf('');
  config.put('slaveof', { host: '::1', port: 7 });
  assert.equal(config.text('slaveof'), '::1 7');
  config.put('slaveof', undefined);
  assert.equal(config.get('slaveof'), undefined);
});

test('sizes take units of 1024, as in Kvrocks', () => {
  const config = new Config(parseConfig({}));
  for (const [text, bytes] of [
    ['100M', 104857600],
    ['100mb', 104857600],
    ['2048k', 2097152],
    ['1gb', 1073741824],
    ['2097152', 2097152],
  ] as const) {
    assert.equal(config.set([['proto-max-bulk-len', text]]), undefined);
    assert.equal(config.get('proto-max-bulk-len'), bytes, text);
  }
});
