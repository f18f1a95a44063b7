// Sorted sets as sessions: what commands answer, refuse and say. Replies over random data: redis.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { transcript } from '../data/testing/transcript.ts';

test('counts and numbers of keys may be any of the int64 range', async () => {
  await using opened = await openTestCommands();
  const most = '9223372036854775807';
  transcript(opened.runner, [
    ['ZADD z 1 a', ':1'],
    [`ZSCAN z 0 COUNT ${most}`, '[$0 [$a $1]]'],
    [`ZMPOP ${most} z MIN`, '-ERR syntax error'],
    [`ZUNION ${most} z`, '-ERR syntax error'],
    [`ZMPOP 1 z MIN COUNT ${most}`, '[$z [[$a $1]]]'],
  ]);
});

test('members are added with scores, moved and removed; a sorted set without members is gone', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['ZADD z 2 b 1 a 3 c', ':3'],
    ['ZADD z 1 a 5 b 4 d', ':1'],
    ['ZRANGE z 0 -1 WITHSCORES', '[$a $1 $c $3 $d $4 $b $5]'],
    ['ZSCORE z b', '$5'],
    ['ZSCORE z none', 'nil'],
    ['ZMSCORE z a none d', '[$1 nil $4]'],
    ['ZMSCORE none a', '[nil]'],
    ['ZCARD z', ':4'],
    ['ZREM z a none b', ':2'],
    ['ZREM z c d', ':2'],
    ['EXISTS z', ':0'],
    ['TYPE z', '+none'],
    ['ZADD z 1 a', ':1'],
    ['ZRANGE z 0 -1', '[$a]'],
    ['ZREM z a a', ':1'],
    ['ZCARD z', ':0'],
  ]);
});

test('of a member given twice the last score counts, and is judged by the first where options judge', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['ZADD z 10 x 20 x', ':1'],
    ['ZSCORE z x', '$20'],
    ['ZADD z 10 x 20 x', ':0'],
    ['ZSCORE z x', '$20'],
    ['ZADD z 30 x 20 x', ':0'],
    ['ZSCORE z x', '$20'],
    ['ZADD z NX 1 y 2 y', ':1'],
    ['ZSCORE z y', '$1'],
    ['ZADD z GT CH 5 y 3 y 7 y', ':2'],
    ['ZSCORE z y', '$7'],
    ['ZADD z CH 8 y 9 y 9 y', ':2'],
    ['ZCARD z', ':2'],
  ]);
});

test('ZADD refuses options that contradict each other, and numbers that are none, and writes nothing', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['ZADD z NX XX 1 a', '-ERR XX and NX options at the same time are not compatible'],
    ['ZADD z GT LT 1 a', '-ERR GT, LT, and/or NX options at the same time are not compatible'],
    ['ZADD z NX GT 1 a', '-ERR GT, LT, and/or NX options at the same time are not compatible'],
    ['ZADD z INCR 1 a 2 b', '-ERR INCR option supports a single increment-element pair'],
    ['ZADD z 1 a 2', '-ERR syntax error'],
    ['ZADD z NX CH', '-ERR syntax error'],
    ['ZADD z 1 a x b', '-ERR value is not a valid float'],
    ["ZADD z '' b", '-ERR value is not a valid float'],
    ['ZADD z nan b', '-ERR value is not a valid float'],
    ['ZADD z 1e999 b', '-ERR value is not a valid float'],
    ['ZINCRBY z nan b', '-ERR value is not a valid float'],
    ['EXISTS z', ':0'],
    ['ZADD z XX 1 a', ':0'],
    ['ZADD z XX INCR 1 a', 'nil'],
    ['ZADD z INCR 1.5 a', '$1.5'],
    ['ZADD z NX INCR 1 a', 'nil'],
    ['ZADD z GT INCR -1 a', 'nil'],
    ['ZADD z LT INCR -1 a', '$0.5'],
    ['ZINCRBY z 0 a', '$0.5'],
    ['ZINCRBY z +inf a', '$inf'],
    ['ZINCRBY z -inf a', '-ERR resulting score is not a number (NaN)'],
    ['ZSCORE z a', '$inf'],
  ]);
});

test('scores are printed as short as they read back', async () => {
  await using opened = await openTestCommands();
  const rows: [string, string][] = [
    ['1', '1'],
    ['-0', '-0'],
    ['3.0', '3'],
    ['0.1', '0.1'],
    ['1e20', '1e+20'],
    ['123456789012345678', '123456789012345680'],
    ['9223372036854775807', '9223372036854776000'],
    ['1e-7', '1e-7'],
    ['0.00012', '0.00012'],
    ['1.5e300', '1.5e+300'],
    ['1.7976931348623157e308', '1.7976931348623157e+308'],
    ['-3.0000000000000004', '-3.0000000000000004'],
    ['-Infinity', '-inf'],
    ['+inf', 'inf'],
  ];
  for (const [given, printed] of rows) {
    transcript(opened.runner, [
      [`ZADD z ${given} m`, ':1'],
      ['ZSCORE z m', `$${printed}`],
      ['ZREM z m', ':1'],
    ]);
  }
});

