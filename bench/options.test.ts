import assert from 'node:assert/strict';
import { test } from 'node:test';
import { help, parseOptions, sectionNames, UsageError, type Options } from './options.ts';

const parsed = (...args: string[]): Options => parseOptions(args) as Options;

test('without options everything is measured, at the sizes the goals speak of', () => {
  const options = parsed();
  assert.deepEqual(options.only, sectionNames);
  assert.deepEqual(options.pipelines, [1, 16, 64]);
  assert.deepEqual(options.valueBytes, [64, 1024, 16_384]);
  assert.equal(options.coldKeys, 10_000_000);
  assert.equal(options.tests, undefined);
});

test('quick is small, and what is given beside it counts', () => {
  const options = parsed('--quick', '--rounds', '2', '--only', 'lb,core', '--tests', 'get,set');
  assert.equal(options.rounds, 2);
  assert.deepEqual(options.only, ['core', 'lb']);
  assert.deepEqual(options.tests, ['SET', 'GET']);
  assert.ok(options.scale < 0.1);
});

test('Holdfast is always measured: everything is compared with it', () => {
  assert.deepEqual(parsed('--servers', 'redis').servers, ['holdfast', 'redis']);
  assert.deepEqual(parsed('--servers', 'redis,holdfast').servers, ['holdfast', 'redis']);
});

test('what cannot be meant is refused with the option and the value', () => {
  for (const [args, message] of [
    [['--rounds', '0'], /--rounds: 0 is no whole number above 0/],
    [['--rounds', '1.5'], /--rounds: 1.5/],
    [['--sizes', '64,x'], /--sizes: x/],
    [['--only', 'core,speed'], /--only: speed is none of core/],
    [['--tests', 'FLUSHALL'], /--tests: FLUSHALL/],
    [['--fast'], /--fast/],
    [['now'], /now/],
    [['--json'], /json/],
  ] as const)
    assert.throws(
      () => parseOptions(args),
      (error) => error instanceof UsageError && message.test(error.message),
    );
});

test('help names every option', () => {
  assert.equal(parseOptions(['--help']), undefined);
  for (const name of ['quick', 'only', 'servers', 'tests', 'rounds', 'json', 'svg', 'recovery-gb'])
    assert.ok(help.includes(`--${name} `), name);
});
