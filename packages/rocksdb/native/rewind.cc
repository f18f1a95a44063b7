// How a rewind goes (RocksDB 7.8, db/db_impl/db_impl_open.cc, RecoverLogFiles):
//
//   1. Look, changing nothing: a read-only open whose WAL filter takes no record, only notes what goes by. It tells the
//      last sequence that reached a file, from the MANIFEST. Live files would not do: a compaction to the last level
//      writes 0 for the sequences it carries, so a file may hold what came after S and not show it.
//   2. Open with a filter that ends the replay at the first batch beyond S, flushing what was replayed: then every family
//      starts after the last log file, and RocksDB reads none of the present ones again. Without the flush it keeps them
//      to be replayed, divergent end and all.
//   3. Delete every log file but the new one. RocksDB moves most of them to the archive, and none when there was
//      nothing to flush; a WAL tail would hand out what they hold, and one that meets a sequence beyond the latest ends
//      the process where assertions are on.
//   4. Close. The filter, and options that are right for this once only, go away with this instance.
//
// Sequences are read from the header of the batch: RocksDB does not tell the filter.
#include "rewind.h"

#include <rocksdb/env.h>
#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "batch.h"
#include "database.h"
#include "errors.h"
#include "silent_logger.h"

namespace holdfast {

namespace {

// Ends the replay at the first batch that goes beyond a sequence. Called by the thread that opens, while it opens.
class StopFilter : public rocksdb::WalFilter {
 public:
  StopFilter(uint64_t sequence, bool keep) : sequence_(sequence), keep_(keep) {}

  const char* Name() const override { return "holdfast.stop"; }

  WalProcessingOption LogRecordFound(unsigned long long, const std::string&, const rocksdb::WriteBatch& batch,
                                     rocksdb::WriteBatch*, bool* batch_changed) override {
    *batch_changed = false;
    const std::string& bytes = batch.Data();
    if (bytes.size() < kBatchHeaderBytes) return WalProcessingOption::kCorruptedRecord;
    const uint64_t first = BatchSequence(bytes.data());
    const uint64_t next = first + BatchCount(bytes.data());
    // A batch of log data alone takes no sequence: the empty one RocksDB puts after a hole stands at the end, too.
    if (next > sequence_ + 1) {
      stopped_ = true;
      if (first <= sequence_) straddling_ = first;
      return WalProcessingOption::kStopReplay;
    }
    if (next > first) last_ = std::max(last_, next - 1);
    return keep_ ? WalProcessingOption::kContinueProcessing : WalProcessingOption::kIgnoreCurrentRecord;
  }

  // Last sequence of the batches that passed; 0 for none.
  uint64_t last() const { return last_; }
  bool stopped() const { return stopped_; }
  // Where the batch starts that holds both what stays and what goes; 0 when there is none.
  uint64_t straddling() const { return straddling_; }

