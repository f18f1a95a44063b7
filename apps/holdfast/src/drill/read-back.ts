/**
 * The last word of a run: every key that was written is read again through the LB addresses, and on the replicas. Reads
 * that fail are tried again for a while; what stays unread is not passed over (the verdict names it).
 */
import { ReplyError, textOf, type Reply } from '@holdfast/resp';
import type { Operation } from '@holdfast/history';
import type { ClusterView, ShardView } from './cluster.ts';
import { openConnection, type Connection, type ConnectionSettings } from './connection.ts';
import type { Recorder } from './recorder.ts';

const batchSize = 200;

export interface ReadBackWorld {
  readonly recorder: Recorder;
  readonly connection: ConnectionSettings;
  /** Where the shard's master is reached now. */
  entryOf(shard: ShardView): string;
  sleep(delayMs: number): Promise<void>;
  /** Whether there is time for another try. */
  mayGoOn(): boolean;
}

/** The keys of all writes, by shard. */
export function writtenKeys(operations: readonly Operation[]): Map<number, Set<string>> {
  const keys = new Map<number, Set<string>>();
  for (const { op, shard, key } of operations) {
    if (op !== 'write') continue;
    const ofShard = keys.get(shard);
    if (ofShard) ofShard.add(key);
    else keys.set(shard, new Set([key]));
  }
  return keys;
}

/** Reads every key once through its shard's LB address, and records the reads. Never rejects. */
export async function readBack(view: ClusterView, world: ReadBackWorld): Promise<void> {
  const keys = writtenKeys(world.recorder.operations);
  await Promise.all(view.shards.map((shard) => readShard(shard, [...(keys.get(shard.index) ?? [])], world)));
}

async function readShard(shard: ShardView, keys: readonly string[], world: ReadBackWorld): Promise<void> {
  let left = keys;
  while (left.length > 0 && world.mayGoOn()) {
    const connection = await openConnection(world.entryOf(shard), world.connection).catch(() => undefined);
    if (connection) left = await readKeys(shard, left, connection, world);
    connection?.client.close();
    if (left.length > 0) await world.sleep(100);
  }
}

/** @returns the keys that got no answer. */
async function readKeys(
  shard: ShardView,
  keys: readonly string[],
  connection: Connection,
  { recorder }: ReadBackWorld,
): Promise<string[]> {
  const unread: string[] = [];
  for (let at = 0; at < keys.length; at += batchSize) {
    const batch = keys.slice(at, at + batchSize);
    if (!connection.client.isOpen) {
      unread.push(...batch);
      continue;
    }
    const ends = await Promise.all(
      batch.map((key) =>
        recorder.record(
          { client: 'read-back', phase: 'read-back', shard: shard.index, address: connection.address, key },
          () => connection.client.command('GET', key),
          connection.node,
        ),
      ),
    );
    unread.push(...batch.filter((_, i) => ends[i]?.kind !== 'reply'));
  }
  return unread;
}

export interface Difference {
  readonly key: string;
  readonly onMaster: string | null;
  readonly onReplica: string | null;
}

/**
 * Compares a replica with what the read-back saw on the master.
 * @param expected key -> value of the last read through the LB address.
 * @returns the keys whose values differ.
 * @throws OperationError when the replica cannot be asked, RangeError when it refuses.
 */
export async function compareReplica(
  address: string,
  expected: ReadonlyMap<string, string | null>,
  settings: ConnectionSettings,
): Promise<Difference[]> {
  const { client } = await openConnection(address, settings);
  try {
    const mode = await client.command('READONLY');
    if (mode instanceof ReplyError) throw new RangeError(`${address} refused READONLY: ${mode.message}`);
    const differences: Difference[] = [];
    const keys = [...expected.keys()];
    for (let at = 0; at < keys.length; at += batchSize) {
      const batch = keys.slice(at, at + batchSize);
      const replies = await Promise.all(batch.map((key) => client.command('GET', key)));
      batch.forEach((key, i) => {
        const onReplica = valueOf(address, replies[i] ?? null);
        const onMaster = expected.get(key) ?? null;
        if (onReplica !== onMaster) differences.push({ key, onMaster, onReplica });
      });
    }
    return differences;
  } finally {
    client.close();
  }
}

function valueOf(address: string, reply: Reply): string | null {
  if (reply instanceof ReplyError) throw new RangeError(`${address} refused a read: ${reply.message}`);
  return reply === null ? null : (textOf(reply) ?? null);
}
