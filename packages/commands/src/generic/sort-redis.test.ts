// Random SORT commands against a real redis-server. What Redis leaves open is kept out: the order of a set that is not sorted,
// and of elements with the same text to be sorted by.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';

const random = seededRandom(5);

function pick<T>(from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

const oneIn = (n: number): boolean => randomBelow(random, n) === 0;

const prepare = [
  'RPUSH numbers 5 3 -1 10 2.5 1e2 0 7 -0.5 2 11',
  'RPUSH words b a C aa B ab 10 9',
  'RPUSH doubles 1 1 2 2 1 3',
  'SADD set 5 3 -1 10 7 21 4',
  'SADD letters x yy z y',
  'ZADD zset 3 1 2 5 1 9 7 3 -4 6 inf 2 -inf 8',
  'SET string value',
  'MSET w_1 30 w_2 20 w_3 10 w_5 a w_7 -1 w_10 1.5 w_6 8 w_9 9 w_8 5',
  'MSET t_1 one t_2 two t_3 three t_5 five t_7 seven t_10 ten t_6 six t_9 nine t_8 eight',
  'MSET t_5_end fin t_->x odd',
  'HSET h_1 f 4 g x',
  'HSET h_2 f 3',
  'HSET h_3 f 2 g y',
  'HSET h_7 f 1 g z',
  'RPUSH w_4 notastring',
];

const keys = ['numbers', 'numbers', 'words', 'doubles', 'set', 'letters', 'zset', 'zset', 'missing', 'string'];
const getPatterns = ['#', 't_*', 'w_*', 'h_*->g', 'h_*->f', 't_*_end', 'h_*->', 'constant', '*', 'string->*', '##'];
const limits = ['0', '1', '2', '5', '100', '-1', '-5', '9223372036854775807'];

function randomSort(): string[] {
  const name = oneIn(6) ? 'SORT_RO' : 'SORT';
  const key = pick(keys);
  const args = [name, key];
  const isSet = key === 'set' || key === 'letters';
  const store = name === 'SORT' && oneIn(4);
  const isAlpha = oneIn(3);
  if (isAlpha) args.push('ALPHA');
  if (oneIn(4) && !(isSet && !store)) args.push('BY', 'nosort');
  else if (oneIn(3)) args.push('by', ...(isAlpha ? ['t_*'] : [pick(['w_*', 'h_*->f', 'none_*', 'h_*->g'])]));
  if (isAlpha && args.at(-1) === 't_*') args[1] = pick(['zset', 'missing']);
  if (oneIn(2)) args.push(pick(['ASC', 'desc']));
  if (oneIn(2)) args.push('LIMIT', pick(limits), pick(limits));
  while (oneIn(3)) args.push('GET', pick(getPatterns));
  if (store) args.push('STORE', pick(['result', 'string2']));
  if (oneIn(50)) args.push(pick(['LIMIT', 'BY', 'GET', 'UP', 'STORE']));
  return args;
}

/** Kvrocks' text of one error. */
function expectedReply(redis: string | undefined): string | undefined {
  return redis?.replace(/^-ERR (?=One or more scores)/, '-');
}

const batches = 20;
const batchCommands = 250;

test('random SORT commands answer and store as Redis does', async (t) => {
  if (!hasReferenceRedis(t)) return;
  await using redis = await ReferenceRedis.start();
  await using opened = await openTestCommands();
  const { runner } = opened;
  const lines = prepare.map((line) => line.split(' '));
  const replies = await redis.run(lines);
  lines.forEach((args, i) => assert.equal(runner.run(...args), replies[i], args.join(' ')));
  for (let batch = 0; batch < batches; batch++) {
    const asked: string[][] = [['SET', 'string2', 'v']];
    while (asked.length < batchCommands) {
      asked.push(randomSort());
      if (oneIn(3)) asked.push(['LRANGE', 'result', '0', '-1']);
    }
    const expected = await redis.run(asked);
    asked.forEach((args, i) => {
      assert.equal(runner.run(...args), expectedReply(expected[i]), args.join(' '));
      if (oneIn(20)) runner.commit();
    });
  }
});
