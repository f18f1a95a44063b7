/** The command families of a node, each over the narrow port it declares. */
import {
  clusterCommands,
  connectionCommands,
  dataCommands,
  moveXCommand,
  namespaceCommands,
  rdbCommand,
  pubSubCommands,
  replicationCommands,
  scriptingCommands,
  serverCommands,
  transactionCommands,
  type ClusterPort,
  type CommandDefinition,
  type ConnectionPort,
  type ServerPort,
  type TransactionPort,
} from '@holdfast/commands';
import { defaultNamespace, namespaceOf } from '@holdfast/engine';
import { dataSettings } from './data-settings.ts';
import { holdfastVersion, redisVersion } from './info/versions.ts';
import type { ClientConnection } from './net/client-connection.ts';
import type { Node } from './node.ts';
import { killLinks } from './replication/kill-links.ts';
import { spacePort, updatesPort, upkeepPort } from './node-upkeep.ts';
import { readWholeFile } from './net/whole-file.ts';

export function commandFamilies(node: Node): CommandDefinition[] {
  const { data } = node;
  return [
    ...connectionCommands(connectionPort(node)),
    ...transactionCommands(transactionPort(node)),
    ...replicationCommands(node.replicator),
    ...clusterCommands(clusterPort(node)),
    ...serverCommands(serverPort(node)),
    ...namespaceCommands(node.namespaces),
    moveXCommand(data, connectionPort(node)),
    rdbCommand(data, { read: readWholeFile }),
    ...pubSubCommands(node.pubsub),
    ...scriptingCommands(node.scripting),
    ...dataCommands(data, dataSettings(node.env.config)),
  ];
}

function connectionPort(node: Node): ConnectionPort {
  const { config } = node.env;
  return {
    password: () => config.get('requirepass'),
    namespaceTokens: () => node.namespaces.tokens(),
    namespaceNamed: (name) => namespaceOf(name),
    defaultNamespace,
    resp3Enabled: () => config.get('resp3-enabled'),
    redisVersion,
    mode: config.get('cluster-enabled') ? 'cluster' : 'standalone',
    role: () => (node.replicator.isReplica ? 'slave' : 'master'),
    clients: () => node.listener.connections.values(),
    subscriptionCounts: (client) => {
      const { subscriptions } = node.pubsub;
      const connection = client as ClientConnection;
      return {
        channels: subscriptions.countOf(connection, 'channel'),
        patterns: subscriptions.countOf(connection, 'pattern'),
        shardChannels: subscriptions.countOf(connection, 'shard'),
      };
    },
    disconnect: (id) => node.listener.connections.get(id)?.destroy(),
    killLinks: (which) => killLinks(node.replicator, which),
    unblock: (id, how) => node.listener.connections.get(id)?.occupancy.unblock(how) ?? false,
    pause: (mode, durationMs) => node.dispatcher.pause.begin(mode, durationMs),
    unpause: () => node.dispatcher.pause.end(),
    reset: (session): void => {
      node.watched.unwatch(session as ClientConnection);
      node.pubsub.forget(session as ClientConnection);
      node.observation.forget(session as ClientConnection);
    },
  };
}

function serverPort(node: Node): ServerPort {
  const { env, data } = node;
  return {
    configuration: env.config,
    rewriteConfiguration: (answer) => env.rewriteConfiguration(answer),
    resetStatistics: () => node.resetStatistics(),
    info: (sections) => node.info.text(sections),
    keyCount: (namespace) => node.keyCounts.of(namespace)?.keys ?? 0,
    startKeyCount: (namespace) => node.keyCounts.start(namespace),
    flush: (namespace) => data.keyspace.flush(namespace),
    shutDown: () => env.exit(0, 'SHUTDOWN'),
    stall: (ms) => env.rim.stall(ms),
    pretendFull: (full) => node.conditions.pretendFull(full),
    versionText: `Holdfast ver. ${holdfastVersion}, Redis ver. ${redisVersion}`,
    observation: node.observation,
    upkeep: upkeepPort(node),
    updates: updatesPort(node),
    space: spacePort(node),
    commands: node.commands,
  };
}

function transactionPort(node: Node): TransactionPort {
  // Sessions of clients are connections; the control port runs no transactions.
  const connection = (session: unknown): ClientConnection => session as ClientConnection;
  return {
    watch: (session, key) => {
      const prefix = Buffer.from(session.namespace.prefix).toString('latin1');
      const userKey = { namespace: session.namespace, buffer: key, start: 0, end: key.length };
      // A replaced database spoils every watch, so that nothing need be known of the one that goes.
      const expireMs = node.conditions.condition.loading
        ? 0
        : node.data.keyspace.expireMs(userKey, node.env.clock.wallMs());
      node.watched.watch(connection(session), prefix + key.toString('latin1'), expireMs);
    },
    unwatch: (session) => node.watched.unwatch(connection(session)),
    execute: (session, reply) => node.dispatcher.transactions.execute(connection(session), reply),
  };
}

function clusterPort(node: Node): ClusterPort | undefined {
  const { cluster, data, env, lease, engine } = node;
  if (cluster === undefined) return undefined;
  return {
    state: cluster,
    keys: {
      countKeysInSlot: (slot, nowMs) => data.scan.countInSlot(defaultNamespace, slot, nowMs),
      keysInSlot: (slot, limit, nowMs) => data.scan.keysInSlot(defaultNamespace, slot, limit, nowMs),
    },
    lease,
    get view() {
      return env.config.get('cluster-client-view');
    },
    get selfControlPort() {
      return node.controlPort.port;
    },
    replicationOffset: () => engine.latestSequence(),
  };
}
