// Compaction filters: the one piece of policy in this addon. They remove what Kvrocks' read rules already hide
// (docs/formats, "Deletion and compaction"), so they change no answer. They run on RocksDB's compaction threads, and
// only remove what they understand: a record that cannot be decoded is kept.
//
// RocksDB applies filters regardless of snapshots: a snapshot may miss records that were dead when it was taken or
// died since. Iterators are not affected, they keep their files.
#pragma once
#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>

#include <atomic>
#include <memory>
#include <string>

namespace holdfast {

enum class FilterKind { kNone, kExpiredMetadata, kOrphanedSubkeys, kDropAll, kDropKey };

// What the filters of one database share. `db` is set once the database is open and its families are known; until
// then everything is kept. It stays valid while a filter runs: closing waits for compactions first.
struct FilterContext {
  bool slot_prefixed = false;
  rocksdb::ColumnFamilyHandle* metadata = nullptr;
  std::atomic<rocksdb::DB*> db{nullptr};
};

// nullptr for kNone.
std::shared_ptr<rocksdb::CompactionFilterFactory> NewFilterFactory(FilterKind kind, const std::string& drop_key,
                                                                   std::shared_ptr<FilterContext> context);

}  // namespace holdfast
