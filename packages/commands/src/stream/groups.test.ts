// Groups of consumers as sessions: handing out, history, acknowledging, claiming, what XINFO and XPENDING tell.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands, type CommandRunner } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

/** Entries 1-0 to `count`-0 in `s`, and a group from the start. */
function prepare(runner: CommandRunner, count: number): void {
  for (let i = 1; i <= count; i++) runner.run('XADD', 's', `${i}-0`, 'f', String(i));
  runner.run('XGROUP', 'CREATE', 's', 'g', '0');
  runner.commit();
}

const entry = (n: number): string => `[$${n}-0 [$f $${n}]]`;
const missing = "-NOGROUP No such key 's' or consumer group 'g'";
const keyRequired =
  '-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option ' +
  'to create an empty stream automatically.';

test('each entry is handed out to one consumer, which sees its own again until they are done', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner, 4);
  transcript(runner, [
    ['XREADGROUP GROUP g alice COUNT 1 STREAMS s >', `[[$s [${entry(1)}]]]`],
    ['XREADGROUP GROUP g bob COUNT 2 STREAMS s >', `[[$s [${entry(2)} ${entry(3)}]]]`],
    ['XREADGROUP GROUP g alice NOACK STREAMS s >', `[[$s [${entry(4)}]]]`],
    ['XREADGROUP GROUP g alice STREAMS s >', 'nil-array'],
    ['XREADGROUP GROUP g alice STREAMS s 0', `[[$s [${entry(1)}]]]`],
    ['XREADGROUP GROUP g bob COUNT 1 STREAMS s 0', `[[$s [${entry(2)}]]]`],
    ['XREADGROUP GROUP g bob STREAMS s 2', `[[$s [${entry(3)}]]]`],
    ['XREADGROUP GROUP g bob STREAMS s 3', '[[$s []]]'],
    ['XREADGROUP GROUP g carol BLOCK 0 STREAMS s 0', '[[$s []]]'],
    ['XPENDING s g', '[:3 $1-0 $3-0 [[$alice $1] [$bob $2]]]'],
    ['XACK s g 2-0 2-0 1-0 9-9', ':2'],
    ['XACK s g 2-0', ':0'],
    ['XACK s none 3-0', ':0'],
    ['XACK none g 3-0', ':0'],
    ['XPENDING s g', '[:1 $3-0 $3-0 [[$bob $1]]]'],
    ['XACK s g 3-0 x', '-ERR Invalid stream ID specified as stream command argument'],
    ['XACK s g 3-0', ':1'],
    ['XPENDING s g', '[:0 nil nil nil-array]'],
  ]);
});

test('an entry that was deleted meanwhile stays pending, without its fields', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner, 3);
  transcript(runner, [
    ['XREADGROUP GROUP g alice STREAMS s >', `[[$s [${entry(1)} ${entry(2)} ${entry(3)}]]]`],
    ['XDEL s 2-0', ':1'],
    ['XREADGROUP GROUP g alice STREAMS s 0', `[[$s [${entry(1)} [$2-0 nil-array] ${entry(3)}]]]`],
    ['XPENDING s g - + 9', '[[$1-0 $alice :0 :2] [$2-0 $alice :0 :1] [$3-0 $alice :0 :2]]'],
    ['XREADGROUP GROUP g alice STREAMS s 2-0', `[[$s [${entry(3)}]]]`],
    ['XREADGROUP GROUP g alice STREAMS s 1', `[[$s [[$2-0 nil-array] ${entry(3)}]]]`],
    // Milliseconds alone: as Kvrocks, from the entry itself if it was deleted.
    ['XREADGROUP GROUP g alice STREAMS s 2', `[[$s [[$2-0 nil-array] ${entry(3)}]]]`],
    ['XREADGROUP GROUP g bob STREAMS s 2', '[[$s []]]'],
  ]);
});

test('an entry that is handed out anew goes over from who had it', async () => {
  for (const count of ['1', '99']) {
    await using opened = await openTestCommands();
    const { runner } = opened;
    prepare(runner, 1);
    transcript(runner, [
      ['XREADGROUP GROUP g alice STREAMS s >', `[[$s [${entry(1)}]]]`],
      ['XREADGROUP GROUP g alice STREAMS s 0', `[[$s [${entry(1)}]]]`],
      ['XGROUP SETID s g 0', '+OK'],
      [`XREADGROUP GROUP g bob COUNT ${count} STREAMS s >`, `[[$s [${entry(1)}]]]`],
      ['XPENDING s g', '[:1 $1-0 $1-0 [[$bob $1]]]'],
      ['XPENDING s g - + 9', '[[$1-0 $bob :0 :1]]'],
      ['XREADGROUP GROUP g alice STREAMS s 0', '[[$s []]]'],
      ['XGROUP SETID s g 0', '+OK'],
      [`XREADGROUP GROUP g bob COUNT ${count} STREAMS s >`, `[[$s [${entry(1)}]]]`],
      ['XPENDING s g', '[:1 $1-0 $1-0 [[$bob $1]]]'],
    ]);
  }
});

