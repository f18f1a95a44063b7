// How much of each file is dead: counted while a file is written, in the properties in which Kvrocks counts it
// (total_keys, deleted_keys, start_key, stop_key), so that either finds the other's files worth a compaction.
//
// Dead are tombstones and, among metadata, keys that have expired when the file is written. Sub keys whose key is gone
// are not known here: that takes a look at the metadata.
#pragma once
#include <rocksdb/db.h>

#include "filters.h"

namespace holdfast {

// For the families whose dead records are worth counting.
void CountDeadEntries(FilterKind kind, rocksdb::ColumnFamilyOptions* options);

}  // namespace holdfast
