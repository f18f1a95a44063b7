/** What the Replicator is given of the node. */
import { messageOf } from '@holdfast/base';
import { makeRandomId } from '@holdfast/fencing';
import { replicationPaths } from '@holdfast/replication';
import { ownHosts } from './cluster/own-hosts.ts';
import { noteReplicated } from './execution/replicated-writes.ts';
import type { Node } from './node.ts';
import type { ReplicatorEnvironment } from './replication/environment.ts';
import { rejoinMaster } from './replication/rejoin-node.ts';
import { replicationSettings } from './settings.ts';

export function replicatorEnvironment(node: Node): ReplicatorEnvironment {
  const { env, engine } = node;
  const { config, rim, random } = env;
  return {
    engine,
    connector: config.get('tls-replication') ? node.tls.connector : env.connector,
    clock: env.clock,
    timers: env.timers,
    random,
    logger: env.logger,
    files: rim.replicationFiles,
    paths: replicationPaths(config.get('dir')),
    inSync: node.inSync,
    settings: () => replicationSettings(config),
    identity: () => {
      const { keeper } = node.lease;
      const nodeId = node.cluster?.topology.selfId ?? '';
      if (!keeper.armed || nodeId === '') return undefined;
      return { epoch: keeper.record.epoch, nodeId, logId: keeper.record.logId };
    },
    resolveHost: (host) => rim.resolveHost(host),
    isSelf: ({ host, port }) =>
      [config.get('port'), config.get('tls-port')].includes(port) && nodeHosts(node).includes(host),
    masterChosen: (master): void => {
      config.put('slaveof', master);
      // The next command already is a replica's, or a master's.
      node.conditions.refresh();
      if (master !== undefined) node.endWaits();
    },
    betweenTicks: (run) => betweenTicks(node, run),
    onProgress: () => node.loop.releaseReady(),
    onAttached: () => node.conditions.refresh(),
    onApplied: (commit): void => {
      node.shared.publishSequence(commit.lastSequence, node.replicator.lastEpoch);
      node.pubsub.applied(commit);
      if (node.dispatcher.written.wanted) {
        noteReplicated(commit, engine.slotPrefixed, node.dispatcher.written);
        node.dispatcher.waits.serve();
      }
      node.scripting.databaseChanged();
    },
    onLoading: (loading): void => {
      if (loading) {
        node.dispatcher.endLongWork();
        node.loop.end();
      }
      node.conditions.setLoading(loading);
    },
    beforeDatabaseReplaced: () => node.lease.keeper.replaceLogId(rim.replaceLogId(makeRandomId(random))),
    onDatabaseReplaced: (): void => {
      node.dispatcher.written.noteAll();
      node.scripting.databaseChanged();
      node.dispatcher.waits.serve();
      node.shared.publishSequence(engine.latestSequence(), node.replicator.lastEpoch);
    },
    rewind: (target, signal) => rejoinMaster(node, target, signal),
    onDatabaseLost: (error) => env.exit(1, `no database can be opened: ${messageOf(error)}`),
  };
}

/** Addresses under which this node itself may be named. */
export function nodeHosts({ env }: Node): string[] {
  return ownHosts(env.config.get('bind'), () => env.rim.interfaceAddresses());
}

/** A running command's tick cannot be ended under it: then after this poll phase. */
function betweenTicks({ loop, env, dispatcher }: Node, run: () => void): void {
  const act = (): void => {
    dispatcher.longRuns.abort();
    loop.end();
    run();
    loop.open();
    loop.end();
  };
  if (loop.isOpen) env.timers.soon(act);
  else act();
}