test('XPENDING lists what lies between two ids, has been idle for a while, and is of one consumer', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner, 4);
  transcript(runner, [
    ['XREADGROUP GROUP g alice COUNT 2 STREAMS s >', `[[$s [${entry(1)} ${entry(2)}]]]`],
    50,
    ['XREADGROUP GROUP g bob COUNT 2 STREAMS s >', `[[$s [${entry(3)} ${entry(4)}]]]`],
    10,
    ['XPENDING s g (1-0 (4-0 9', '[[$2-0 $alice :60 :1] [$3-0 $bob :10 :1]]'],
    ['XPENDING s g - + 1', '[[$1-0 $alice :60 :1]]'],
    ['XPENDING s g - + 9 bob', '[[$3-0 $bob :10 :1] [$4-0 $bob :10 :1]]'],
    ['XPENDING s g - + 0', '[]'],
    ['XPENDING s g - + -1', '[]'],
    ['XPENDING s g IDLE 60 - + 9', '[[$1-0 $alice :60 :1] [$2-0 $alice :60 :1]]'],
    ['XPENDING s g IDLE 11 - + 9 bob', '[]'],
    ['XPENDING s g - + 9 nobody', '[]'],
    ['XPENDING s g 4 1 9', '[]'],
    ['XPENDING s g - +', '-ERR syntax error'],
    ['XPENDING s g IDLE 5 - +', '-ERR syntax error'],
    ['XPENDING s g - + 9 bob x', '-ERR syntax error'],
    ['XPENDING s g (- + 9', '-ERR Invalid stream ID specified as stream command argument'],
    ['XPENDING s g - + x', '-ERR value is not an integer or out of range'],
    ['XPENDING s none', "-NOGROUP No such key 's' or consumer group 'none'"],
    ['XPENDING none g - + 1', "-NOGROUP No such key 'none' or consumer group 'g'"],
  ]);
});

test('XCLAIM gives what has been idle long enough to a consumer', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner, 4);
  transcript(runner, [
    ['XREADGROUP GROUP g alice COUNT 3 STREAMS s >', `[[$s [${entry(1)} ${entry(2)} ${entry(3)}]]]`],
    20,
    ['XCLAIM s g bob 21 1-0', '[]'],
    ['XCLAIM s g bob 20 1-0 4-0', `[${entry(1)}]`],
    ['XCLAIM s g bob 20 1-0', '[]'],
    ['XCLAIM s g bob 0 1-0 JUSTID', '[$1-0]'],
    ['XPENDING s g - + 9 bob', '[[$1-0 $bob :0 :2]]'],
    ['XCLAIM s g bob 0 1-0 IDLE 500 RETRYCOUNT 7', `[${entry(1)}]`],
    ['XPENDING s g - + 9 bob', '[[$1-0 $bob :500 :7]]'],
    ['XCLAIM s g bob 0 1-0 TIME 1 JUSTID', '[$1-0]'],
    ['XPENDING s g IDLE 1600000000000 - + 9', `[[$1-0 $bob :${runner.nowMs + 20 - 1} :7]]`],
    ['XCLAIM s g bob 0 1-0 TIME 99999999999999 JUSTID', '[$1-0]'],
    ['XPENDING s g - + 9 bob', '[[$1-0 $bob :0 :7]]'],
    ['XCLAIM s g carol 0 4-0 FORCE', `[${entry(4)}]`],
    ['XPENDING s g', '[:4 $1-0 $4-0 [[$alice $2] [$bob $1] [$carol $1]]]'],
    ['XREADGROUP GROUP g alice STREAMS s >', `[[$s [${entry(4)}]]]`],
    ['XPENDING s g', '[:4 $1-0 $4-0 [[$alice $3] [$bob $1]]]'],
    ['XDEL s 2-0', ':1'],
    ['XCLAIM s g bob 99999 2-0 3-0 9-9', '[]'],
    ['XPENDING s g', '[:3 $1-0 $4-0 [[$alice $2] [$bob $1]]]'],
    ['XCLAIM s g bob 0 LASTID 9-9 JUSTID', '[]'],
    ['XADD s 8-0 f v', '$8-0'],
    ['XREADGROUP GROUP g alice STREAMS s >', 'nil-array'],
    ['XCLAIM s g bob x 1-0', '-ERR Invalid min-idle-time argument for XCLAIM'],
    ['XCLAIM s g bob 0 1-0 IDLE x', '-ERR Invalid IDLE option argument for XCLAIM'],
    ['XCLAIM s g bob 0 1-0 TIME x', '-ERR Invalid TIME option argument for XCLAIM'],
    ['XCLAIM s g bob 0 1-0 RETRYCOUNT x', '-ERR Invalid RETRYCOUNT option argument for XCLAIM'],
    ['XCLAIM s g bob 0 1-0 LASTID x', '-ERR Invalid stream ID specified as stream command argument'],
    ['XCLAIM s g bob 0 1-0 MORE', "-ERR Unrecognized XCLAIM option 'MORE'"],
    ['XCLAIM s none bob 0 1-0', "-NOGROUP No such key 's' or consumer group 'none'"],
  ]);
});

