import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands, type CommandRunner } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';
import { slicedAbove } from '../sliced.ts';

const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value';

test('members are added, counted, found, moved and removed; a set without members is gone', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SADD s b a', ':2'],
    ['SADD s a c c', ':1'],
    ['SCARD s', ':3'],
    ['SISMEMBER s a', ':1'],
    ['SISMEMBER s none', ':0'],
    ['SMISMEMBER s none a b', '[:0 :1 :1]'],
    ['SMISMEMBER none a', '[:0]'],
    ['SMEMBERS s', '[$a $b $c]'],
    ['SMEMBERS none', '[]'],
    ['SMOVE s t a', ':1'],
    ['SMOVE s t a', ':0'],
    ['SMOVE s s b', ':1'],
    ['SMOVE s s a', ':0'],
    ['SMOVE none s a', ':0'],
    ['SMEMBERS t', '[$a]'],
    ['SREM s b b none', ':1'],
    ['SREM s c', ':1'],
    ['EXISTS s', ':0'],
    ['TYPE t', '+set'],
    ['SREM s c', ':0'],
    ['SADD s z', ':1'],
    ['SMEMBERS s', '[$z]'],
    ['SET str x', '+OK'],
    ['SADD str a', wrongType],
    ['SMOVE s str z', wrongType],
    ['SMOVE str s z', wrongType],
    ['SMOVE none str z', ':0'],
  ]);
});

test('sets are intersected, united and subtracted, and what is stored replaces any value', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (const line of ['SADD a 1 2 3 4', 'SADD b 3 4 5', 'SADD c 4 5 6', 'SET str x']) runner.line(line);
  transcript(runner, [
    ['SINTER a b c', '[$4]'],
    ['SINTER a none', '[]'],
    ['SUNION a b none c', '[$1 $2 $3 $4 $5 $6]'],
    ['SUNION a a', '[$1 $2 $3 $4]'],
    ['SDIFF a b c', '[$1 $2]'],
    ['SDIFF a a', '[]'],
    ['SDIFF none a', '[]'],
    ['SDIFF none str', wrongType],
    ['SINTER none str', wrongType],
    ['SINTERCARD 2 a b', ':2'],
    ['SINTERCARD 2 a b LIMIT 1', ':1'],
    ['SINTERCARD 2 a b limit 0', ':2'],
    ['SUNIONSTORE str b c', ':4'],
    ['SMEMBERS str', '[$3 $4 $5 $6]'],
    ['SINTERSTORE a a b', ':2'],
    ['SMEMBERS a', '[$3 $4]'],
    ['SDIFFSTORE a a b', ':0'],
    ['EXISTS a', ':0'],
    ['SET other x', '+OK'],
    ['SDIFFSTORE other other b', wrongType],
    ['SINTERSTORE other none b', ':0'],
    ['EXISTS other', ':0'],
  ]);
});

test('unions and differences of many sets come in byte order, whichever way they are worked out', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const random = seededRandom(22);
  const members = Array.from({ length: 40 }, (_, i) => `m${i}`);
  const sets = Array.from({ length: 50 }, (_, i) => {
    const chosen = members.filter(() => randomBelow(random, 10) === 0);
    if (chosen.length > 0) runner.run('SADD', `s${i}`, ...chosen);
    return new Set(chosen);
  });
  runner.run('SADD', 'all', ...members);
  runner.run('SADD', 'few', 'm3', 'm17', 'zz');
  const names = sets.map((_, i) => `s${i}`);
  const text = (found: Iterable<string>): string =>
    `[${[...found]
      .sort()
      .map((member) => `$${member}`)
      .join(' ')}]`;
  for (let count = 1; count <= sets.length; count += 7) {
    const taken = sets.slice(0, count);
    const united = new Set(taken.flatMap((set) => [...set]));
    const some = names.slice(0, count);
    assert.equal(short(runner.run('SUNION', ...some)), text(united));
    // A large set less small ones is a walk beside them; a small one less large ones asks those.
    assert.equal(short(runner.run('SDIFF', 'all', ...some)), text(members.filter((member) => !united.has(member))));
    const few = ['m3', 'm17', 'zz'].filter((member) => !united.has(member));
    assert.equal(short(runner.run('SDIFF', 'few', ...some)), text(few));
    assert.equal(short(runner.run('SDIFF', 'few', 'all')), '[$zz]');
    if (count % 2 === 0) runner.commit();
  }
});

test('SINTERCARD says what is wrong in words that begin as those of Redis and end as those of Kvrocks', async () => {
  await using opened = await openTestCommands();
  const notInteger = '-ERR numkeys should be greater than 0: value is not an integer or out of range';
  const notPositive = '-ERR numkeys should be greater than 0: value is out of range, must be positive';
  transcript(opened.runner, [
    ['SINTERCARD x a', notInteger],
    ['SINTERCARD 0 a', notPositive],
    ['SINTERCARD -1 a', notPositive],
    ['SINTERCARD 2 a', "-ERR Number of keys can't be greater than number of args"],
    ['SINTERCARD 1 a b', '-ERR syntax error: wrong number of arguments'],
    ['SINTERCARD 1 a LIMIT', '-ERR syntax error: wrong number of arguments'],
    ['SINTERCARD 1 a LIMIT -1', "-ERR LIMIT can't be negative"],
    ['SINTERCARD 1 a LIMIT x', "-ERR LIMIT can't be negative: value is not an integer or out of range"],
  ]);
});

