// Streams as sessions: ids, trimming, ranges, what XINFO tells, refusals, events.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

const invalid = '-ERR Invalid stream ID specified as stream command argument';
const smaller = '-ERR The ID specified in XADD is equal or smaller than the target stream top item';
const highest = '18446744073709551615';

test('ids are generated from the clock, and never go back with it', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.nowMs = 1000;
  transcript(runner, [
    ['XADD s * f v', '$1000-0'],
    ['XADD s * f v', '$1000-1'],
    7,
    ['XADD s * f v', '$1007-0'],
    -500,
    ['XADD s * f v', '$1007-1'],
    [`XADD s 5000-${highest} f v`, `$5000-${highest}`],
    ['XADD s * f v', '$5001-0'],
    ['XLEN s', ':6'],
  ]);
});

test('a part of the id may be left to the server', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.nowMs = 70_000;
  transcript(runner, [
    ['XADD s 0-* f v', '$0-1'],
    ['XADD s 0-* f v', '$0-2'],
    ['XADD s 123-456 f v', '$123-456'],
    ['XADD s 123-* f v', '$123-457'],
    ['XADD s 789-* f v', '$789-0'],
    ['XADD s 42-* f v', smaller],
    [`XADD s 790-${highest} f v`, `$790-${highest}`],
    ['XADD s 790-* f v', smaller],
    ['XADD s *-77 f v', '$70000-77'],
    ['XADD s *-77 f v', smaller],
    ['XADD s 80000 f v', '$80000-0'],
    ['XADD s *-x f v', invalid],
    ['XADD s -* f v', invalid],
    ['XADD s 1-2-3 f v', invalid],
    ['XADD s 0-0 f v', '-ERR The ID specified in XADD must be greater than 0-0'],
  ]);
});

test('ids are exact over their whole range, whose last millisecond cannot be stored', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const last = `18446744073709551614-${highest}`;
  transcript(runner, [
    [`XADD s 9007199254740993-9007199254740993 f v`, '$9007199254740993-9007199254740993'],
    [`XADD s ${highest}-1 f v`, `-ERR The ID specified in XADD must not be greater than ${last}`],
    ['XADD s 18446744073709551614-18446744073709551614 f v', '$18446744073709551614-18446744073709551614'],
    ['XADD s * f v', `$${last}`],
    ['XADD s * f v', '-ERR The stream has exhausted the last possible ID, unable to add more items'],
    [`XRANGE s (9007199254740993-9007199254740991 9007199254740993-9007199254740992`, '[]'],
    [`XRANGE s (9007199254740993-9007199254740992 9007199254740994`, '[[$9007199254740993-9007199254740993 [$f $v]]]'],
    [`XRANGE s ${highest} +`, '[]'],
    [`XRANGE s (${last} +`, '-ERR invalid start ID for the interval'],
    [`XREVRANGE s ${highest} 18446744073709551614-18446744073709551615`, `[[$${last} [$f $v]]]`],
    ['XDEL s 9007199254740993-9007199254740992 9007199254740993-9007199254740993', ':1'],
    [`XADD s 1-${highest}0 f v`, invalid],
  ]);
});

test('trimming removes the oldest entries, by number or by id', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (let i = 1; i <= 10; i++) runner.run('XADD', 's', `${i}-0`, 'f', String(i));
  transcript(runner, [
    ['XTRIM s MAXLEN 8', ':2'],
    ['XTRIM s MINID = 5', ':2'],
    ['XTRIM s MINID ~ 6 LIMIT 10', ':1'],
    ['XTRIM s MAXLEN = 5', ':0'],
    ['XRANGE s - + COUNT 1', '[[$6-0 [$f $6]]]'],
    ['XADD s MAXLEN 2 11 f 11', '$11-0'],
    ['XRANGE s - +', '[[$10-0 [$f $10]] [$11-0 [$f $11]]]'],
    ['XADD s MAXLEN 0 12 f 12', '$12-0'],
    ['XLEN s', ':0'],
    ['XADD s 12 f v', smaller],
    ['XADD s MINID 20 13 f v', '$13-0'],
    ['XLEN s', ':0'],
    ['EXISTS s', ':1'],
    ['XTRIM none MAXLEN 0', ':0'],
  ]);
});

test('an approximate trim waits until a hundred entries can go together', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (let i = 1; i <= 1000; i++) runner.run('XADD', 's', 'MAXLEN', '~', '555', '*', 'f', 'v');
  transcript(runner, [
    ['XLEN s', ':600'],
    ['XTRIM s MAXLEN 555', ':45'],
    ['XTRIM s MAXLEN ~ 444', ':55'],
    ['XTRIM s MAXLEN ~ 400 LIMIT 99', ':0'],
    ['XTRIM s MAXLEN ~ 401', ':0'],
    ['XTRIM s MAXLEN ~ 400 LIMIT 100', ':100'],
    ['XTRIM s MAXLEN ~ 0 LIMIT 250', ':200'],
    ['XTRIM s MAXLEN ~ 0 LIMIT 0', ':200'],
    ['XADD s MAXLEN ~ 0 * f v', `$${runner.nowMs}-1000`],
    ['XLEN s', ':0'],
  ]);
});