test('ranges refuse what they cannot read, in the words of Redis and, behind them, of Kvrocks', async () => {
  await using opened = await openTestCommands();
  const lex = '-ERR min or max not valid string range item: the';
  const float = '-ERR min or max is not a float: the';
  transcript(opened.runner, [
    ['ZADD z 0 a 0 b 0 c', ':3'],
    ['ZRANGEBYLEX z a [b', `${lex} min is illegal`],
    ['ZRANGEBYLEX z [a b', `${lex} max is illegal`],
    ['ZREVRANGEBYLEX z b [a', `${lex} max is illegal`],
    ['ZLEXCOUNT z +x [a', `${lex} min is illegal`],
    ['ZREMRANGEBYLEX z a b', `${lex} min is illegal`],
    ['ZCOUNT z x 1', `${float} min isn't double`],
    ['ZRANGEBYSCORE z 1 nan', `${float} max isn't double`],
    ['ZRANGE z x 1', '-ERR value is not an integer or out of range'],
    ['ZREMRANGEBYRANK z 0 x', '-ERR value is not an integer or out of range'],
    [
      'ZRANGE z 0 1 LIMIT 0 1',
      '-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX',
    ],
    ['ZRANGE z - + BYLEX WITHSCORES', '-ERR syntax error, WITHSCORES not supported in combination with BYLEX'],
    ['ZREVRANGE z 0 1 REV', '-ERR syntax error'],
    ['ZRANGEBYSCORE z 0 1 BYLEX', '-ERR syntax error'],
    ['ZRANGESTORE to z 0 1 WITHSCORES', '-ERR syntax error'],
    ['ZRANGEBYSCORE z 0 1 LIMIT 1', '-ERR syntax error'],
    ['ZRANK z a WITHSCORES', '-ERR syntax error'],
    ['ZLEXCOUNT z + -', ':0'],
    ['ZLEXCOUNT none + -', '-ERR min > max'],
    ['ZLEXCOUNT none - +', ':0'],
  ]);
});

test('-0 and 0 are one score for ranges, and stand at different places', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['ZADD z 0 a -0 b -1 c 1 d', ':4'],
    ['ZRANGE z 0 -1 WITHSCORES', '[$c $-1 $b $-0 $a $0 $d $1]'],
    ['ZRANGEBYSCORE z 0 0', '[$b $a]'],
    ['ZRANGEBYSCORE z -0 -0', '[$b $a]'],
    ['ZRANGEBYSCORE z (0 +inf', '[$d]'],
    ['ZRANGEBYSCORE z -inf (-0', '[$c]'],
    ['ZADD z CH 0 b', ':0'],
    ['ZSCORE z b', '$-0'],
    ['ZUNIONSTORE to 1 z WEIGHTS -1', ':4'],
    ['ZRANGEBYSCORE to 0 0 WITHSCORES', '[$a $0 $b $0]'],
  ]);
});

test('combined inputs are refused where they cannot be counted or weighed', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['ZUNION 0 a', "-ERR at least 1 input key is needed for 'zunion' command"],
    ['ZDIFFSTORE to 0 a', "-ERR at least 1 input key is needed for 'zdiffstore' command"],
    ['ZUNION x a', '-ERR value is not an integer or out of range'],
    ['ZUNION 2 a', '-ERR syntax error'],
    ['ZDIFF 1 a WEIGHTS 1', '-ERR syntax error'],
    ['ZINTERSTORE to 1 a WITHSCORES', '-ERR syntax error'],
    ['ZUNION 1 a WEIGHTS', '-ERR syntax error'],
    ['ZUNION 1 a WEIGHTS x', '-ERR weight value is not a float: weight is not a double or out of range'],
    ['ZUNION 1 a AGGREGATE avg', '-ERR syntax error: aggregate param error'],
    ['ZINTERCARD 1 a LIMIT -1', "-ERR LIMIT can't be negative"],
    ['ZINTERCARD 1 a LIMIT x', "-ERR LIMIT can't be negative"],
    ['ZINTERCARD 1 a WITHSCORES', '-ERR syntax error'],
    ['SET s v', '+OK'],
    ['ZUNION 2 a s', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['ZUNIONSTORE to 2 a s', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['ZUNIONSTORE s 1 a', ':0'],
    ['EXISTS s', ':0'],
  ]);
});

