/** What pub/sub is given of the node, and what of the node it follows. */
import type { ClientConnection } from './net/client-connection.ts';
import type { Node } from './node.ts';
import { PubSub } from './pubsub/pubsub.ts';

export function newPubSub(node: Node): PubSub<ClientConnection> {
  const { engine, loop, data } = node;
  const { config, clock } = node.env;
  const pubsub = new PubSub<ClientConnection>({
    engine,
    isCluster: config.get('cluster-enabled'),
    // Who is not known to follow a master writes, and so has to pass as a writer: an armed node between two roles too.
    isReplica: () => node.replicator.isReplica,
    openTick: (isGated): void => {
      loop.open();
      if (isGated) loop.countCommand(true);
    },
    mayDeliver: () => !loop.isPinned,
    nowMs: () => clock.wallMs(),
    mayRead: () =>
      engine.isOpen &&
      !node.conditions.condition.loading &&
      !node.replicator.isReplica &&
      node.lease.keeper.role === 'master',
    expireMs: (namespace, key, nowMs) =>
      data.keyspace.expireMs({ namespace, buffer: key, start: 0, end: key.length }, nowMs),
  });
  pubsub.setEventLetters(config.get('notify-keyspace-events'));
  config.onChange('notify-keyspace-events', (letters) => pubsub.setEventLetters(letters));
  return pubsub;
}

/** Shard channels of slots that another shard serves now are ended. */
export function endForeignShardChannels(node: Node): void {
  const topology = node.cluster?.topology;
  if (topology === undefined) return;
  const { self } = topology;
  const own = self?.role === 'replica' ? self.masterId : self?.id;
  node.pubsub.slotsChanged((slot) => own !== undefined && topology.ownerOf(slot)?.id === own);
}