 private:
  const uint64_t sequence_;
  const bool keep_;
  uint64_t last_ = 0;
  bool stopped_ = false;
  uint64_t straddling_ = 0;
};

[[noreturn]] void Refuse(const RewindRequest& request, const std::string& why) {
  throw Failure{"ROCKS_WAL_STOP",
                "the WAL in " + request.path + " cannot be stopped at sequence " + std::to_string(request.sequence) + ": " + why};
}

std::string WalDirectory(const RewindRequest& request) {
  return request.options.wal_dir.empty() ? request.path : request.options.wal_dir;
}

// A read-only open takes no lock: another process could be writing what is looked at.
class Lock {
 public:
  explicit Lock(const std::string& path) { Check(env_->LockFile(path + "/LOCK", &lock_), ("open " + path).c_str()); }
  ~Lock() { env_->UnlockFile(lock_).PermitUncheckedError(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  rocksdb::Env* const env_ = rocksdb::Env::Default();
  rocksdb::FileLock* lock_ = nullptr;
};

// Shows the batches of the logs to a filter that takes none. Returns the last sequence that reached a file.
uint64_t Look(const RewindRequest& request, rocksdb::WALRecoveryMode mode, StopFilter* filter) {
  rocksdb::DBOptions options = request.options;
  options.wal_filter = filter;
  options.wal_recovery_mode = mode;
  options.info_log = std::make_shared<SilentLogger>();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  Check(rocksdb::DB::OpenForReadOnly(options, request.path, request.families, &handles, &db), ("open " + request.path).c_str());
  const std::unique_ptr<rocksdb::DB> owner(db);
  const uint64_t in_files = db->GetLatestSequenceNumber();
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  return in_files;
}

void CheckPossible(const RewindRequest& request) {
  StopFilter filter(request.sequence, false);
  const uint64_t in_files = Look(request, request.options.wal_recovery_mode, &filter);
  if (in_files > request.sequence) Refuse(request, "sequence " + std::to_string(in_files) + " is in a file already");
  if (filter.straddling() != 0)
    Refuse(request, "it lies within the batch that starts at " + std::to_string(filter.straddling()));
  const uint64_t latest = std::max(in_files, filter.last());
  if (latest != request.sequence) Refuse(request, "the last batch up to there ends at " + std::to_string(latest));
}

bool IsLog(const std::string& name, uint64_t* number) {
  const size_t digits = name.find_first_not_of("0123456789");
  if (digits == 0 || digits > 19 || name.substr(std::min(digits, name.size())) != ".log") return false;
  *number = strtoull(name.c_str(), nullptr, 10);
  return true;
}

// Deletes the log files of a directory with numbers below `before`. Durable also when there was nothing to delete: an
// earlier try may have been cut off between the deletion and this.
void DeleteLogs(const std::string& directory, uint64_t before) {
  rocksdb::Env* env = rocksdb::Env::Default();
  std::vector<std::string> names;
  const rocksdb::Status listed = env->GetChildren(directory, &names);
  if (listed.IsNotFound() || listed.IsPathNotFound()) return;
  Check(listed, "list the WAL");
  for (const std::string& name : names) {
    uint64_t number = 0;
    if (!IsLog(name, &number) || number >= before) continue;
    const std::string file = directory + "/" + name;
    const rocksdb::Status deleted = env->DeleteFile(file);
    // RocksDB's own threads delete what is obsolete, too.
    if (!deleted.ok() && env->FileExists(file).ok()) throw FromStatus(deleted, "delete the WAL");
  }
  std::unique_ptr<rocksdb::Directory> handle;
  Check(env->NewDirectory(directory, &handle), "delete the WAL");
  Check(handle->Fsync(), "delete the WAL");
}

void CutOff(const RewindRequest& request) {
  StopFilter filter(request.sequence, true);
  rocksdb::DBOptions options = request.options;
  options.wal_filter = &filter;
  options.create_if_missing = false;
  options.avoid_flush_during_recovery = false;
  std::vector<rocksdb::ColumnFamilyDescriptor> families = request.families;
  for (rocksdb::ColumnFamilyDescriptor& family : families) family.options.disable_auto_compactions = true;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  Check(rocksdb::DB::Open(options, request.path, families, &handles, &db), ("open " + request.path).c_str());
  Database cut;
  cut.Own(db, std::move(handles));
  const uint64_t latest = db->GetLatestSequenceNumber();
  if (latest != request.sequence || filter.straddling() != 0)
    Refuse(request, "it came to its end at " + std::to_string(latest) + ", although it was seen to reach there");
  std::unique_ptr<rocksdb::LogFile> current;
  Check(db->GetCurrentWalFile(&current), "find the new WAL");
  DeleteLogs(WalDirectory(request), current->LogNumber());
  DeleteLogs(WalDirectory(request) + "/archive", UINT64_MAX);
  Check(cut.Free(), "close");
}

}  // namespace

void Rewind(const RewindRequest& request) {
  {
    const Lock lock(request.path);
    CheckPossible(request);
  }
  CutOff(request);
}

bool HasDroppedBatches(rocksdb::DB* db, const RewindRequest& request) {
  std::unique_ptr<rocksdb::LogFile> current;
  Check(db->GetCurrentWalFile(&current), "find the new WAL");
  rocksdb::VectorLogPtr files;
  Check(db->GetSortedWalFiles(files), "list the WAL");
  uint64_t start = 0;
  for (const auto& file : files) {
    if (file->LogNumber() == current->LogNumber()) continue;
    // One that begins right after the end holds no more than the empty batch below: recovery goes on with what fits.
    if (file->StartSequence() < start || file->StartSequence() > request.sequence + 1) return true;
    start = file->StartSequence();
  }
  // RocksDB begins the new log with an empty batch when, and only when, it met a hole. Most often that is the torn end of
  // the last log, after kill -9; reading over the holes shows whether anything lies behind.
  if (current->SizeFileBytes() == 0) return false;
  StopFilter beyond(request.sequence, false);
  Look(request, rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords, &beyond);
  return beyond.stopped();
}

void CutOffAtItsEnd(const RewindRequest& request) { CutOff(request); }

}  // namespace holdfast
