// An open RocksDB database and who may touch it when.
//
// The JavaScript thread owns the state below; worker threads only run Jobs, each of which holds the database by
// shared_ptr and is counted in `pending_`. Closing is a walk: open -> closing (calls throw, children are released,
// running compactions are asked to stop) -> the last job ends -> a CloseJob frees RocksDB's objects -> closed.
//
// Writes are serialised by `write_mutex_` and keep the order of their calls, also between write and writeAsync. Besides
// order this makes every WAL record exactly one batch of the caller (RocksDB would merge concurrent writers), which is
// what a WAL tail hands out again.
#pragma once
#include <rocksdb/db.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "counters.h"
#include "filters.h"
#include "handles.h"
#include "io_rate.h"

namespace holdfast {

class Job;

// Bytes of a rate: far above any disk, and what RocksDB multiplies it with stays within 64 bits.
constexpr double kIoBytesPerSecondMax = 1ull << 42;

struct WriteFlags {
  bool sync = false;
  bool no_slowdown = false;
  bool disable_wal = false;
};

// One write call: owned copies of the batches, its outcome, and the promise of writeAsync.
struct WriteRequest {
  std::vector<std::string> batches;
  WriteFlags flags;
  uint64_t sequence = 0;
  bool failed = false;
  Failure failure{nullptr, ""};
  napi_deferred deferred = nullptr;
};

class Database : public std::enable_shared_from_this<Database> {
 public:
  enum class State { kOpen, kClosing, kClosed };

  std::string path;
  std::vector<std::string> family_names;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  std::shared_ptr<FilterContext> filters;
  std::shared_ptr<EndedWork> ended_work;
  std::shared_ptr<IoRate> io_rate;
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ReadOptions reads;
  rocksdb::PinnableSlice scratch;
  // Asks running manual compactions to end.
  std::atomic<bool> cancel{false};

  Database();
  ~Database();

  // --- any thread ---
  // Takes an opened database with its families.
  void Own(rocksdb::DB* opened, std::vector<rocksdb::ColumnFamilyHandle*> handles);
  // Frees RocksDB's objects; the state says it is nobody else's any more.
  rocksdb::Status Free();
  // Runs the oldest queued write, if any.
  void RunQueuedWrite();
  // Sequences up to this one may be missing in the WAL (writes with disableWal).
  uint64_t unlogged_sequence() const { return unlogged_sequence_.load(std::memory_order_acquire); }

  // --- JavaScript thread ---
  State state() const { return state_; }
  void Attach(const std::shared_ptr<Addon>& addon);
  void Adopt(Child* child) { children_.insert(child); }
  void Forget(Child* child) { children_.erase(child); }
  // Writes now, after everything queued before.
  void Write(WriteRequest* request);
  void Queue(std::unique_ptr<WriteRequest> request);
  std::vector<std::unique_ptr<WriteRequest>> TakeFinishedWrites();
  void BeginWork() { pending_++; }
  // May start the CloseJob.
  void EndWork(napi_env env);
  // Compactions run one at a time, so that they never take every worker thread from the writes.
  bool AcquireCompaction(Job* job);
  Job* ReleaseCompaction();
  napi_value Close(Call& call);
  // The CloseJob's result for everybody who asked.
  void Closed(napi_env env, const Failure* failure);
  // It is about to be closed: compactions give up, and what is being written is held back no longer.
  void Hurry();
  // The environment ends: no promise will be answered any more.
  void CloseNow();

 private:
  void WriteLocked(WriteRequest* request);
  void RequireSequences(const std::string& batch) const;
  void ReleaseChildren();
  void StartCloseJob(napi_env env);

  State state_ = State::kOpen;
  std::shared_ptr<Addon> addon_;
  int pending_ = 0;
  std::unordered_set<Child*> children_;
  std::vector<napi_deferred> close_deferreds_;
  bool compaction_running_ = false;
  std::deque<Job*> waiting_compactions_;

  std::mutex write_mutex_;  // taken before queue_mutex_
  std::string write_scratch_;
  std::atomic<uint64_t> unlogged_sequence_{0};
  std::mutex queue_mutex_;
  std::deque<std::unique_ptr<WriteRequest>> queued_writes_;
  std::vector<std::unique_ptr<WriteRequest>> finished_writes_;
};

// Reads a family index argument.
rocksdb::ColumnFamilyHandle* ReadFamily(Call& call, napi_value value, Database& database);

// Methods of the class, by file.
napi_value LatestSequence(Call& call);          // reads.cc
napi_value Get(Call& call);                     // reads.cc
napi_value GetCached(Call& call);               // reads.cc
napi_value GetWithoutWaiting(Call& call);       // reads.cc
napi_value MultiGet(Call& call);                // reads.cc
napi_value MultiGetAsync(Call& call);           // reads.cc
napi_value FetchAsync(Call& call);              // reads.cc
napi_value ConsecutiveFrames(Call& call);       // consecutive.cc
napi_value PropertyOf(Call& call);              // reads.cc
napi_value MapPropertyOf(Call& call);           // counters.cc
napi_value EndedWorkOf(Call& call);             // counters.cc
napi_value FlushBlockCache(Call& call);         // reads.cc
napi_value LargestFlushedSequence(Call& call);  // reads.cc
napi_value LiveFiles(Call& call);               // reads.cc
napi_value Write(Call& call);                   // writes.cc
napi_value WriteAsync(Call& call);              // writes.cc
napi_value CopyWithout(Call& call);             // writes.cc
napi_value SyncWal(Call& call);                 // writes.cc
napi_value SyncWalAsync(Call& call);            // writes.cc
napi_value Iterate(Call& call);                 // iterator.cc
napi_value IteratorNext(Call& call);            // iterator.cc
napi_value Scan(Call& call);                    // iterator.cc
napi_value IteratorSeek(Call& call);            // iterator.cc
napi_value IteratorClose(Call& call);           // iterator.cc
napi_value TakeSnapshot(Call& call);            // snapshot.cc
napi_value ReleaseSnapshot(Call& call);         // snapshot.cc
napi_value NewWalTail(Call& call);              // wal_tail.cc
napi_value NewWalTailAsync(Call& call);         // wal_tail.cc
napi_value WalTailNext(Call& call);             // wal_tail.cc
napi_value WalTailNextAsync(Call& call);        // wal_tail.cc
napi_value WalTailClose(Call& call);            // wal_tail.cc
napi_value WalFiles(Call& call);                // maintenance.cc
napi_value CheckpointTo(Call& call);            // maintenance.cc
napi_value Flush(Call& call);                   // maintenance.cc
napi_value Compact(Call& call);                 // maintenance.cc
napi_value FileStatisticsOf(Call& call);        // file_statistics.cc
napi_value CloseDatabase(Call& call);           // maintenance.cc
napi_value Destroy(Call& call);                 // maintenance.cc
napi_value SetIoBytesPerSecond(Call& call);     // io_rate.cc
napi_value Open(Call& call);                    // open.cc
napi_value BuildInfo(Call& call);               // build_info.cc
napi_value BlockReadsOf(Call& call);            // counters.cc
napi_value BeginProfile(Call& call);            // counters.cc
napi_value EndProfile(Call& call);              // counters.cc

// The snapshot a value stands for; nullptr for undefined. It must be unreleased and of this database.
const rocksdb::Snapshot* ReadSnapshot(Call& call, napi_value value, Database& database);  // snapshot.cc

}  // namespace holdfast
