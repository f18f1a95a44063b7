export type {
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