test('XAUTOCLAIM walks over what is pending, and forgets what was deleted', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner, 5);
  transcript(runner, [
    ['XREADGROUP GROUP g alice NOACK COUNT 1 STREAMS s >', `[[$s [${entry(1)}]]]`],
    ['XREADGROUP GROUP g alice STREAMS s >', `[[$s [${[2, 3, 4, 5].map(entry).join(' ')}]]]`],
    ['XDEL s 3-0', ':1'],
    20,
    ['XAUTOCLAIM s g bob 20 - COUNT 2', `[$4-0 [${entry(2)}] [$3-0]]`],
    ['XAUTOCLAIM s g bob 20 4-0 COUNT 1', `[$5-0 [${entry(4)}] []]`],
    ['XAUTOCLAIM s g bob 20 5-0 JUSTID COUNT 1', '[$0-0 [$5-0] []]'],
    ['XPENDING s g - + 9', '[[$2-0 $bob :0 :2] [$4-0 $bob :0 :2] [$5-0 $bob :0 :1]]'],
    ['XAUTOCLAIM s g carol 20 -', '[$0-0 [] []]'],
    ['XAUTOCLAIM s g carol 20 (4', '[$0-0 [] []]'],
    ['XPENDING s g', '[:3 $2-0 $5-0 [[$bob $3]]]'],
    ['XAUTOCLAIM s g bob 0 0 COUNT 0', '-ERR COUNT must be > 0'],
    ['XAUTOCLAIM s g bob 0 0 COUNT 8070450532247928833', '-ERR COUNT must be > 0'],
    ['XAUTOCLAIM s g bob x 0', '-ERR Invalid min-idle-time argument for XAUTOCLAIM'],
    ['XAUTOCLAIM s g bob 0 0 MORE', '-ERR syntax error'],
    ['DEL s', ':1'],
    ['XAUTOCLAIM s g bob 0 0', missing],
  ]);
});

test('a deleted consumer takes its pending entries along, a destroyed group everything', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner, 4);
  transcript(runner, [
    ['XREADGROUP GROUP g alice COUNT 3 STREAMS s >', `[[$s [${[1, 2, 3].map(entry).join(' ')}]]]`],
    ['XREADGROUP GROUP g bob STREAMS s >', `[[$s [${entry(4)}]]]`],
    ['XGROUP DELCONSUMER s g alice', ':3'],
    ['XGROUP DELCONSUMER s g alice', ':0'],
    ['XPENDING s g', '[:1 $4-0 $4-0 [[$bob $1]]]'],
    ['XGROUP CREATE s gg 0', '+OK'],
    ['XREADGROUP GROUP gg bob COUNT 1 STREAMS s >', `[[$s [${entry(1)}]]]`],
    ['XGROUP DESTROY s g', ':1'],
    ['XGROUP DESTROY s g', ':0'],
    ['XGROUP CREATE s g 0', '+OK'],
    ['XPENDING s g', '[:0 nil nil nil-array]'],
    ['XPENDING s gg', '[:1 $1-0 $1-0 [[$bob $1]]]'],
    ['XGROUP DELCONSUMER s g bob', ':0'],
  ]);
});

