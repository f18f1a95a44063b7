/** Gathers what INFO shows from the parts of the node. Called when somebody asks, and for rates every 100 ms. */
import { defaultNamespace } from '@holdfast/engine';
import type { Node } from '../node.ts';
import { fenceInfoLines, replicationInfoLines } from '../replication/info.ts';
import { infoText, rocksdbFigures, Rate, type InfoFacts, type KeyspaceFacts } from './index.ts';
import { holdfastVersion, kvrocksVersion, redisVersion } from './versions.ts';

export class InfoCollector {
  readonly #node: Node;
  readonly #commands: Rate;
  readonly #input: Rate;
  readonly #output: Rate;
  readonly #residentBytesAtStart: number;

  constructor(node: Node) {
    this.#node = node;
    const nowMs = node.env.clock.leaseMs();
    this.#commands = new Rate(0, nowMs);
    this.#input = new Rate(0, nowMs);
    this.#output = new Rate(0, nowMs);
    this.#residentBytesAtStart = node.env.rim.process().residentBytes;
  }

  /** Takes the samples that rates are made of. */
  sample(): void {
    const { env, network, dispatcher } = this.#node;
    const nowMs = env.clock.leaseMs();
    this.#commands.sample(dispatcher.commandsProcessed, nowMs);
    this.#input.sample(network.inputBytes, nowMs);
    this.#output.sample(network.outputBytes, nowMs);
  }

  text(sections: readonly string[]): string {
    return infoText(sections, this.#facts());
  }

  #facts(): InfoFacts {
    const { env, listener, replicator, dispatcher } = this.#node;
    const { condition } = this.#node.conditions;
    const { config } = env;
    const machine = env.rim.process();
    let blocked = 0;
    for (const client of listener.connections.values()) if (client.blocked) blocked++;
    return {
      server: this.#server(),
      clients: { max: config.get('maxclients'), connected: listener.connections.size, blocked },
      memory: {
        residentBytes: machine.residentBytes,
        residentBytesAtStart: this.#residentBytesAtStart,
        heapBytes: machine.heapBytes,
        bufferBytes: machine.bufferBytes,
      },
      persistence: { loading: condition.loading, rollbackBytes: env.rim.rollbackBytes() },
      stats: this.#stats(),
      replication: condition.loading
        ? undefined
        : [...replicationInfoLines(replicator.info(), config.get('slave-priority')), ...this.#fence()],
      cpu: { systemSeconds: machine.systemSeconds, userSeconds: machine.userSeconds },
      commands: [...dispatcher.entries].map(({ definition, calls, usec, rejectedCalls, failedCalls }) => ({
        name: definition.name,
        calls,
        usec: Math.round(usec),
        rejectedCalls,
        failedCalls,
      })),
      clusterEnabled: config.get('cluster-enabled'),
      keyspace: condition.loading ? undefined : this.#keyspace(),
      rocksdb: condition.loading ? undefined : this.#rocksdb(),
    };
  }

  /** Nothing on a node that no controller armed: its section is Kvrocks'. */
  #fence(): string[] {
    const { lease, replicator, inSync, loop, engine, env } = this.#node;
    const { record } = lease.keeper;
    if (!record.armed) return [];
    return fenceInfoLines({
      epoch: record.epoch,
      lastEpoch: replicator.lastEpoch,
      mode: env.config.get('replication-mode'),
      logId: record.logId,
      inSync: inSync.report(),
      sequence: engine.latestSequence(),
      heldBytes: loop.heldBytes,
    });
  }

  #server(): InfoFacts['server'] {
    const { env, processId, startedAtMs, controlPort } = this.#node;
    const machine = env.rim.process();
    const nowMs = env.clock.wallMs();
    return {
      kvrocksVersion,
      holdfastVersion,
      redisVersion,
      nodeVersion: machine.nodeVersion,
      rocksdbVersion: env.rim.rocksdb().version,
      mode: env.config.get('cluster-enabled') ? 'cluster' : 'standalone',
      os: machine.os,
      processId: machine.pid,
      runId: processId,
      port: env.config.get('port'),
      controlPort: controlPort.port ?? 0,
      uptimeMs: nowMs - startedAtMs,
      nowMs,
      executable: machine.executable,
      configFile: env.configFile ?? '',
    };
  }

  #stats(): InfoFacts['stats'] {
    const { listener, dispatcher, network, replicator, loop, pubsub } = this.#node;
    return {
      connections: listener.accepted,
      rejectedConnections: listener.rejected,
      commands: dispatcher.commandsProcessed,
      commandsPerSecond: this.#commands.perSecond(),
      inputBytes: network.inputBytes,
      outputBytes: network.outputBytes,
      inputBytesPerSecond: this.#input.perSecond(),
      outputBytesPerSecond: this.#output.perSecond(),
      fullSyncs: replicator.stats.syncFull,
      partialSyncs: replicator.stats.syncPartialOk,
      refusedPartialSyncs: replicator.stats.syncPartialErr,
      hits: 0,
      misses: 0,
      pubsub: {
        channels: pubsub.subscriptions.channelCount,
        patterns: pubsub.subscriptions.patternCount,
        shardChannels: pubsub.subscriptions.shardCount,
      },
      commits: loop.stats.commits,
      committedCommands: loop.stats.commandsCommitted,
    };
  }

  #keyspace(): KeyspaceFacts {
    const { env, keyCounts, engine } = this.#node;
    const counted = keyCounts.of(defaultNamespace);
    const { freeBytes, capacityBytes } = env.rim.disk();
    return {
      countedAtMs: counted?.countedAtMs,
      keys: counted?.keys ?? 0,
      expires: counted?.expires ?? 0,
      averageTtlMs: counted?.averageTtlMs ?? 0,
      expired: counted?.expired ?? 0,
      sequence: engine.latestSequence(),
      databaseBytes: env.rim.databaseBytes(),
      databaseBytesMax: env.config.get('max-db-size') * 1024 ** 3,
      diskBytes: capacityBytes,
      diskUsedBytes: capacityBytes - freeBytes,
    };
  }

  #rocksdb(): NonNullable<InfoFacts['rocksdb']> {
    const { version, assertions } = this.#node.env.rim.rocksdb();
    return { version, assertions, figures: rocksdbFigures(this.#node.engine.database) };
  }
}