test('options that cannot be are refused and nothing is written', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const both = '-ERR syntax error, MAXLEN and MINID options at the same time are not compatible';
  const arity = "-ERR wrong number of arguments for 'xadd' command";
  transcript(runner, [
    ['XADD s MAXLEN 1 MINID 1 * f v', both],
    ['XADD s MAXLEN -1 * f v', '-ERR The MAXLEN argument must be >= 0.'],
    ['XADD s MAXLEN x * f v', '-ERR value is not an integer or out of range'],
    ['XADD s MAXLEN ~ 5 LIMIT -1 * f v', '-ERR The LIMIT argument must be >= 0.'],
    ['XADD s MAXLEN 5 LIMIT 1 * f v', '-ERR syntax error, LIMIT cannot be used without the special ~ option'],
    ['XADD s LIMIT 1 * f v', '-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy'],
    ['XTRIM s MINID - x', invalid],
    ['XTRIM s MAXLEN 5 x', '-ERR syntax error'],
    ['XADD s * f v g', arity],
    ['XADD s MAXLEN 5 * f', arity],
    ['XADD s NOMKSTREAM * f v', 'nil'],
    ['XLEN s x', invalid],
    ['XLEN s 1-1 x', '-ERR syntax error'],
    ['XLEN s 1-1 + +', '-ERR syntax error'],
    ['XRANGE s - + COUNT', '-ERR syntax error'],
    ['XRANGE s (- +', invalid],
    ['XRANGE s - (0-0', '-ERR invalid end ID for the interval'],
    ['XSETID s 1-1', '-ERR no such key'],
    ['EXISTS s', ':0'],
  ]);
  assert.equal(runner.types.engine.commit(), undefined);
});

test('XLEN counts on one side of an id', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (let i = 5; i <= 15; i++) runner.run('XADD', 's', `${i}-0`, 'f', 'v');
  transcript(runner, [
    ['XDEL s 8-0', ':1'],
    ['XLEN s', ':10'],
    ['XLEN s 8-0', ':7'],
    ['XLEN s 8-0 -', ':3'],
    ['XLEN s 5-0 -', ':0'],
    ['XLEN s 50-0 -', ':10'],
    ['XLEN s 50-0 +', ':0'],
    [`XLEN s ${highest}-1 -`, ':10'],
    [`XLEN s ${highest}-${highest}`, ':0'],
    [`XLEN s 18446744073709551614-${highest} +`, ':0'],
    ['XLEN s 0-0 -', ':0'],
    ['XLEN none 1-1', ':0'],
  ]);
});

test('first, last and highest deleted id follow what happens to the stream', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const info = (): string => short(runner.run('XINFO', 'STREAM', 's'));
  for (let i = 1; i <= 5; i++) runner.run('XADD', 's', `${i}-0`, 'f', 'v');
  const told = (length: number, rest: string): string =>
    `[$length :${length} $radix-tree-keys :${length > 0 ? 1 : 0} $radix-tree-nodes :${length > 0 ? 2 : 1} ${rest}]`;
  const entry = (id: string): string => `[$${id} [$f $v]]`;
  runner.run('XDEL', 's', '2-0', '5-0', '5-0');
  assert.equal(
    info(),
    told(
      3,
      '$last-generated-id $5-0 $max-deleted-entry-id $5-0 $entries-added :5 $recorded-first-entry-id $1-0 ' +
        `$groups :0 $first-entry ${entry('1-0')} $last-entry ${entry('4-0')}`,
    ),
  );
  runner.run('XDEL', 's', '1-0', '3-0', '4-0');
  assert.equal(
    info(),
    told(
      0,
      '$last-generated-id $5-0 $max-deleted-entry-id $5-0 $entries-added :5 $recorded-first-entry-id $0-0 ' +
        '$groups :0 $first-entry nil $last-entry nil',
    ),
  );
  runner.commit();
  transcript(runner, [
    ['XSETID s 4-9', '-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id'],
    ['XSETID s 9-9 ENTRIESADDED 12 MAXDELETEDID 7-7', '+OK'],
    ['XADD s * f v', `$${runner.nowMs}-0`],
    ['XSETID s 10-0', '-ERR The ID specified in XSETID is smaller than the target stream top item'],
    [
      'XSETID s 1800000000000 ENTRIESADDED 0 MAXDELETEDID 0-0',
      '-ERR The entries_added specified in XSETID is smaller than the target stream length',
    ],
    [
      'XSETID s 1-0 ENTRIESADDED 0 MAXDELETEDID 2-0',
      '-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id',
    ],
    ['XSETID s 1-0 ENTRIESADDED -1 MAXDELETEDID 0-0', '-ERR entries_added must be positive'],
    ['XSETID s 1-0 0', '-ERR syntax error'],
    ['XSETID s 1-0 0-0 1', '-ERR syntax error'],
    ['XSETID s 1800000000000 ENTRIESADDED 9223372036854775807', '+OK'],
    ['XADD s 1800000000001 f v', '$1800000000001-0'],
  ]);
  assert.match(runner.run('XINFO', 'STREAM', 's'), /entries-added\r\n:9223372036854775808\r\n/);
});

