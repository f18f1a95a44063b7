/** Where replicas of a shard are read: the LB address that clients learn of them, asked for as a client does. */
import { OperationError } from '@holdfast/base';
import { ReplyError, itemsOf, textOf, type Reply } from '@holdfast/resp';
import type { ShardView } from '../cluster.ts';
import { openConnection, type ConnectionSettings } from '../connection.ts';

/** @throws OperationError DRILL_NO_REPLICA when the shard's master names no replica, NET_CONNECT when it is not there. */
export async function replicaAddressOf(entry: string, shard: ShardView, settings: ConnectionSettings): Promise<string> {
  const { client } = await openConnection(entry, settings);
  try {
    const address = replicaIn(await client.command('CLUSTER', 'SLOTS'), shard.slotRanges[0]?.[0] ?? 0);
    if (address !== undefined) return address;
    const message = `the topology that ${entry} tells has no replica of shard ${shard.index}`;
    throw new OperationError('DRILL_NO_REPLICA', message, { outcome: 'not-applied' });
  } finally {
    client.close();
  }
}

/** The first replica of the range that holds a slot, in the reply to CLUSTER SLOTS. */
export function replicaIn(reply: Reply, slot: number): string | undefined {
  if (reply instanceof ReplyError) return undefined;
  for (const range of itemsOf(reply) ?? []) {
    const [first, last, , replica] = itemsOf(range) ?? [];
    if (Number(first) > slot || Number(last) < slot || replica === undefined) continue;
    const [host, port] = itemsOf(replica) ?? [];
    const name = host === undefined ? undefined : textOf(host);
    if (name !== undefined) return name.includes(':') ? `[${name}]:${Number(port)}` : `${name}:${Number(port)}`;
  }
  return undefined;
}
