#include "options.h"

#include <rocksdb/convenience.h>

#include <algorithm>
#include <set>
#include <unordered_map>

namespace holdfast {

namespace {

using Names = std::set<std::string>;

// Options that this binding decides itself, because its promises hang on them: one comparator and no merge (batches are
// checked against that), a WAL of one record per batch that a tail can follow and a rewind can cut off, one shared block
// cache, memtables that one thread writes. And those with which values that RocksDB accepts end the process (7.8.3: too
// many threads, a cache it then does not have, a length below zero).
const Names kOwnDatabaseOptions = {
    "create_if_missing", "create_missing_column_families", "error_if_exists", "env", "wal_filter", "allow_2pc",
    "two_write_queues", "unordered_write", "manual_wal_flush", "recycle_log_file_num", "info_log", "listeners",
    "allow_concurrent_memtable_write", "row_cache", "wal_recovery_mode", "track_and_verify_wals_in_manifest", "wal_dir",
    "max_file_opening_threads", "table_cache_numshardbits", "manifest_preallocation_size",
    "rate_limiter_bytes_per_sec"};
const Names kOwnFamilyOptions = {
    "comparator", "merge_operator", "compaction_filter", "compaction_filter_factory", "table_factory",
    "block_based_table_factory", "plain_table_factory", "memtable", "memtable_factory", "inplace_update_support",
    "sst_partitioner_factory"};
const Names kOwnTableOptions = {"block_cache", "block_cache_compressed", "persistent_cache", "flush_block_policy_factory"};

rocksdb::ConfigOptions Strict() {
  rocksdb::ConfigOptions config;
  config.ignore_unknown_options = false;
  config.ignore_unsupported_options = false;
  config.input_strings_escaped = false;
  return config;
}

// Applies pair by pair, so that the failing one can be named.
template <typename Options, typename FromMap>
void Apply(const std::string& where, const StringPairs& pairs, const Names& own, Options* options, FromMap from_map) {
  for (const auto& [name, value] : pairs) {
    const std::string pair = where + " option " + name + "=" + value;
    if (own.count(name) != 0) throw Failure{"ROCKS_ARGUMENT", pair + ": this one is not open to choice, leave it out"};
    const std::unordered_map<std::string, std::string> map = {{name, value}};
    Options changed = *options;
    rocksdb::Status status;
    try {
      status = from_map(*options, map, &changed);
    } catch (const std::exception& error) {
      status = rocksdb::Status::InvalidArgument(error.what());
    }
    if (!status.ok()) throw Failure{"ROCKS_ARGUMENT", pair + " is refused by RocksDB: " + status.ToString()};
    *options = changed;
  }
}

// Values that RocksDB accepts and then asserts against.
void RefuseUnusable(const std::string& family, const rocksdb::ColumnFamilyOptions& options) {
  constexpr size_t kWriteBufferMin = 64 << 10;  // RocksDB raises smaller ones to this
  if (options.arena_block_size > std::max(options.write_buffer_size, kWriteBufferMin))
    throw Failure{"ROCKS_ARGUMENT", "column family " + family + ": option arena_block_size is larger than write_buffer_size"};
  if (options.num_levels < 1 || options.num_levels > 64)
    throw Failure{"ROCKS_ARGUMENT", "column family " + family + ": option num_levels must be from 1 to 64"};
  // It means "as elsewhere", and is asked of the library like any other where there is no elsewhere.
  bool unknown = options.compression == rocksdb::kDisableCompressionOption ||
                 options.blob_compression_type == rocksdb::kDisableCompressionOption;
  for (rocksdb::CompressionType type : options.compression_per_level) unknown |= type == rocksdb::kDisableCompressionOption;
  if (unknown) throw Failure{"ROCKS_ARGUMENT", "column family " + family + ": kDisableCompressionOption is not a compression"};
}

}  // namespace

void ApplyDatabaseOptions(const StringPairs& pairs, rocksdb::DBOptions* options) {
  Apply("database", pairs, kOwnDatabaseOptions, options,
        [](const rocksdb::DBOptions& base, const auto& map, rocksdb::DBOptions* changed) {
          return rocksdb::GetDBOptionsFromMap(Strict(), base, map, changed);
        });
}

void ApplyFamilyOptions(const std::string& family, const StringPairs& pairs, rocksdb::ColumnFamilyOptions* options) {
  Apply("column family " + family + ":", pairs, kOwnFamilyOptions, options,
        [](const rocksdb::ColumnFamilyOptions& base, const auto& map, rocksdb::ColumnFamilyOptions* changed) {
          return rocksdb::GetColumnFamilyOptionsFromMap(Strict(), base, map, changed);
        });
  RefuseUnusable(family, *options);
}

void ApplyTableOptions(const std::string& family, const StringPairs& pairs, rocksdb::BlockBasedTableOptions* options) {
  Apply("column family " + family + ": table", pairs, kOwnTableOptions, options,
        [](const rocksdb::BlockBasedTableOptions& base, const auto& map, rocksdb::BlockBasedTableOptions* changed) {
          return rocksdb::GetBlockBasedTableOptionsFromMap(Strict(), base, map, changed);
        });
}

}  // namespace holdfast
