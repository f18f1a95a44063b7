#include "database.h"

#include <rocksdb/convenience.h>
#include <rocksdb/write_batch.h>

#include <cstdlib>

#include "arguments.h"
#include "async.h"
#include "batch.h"

namespace holdfast {

namespace {

// Every RocksDB object of the process. exit() destroys RocksDB's static objects while its threads may be compacting;
// the handler stops those threads first. It frees nothing: another thread may still be reading.
struct OpenDatabases {
  std::mutex mutex;
  std::unordered_set<rocksdb::DB*> all;
};

OpenDatabases& Registry() {
  static OpenDatabases* registry = new OpenDatabases();
  return *registry;
}

void StopBackgroundWork() {
  std::lock_guard<std::mutex> lock(Registry().mutex);
  for (rocksdb::DB* db : Registry().all) rocksdb::CancelAllBackgroundWork(db, true);
}

// Handlers run last registered first, in turn with the destructors of static objects: this one is registered once
// RocksDB has made those it needs, which it does while it opens its first database.
void InstallExitHandler() {
  static std::once_flag once;
  std::call_once(once, [] { atexit(StopBackgroundWork); });
}

class CloseJob : public Job {
 public:
  explicit CloseJob(std::shared_ptr<Database> database) : Job("close", nullptr), closing_(std::move(database)) {}

 protected:
  void Run() override { Check(closing_->Free(), "close"); }
  void Finish(napi_env env) override { closing_->Closed(env, failure_ ? &*failure_ : nullptr); }

