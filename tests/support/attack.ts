/**
 * Bad input against a real node: whatever arrives, the process stays, its memory stays within a stated bound, and it
 * answers the next honest client.
 *
 * The node runs with `maxmemory-clients` of 64 MiB and small RocksDB caches. Its highest resident memory may then exceed
 * what it had when idle by `allowedGrowthMb`: the budget itself twice (a buffer that is doubled), what may be held
 * between two measurements of the clients, and garbage that V8 has not collected yet. Every attack asks for several
 * times as much.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { ReplyError, textOf } from '@holdfast/resp';
import { startNode, type NodeProcess } from './node-process.ts';
import { memoryMb, RawPeer } from './raw-peer.ts';

/** MiB by which the highest resident memory may exceed that of the idle node. */
export const allowedGrowthMb: number = 400;
const smallMemory = ['--maxmemory-clients', '64mb', '--rocksdb.write_buffer_size', '4'];
const caches = ['metadata_block_cache_size', 'subkey_block_cache_size'];
const smallCaches = caches.flatMap((name) => [`--rocksdb.${name}`, '8']);

/** A node with little memory for caches and clients. */
export function startSmall(t: TestContext, ...args: string[]): Promise<NodeProcess> {
  return startNode(t, { args: [...smallMemory, ...smallCaches, ...args] });
}

export function pidOf(node: NodeProcess): number {
  assert.ok(node.child.pid !== undefined);
  return node.child.pid;
}

/** The node lives, answers and still writes. */
export async function assertServes(node: NodeProcess): Promise<void> {
  assert.equal(node.child.exitCode, null, node.output());
  const client = await node.client();
  const written = await client.command('SET', 'honest', 'value');
  // A cluster node that knows no topology yet says so; that is an answer too.
  if (written instanceof ReplyError) assert.match(written.message, /^(CLUSTERDOWN|MOVED) /);
  else assert.equal(textOf(await client.command('GET', 'honest')), 'value');
  client.close();
}

/** Runs the attack and judges the node's highest memory during it. */
export async function withinBounds(
  t: TestContext,
  node: NodeProcess,
  attack: () => Promise<void>,
  allowedMb: number = allowedGrowthMb,
): Promise<void> {
  const idle = memoryMb(pidOf(node)).now;
  await attack();
  await assertServes(node);
  const { peak } = memoryMb(pidOf(node));
  t.diagnostic(`resident memory: ${idle} MiB before, ${peak} MiB at the highest`);
  assert.ok(peak - idle < allowedMb, `grew by ${peak - idle} MiB, allowed are ${allowedMb}`);
}

/** A peer that has sent `bytes`. */
export async function attackWith(node: NodeProcess, bytes: string | Uint8Array): Promise<RawPeer> {
  const peer = new RawPeer(node.port);
  peer.send(bytes);
  await peer.flushed();
  return peer;
}
