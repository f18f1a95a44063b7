/** Every command with arguments that are too few, too many, or nonsense (`support/attack.ts`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { ReplyError, itemsOf, textOf, type CommandArgument, type RespClient } from '@holdfast/resp';
import { assertServes, startSmall, withinBounds } from './support/attack.ts';

test('every command with too few or too many arguments is refused, an unknown one too', async (t) => {
  const node = await startSmall(t);
  const client = await node.client();
  for (const { name, arity } of await commandTable(client)) {
    const wrongCounts = arity > 0 ? [arity - 1, arity + 1, arity + 20] : [-arity - 1];
    for (const count of wrongCounts.filter((count) => count >= 1)) {
      const reply = await client.command(name, ...Array.from({ length: count - 1 }, () => 'x'));
      assert.ok(reply instanceof ReplyError, `${name} with ${count} words: ${JSON.stringify(reply)}`);
      assert.equal(reply.message, `ERR wrong number of arguments for '${name}' command`);
    }
  }
  for (const name of ['NOSUCH', 'get\r\n', '', '\0', 'G'.repeat(100_000), 'constructor', '__proto__']) {
    const reply = await client.command(name, 'argument', 'x'.repeat(100_000));
    assert.ok(reply instanceof ReplyError, JSON.stringify(name.slice(0, 20)));
    assert.match(reply.message, /^ERR unknown command '/);
    assert.ok(reply.message.length < 600, 'an error does not repeat what it was sent without bound');
  }
  client.close();
  await assertServes(node);
});

interface CommandRow {
  readonly name: string;
  readonly arity: number;
  readonly mayWait: boolean;
}

async function commandTable(client: RespClient): Promise<CommandRow[]> {
  const rows = itemsOf(await client.command('COMMAND')) ?? [];
  const table = rows.map((row) => {
    const [name, arity, flags] = itemsOf(row) ?? [];
    const mayWait = (itemsOf(flags ?? null) ?? []).some((flag) => textOf(flag) === 'blocking');
    return { name: textOf(name ?? null) ?? '', arity: Number(arity), mayWait };
  });
  assert.ok(table.length > 80, `${table.length} commands`);
  return table;
}

/** Runs a command that may wait, as often unblocked by another client as it takes. */
async function runUnblocked(client: RespClient, other: RespClient, request: [CommandArgument]): Promise<void> {
  const id = await client.command('CLIENT', 'ID');
  let isOver = false;
  const reply = client.command(...request).finally(() => (isOver = true));
  while (!isOver) await other.command('CLIENT', 'UNBLOCK', String(id));
  await reply;
}

/** Not run with random arguments: what ends the node, its replication or its replies, or is answered several times. */
const skipped = new Set(
  'shutdown debug psync replconf slaveof replicaof client wait quit multi exec monitor'.split(' '),
);
for (const kind of ['', 'p', 's']) skipped.add(`${kind}subscribe`).add(`${kind}unsubscribe`);
for (const name of ['_fetch_meta', '_fetch_file', '_db_name', 'config', 'hello', 'auth']) skipped.add(name);

test('every command takes random arguments without harm, each with one well-formed reply', async (t) => {
  for (const mode of ['no', 'yes']) {
    const node = await startSmall(t, '--cluster-enabled', mode);
    const random = seededRandom(21);
    await withinBounds(t, node, async () => {
      let client = await node.client();
      const other = await node.client();
      for (const { name, arity, mayWait } of await commandTable(client)) {
        if (skipped.has(name)) continue;
        const requests = Array.from({ length: 60 }, () => randomRequest(random, name, Math.abs(arity)));
        for (const request of requests) {
          try {
            if (mayWait) await runUnblocked(client, other, request as [CommandArgument]);
            else await client.command(...(request as [CommandArgument]));
          } catch {
            // A reply that is larger than all clients may hold costs its connection.
            assert.equal(node.child.exitCode, null, `${JSON.stringify(request.map(String))}\n${node.output()}`);
            client = await node.client();
          }
        }
        assert.ok(['PONG', 'QUEUED'].includes(textOf(await client.command('PING')) ?? ''), name);
      }
      client.close();
      other.close();
    });
  }
});

const nasty: readonly CommandArgument[] = [
  '',
  'k',
  'k',
  'k2',
  'h',
  'h',
  'h2',
  '0',
  '1',
  '-1',
  '2',
  '16384',
  '4294967296',
  '-9223372036854775808',
  '9223372036854775807',
  '18446744073709551616',
  '1e400',
  '-0',
  'nan',
  'inf',
  '0x10',
  ' 1',
  '3.5',
  '*',
  '[a-',
  '\\',
  'h?*[^x]',
  '{',
  '{}',
  '{k}',
  '(',
  '[a',
  '-',
  '+',
  'NX',
  'XX',
  'GT',
  'EX',
  'PX',
  'EXAT',
  'KEEPTTL',
  'GET',
  'MATCH',
  'COUNT',
  'TYPE',
  'LIMIT',
  'WITHVALUES',
  'BYLEX',
  'REV',
  'LEN',
  'IDX',
  'NODES',
  'SETNODES',
  'SETSLOT',
  'NODE',
  'SLOTS',
  'GETKEYSINSLOT',
  'HEARTBEAT',
  'SHARD',
  'RESIGN',
  'HOLD',
  'RESET',
  'HARD',
  'a'.repeat(40),
  'b'.repeat(40),
  `${'a'.repeat(40)} 127.0.0.1 1 master - 0-16383`,
  'x'.repeat(5000),
  Buffer.from([0, 255, 13, 10, 128]),
];

function randomRequest(random: Parameters<typeof randomBelow>[0], name: string, least: number): CommandArgument[] {
  const count = least + (randomBelow(random, 3) === 0 ? randomBelow(random, 4) : 0);
  const request: CommandArgument[] = [name];
  while (request.length < count) request.push(nasty[randomBelow(random, nasty.length)] as CommandArgument);
  return request;
}
