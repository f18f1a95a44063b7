export { RocksError } from './errors.ts';
export { buildInfo, destroy, open } from './open.ts';
export type {
  BlockIterator,
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
  WalBlock,
  WalFile,
  WalTail,
  WriteOptions,
} from './types.ts';
