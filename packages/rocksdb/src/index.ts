export { RocksError } from './errors.ts';
export { beginProfile, blockReads, buildInfo, copyWithout, destroy, endProfile, open } from './open.ts';
export type {
  BlockIterator,
  BlockReads,
  BuildInfo,
  ColumnFamilyOptions,
  Database,
  EntryBlock,
  FileStatistics,
  LiveFile,
  OpenOptions,
  RangeOptions,
  RocksErrorCode,
  RocksdbModule,
  Snapshot,
  ThreadProfile,
  WalBlock,
  WalFile,
  WalTail,
  WriteOptions,
} from './types.ts';