test('a large group goes in one range, as does a small one in single records', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner, 1500);
  runner.run('XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 's', '>');
  runner.commit();
  const before = runner.types.engine.latestSequence();
  assert.equal(runner.line('XGROUP DESTROY s g'), ':1\r\n');
  assert.ok(runner.types.engine.visibleSequence() - before < 10);
  for (const isCommitted of [false, true]) {
    if (isCommitted) runner.commit();
    transcript(runner, [
      ['XGROUP CREATE s g 0', '+OK'],
      ['XPENDING s g - + 9', '[]'],
      ['XGROUP CREATECONSUMER s g alice', ':1'],
      ['XREADGROUP GROUP g alice COUNT 1 STREAMS s >', `[[$s [${entry(1)}]]]`],
      ['XPENDING s g', '[:1 $1-0 $1-0 [[$alice $1]]]'],
      ['XGROUP DESTROY s g', ':1'],
    ]);
  }
});

test('groups are refused where there is none, or one already', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const unknown = '-NOGROUP No such consumer group none for key name s';
  transcript(runner, [
    ['XGROUP CREATE s g $', keyRequired],
    ['XGROUP DESTROY s g', keyRequired],
    ['XGROUP SETID s g $', keyRequired],
    ['XREADGROUP GROUP g alice STREAMS s >', `${missing} in XREADGROUP with GROUP option`],
    ['XGROUP CREATE s g $ MKSTREAM', '+OK'],
    ['XGROUP CREATE s g $', "-BUSYGROUP consumer group name 'g' already exists"],
    ['XGROUP CREATE s 1g $', '-ERR group name cannot start with number'],
    ['XGROUP CREATE s h x', '-ERR Invalid stream ID specified as stream command argument'],
    ['XGROUP CREATE s h $ ENTRIESREAD -2', '-ERR value for ENTRIESREAD must be positive or -1'],
    [
      'XGROUP CREATE s h $ ENTRIESREAD',
      "-ERR unknown subcommand or wrong number of arguments for 'create'. Try XGROUP HELP.",
    ],
    [
      'XGROUP SETID s g $ MKSTREAM',
      "-ERR unknown subcommand or wrong number of arguments for 'setid'. Try XGROUP HELP.",
    ],
    ['XGROUP SETID s none $', unknown],
    ['XGROUP CREATECONSUMER s none alice', unknown],
    ['XGROUP DELCONSUMER s none alice', unknown],
    ['XGROUP CREATECONSUMER s g alice', ':1'],
    ['XGROUP CREATECONSUMER s g alice', ':0'],
    ['XGROUP SETID s g -', '+OK'],
    ['XGROUP CREATE s g', "-ERR wrong number of arguments for 'xgroup|create' command"],
    ['XGROUP NONE s', "-ERR unknown subcommand 'NONE'. Try XGROUP HELP."],
    ['XGROUP HELP x', "-ERR wrong number of arguments for 'xgroup|help' command"],
    ['XINFO HELP x', "-ERR wrong number of arguments for 'xinfo|help' command"],
    ['XINFO STREAM none', '-ERR no such key'],
    ['XINFO GROUPS none', '-ERR no such key'],
    ['XINFO CONSUMERS none g', '-ERR no such key'],
    ['XINFO CONSUMERS s none', "-NOGROUP No such consumer group 'none' for key name 's'"],
    ['XINFO stream s x', "-ERR unknown subcommand or wrong number of arguments for 'stream'. Try XINFO HELP."],
    ['XINFO STREAM s FULL COUNT', "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."],
    ['XINFO STREAM s FULL COUNT x', '-ERR value is not an integer or out of range'],
  ]);
  assert.match(runner.line('XGROUP HELP'), /CREATECONSUMER/);
});

test('a consumer is seen whenever it asks, and active when it gets something', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const told = (pending: number, idle: number, inactive: number): string =>
    `[[$name $alice $pending :${pending} $idle :${idle} $inactive :${inactive}]]`;
  transcript(runner, [
    ['XGROUP CREATE s g $ MKSTREAM', '+OK'],
    ['XREADGROUP GROUP g alice COUNT 1 STREAMS s >', 'nil-array'],
    100,
    ['XINFO CONSUMERS s g', told(0, 100, -1)],
    ['XADD s 1-0 f 1', '$1-0'],
    ['XREADGROUP GROUP g alice COUNT 1 STREAMS s >', `[[$s [${entry(1)}]]]`],
    ['XINFO CONSUMERS s g', told(1, 0, 0)],
    100,
    ['XREADGROUP GROUP g alice COUNT 1 STREAMS s >', 'nil-array'],
    ['XINFO CONSUMERS s g', told(1, 0, 100)],
    ['XACK s g 1-0', ':1'],
    50,
    ['XINFO CONSUMERS s g', told(0, 50, 150)],
  ]);
});