 private:
  const std::shared_ptr<Database> closing_;
};

}  // namespace

Database::Database() {
  // A family's options may set a prefix extractor: bounds and order are by the whole key nevertheless.
  reads.total_order_seek = true;
}

Database::~Database() {
  if (addon_) addon_->databases.erase(this);
  Free().PermitUncheckedError();
}

void Database::Attach(const std::shared_ptr<Addon>& addon) {
  addon_ = addon;
  addon->databases.emplace(this, weak_from_this());
}

void Database::Own(rocksdb::DB* opened, std::vector<rocksdb::ColumnFamilyHandle*> handles) {
  db.reset(opened);
  families = std::move(handles);
  InstallExitHandler();
  std::lock_guard<std::mutex> lock(Registry().mutex);
  Registry().all.insert(opened);
}

// Compactions call the filters, and those the metadata family: they end before the families do.
rocksdb::Status Database::Free() {
  if (!db) return rocksdb::Status::OK();
  scratch.Reset();
  rocksdb::CancelAllBackgroundWork(db.get(), true);
  if (filters) filters->db.store(nullptr, std::memory_order_release);
  {
    std::lock_guard<std::mutex> lock(Registry().mutex);
    Registry().all.erase(db.get());
  }
  for (rocksdb::ColumnFamilyHandle* family : families)
    db->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  families.clear();
  const rocksdb::Status status = db->Close();
  db.reset();
  return status;
}

// --- writes ---

// Every sequence handed out is a safe integer; RocksDB itself ends the process when it runs out of them.
void Database::RequireSequences(const std::string& batch) const {
  const uint64_t latest = db->GetLatestSequenceNumber();
  if (latest + BatchCount(batch.data()) <= static_cast<uint64_t>(kSafeIntegerMax)) return;
  throw Failure{"ROCKS_OTHER", "write: there are no safe sequence numbers left after " + std::to_string(latest)};
}

void Database::WriteLocked(WriteRequest* request) {
  rocksdb::WriteOptions options;
  options.no_slowdown = request->flags.no_slowdown;
  options.disableWAL = request->flags.disable_wal;
  const size_t count = request->batches.size();
  for (size_t i = 0; i < count; i++) {
    // One fsync covers every WAL file that is not synced yet, so only the last batch asks for it.
    options.sync = request->flags.sync && i + 1 == count;
    try {
      RequireSequences(request->batches[i]);
      rocksdb::WriteBatch batch(std::move(request->batches[i]));
      const rocksdb::Status status = db->Write(options, &batch);
      if (status.ok()) continue;
      request->failure = FromStatus(status, "write");
    } catch (const Failure& failure) {
      request->failure = failure;
    } catch (const std::exception& error) {
      request->failure = Failure{"ROCKS_OTHER", std::string("write: ") + error.what()};
    }
    request->failed = true;
    request->failure.written = static_cast<int64_t>(i);
    break;
  }
  request->sequence = db->GetLatestSequenceNumber();
  if (options.disableWAL && count > 0) unlogged_sequence_.store(request->sequence, std::memory_order_release);
}

void Database::RunQueuedWrite() {
  std::lock_guard<std::mutex> writing(write_mutex_);
  std::unique_ptr<WriteRequest> request;
  {
    std::lock_guard<std::mutex> lock(queue_mutex_);
    if (queued_writes_.empty()) return;
    request = std::move(queued_writes_.front());
    queued_writes_.pop_front();
  }
  WriteLocked(request.get());
  std::lock_guard<std::mutex> lock(queue_mutex_);
  finished_writes_.push_back(std::move(request));
}

void Database::Write(WriteRequest* request) {
  for (;;) {
    {
      std::lock_guard<std::mutex> lock(queue_mutex_);
      if (queued_writes_.empty()) break;
    }
    RunQueuedWrite();
  }
  std::lock_guard<std::mutex> writing(write_mutex_);
  WriteLocked(request);
}

void Database::Queue(std::unique_ptr<WriteRequest> request) {
  std::lock_guard<std::mutex> lock(queue_mutex_);
  queued_writes_.push_back(std::move(request));
}

std::vector<std::unique_ptr<WriteRequest>> Database::TakeFinishedWrites() {
  std::lock_guard<std::mutex> lock(queue_mutex_);
  return std::move(finished_writes_);
}

// --- closing ---

void Database::ReleaseChildren() {
  const std::unordered_set<Child*> children = std::move(children_);
  children_.clear();
  for (Child* child : children) child->Release();
}

napi_value Database::Close(Call& call) {
  napi_deferred deferred;
  napi_value promise;
  Must(napi_create_promise(call.env, &deferred, &promise));
  if (state_ == State::kClosed) {
    napi_resolve_deferred(call.env, deferred, Undefined(call.env));
    return promise;
  }
  close_deferreds_.push_back(deferred);
  if (state_ == State::kOpen) {
    state_ = State::kClosing;
    Hurry();
    ReleaseChildren();
    if (pending_ == 0) StartCloseJob(call.env);
  }
  return promise;
}

void Database::EndWork(napi_env env) {
  pending_--;
  if (pending_ == 0 && state_ == State::kClosing) StartCloseJob(env);
}

void Database::StartCloseJob(napi_env env) {
  if (Job::Launch(env, addon_.get(), std::make_unique<CloseJob>(shared_from_this()))) return;
  const rocksdb::Status status = Free();
  const Failure failure = FromStatus(status, "close");
  Closed(env, status.ok() ? nullptr : &failure);
}

void Database::Closed(napi_env env, const Failure* failure) {
  state_ = State::kClosed;
  const std::vector<napi_deferred> deferreds = std::move(close_deferreds_);
  close_deferreds_.clear();
  for (napi_deferred deferred : deferreds) {
    if (failure != nullptr)
      Reject(env, addon_.get(), deferred, *failure);
    else
      napi_resolve_deferred(env, deferred, Undefined(env));
  }
}

void Database::Hurry() {
  cancel.store(true);
  if (io_rate != nullptr) io_rate->Set(0);
}

void Database::CloseNow() {
  Hurry();
  // Node waits for the jobs before it ends an environment; were one left, freeing under it would be worse than leaking.
  if (pending_ != 0 || (state_ == State::kClosing && db)) return;
  state_ = State::kClosed;
  ReleaseChildren();
  Free().PermitUncheckedError();
}

// --- compactions ---

bool Database::AcquireCompaction(Job* job) {
  if (!compaction_running_) {
    compaction_running_ = true;
    return true;
  }
  waiting_compactions_.push_back(job);
  return false;
}

Job* Database::ReleaseCompaction() {
  if (waiting_compactions_.empty()) {
    compaction_running_ = false;
    return nullptr;
  }
  Job* next = waiting_compactions_.front();
  waiting_compactions_.pop_front();
  return next;
}

rocksdb::ColumnFamilyHandle* ReadFamily(Call& call, napi_value value, Database& database) {
  const size_t count = database.families.size();
  double index = -1;
  if (napi_get_value_double(call.env, value, &index) == napi_ok && index >= 0 && index < static_cast<double>(count)) {
    const size_t whole = static_cast<size_t>(index);
    if (static_cast<double>(whole) == index) return database.families[whole];
  }
  throw Failure{"ROCKS_ARGUMENT", "family must be an integer from 0 to " + std::to_string(count - 1)};
}

}  // namespace holdfast