test('an entry has its fields as they were given, twice or empty or of any bytes and length', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const long = 'x'.repeat(127);
  const longer = 'y'.repeat(20_000);
  const bytes = Buffer.of(0, 0xff, 13, 10);
  runner.run('XADD', 's', '1-1', 'f', '', 'f', bytes, long, longer, '', long + 'z');
  runner.commit();
  const text = bytes.toString('latin1');
  assert.equal(
    short(runner.run('XRANGE', 's', '-', '+')),
    `[[$1-1 [$f $ $f $${text} $${long} $${longer} $ $${long}z]]]`,
  );
});

test('every change says what happened, once and after it', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const events: string[] = (runner.events = []);
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ['XADD s 1-1 f v', ['t xadd s']],
    ['XADD s MAXLEN 1 2-1 f v', ['t xadd s', 't xtrim s']],
    ['XADD s MAXLEN 9 3-1 f v', ['t xadd s']],
    ['XADD s MAXLEN 0 4-1 f v', ['t xadd s', 't xtrim s']],
    ['XADD s 5-1 f v', ['t xadd s']],
    ['XADD s 6-1 f v', ['t xadd s']],
    ['XTRIM s MAXLEN 9', []],
    ['XTRIM s MAXLEN 1', ['t xtrim s']],
    ['XDEL s 9-9', []],
    ['XSETID s 7-7', ['t xsetid s']],
    ['XGROUP CREATE s g 0', ['t xgroup-create s']],
    ['XGROUP CREATE s g 0', []],
    ['XGROUP SETID s g 0', ['t xgroup-setid s']],
    ['XREADGROUP GROUP g alice STREAMS s >', ['t xgroup-createconsumer s']],
    ['XREADGROUP GROUP g alice STREAMS s >', []],
    ['XCLAIM s g bob 0 6-1', ['t xgroup-createconsumer s']],
    ['XAUTOCLAIM s g carol 0 0', ['t xgroup-createconsumer s']],
    ['XACK s g 6-1', []],
    ['XGROUP CREATECONSUMER s g dave', ['t xgroup-createconsumer s']],
    ['XGROUP DELCONSUMER s g dave', ['t xgroup-delconsumer s']],
    ['XGROUP DELCONSUMER s g dave', []],
    ['XGROUP DESTROY s g', ['t xgroup-destroy s']],
    ['XDEL s 6-1', ['t xdel s']],
    ['DEL s', ['g del s']],
  ];
  for (const [line, expected] of rows) {
    events.length = 0;
    assert.doesNotMatch(runner.line(line), /^-(?!BUSYGROUP)/, line);
    assert.deepEqual(events, expected, line);
  }
});

test('copies and renames take entries, groups and pending entries along', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  transcript(runner, [
    ['XADD s 1-1 f v', '$1-1'],
    ['XGROUP CREATE s g 0', '+OK'],
    ['XREADGROUP GROUP g alice STREAMS s >', '[[$s [[$1-1 [$f $v]]]]]'],
    ['COPY s t', ':1'],
    ['DEL s', ':1'],
    ['XADD s 1-1 other v', '$1-1'],
    ['RENAME t u', '+OK'],
    ['XRANGE u - +', '[[$1-1 [$f $v]]]'],
    ['XPENDING u g', '[:1 $1-1 $1-1 [[$alice $1]]]'],
    ['XPENDING s g', "-NOGROUP No such key 's' or consumer group 'g'"],
    ['TYPE u', '+stream'],
  ]);
});

test('huge replies come in slices, with the number of entries in front, from one moment', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const count = 20_000;
  for (let i = 1; i <= count; i++) runner.run('XADD', 's', `${i}-0`, 'f', String(i));
  runner.commit();
  runner.run('XADD', 't', '1-1', 'f', 'v');
  for (const line of [
    'XRANGE s - +',
    'XREVRANGE s + -',
    'XRANGE s 5-0 +',
    'XREVRANGE s 15000 3',
    'XRANGE s 5 + COUNT 9000',
    'XRANGE s - + COUNT 9000',
    'XREAD STREAMS s t 0 0',
    'XREAD STREAMS t none s 0 0 7',
    'XREAD COUNT 10000 STREAMS s s 3 4',
  ]) {
    runner.mayWait = true;
    const sliced = runner.line(line);
    runner.mayWait = false;
    assert.equal(sliced, runner.line(line), line);
    assert.ok(sliced.length > 9000 * 20, line);
  }
});
