// Ranges longer than a slice: the same reply, in pieces, of the moment at which it was asked for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyWriter, Request } from '@holdfast/resp';
import { openTestCommands, type CommandRunner } from '../data/testing/command-runner.ts';
import { sliceElements, slicedAbove, type SlicedReply } from '../sliced.ts';

const members = 40_000;

function fill(runner: CommandRunner): void {
  for (let i = 0; i < members; i += 1000) {
    const pairs = Array.from({ length: 1000 }, (_, j) => [String((i + j) % 7000), `m${i + j}`]).flat();
    runner.run('ZADD', 'z', ...pairs);
  }
  runner.commit();
}

/** Runs a command as a connection does whose reply may be sliced; what `run` itself wrote, and the rest of it. */
function begin(runner: CommandRunner, line: string): { head: string; sliced: SlicedReply | undefined } {
  const words = line.split(' ');
  const definition = runner.definitions.get((words[0] as string).toLowerCase());
  const reply = new ReplyWriter();
  reply.protocol = runner.protocol;
  runner.types.engine.beginCommand();
  let sliced: SlicedReply | undefined;
  const call = {
    nowMs: runner.nowMs,
    namespace: runner.namespace,
    slices: { begin: (it: SlicedReply) => (sliced = it) },
  };
  const input = definition?.parse(Request.of(...words));
  definition?.run(call as never, input, reply);
  return { head: reply.take().toString('latin1'), sliced };
}

const lines = [
  'ZRANGE z 0 -1',
  'ZRANGE z 5 -5 WITHSCORES',
  'ZRANGE z 1000 12000 REV',
  'ZREVRANGE z 0 -1 WITHSCORES',
  'ZRANGEBYSCORE z 10 (6900 WITHSCORES',
  'ZREVRANGEBYSCORE z +inf -inf LIMIT 3 15000',
  'ZRANGE z -inf +inf BYSCORE LIMIT 11000 8193',
  'ZRANGE z -inf +inf BYSCORE LIMIT 11000 8192',
  'ZRANGEBYLEX z [m2 +',
  'ZREVRANGEBYLEX z + - LIMIT 100 -1',
  'ZRANGE z 17000 17010',
  'ZRANGE z 22000 22010 REV WITHSCORES',
  'ZRANGEBYSCORE z -inf +inf LIMIT 30000 5',
  'ZREVRANGEBYSCORE z +inf -inf LIMIT 39998 50 WITHSCORES',
  'ZRANGEBYSCORE z -inf +inf LIMIT 50000 5',
];

for (const protocol of [2, 3] as const) {
  test(`a long range in slices is what it is in one piece, in RESP${protocol}`, async () => {
    await using opened = await openTestCommands();
    const { runner } = opened;
    runner.protocol = protocol;
    fill(runner);
    for (const line of lines) {
      runner.mayWait = false;
      const whole = runner.line(line);
      const { head, sliced } = begin(runner, line);
      const parts = [head];
      if (sliced === undefined) assert.match(line, /8192$/, line);
      else {
        const reply = new ReplyWriter();
        reply.protocol = protocol;
        for (let goesOn = true; goesOn;) {
          goesOn = sliced.next(reply);
          const part = reply.take().toString('latin1');
          assert.ok(part.split('\r\nm').length <= sliceElements + 2, `${line}: a slice of ${part.length} bytes`);
          parts.push(part);
        }
        sliced.close();
      }
      assert.equal(parts.join(''), whole, line);
    }
  });
}

test('a reply in slices shows the moment it began, whatever is written meanwhile', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  fill(runner);
  runner.mayWait = false;
  for (const line of ['ZRANGE z 0 -1 WITHSCORES', 'ZRANGEBYSCORE z -inf +inf', 'ZRANGEBYLEX z - +']) {
    const whole = runner.line(line);
    assert.ok(members > slicedAbove);
    const { head, sliced } = begin(runner, line);
    const reply = new ReplyWriter();
    const parts = [head];
    let member = 0;
    while (sliced?.next(reply) === true) {
      parts.push(reply.take().toString('latin1'));
      runner.run('ZADD', 'z', '1', 'new', '5', `m${member}`);
      runner.run('ZREM', 'z', 'new', `m${member}`);
      runner.run('ZADD', 'z', String(member % 7000), `m${member++}`);
      runner.run('ZADD', 'another key', '1', 'x');
      runner.commit();
    }
    sliced?.close();
    parts.push(reply.take().toString('latin1'));
    assert.equal(parts.join(''), whole, line);
  }
});
