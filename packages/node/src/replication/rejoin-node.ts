/** Rejoining as a node does it: before its database is opened, and when its link has found out what the master lacks. */
import { FatalError, messageOf, type Logger, type Random, type Timers } from '@holdfast/base';
import type { Engine } from '@holdfast/engine';
import { makeRandomId, type LogEnd } from '@holdfast/fencing';
import type { RewindOutcome } from '@holdfast/replication';
import type { Config } from '../config/index.ts';
import type { NodeRim } from '../net/node-rim.ts';
import type { Node } from '../node.ts';
import { minFreeBytes } from '../settings.ts';
import { finishRejoin, rejoin, type RejoinRim } from './rejoin.ts';

export interface StartEnvironment {
  readonly config: Config;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly random: Random;
  readonly rim: NodeRim;
}

const mib = 1024 * 1024;

/** What both a start and a running node rejoin with. */
export function rejoinRim(
  { config, timers, logger, random, rim }: StartEnvironment,
  replaceLogId?: () => void,
): RejoinRim {
  return {
    files: rim.replicationFiles,
    dir: config.get('dir'),
    timers,
    logger,
    replaceLogId: replaceLogId ?? ((): void => void rim.replaceLogId(makeRandomId(random))),
    obstacle: (): string | undefined => {
      const [{ freeBytes }, limit] = [rim.disk(), minFreeBytes(config)];
      if (freeBytes >= limit) return undefined;
      return `only ${Math.floor(freeBytes / mib)} MiB of the disk are free, less than the ${limit / mib} MiB of min-free-mb`;
    },
  };
}

/**
 * Before the database is opened in any other way.
 * @param engine closed; closed afterwards.
 * @throws FatalError when the database must not be opened yet.
 */
export async function finishRejoinAtStart(env: StartEnvironment, engine: Engine): Promise<void> {
  try {
    await finishRejoin(rejoinRim(env), engine);
  } catch (error) {
    throw new FatalError(`cannot finish the rewind of the database: ${messageOf(error)}`, 1, error);
  }
  const bytes = env.rim.rollbackBytes();
  if (bytes === 0) return;
  env.logger.warn('what this node gave up of its history is kept until it is deleted: holdfast ctl rollback list', {
    directory: `${env.config.get('dir')}/rollback`,
    bytes,
  });
}

/** As the replica link's `rewind`; nobody uses the database meanwhile. */
export async function rejoinMaster(
  { env, engine, lease, cluster, replicator }: Node,
  target: LogEnd | undefined,
  signal: AbortSignal,
): Promise<RewindOutcome> {
  const { config, clock, rim, random } = env;
  try {
    return await rejoin(
      {
        ...rejoinRim(env, () => lease.keeper.replaceLogId(rim.replaceLogId(makeRandomId(random)))),
        clock,
        log: engine,
        slotPrefixed: config.get('cluster-enabled'),
        mode: () => config.get('replication-mode'),
        identity: () => ({ nodeId: cluster?.topology.selfId ?? '', logId: lease.keeper.record.logId }),
        outline: () => replicator.outline,
      },
      target,
      signal,
    );
  } catch (error) {
    if (!engine.isOpen) env.exit(1, messageOf(error));
    throw error;
  }
}
