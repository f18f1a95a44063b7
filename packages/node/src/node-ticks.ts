/** What the tick loop and the in-sync set are given of the node. */
import type { TickGate, TickEngine, TickLoopEnvironment } from './execution/tick-loop.ts';
import type { InSyncEnvironment } from './lease/in-sync-keeper.ts';
import type { Node } from './node.ts';

export function tickLoopEnvironment(node: Node): TickLoopEnvironment {
  const { timers, logger } = node.env;
  return {
    engine: tickEngine(node),
    gate: tickGate(node),
    followers: {
      onCommit: (commit): void => {
        node.replicator.onCommit(commit);
        node.shared.publishSequence(commit.lastSequence, node.replicator.lastEpoch);
        node.conditions.writeSucceeded();
      },
      probe: () => node.inSync.startProbe(),
      mayRelease: (sequence, probe) =>
        node.inSync.isActive ? node.inSync.mayRelease(sequence, probe) : node.replicator.handedOver(sequence),
    },
    timers,
    logger,
    onWriteFailure: () => node.conditions.writeFailed(),
    onRoom: () => node.resumeHeld(),
  };
}

function tickEngine(node: Node): TickEngine {
  const { engine } = node;
  return {
    get openTickBytes(): number {
      return engine.openTickBytes;
    },
    commit: () => {
      if (engine.openTickBytes > 0) node.replicator.checkBeforeCommit();
      try {
        return engine.commit();
      } catch (error) {
        node.replicator.onCommitFailed();
        throw error;
      }
    },
    latestSequence: () => engine.latestSequence(),
    dropTick: (): void => {
      engine.dropTick();
      node.pubsub.dropTick();
      node.replicator.onTickDropped();
    },
  };
}

function tickGate(node: Node): TickGate {
  const { lease } = node;
  return {
    tickOpened: (): void => {
      lease.keeper.tickOpened();
      // What begins the history of this process and was dropped with a tick goes into the first that may be committed.
      if (node.replicator.historyDue && lease.keeper.holdsLease()) node.replicator.writeHistory();
    },
    mayCommit: () => lease.keeper.mayCommit(),
    mayRelease: () => lease.keeper.mayRelease(),
  };
}

export function inSyncEnvironment(node: Node): InSyncEnvironment {
  const { clock, timers, config } = node.env;
  return {
    clock,
    timers,
    settings: () => ({
      isSync: config.get('replication-mode') === 'sync',
      minIsr: config.get('min-isr'),
      isrTimeoutMs: config.get('isr-timeout-ms'),
      confirmsReads: config.get('read-mode') === 'confirm',
    }),
    latestSequence: () => node.engine.latestSequence(),
    host: {
      released: () => node.loop.releaseReady(),
      inSyncChanged: (): void => {
        node.conditions.condition.tooFewReplicas = !node.inSync.isWritable;
        node.lease.reportChanged();
      },
      sendProbe: (probe) => node.replicator.sendProbe(probe),
    },
  };
}