test('sets take part in combinations with the score 1', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SADD s a b c', ':3'],
    ['ZADD z 5 a 6 x', ':2'],
    ['ZUNION 2 s z WEIGHTS 2 1 WITHSCORES', '[$b $2 $c $2 $x $6 $a $7]'],
    ['ZINTER 2 z s WITHSCORES', '[$a $6]'],
    ['ZDIFF 2 s z WITHSCORES', '[$b $1 $c $1]'],
    ['ZDIFF 2 z s', '[$x]'],
    ['ZINTERCARD 2 s z', ':1'],
    ['ZUNIONSTORE s 1 s', ':3'],
    ['TYPE s', '+zset'],
  ]);
});

test('random members are members, as many as asked for', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  transcript(runner, [
    ['ZADD z 1 a 2 b 3 c 4 d', ':4'],
    ['ZRANDMEMBER z 10 WITHSCORES', '[$a $1 $b $2 $c $3 $d $4]'],
    ['ZRANDMEMBER z 0', '[]'],
    ['ZRANDMEMBER none', 'nil'],
    ['ZRANDMEMBER none 5', '[]'],
    ['ZRANDMEMBER z x', '-ERR value is not an integer or out of range'],
    ['ZRANDMEMBER z 1 x', '-ERR syntax error'],
    ['ZRANDMEMBER z -9223372036854775808', '-ERR value is out of range'],
  ]);
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) seen.add(runner.line('ZRANDMEMBER z'));
  assert.deepEqual([...seen].sort(), ['$1\r\na\r\n', '$1\r\nb\r\n', '$1\r\nc\r\n', '$1\r\nd\r\n']);
  const repeated = runner.line('ZRANDMEMBER z -50').match(/\r\n[abcd]\r\n/g);
  assert.ok(new Set(repeated).size > 1);
  assert.match(runner.line('ZRANDMEMBER z -50 WITHSCORES'), /^\*100\r\n/);
});

test('ZSCAN meets every member once, with its score', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (let i = 0; i < 100; i++) runner.run('ZADD', 'z', String(i / 2), `m${i}`);
  const seen = new Map<string, string>();
  let cursor = '0';
  do {
    const reply = runner.line(`ZSCAN z ${cursor} COUNT 7`);
    const [next, ...rows] = [...reply.matchAll(/\$\d+\r\n([^\r]*)/g)].map(([, text]) => text as string);
    assert.ok(rows.length > 0 && rows.length <= 14);
    for (let i = 0; i < rows.length; i += 2) {
      assert.ok(!seen.has(rows[i] as string));
      seen.set(rows[i] as string, rows[i + 1] as string);
    }
    cursor = next as string;
  } while (cursor !== '0');
  assert.equal(seen.size, 100);
  for (const [member, score] of seen) assert.equal(Number(score), Number(member.slice(1)) / 2);
  assert.equal(runner.line('ZSCAN z 0 MATCH m9? COUNT 1000').match(/m9/g)?.length, 10);
});

test('what was done to a sorted set is said', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const rows: [line: string, ...events: string[]][] = [
    ['ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g', 'z zadd z'],
    ['ZADD z 1 a'],
    ['ZADD z NX 9 a'],
    ['ZINCRBY z 1 a', 'z zincr z'],
    ['ZINCRBY z 0 a'],
    ['ZADD z INCR 1 a', 'z zincr z'],
    ['ZREM z none'],
    ['ZREM z a', 'z zrem z'],
    ['ZREMRANGEBYSCORE z 2 2', 'z zremrangebyscore z'],
    ['ZREMRANGEBYRANK z 0 0', 'z zremrangebyrank z'],
    ['ZREMRANGEBYLEX z [x [y'],
    ['ZPOPMIN z', 'z zpopmin z'],
    ['ZPOPMAX z 1', 'z zpopmax z'],
    ['ZMPOP 2 none z MIN', 'z zpopmin z'],
    ['ZADD z 1 a 2 b', 'z zadd z'],
    ['ZRANGESTORE to z 0 -1', 'z zrangestore to'],
    ['ZUNIONSTORE to 1 z', 'z zunionstore to'],
    ['ZINTERSTORE to 1 z', 'z zinterstore to'],
    ['ZDIFFSTORE to 2 z none', 'z zdiffstore to'],
    ['ZDIFFSTORE to 2 z z', 'g del to'],
    ['ZDIFFSTORE to 2 z z'],
    ['ZADD to 1 x', 'z zadd to'],
    ['ZRANGESTORE to none 0 -1', 'g del to'],
    ['BZPOPMAX none z 0', 'z zpopmax z'],
    ['ZPOPMIN z 10', 'z zpopmin z', 'g del z'],
    ['ZADD z 1 a', 'z zadd z'],
    ['ZREM z a', 'z zrem z', 'g del z'],
    ['ZADD z 0 a 0 b', 'z zadd z'],
    ['ZREMRANGEBYLEX z - +', 'z zremrangebylex z', 'g del z'],
  ];
  for (const [line, ...events] of rows) {
    runner.events = [];
    runner.line(line);
    assert.deepEqual(runner.events, events, line);
  }
});
