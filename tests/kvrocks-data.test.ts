/**
 * A node opens what a real Kvrocks 2.10 wrote, and follows a stream that a real Kvrocks 2.10 sent: the recorded files
 * in tests/fixtures/kvrocks-2.10, through the wire, replies compared byte for byte.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { ReplyDecoder, RequestDecoder, encodeCommand } from '@holdfast/resp';
import { startNode, until } from './support/node-process.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

const fixtures = join(import.meta.dirname, 'fixtures', 'kvrocks-2.10');

type Argument = string | { readonly hex: string };

interface Recorded {
  readonly command: readonly Argument[];
  /** Raw, one character per byte. */
  readonly reply: string;
}

/** Reads of types that exist now; TTL replies count from the recording and are left out. */
const known =
  /^(GET|STRLEN|GETRANGE|SUBSTR|MGET|HGET|HMGET|HGETALL|HKEYS|HVALS|HLEN|HEXISTS|HSTRLEN|HRANGEBYLEX|TYPE|EXISTS|EXPIRETIME|PEXPIRETIME)$/;

function bytesOf(argument: Argument): Buffer {
  return typeof argument === 'string' ? Buffer.from(argument, 'latin1') : Buffer.from(argument.hex, 'hex');
}

function readsOf(folder: string): Recorded[] {
  const all = JSON.parse(readFileSync(join(fixtures, folder, 'reads.json'), 'utf8')) as Recorded[];
  return all.filter(({ command: [name] }) => known.test(String(name).toUpperCase()));
}

/** Sends one command and resolves to its raw reply. */
async function rawReply(socket: Socket, command: readonly Argument[]): Promise<string> {
  const decoder = new ReplyDecoder();
  socket.write(encodeCommand(command.map(bytesOf)));
  const parts: Buffer[] = [];
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    parts.push(chunk);
    decoder.push(chunk);
    if (decoder.next() !== undefined) return Buffer.concat(parts).toString('latin1');
  }
}

async function assertReads(port: number, folder: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const reads = readsOf(folder);
  assert.ok(reads.length >= 10, `${folder} has reads of known types`);
  for (const { command, reply } of reads) {
    assert.equal(
      await rawReply(socket, command),
      reply,
      command.map((part) => bytesOf(part).toString('latin1')).join(' '),
    );
  }
  socket.destroy();
}

function unpacked(folder: string): string {
  const dir = scratchDirectory('kvrocks');
  const { status, stderr } = spawnSync('tar', ['-xzf', join(fixtures, folder, 'data.tar.gz'), '-C', dir]);
  assert.equal(status, 0, String(stderr));
  return dir;
}

for (const [folder, args] of [
  ['standalone', []],
  ['standalone-compacted', []],
  ['cluster', ['--cluster-enabled', 'yes']],
] as const) {
  test(`a Kvrocks data directory opens and answers as Kvrocks did: ${folder}`, async (t) => {
    const dir = unpacked(folder);
    // The recorded cluster node listened on its own port; its nodes.conf makes it master of every slot here too.
    const node = await startNode(t, { dir, args });
    await assertReads(node.port, folder);
  });
}

test('a node replicates from a recorded Kvrocks stream to the same answers', async (t) => {
  const folder = 'standalone';
  const stream = readFileSync(join(fixtures, folder, 'psync-1.bin'));
  const kvrocks = createServer((socket) => {
    const decoder = new RequestDecoder();
    let streaming = false;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      decoder.push(chunk);
      while (decoder.next()) {
        const { request } = decoder;
        // A master answers nothing on the stream; its replica's acks arrive there.
        if (streaming) continue;
        if (request.is(0, '_db_name')) socket.write('change.me.db\r\n');
        else if (request.is(0, 'psync')) {
          streaming = true;
          socket.write(stream);
        } else socket.write('+OK\r\n');
      }
    });
  }).listen(0, '127.0.0.1');
  await once(kvrocks, 'listening');
  t.after(() => void kvrocks.close());
  const { port } = kvrocks.address() as { port: number };
  const node = await startNode(t, { args: ['--slaveof', `127.0.0.1 ${port}`] });
  const client = await node.client();
  const last = readsOf(folder).length;
  assert.ok(last > 0);
  await until(
    async () => String(await client.command('INFO', 'replication')),
    (text) => /master_link_status:up/.test(text) && !/slave_repl_offset:0\r/.test(text),
  );
  await assertReads(node.port, folder);
});
