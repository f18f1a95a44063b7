/** What the tick loop and the in-sync set are given of the node. */
import { OperationError } from '@holdfast/base';
import type { Commit, CommitDone } from '@holdfast/engine';
import type { TickGate, TickEngine, TickLoopEnvironment } from './execution/tick-loop.ts';
import type { InSyncEnvironment } from './lease/in-sync-keeper.ts';
import type { Node } from './node.ts';

export function tickLoopEnvironment(node: Node): TickLoopEnvironment {
  const { clock, timers, logger } = node.env;
  return {
    engine: tickEngine(node),
    gate: tickGate(node),
    followers: {
      onCommit: (commit): void => {
        node.replicator.onCommit(commit);
        node.shared.publishSequence(commit.lastSequence, node.replicator.lastEpoch);
        node.conditions.writeSucceeded();
        node.engine.recycle(commit); // sockets have copies of their own
      },
      probe: () => node.inSync.startProbe(),
      mayRelease: (sequence, probe) =>
        node.inSync.isActive ? node.inSync.mayRelease(sequence, probe) : node.replicator.handedOver(sequence),
    },
    clock,
    timers,
    logger,
    onWriteFailure: () => node.conditions.writeFailed(),
    onRoom: () => node.resumeHeld(),
  };
}

/**
 * Batches smaller than this are written at once: handing them to a worker, and hearing from it, costs more than they do.
 * What fifty clients without pipelining write in a turn is below it for every command.
 */
const inlineBytesMax = 16 << 10;
/**
 * The same where no processor is left for the worker, beside this thread and clients or flushes: there it only takes turns
 * with them. What fifty clients with pipelines of sixteen write in a turn is below it.
 */
const inlineBytesMaxOfFew = 256 << 10;
const fewProcessors = 2;

function tickEngine(node: Node): TickEngine {
  const { engine } = node;
  const { config, rim } = node.env;
  // A worker that waits for the disk needs no processor.
  const isWorkerDear = rim.processors <= fewProcessors && !config.get('rocksdb.write_options.sync');
  const inlineBytes = isWorkerDear ? inlineBytesMaxOfFew : inlineBytesMax;
  return {
    get openTickBytes(): number {
      return engine.openTickBytes;
    },
    commit: (done, now): void => {
      const bytes = engine.openTickBytes;
      if (bytes > 0) node.replicator.checkBeforeCommit();
      // What begins a stretch of history is in the log, or is not, before anything else happens.
      if (now === 'now' || bytes < inlineBytes || node.replicator.historyInTick) commitNow(node, done);
      else
        engine.commitOnWorker((commit, error) => {
          if (error !== undefined) node.replicator.onCommitFailed();
          done(commit, error);
        });
    },
    settle: () => engine.settle(),
    latestSequence: () => engine.latestSequence(),
    dropTick: (): void => {
      engine.dropTick();
      node.pubsub.dropTick();
      node.replicator.onTickDropped();
    },
  };
}

function commitNow({ engine, replicator }: Node, done: CommitDone): void {
  let commit: Commit | undefined;
  try {
    commit = engine.commit();
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    replicator.onCommitFailed();
    done(undefined, error);
    return;
  }
  done(commit);
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
