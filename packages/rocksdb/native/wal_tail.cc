// Following the write-ahead log: what a master sends to its replicas.
//
// RocksDB's TransactionLogIterator is kept at the end of the log and asked again after the next write; a new one would
// read the log file from its beginning. It is asked only while sequences are missing that the log must hold, and it is
// given up at the first sign of trouble, because a RocksDB with assertions ends the process when an iterator that ran
// into a gap goes on.
#include <rocksdb/transaction_log.h>

#include "arguments.h"
#include "async.h"
#include "batch.h"
#include "database.h"

namespace holdfast {

namespace {

// The reading itself. Used by one thread at a time: the JavaScript thread, or a job while `busy` is set.
class TailReader {
 public:
  // Whoever holds a reader holds the database, too.
  TailReader(Database& database, uint64_t from) : database_(database), next_(from) {
    const uint64_t latest = database_.db->GetLatestSequenceNumber();
    if (from == latest + 1) return;
    if (from == 0 || from > latest) {
      throw Failure{"ROCKS_WAL_GONE", "no batch starts at sequence " + std::to_string(from) + ", the latest is " +
                                          std::to_string(latest)};
    }
    Read();
    if (!pending_) Gone("it holds nothing from there");
  }

  // A job reads. Looked at on the JavaScript thread only.
  bool busy = false;

  uint32_t Fill(size_t bytes_max, std::string* block) {
    uint32_t count = 0;
    while (count == 0 || block->size() < bytes_max) {
      if (!pending_ && !ReadFor(count)) break;
      const std::string& bytes = pending_->Data();
      if (count > 0 && block->size() + bytes.size() + 4 > bytes_max) break;
      const uint32_t length = static_cast<uint32_t>(bytes.size());
      block->append(reinterpret_cast<const char*>(&length), sizeof length);
      block->append(bytes);
      next_ += BatchCount(bytes.data());
      pending_.reset();
      count++;
    }
    return count;
  }

 private:
  [[noreturn]] void Gone(const std::string& why) {
    iterator_.reset();
    throw Failure{"ROCKS_WAL_GONE", "the WAL cannot go on at sequence " + std::to_string(next_) + ": " + why};
  }

  // Batches already in the block go out before trouble behind them is told: the next call meets it again.
  bool ReadFor(uint32_t count) {
    try {
      return Read();
    } catch (const Failure&) {
      if (count == 0) throw;
      iterator_.reset();
      return false;
    }
  }

  // Makes the batch that starts at next_ pending; false when it is not written yet.
  bool Read() {
    const uint64_t latest = database_.db->GetLatestSequenceNumber();
    if (next_ > latest) return false;
    if (next_ <= database_.unlogged_sequence()) Gone("it was written without the WAL");
    if (iterator_) {
      iterator_->Next();
      // The log went on in a file this iterator does not know, or something is wrong: see with a new one.
      if (!iterator_->status().ok() || !iterator_->Valid()) iterator_.reset();
    }
    if (!iterator_) Restart();
    rocksdb::BatchResult result = iterator_->GetBatch();
    const std::string& bytes = result.writeBatchPtr->Data();
    const uint64_t sequence = bytes.size() < kBatchHeaderBytes ? 0 : BatchSequence(bytes.data());
    if (sequence != next_) Gone("the next batch starts at " + std::to_string(sequence));
    pending_ = std::move(result.writeBatchPtr);
    return true;
  }

  // A new iterator at next_. A file may move to the archive between listing and opening it, hence the second try.
  void Restart() {
    rocksdb::Status status;
    for (int attempt = 0; attempt < 2; attempt++) {
      status = database_.db->GetUpdatesSince(next_, &iterator_);
      if (status.ok() && iterator_ && iterator_->Valid()) return;
      iterator_.reset();
    }
    if (status.IsIOError() && !status.IsPathNotFound()) throw FromStatus(status, "walTail");
    Gone(status.ok() ? "it does not hold it any more" : status.ToString());
  }

  Database& database_;
  // Sequence of the first record after what was returned.
  uint64_t next_;
  std::unique_ptr<rocksdb::TransactionLogIterator> iterator_;
  std::unique_ptr<rocksdb::WriteBatch> pending_;
};

class TailHandle : public Child {
 public:
  TailHandle(Addon* addon, std::shared_ptr<Database> owner, std::shared_ptr<TailReader> reader)
      : Child(Kind::kTail, addon, std::move(owner)), reader_(std::move(reader)) {}

