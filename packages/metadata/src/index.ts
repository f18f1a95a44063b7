export { leaderKey, membersPrefix } from './metadata-store.ts';
export type {
  Announcement,
  Change,
  CompareAndSetResult,
  Conflict,
  Entry,
  Expected,
  Guard,
  Leadership,
  Listing,
  MetadataStore,
  Transaction,
  TransactionResult,
  Watch,
} from './metadata-store.ts';
export { limits } from './limits.ts';
