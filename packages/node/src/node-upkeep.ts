/** What backups, compactions, the log as batches and sizes of keys are given of the node. */
import type { SpacePort, UpdatesPort, UpkeepPort } from '@holdfast/commands';
import { defaultNamespace, namespaceOf } from '@holdfast/engine';
import type { Node } from './node.ts';
import { rocksdbFigures } from './info/rocksdb-figures.ts';
import { applyBatch } from './upkeep/applied-batch.ts';
import { diskBytes, keyBytes } from './upkeep/key-bytes.ts';
import { pollUpdates } from './upkeep/log-updates.ts';
import { Upkeep, type UpkeepSettings } from './upkeep/upkeep.ts';

const exchanged = 'LOADING the database is being exchanged';

function mayRead({ engine, conditions }: Node): boolean {
  return engine.isOpen && !conditions.condition.loading;
}

export function newUpkeep(node: Node): Upkeep {
  const { config, clock, logger, rim } = node.env;
  return new Upkeep({
    backup: {
      files: rim.replicationFiles,
      clock,
      logger,
      directory: () => config.get('backup-dir').replace(/\/+$/, ''),
      checkpoint: (path) => node.engine.database.checkpoint(path),
      mayRead: () => mayRead(node),
    },
    compaction: { logger, database: () => (mayRead(node) ? node.engine.database : undefined) },
    settings: settings(node),
    countKeys: (): void => {
      for (const name of node.namespaces.tokens().keys()) node.keyCounts.start(namespaceOf(name));
      node.keyCounts.start(defaultNamespace);
    },
  });
}

function settings({ env: { config } }: Node): UpkeepSettings {
  return {
    get backupCron() {
      return config.get('bgsave-cron');
    },
    get compactionCron() {
      return config.get('compact-cron');
    },
    get countCron() {
      return config.get('dbsize-scan-cron');
    },
    get checkCron() {
      return config.get('compaction-checker-cron');
    },
    get checkHours() {
      return config.get('compaction-checker-range');
    },
    get check() {
      return {
        forceAgeSeconds: config.get('force-compact-file-age'),
        forceDeadPercent: config.get('force-compact-file-min-deleted-percentage'),
      };
    },
    get backupsKept() {
      return config.get('max-backup-to-keep');
    },
    get backupKeptHours() {
      return config.get('max-backup-keep-hours');
    },
  };
}

export function upkeepPort(node: Node): UpkeepPort {
  const { upkeep } = node;
  return {
    startBackup: () => upkeep.backup.start(),
    lastBackupSeconds: () => upkeep.backup.facts.lastSeconds,
    deleteBackup: () => upkeep.backup.startDeletion(),
    startCompaction: (namespace) => upkeep.compaction.start(namespace),
    flushMemtables: (answer) => upkeep.compaction.flush(answer),
    flushBlockCache: (): string | undefined => {
      if (!mayRead(node)) return exchanged;
      node.engine.database.flushBlockCache();
      return undefined;
    },
    statistics: () =>
      mayRead(node)
        ? JSON.stringify(Object.fromEntries(rocksdbFigures(node.engine.database, node.env.rim.blockReads())), null, 2)
        : '{}',
  };
}

export function updatesPort(node: Node): UpdatesPort {
  const { engine } = node;
  return {
    poll: (request, answer): void => {
      if (!mayRead(node)) answer(exchanged);
      else void pollUpdates(engine.database, request).then(answer);
    },
    apply: (batch, namespace) => applyBatch(engine, batch, namespace),
  };
}

export function spacePort(node: Node): SpacePort {
  return {
    keyBytes: (key, namespace, nowMs, samples) =>
      keyBytes(node.data, { namespace, buffer: key, start: 0, end: key.length }, nowMs, samples),
    diskBytes: (key, namespace, nowMs, samples) =>
      diskBytes(node.data, { namespace, buffer: key, start: 0, end: key.length }, nowMs, samples),
    memory: () => ({ ...node.info.process(), residentBytesAtStart: node.info.residentBytesAtStart }),
  };
}