/** `entries-read` and `lag` of the group, in short form. */
function position(runner: CommandRunner, name = 'g'): string {
  const groups = short(runner.run('XINFO', 'GROUPS', 's'));
  const found = new RegExp(`\\$name \\$${name} .*?\\$entries-read (\\S+) \\$lag ([^\\]\\s]+)`).exec(groups);
  return `${found?.[1]} ${found?.[2]}`;
}

test('the lag of a group is told where it can be', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('XGROUP CREATE s g 0 MKSTREAM');
  assert.equal(position(runner), 'nil :0');
  for (let i = 1; i <= 5; i++) runner.run('XADD', 's', `${i}-0`, 'f', String(i));
  runner.line('XGROUP CREATE s late $');
  assert.equal(position(runner), 'nil :5');
  assert.equal(position(runner, 'late'), 'nil :0');
  const read = (): string => runner.line('XREADGROUP GROUP g alice COUNT 1 STREAMS s >');
  read();
  assert.equal(position(runner), ':1 :4');
  runner.line('XDEL s 3-0');
  assert.equal(position(runner), ':1 nil', 'a deleted entry lies ahead');
  read();
  assert.equal(position(runner), 'nil nil');
  read();
  read();
  assert.equal(position(runner), ':5 :0', 'at the last entry it is known again');
  runner.line('XADD s 6-0 f v');
  assert.equal(position(runner), ':5 :1');
  runner.line('XGROUP SETID s late 0 ENTRIESREAD 0');
  assert.equal(position(runner, 'late'), ':0 nil');
  runner.line('XTRIM s MINID 4');
  assert.equal(position(runner, 'late'), ':0 :6');
});

test('XINFO STREAM FULL shows entries, groups, consumers and what is pending, each as many as asked', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner, 12);
  runner.line('XREADGROUP GROUP g bob COUNT 3 STREAMS s >');
  runner.line('XREADGROUP GROUP g alice COUNT 8 STREAMS s >');
  const now = runner.nowMs;
  const pendingOf = (from: number, count: number): string =>
    Array.from({ length: count }, (_, i) => `[$${from + i}-0 :${now} :1]`).join(' ');
  const full = (count: number, ofBob: number, ofAlice: number): string =>
    `[$length :12 $radix-tree-keys :1 $radix-tree-nodes :2 $last-generated-id $12-0 $max-deleted-entry-id $0-0 ` +
    `$entries-added :12 $recorded-first-entry-id $1-0 ` +
    `$entries [${Array.from({ length: Math.min(count, 12) }, (_, i) => entry(i + 1)).join(' ')}] ` +
    `$groups [[$name $g $last-delivered-id $11-0 $entries-read :11 $lag :1 $pel-count :11 $pending [` +
    Array.from({ length: Math.min(count, 11) }, (_, i) => `[$${i + 1}-0 $${i < 3 ? 'bob' : 'alice'} :${now} :1]`).join(
      ' ',
    ) +
    `] $consumers [` +
    `[$name $alice $seen-time :${now} $active-time :${now} $pel-count :8 $pending [${pendingOf(4, ofAlice)}]] ` +
    `[$name $bob $seen-time :${now} $active-time :${now} $pel-count :3 $pending [${pendingOf(1, ofBob)}]]]]]]`;
  transcript(runner, [
    ['XINFO STREAM s FULL', full(10, 3, 8)],
    ['XINFO STREAM s FULL COUNT 2', full(2, 2, 2)],
    ['XINFO STREAM s FULL COUNT 0', full(99, 3, 8)],
  ]);
});

test('in RESP3 streams are maps by name, and information maps by field', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  prepare(runner, 1);
  runner.protocol = 3;
  transcript(runner, [
    ['XREAD STREAMS s 0', `{$s [${entry(1)}]}`],
    ['XREADGROUP GROUP g alice STREAMS s >', `{$s [${entry(1)}]}`],
    ['XREADGROUP GROUP g alice STREAMS s >', 'nil'],
    ['XREAD STREAMS s $', 'nil'],
    ['XPENDING s none', "-NOGROUP No such key 's' or consumer group 'none'"],
    ['XINFO GROUPS s', '[{$name $g $consumers :1 $pending :1 $last-delivered-id $1-0 $entries-read :1 $lag :0}]'],
    ['XINFO CONSUMERS s g', '[{$name $alice $pending :1 $idle :0 $inactive :0}]'],
  ]);
  assert.match(runner.line('XINFO STREAM s'), /^%10\r\n/);
  assert.match(runner.line('XINFO STREAM s FULL'), /^%9\r\n/);
});
