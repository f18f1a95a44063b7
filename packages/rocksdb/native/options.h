// From names and texts to RocksDB options. Nothing is ignored: an unknown name, or a value RocksDB cannot read, refuses
// the open and names the pair.
#pragma once
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include "arguments.h"

namespace holdfast {

void ApplyDatabaseOptions(const StringPairs& pairs, rocksdb::DBOptions* options);
void ApplyFamilyOptions(const std::string& family, const StringPairs& pairs, rocksdb::ColumnFamilyOptions* options);
void ApplyTableOptions(const std::string& family, const StringPairs& pairs, rocksdb::BlockBasedTableOptions* options);

}  // namespace holdfast
