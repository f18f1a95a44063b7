/** Gathers what INFO shows from the parts of the node. Called when somebody asks, and for rates every 100 ms. */
import { defaultNamespace } from '@holdfast/engine';
import { spareReplyBytes } from '@holdfast/resp';
import type { ProcessFacts } from '../net/node-rim.ts';
import type { Node } from '../node.ts';
import { fenceInfoLines, replicationInfoLines } from '../replication/info.ts';
import { infoText, rocksdbFigures, rocksdbMemory, Rate, type InfoFacts, type KeyspaceFacts } from './index.ts';
import { holdfastVersion, kvrocksVersion, redisVersion } from './versions.ts';

/** Of `latency_percentiles_usec_*`, as Redis shows them. */
const shownPercents = [50, 99, 99.9];

const noRocksdb = { memtableBytes: 0, blockCacheBytes: 0, tableReaderBytes: 0 } as const;

/** As in Redis: its rates are means over 1.6 s. */
const samplePeriodMs = 100;

export class InfoCollector {
  readonly #node: Node;
  readonly #commands: Rate;
  readonly #input: Rate;
  readonly #output: Rate;
  readonly #puts: Rate;
  readonly #gets: Rate;
  readonly #seeks: Rate;
  readonly #nexts: Rate;
  readonly #prevs: Rate;
  readonly residentBytesAtStart: number;
  readonly #sequenceAtStart: number;
  #sampledAtMs = -Infinity;

  constructor(node: Node) {
    this.#node = node;
    const nowMs = node.env.clock.leaseMs();
    this.#commands = new Rate(0, nowMs);
    this.#input = new Rate(0, nowMs);
    this.#output = new Rate(0, nowMs);
    this.#puts = new Rate(node.engine.latestSequence(), nowMs);
    this.#gets = new Rate(0, nowMs);
    this.#seeks = new Rate(0, nowMs);
    this.#nexts = new Rate(0, nowMs);
    this.#prevs = new Rate(0, nowMs);
    this.#sequenceAtStart = node.engine.latestSequence();
    this.residentBytesAtStart = node.env.rim.process().residentBytes;
  }

  /** Takes the samples that rates are made of, when they are due. */
  sample(): void {
    const { env, network, dispatcher, engine } = this.#node;
    const nowMs = env.clock.leaseMs();
    if (nowMs - this.#sampledAtMs < samplePeriodMs) return;
    this.#sampledAtMs = nowMs;
    this.#commands.sample(dispatcher.commandsProcessed, nowMs);
    this.#input.sample(network.inputBytes, nowMs);
    this.#output.sample(network.outputBytes, nowMs);
    this.#puts.sample(engine.latestSequence(), nowMs);
    this.#gets.sample(engine.work.gets, nowMs);
    this.#seeks.sample(engine.work.seeks, nowMs);
    this.#nexts.sample(engine.work.nexts, nowMs);
    this.#prevs.sample(engine.work.prevs, nowMs);
  }

  text(sections: readonly string[]): string {
    return infoText(sections, this.#facts());
  }

  /** Of the process; its buffers as far as they take memory. */
  process(): ProcessFacts {
    const facts = this.#node.env.rim.process();
    // The runtime counts address space.
    return { ...facts, bufferBytes: Math.max(0, facts.bufferBytes - this.#node.engine.rowCache.figures.spareBytes) };
  }

  #facts(): InfoFacts {
    const { env, replicator, dispatcher } = this.#node;
    const { scripting } = this.#node;
    const { condition } = this.#node.conditions;
    const { config } = env;
    const machine = this.process();
    return {
      server: this.#server(),
      clients: this.#clients(),
      memory: {
        scriptBytes: scripting.runner.memoryBytes,
        cachedScripts: scripting.cachedScripts,
        ...scripting.libraryCounts,
        residentBytes: machine.residentBytes,
        residentBytesAtStart: this.residentBytesAtStart,
        heapBytes: machine.heapBytes,
        bufferBytes: machine.bufferBytes,
        heldReplyBytes: this.#node.loop.heldBytes,
        spareReplyBytes: spareReplyBytes(),
        rocksdb: condition.loading ? noRocksdb : rocksdbMemory(this.#node.engine.database),
      },
      persistence: this.#persistence(),
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
      latencies: this.#latencies(),
      errors: dispatcher.runs.errors.kinds,
      clusterEnabled: config.get('cluster-enabled'),
      keyspace: condition.loading ? undefined : this.#keyspace(),
      rocksdb: condition.loading ? undefined : this.#rocksdb(),
    };
  }

  #clients(): InfoFacts['clients'] {
    const { env, listener, observation, dispatcher } = this.#node;
    let blocked = 0;
    let pubsub = 0;
    for (const client of listener.connections.values()) {
      if (client.blocked) blocked++;
      if (client.subscriptions > 0) pubsub++;
    }
    return {
      max: env.config.get('maxclients'),
      connected: listener.connections.size,
      blocked,
      awaitedKeys: dispatcher.waitingKeys.count(),
      // XREADGROUP is told when its group has gone.
      awaitedDeletions: dispatcher.waitingKeys.count(({ entry }) => entry.definition.name === 'xreadgroup'),
      monitoring: observation.monitors.count,
      pubsub,
    };
  }

  #persistence(): InfoFacts['persistence'] {
    const { env, engine, upkeep, conditions } = this.#node;
    const backup = upkeep.backup.facts;
    return {
      loading: conditions.condition.loading,
      rollbackBytes: env.rim.rollbackBytes(),
      backup,
      changesSinceBackup: Math.max(0, engine.latestSequence() - Math.max(backup.lastSequence, this.#sequenceAtStart)),
    };
  }

  #latencies(): InfoFacts['latencies'] {
    const called = [...this.#node.dispatcher.entries].filter(({ latency }) => latency.calls > 0);
    return called.map(({ definition: { name }, latency }) => ({
      name,
      percentiles: shownPercents.map((percent) => [percent, latency.percentile(percent / 100)] as const),
    }));
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
    const machine = this.process();
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
      evictedClients: listener.evicted,
      commands: dispatcher.commandsProcessed,
      commandsPerSecond: this.#commands.perSecond(),
      inputBytes: network.inputBytes,
      outputBytes: network.outputBytes,
      inputBytesPerSecond: this.#input.perSecond(),
      outputBytesPerSecond: this.#output.perSecond(),
      fullSyncs: replicator.stats.syncFull,
      partialSyncs: replicator.stats.syncPartialOk,
      refusedPartialSyncs: replicator.stats.syncPartialErr,
      hits: this.#node.data.records.hits,
      misses: this.#node.data.records.misses,
      rowCache: this.#node.engine.rowCache.figures,
      coldReads: dispatcher.cold.figures,
      errorReplies: dispatcher.runs.errors.total,
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
    const { rim } = this.#node.env;
    const { version, assertions } = rim.rocksdb();
    return {
      version,
      assertions,
      figures: rocksdbFigures(this.#node.engine.database, rim.blockReads()),
      perSecond: {
        puts: this.#puts.perSecond(),
        gets: this.#gets.perSecond(),
        seeks: this.#seeks.perSecond(),
        nexts: this.#nexts.perSecond(),
        prevs: this.#prevs.perSecond(),
      },
      isCompacting: this.#node.upkeep.compaction.inProgress,
    };
  }
}
