/** CLIENT KILL of links of replication: they begin anew by themselves, as any link that breaks. */
import type { ConnectionPort } from '@holdfast/commands';
import type { Replicator } from './replicator.ts';

/** @returns how many links were ended. */
export function killLinks(
  replicator: Pick<Replicator, 'followed' | 'followerCount' | 'cutLinks' | 'follow'>,
  which: Parameters<ConnectionPort['killLinks']>[0],
): number {
  const { followed, followerCount } = replicator;
  if ('type' in which && which.type === 'replica') {
    replicator.cutLinks('CLIENT KILL', 'replica');
    return followerCount;
  }
  if (followed === undefined) return 0;
  const { host, port } = followed.master;
  if ('address' in which && which.address !== `${host}:${port}`) return 0;
  replicator.cutLinks('CLIENT KILL', 'master');
  replicator.follow(followed.master, { fromTopology: followed.fromTopology });
  return 1;
}
