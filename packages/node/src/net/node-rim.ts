/** Everything the node touches of its machine besides sockets: its files, its disk, its addresses. */
import { lookup } from 'node:dns/promises';
import { mkdirSync } from 'node:fs';
import { availableParallelism, machine, release, type } from 'node:os';
import { join } from 'node:path';
import type { Timers } from '@holdfast/base';
import { bootId } from '@holdfast/base/real';
import type { ReplicationFiles } from '@holdfast/replication';
import { beginProfile, blockReads, buildInfo, endProfile, type BlockReads, type BuildInfo } from '@holdfast/rocksdb';
import type { ThreadProfiler } from '../observation/observation.ts';
import type { NodesFile } from '../cluster/cluster-state.ts';
import type { FenceFile } from '../lease/lease-host.ts';
import { DiskGuard, directoryBytes, diskFacts, treeBytes, type DiskFacts } from './disk-guard.ts';
import { fenceFile, markCleanShutdown, openLogId, writeLogId } from './files.ts';
import { interfaceAddresses, nodesFile } from './nodes-file.ts';
import { replicationFiles } from './replication-files.ts';

export interface ProcessFacts {
  readonly pid: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly bufferBytes: number;
  readonly systemSeconds: number;
  readonly userSeconds: number;
  readonly nodeVersion: string;
  readonly executable: string;
  /** As `uname -srm`. */
  readonly os: string;
}

export interface NodeRim {
  readonly nodesFile: NodesFile;
  readonly fenceFile: FenceFile;
  readonly replicationFiles: ReplicationFiles;
  openLogId(
    facts: { databaseExisted: boolean; syncWal: boolean },
    makeId: () => string,
  ): { logId: string; bootId: string };
  /** Makes `logId` the id of a history that replaced the former one. @returns it. */
  replaceLogId(logId: string): string;
  markCleanShutdown(): void;
  resolveHost(host: string): Promise<string>;
  interfaceAddresses(): readonly string[];
  /** Watches free space from now on; tells every change. */
  guardDisk(minFreeBytes: () => number, onChange: (full: boolean) => void): void;
  disk(): DiskFacts;
  /** How many processors this process may use. */
  readonly processors: number;
  /** This process as the operating system sees it. */
  process(): ProcessFacts;
  /** The library in use; assertions make it about twice as slow per write. */
  rocksdb(): BuildInfo;
  /** Where reads found their blocks; undefined when this RocksDB does not count that. */
  blockReads(): BlockReads | undefined;
  readonly profiler: ThreadProfiler;
  /** Bytes of the database directory, at most a second old. */
  databaseBytes(): number;
  /** Bytes of what the node gave up of its history (`<dir>/rollback`), at most a second old. */
  rollbackBytes(): number;
  /** Stops this thread, as DEBUG SLEEP does. */
  stall(ms: number): void;
  stop(): void;
}

const notCounted = 'not counted: this RocksDB was built without counters of threads';
/** PERFLOG says so rather than nothing. */
const countsNothing: ThreadProfiler = {
  begin: (): void => undefined,
  end: () => ({ reads: notCounted, files: notCounted }),
};

/** How long a measured directory size is good enough. */
const sizeAgeMs = 1000;

/**
 * The rim of a node with everything below `dir`, which is created when absent.
 * @throws the file system's error when it cannot be.
 */
export function nodeRim(dir: string, timers: Timers): NodeRim {
  mkdirSync(dir, { recursive: true });
  const boot = bootId();
  const { threadCounters } = buildInfo();
  let syncWal = false;
  let guard: DiskGuard | undefined;
  const databaseBytes = measuredAtMost(() => directoryBytes(join(dir, 'db')));
  const rollbackBytes = measuredAtMost(() => treeBytes(join(dir, 'rollback')));
  return {
    nodesFile: nodesFile(dir),
    fenceFile: fenceFile(dir),
    replicationFiles,
    openLogId: (facts, makeId): { logId: string; bootId: string } => {
      ({ syncWal } = facts);
      return { logId: openLogId({ ...facts, dir, bootId: boot, makeId }).logId, bootId: boot };
    },
    replaceLogId: (logId): string => {
      writeLogId(dir, logId, { bootId: boot, syncWal });
      return logId;
    },
    markCleanShutdown: (): void => markCleanShutdown(dir),
    resolveHost: async (host): Promise<string> => (await lookup(host)).address,
    interfaceAddresses,
    guardDisk: (minFreeBytes, onChange): void => {
      guard = new DiskGuard(dir, timers, minFreeBytes, onChange);
      guard.start();
    },
    disk: () => diskFacts(dir),
    processors: availableParallelism(),
    process: processFacts,
    stall: (ms): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
    rocksdb: buildInfo,
    blockReads: () => (threadCounters ? blockReads() : undefined),
    profiler: threadCounters ? { begin: beginProfile, end: endProfile } : countsNothing,
    databaseBytes,
    rollbackBytes,
    stop: (): void => guard?.stop(),
  };
}

/** Measures anew once the last figure is too old. */
function measuredAtMost(measure: () => number): () => number {
  let measured = { atMs: -Infinity, bytes: 0 };
  return () => {
    const nowMs = Date.now();
    if (nowMs - measured.atMs > sizeAgeMs) measured = { atMs: nowMs, bytes: measure() };
    return measured.bytes;
  };
}

function processFacts(): ProcessFacts {
  const { rss, heapUsed, external } = process.memoryUsage();
  const { system, user } = process.cpuUsage();
  return {
    pid: process.pid,
    residentBytes: rss,
    heapBytes: heapUsed,
    bufferBytes: external,
    systemSeconds: system / 1e6,
    userSeconds: user / 1e6,
    nodeVersion: process.versions.node,
    executable: process.execPath,
    os: `${type()} ${release()} ${machine()}`,
  };
}
