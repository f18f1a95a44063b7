// Taking back the end of a database's history: everything after sequence S, as long as it lies in the WAL alone.
#pragma once
#include <rocksdb/db.h>

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast {

struct RewindRequest {
  std::string path;
  // S: the end of a batch.
  uint64_t sequence;
  rocksdb::DBOptions options;
  // Every family the directory has.
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
};

// Afterwards the directory, which nobody may have open, holds S and no more: in its files, with an empty WAL and an
// empty archive, durably. Throws ROCKS_WAL_STOP when that is impossible, having changed nothing. A crash anywhere leaves
// a directory that rewinds again. Any thread.
void Rewind(const RewindRequest& request);

// Whether the logs of a database that was just opened hold batches beyond its end: what lay behind a hole in the log
// (power loss, a damaged disk), which recovery drops but leaves where it is. Tails would hand it out.
bool HasDroppedBatches(rocksdb::DB* db, const RewindRequest& request);

// Rewinds to the end that recovery found, and so removes what HasDroppedBatches saw. Not possible is not a case.
void CutOffAtItsEnd(const RewindRequest& request);

}  // namespace holdfast
