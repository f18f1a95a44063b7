// What RocksDB counts beside its work: every thread counts its reads (PerfContext at its default level), and RocksDB tells
// of flushes and compactions that have ended. RocksDB's Statistics object is not used, since it costs on every operation.
// A RocksDB may be compiled without the counters of threads, as the one of `make rocksdb` is; they are 0 then.
#pragma once
#include <rocksdb/listener.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace holdfast {

// Whether this RocksDB has the counters of threads.
bool HasThreadCounters();

// Blocks that reads found in the block cache, and blocks they read from files. Any thread.
struct BlockReads {
  std::atomic<uint64_t> hits{0}, index_hits{0}, filter_hits{0};
  std::atomic<uint64_t> misses{0}, index_misses{0}, filter_misses{0};

  // Takes over what the calling thread has counted since the last time.
  void TakeFromThread();
};

// Flushes and compactions of one database since it was opened.
class EndedWork : public rocksdb::EventListener {
 public:
  std::atomic<uint64_t> flushes{0}, compactions{0};

  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    flushes.fetch_add(1, std::memory_order_relaxed);
  }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    compactions.fetch_add(1, std::memory_order_relaxed);
  }
};

}  // namespace holdfast
