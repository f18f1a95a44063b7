// Following the write-ahead log: what a master sends to its replicas.
//
// RocksDB's TransactionLogIterator is kept at the end of the log and asked again after the next write; a new one would
// read the log file from its beginning. It is asked only while sequences are missing that the log must hold, and it is
// given up at the first sign of trouble, because a RocksDB with assertions ends the process when an iterator that ran
// into a gap goes on.
#include <rocksdb/transaction_log.h>

#include "arguments.h"
#include "batch.h"
#include "database.h"

namespace holdfast {

namespace {

class TailHandle : public Child {
 public:
  TailHandle(Addon* addon, std::shared_ptr<Database> owner, uint64_t from)
      : Child(Kind::kTail, addon, std::move(owner)), next_(from) {
    const uint64_t latest = database->db->GetLatestSequenceNumber();
    if (from == latest + 1) return;
    if (from == 0 || from > latest) {
      throw Failure{"ROCKS_WAL_GONE", "no batch starts at sequence " + std::to_string(from) + ", the latest is " +
                                          std::to_string(latest)};
    }
    Read();
    if (!pending_) Gone("it holds nothing from there");
  }

  ~TailHandle() override { Release(); }

  void Release() override {
    pending_.reset();
    iterator_.reset();
    Detach();
  }

  uint32_t Fill(size_t bytes_max, std::string* block) {
    if (!database) throw Failure{"ROCKS_CLOSED", "the tail, or its database, is closed"};
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
    const uint64_t latest = database->db->GetLatestSequenceNumber();
    if (next_ > latest) return false;
    if (next_ <= database->unlogged_sequence()) Gone("it was written without the WAL");
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
      status = database->db->GetUpdatesSince(next_, &iterator_);
      if (status.ok() && iterator_ && iterator_->Valid()) return;
      iterator_.reset();
    }
    if (status.IsIOError() && !status.IsPathNotFound()) throw FromStatus(status, "walTail");
    Gone(status.ok() ? "it does not hold it any more" : status.ToString());
  }

  // Sequence of the first record after what was returned.
  uint64_t next_;
  std::unique_ptr<rocksdb::TransactionLogIterator> iterator_;
  std::unique_ptr<rocksdb::WriteBatch> pending_;
};

}  // namespace

napi_value NewWalTail(Call& call) {
  const std::shared_ptr<Database> database = SharedSelf(call);
  const double from = ReadInteger(call, call.argv[0], "fromSequence", 0, kSafeIntegerMax);
  return NewHandle(call, std::make_unique<TailHandle>(call.addon, database, static_cast<uint64_t>(from)));
}

napi_value WalTailNext(Call& call) {
  auto& tail = SelfChild<TailHandle>(call, Kind::kTail, "WalTail");
  const double bytes_max = ReadInteger(call, call.argv[0], "maxBytes", 0, kSafeIntegerMax);
  std::string block;
  const uint32_t count = tail.Fill(static_cast<size_t>(bytes_max), &block);
  napi_value result, number;
  Must(napi_create_object(call.env, &result));
  Must(napi_set_named_property(call.env, result, "bytes", BufferValue(call.env, block.data(), block.size())));
  Must(napi_create_uint32(call.env, count, &number));
  Must(napi_set_named_property(call.env, result, "count", number));
  return result;
}

napi_value WalTailClose(Call& call) {
  SelfChild<TailHandle>(call, Kind::kTail, "WalTail").Release();
  return Undefined(call.env);
}

}  // namespace holdfast