test('the replies of whole sets are sets in RESP3', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.protocol = 3;
  runner.line('SADD s a b');
  for (const line of ['SMEMBERS s', 'SUNION s', 'SINTER s s', 'SDIFF s none', 'SPOP s 5']) {
    assert.equal(runner.line(line), '~2\r\n$1\r\na\r\n$1\r\nb\r\n', line);
  }
  assert.equal(runner.line('SMEMBERS s'), '~0\r\n');
  assert.equal(runner.line('SPOP s'), '_\r\n');
  assert.equal(runner.line('SRANDMEMBER s 3'), '*0\r\n');
});

function membersOf(runner: CommandRunner, line: string): string[] {
  return short(runner.line(line)).replace(/[[\]]/g, '').split(' ').filter(Boolean);
}

test('SPOP takes each member once, and SRANDMEMBER draws each as often as the others', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const all = Array.from({ length: 20 }, (_, i) => `m${String(i).padStart(2, '0')}`);
  runner.run('SADD', 's', ...all);
  runner.commit();
  const drawn = new Map<string, number>();
  const count = (member: string): void => void drawn.set(member, (drawn.get(member) ?? 0) + 1);
  for (let i = 0; i < 400; i++) {
    count(short(runner.line('SRANDMEMBER s')));
    for (const member of membersOf(runner, 'SRANDMEMBER s -5')) count(member);
    for (const size of [5, 15]) {
      const several = membersOf(runner, `SRANDMEMBER s ${size}`);
      assert.equal(new Set(several).size, size);
      for (const member of several) count(member);
    }
  }
  // 10,400 draws, 520 of each member expected: five standard deviations are 110.
  assert.deepEqual(
    [...drawn.keys()].sort(),
    all.map((member) => `$${member}`),
  );
  for (const [member, times] of drawn) assert.ok(Math.abs(times - 520) < 110, `${member}: ${times}`);
  assert.equal(membersOf(runner, 'SRANDMEMBER s 100').length, 20);
  const popped = [short(runner.line('SPOP s')), ...membersOf(runner, 'SPOP s 7'), ...membersOf(runner, 'SPOP s 11')];
  assert.equal(new Set(popped).size, 19);
  assert.equal(short(runner.line('SCARD s')), ':1');
  assert.equal(membersOf(runner, 'SPOP s 9').length, 1);
  transcript(runner, [
    ['EXISTS s', ':0'],
    ['SPOP s', 'nil'],
    ['SPOP s 3', '[]'],
    ['SRANDMEMBER s', 'nil'],
    ['SRANDMEMBER s 0', '[]'],
    ['SADD s a', ':1'],
    ['SPOP s 0', '[]'],
    ['SPOP s -1', '-ERR value is out of range, must be positive'],
    ['SPOP s x', '-ERR value is not an integer or out of range'],
    ['SPOP s 1 1', "-ERR wrong number of arguments for 'spop' command"],
    ['SRANDMEMBER s -9223372036854775808', '-ERR value is out of range'],
    ['SRANDMEMBER s 1 1', "-ERR wrong number of arguments for 'srandmember' command"],
    ['SMEMBERS s', '[$a]'],
  ]);
});

test('SSCAN returns every member that stays exactly once while others come and go', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const staying = Array.from({ length: 90 }, (_, i) => `stay${String(i).padStart(2, '0')}`);
  runner.run('SADD', 's', ...staying);
  runner.commit();
  const seen: string[] = [];
  let cursor = '0';
  let step = 0;
  do {
    const match = /^\[\$(\d+) \[(.*)\]\]$/.exec(short(runner.line(`SSCAN s ${cursor} COUNT 7`)));
    assert.ok(match !== null);
    cursor = match[1] as string;
    seen.push(...(match[2] as string).split(' ').filter(Boolean));
    runner.line(`SADD s stay${step}new ${step} zz${step}`);
    runner.line(`SREM s stay${step - 3}new ${step - 2}`);
    if (step % 3 === 0) runner.commit();
    assert.ok(++step < 100);
  } while (cursor !== '0');
  const stayed = seen.filter((member) => /^\$stay\d\d$/.test(member));
  assert.deepEqual(
    stayed,
    staying.map((member) => `$${member}`),
  );
  transcript(runner, [
    ['SSCAN none 0', '[$0 []]'],
    [
      'SSCAN s 0 MATCH stay0? COUNT 1000',
      `[$0 [${staying
        .slice(0, 10)
        .map((name) => `$${name}`)
        .join(' ')}]]`,
    ],
    ['SSCAN s x', '-ERR invalid cursor'],
  ]);
});

test('a large set is answered in slices that show one moment, and whole where there may be none', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const count = slicedAbove + 3000;
  const members = Array.from({ length: count }, (_, i) => String(i).padStart(6, '0'));
  runner.run('SADD', 's', ...members);
  runner.commit();
  runner.run('SREM', 's', ...members.slice(0, 1000));
  const expected = `[${members
    .slice(1000)
    .map((member) => `$${member}`)
    .join(' ')}]`;
  assert.equal(short(runner.line('SMEMBERS s')), expected);
  runner.mayWait = false;
  assert.equal(short(runner.line('SMEMBERS s')), expected);
});

test('set commands say what they did', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.events = [];
  const lines = ['SADD s a b c', 'SADD s a', 'SREM s none', 'SREM s a', 'SMOVE s t b', 'SMOVE s t none', 'SMOVE t s b'];
  lines.push('SADD t c', 'SMOVE s t c', 'SPOP s 9', 'SUNIONSTORE u t', 'SINTERSTORE u t none', 'SINTERSTORE u t none');
  for (const line of lines) runner.line(line);
  assert.deepEqual(runner.events, [
    's sadd s',
    's srem s',
    ...['s srem s', 's sadd t'],
    ...['s srem t', 'g del t', 's sadd s'],
    's sadd t',
    's srem s',
    ...['s spop s', 'g del s'],
    's sunionstore u',
    'g del u',
  ]);
});
