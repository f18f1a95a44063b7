// How fast flushes and compactions may write. RocksDB's limiter is made for one rate: it can be told another one, but an
// auto-tuned one comes back to what it was made with. So this one hands on to a limiter that is exchanged with the rate.
#pragma once
#include <rocksdb/rate_limiter.h>

#include <memory>
#include <mutex>

namespace holdfast {

class IoRate : public rocksdb::RateLimiter {
 public:
  // `tuned`: RocksDB goes down to a twentieth of the rate while less is asked for.
  IoRate(int64_t bytes_per_second, bool tuned);

  // 0: no bound. Any thread.
  void Set(int64_t bytes_per_second);

  using rocksdb::RateLimiter::Request;
  void SetBytesPerSecond(int64_t bytes_per_second) override { Set(bytes_per_second); }
  void Request(int64_t bytes, rocksdb::Env::IOPriority priority, rocksdb::Statistics* statistics) override;
  int64_t GetSingleBurstBytes() const override;
  int64_t GetTotalBytesThrough(rocksdb::Env::IOPriority priority) const override;
  int64_t GetTotalRequests(rocksdb::Env::IOPriority priority) const override;
  int64_t GetBytesPerSecond() const override;

 private:
  struct Bound {
    // Null while there is none.
    std::shared_ptr<rocksdb::RateLimiter> limiter;
    // The most that one request to it may ask for.
    int64_t burst_bytes = 0;
  };

  Bound Current() const;

  const bool tuned_;
  mutable std::mutex mutex_;
  Bound current_;
};

}  // namespace holdfast
