export { Engine, type CommitDone, type EngineOptions } from './engine.ts';
export { ColdReads } from './cold-reads.ts';
export type { ColdRecord } from './cold-record.ts';
export type { RowCacheFigures } from './row-cache.ts';
export type { WarmedKeys } from './row-warming.ts';
export type { Commit } from './commit.ts';
export { defaultNamespace, namespaceBytesMax, namespaceOf, type Namespace } from './namespace.ts';
export { Scratch, Window, sameBytes, spanOf, type Span } from './bytes.ts';
export { family } from './families.ts';
export type { RocksdbSettings } from './rocksdb-options.ts';
export { Metadata, typeId, typeIdOf, typeName } from './metadata-value.ts';
export { metadataPrefix, keyAfterPrefix, writeMetadataKey, writeSubkeyPrefix, type UserKey } from './stored-key.ts';
export { UserKeyReader, type KeyVisitor } from './written-user-keys.ts';
export { VersionSource, versionOf, type Version } from './version.ts';
export { readOrderedDouble, writeOrderedDouble } from './ordered-double.ts';
export { Records, type Lookup } from './records.ts';
export { Strings } from './strings.ts';
export { Collection, type SubkeyRange } from './collection.ts';
export { Zsets, type MemberRange, type ScoreBound, type WalkOptions } from './zsets.ts';
export { MemberWalk } from './member-walk.ts';
export { Hashes, type FieldState, type HashSettings } from './hashes.ts';
export { HashWalk } from './hash-walk.ts';
export { Sets } from './sets.ts';
export { Lists, type ListSide } from './lists.ts';
export { insertBeside, moveElement, removeMatches, rotateElement, trimTo, type ListPlace } from './lists-edit.ts';
export { Keyspace } from './keyspace.ts';
export { dataTypes, type DataTypes } from './data-types.ts';
export { KeyCounter, KeyScan, KeyWalk, type ScanRequest, type ScanResult } from './key-scan.ts';
export { EntryIterator, type IterateRange } from './entry-iterator.ts';
export { Glob } from './glob.ts';
export { Cursors } from './cursors.ts';
export { JsonDocuments, encodeJson, type JsonFormat, type JsonSettings } from './json-documents.ts';
export {
  JsonDouble,
  JsonFailure,
  compareJsonNumbers,
  compareText,
  documentBytesMax,
  isJsonObject,
  jsonInteger,
  jsonLimits,
  jsonNumber,
  jsonObjectOf,
  nestingLimit,
  putJsonMember,
  putJsonMembers,
  sameJson,
  type JsonArray,
  type JsonLimits,
  type JsonObject,
  type JsonValue,
} from './json-value.ts';
export { parseJson } from './json-text.ts';
export { printDouble, printJson, type JsonLayout } from './json-print.ts';
export { decodeCbor, encodeCbor } from './json-cbor.ts';
export { bitmapAsString } from './bitmap-string.ts';
export { Bitmaps, blockBytes } from './bitmaps.ts';
export { BitEditor, bytesForField } from './bit-editor.ts';
export { onesIn } from './bit-order.ts';
export { HyperLogLogs } from './hyperloglogs.ts';
export {
  SortedInts,
  compareUint64,
  predecessorOf,
  successorOf,
  uint64Max,
  type Uint64,
  type Uint64Range,
} from './sorted-ints.ts';
export { estimate, registerCount } from './cardinality.ts';
export { Blooms, type BloomSettings } from './blooms.ts';
export { BatchReader, countOf, sequenceOf } from './batch-reader.ts';
export { Streams, highestEntryId, type EntryRange, type Trim } from './streams.ts';
export { StreamId } from './stream-id.ts';
export { EntryParts, writeEntryPart } from './stream-entry.ts';
export {
  PendingEntries,
  StreamGroups,
  unknownEntriesRead,
  type PendingEntry,
  type StreamConsumer,
  type StreamGroup,
} from './stream-groups.ts';
export { entriesUpTo, hasDeletedFrom, lagOf, type StreamExtent } from './stream-position.ts';