  ~TailHandle() override { Release(); }

  // A job that reads keeps its own hold on the reader, and lets go before the database can be closed.
  void Release() override {
    reader_.reset();
    Detach();
  }

  const std::shared_ptr<TailReader>& Idle() const {
    if (!database) throw Failure{"ROCKS_CLOSED", "the tail, or its database, is closed"};
    if (reader_->busy) throw Failure{"ROCKS_BUSY", "the tail is being read, wait for its nextAsync"};
    return reader_;
  }

 private:
  std::shared_ptr<TailReader> reader_;
};

class TailOpenJob : public Job {
 public:
  TailOpenJob(std::shared_ptr<Database> database, uint64_t from) : Job("walTailAsync", std::move(database)), from_(from) {}

 protected:
  void Run() override { reader_ = std::make_shared<TailReader>(*database_, from_); }

  napi_value Value(Call& call) override {
    // A closing database has closed its children already.
    if (database_->state() != Database::State::kOpen)
      throw Failure{"ROCKS_CLOSED", "walTailAsync: the database in " + database_->path + " is closed"};
    return NewHandle(call, std::make_unique<TailHandle>(call.addon, database_, reader_));
  }

  void Finish(napi_env env) override {
    Job::Finish(env);
    reader_.reset();
  }

 private:
  const uint64_t from_;
  std::shared_ptr<TailReader> reader_;
};

napi_value BlockValue(napi_env env, const std::string& block, uint32_t count) {
  napi_value result, number;
  Must(napi_create_object(env, &result));
  Must(napi_set_named_property(env, result, "bytes", BufferValue(env, block.data(), block.size())));
  Must(napi_create_uint32(env, count, &number));
  Must(napi_set_named_property(env, result, "count", number));
  return result;
}

class TailNextJob : public Job {
 public:
  TailNextJob(std::shared_ptr<Database> database, std::shared_ptr<TailReader> reader, size_t bytes_max)
      : Job("nextAsync", std::move(database)), reader_(std::move(reader)), bytes_max_(bytes_max) {
    reader_->busy = true;
  }

  ~TailNextJob() override { Done(); }

 protected:
  void Run() override { count_ = reader_->Fill(bytes_max_, &block_); }
  napi_value Value(Call& call) override { return BlockValue(call.env, block_, count_); }

  void Finish(napi_env env) override {
    Done();
    Job::Finish(env);
  }

 private:
  void Done() {
    if (reader_) reader_->busy = false;
    reader_.reset();
  }

  std::shared_ptr<TailReader> reader_;
  const size_t bytes_max_;
  uint32_t count_ = 0;
  std::string block_;
};

uint64_t ReadFrom(Call& call) {
  return static_cast<uint64_t>(ReadInteger(call, call.argv[0], "fromSequence", 0, kSafeIntegerMax));
}

size_t ReadBytesMax(Call& call) {
  return static_cast<size_t>(ReadInteger(call, call.argv[0], "maxBytes", 0, kSafeIntegerMax));
}

}  // namespace

napi_value NewWalTail(Call& call) {
  const std::shared_ptr<Database> database = SharedSelf(call);
  auto reader = std::make_shared<TailReader>(*database, ReadFrom(call));
  return NewHandle(call, std::make_unique<TailHandle>(call.addon, database, std::move(reader)));
}

napi_value NewWalTailAsync(Call& call) {
  const std::shared_ptr<Database> database = SharedSelf(call);
  return Job::Start(call, std::make_unique<TailOpenJob>(database, ReadFrom(call)));
}

napi_value WalTailNext(Call& call) {
  const auto& tail = SelfChild<TailHandle>(call, Kind::kTail, "WalTail");
  const size_t bytes_max = ReadBytesMax(call);
  std::string block;
  const uint32_t count = tail.Idle()->Fill(bytes_max, &block);
  return BlockValue(call.env, block, count);
}

napi_value WalTailNextAsync(Call& call) {
  const auto& tail = SelfChild<TailHandle>(call, Kind::kTail, "WalTail");
  const size_t bytes_max = ReadBytesMax(call);
  const std::shared_ptr<TailReader>& reader = tail.Idle();
  return Job::Start(call, std::make_unique<TailNextJob>(tail.database, reader, bytes_max));
}

napi_value WalTailClose(Call& call) {
  SelfChild<TailHandle>(call, Kind::kTail, "WalTail").Release();
  return Undefined(call.env);
}

}  // namespace holdfast
