#include "io_rate.h"

#include <algorithm>
#include <limits>

#include "arguments.h"
#include "database.h"

namespace holdfast {

namespace {

constexpr int64_t kRefillUs = 100 * 1000;
// One request of a compaction in so many goes before those of flushes.
constexpr int32_t kFairness = 10;
constexpr int64_t kFastest = static_cast<int64_t>(kIoBytesPerSecondMax);
// Without a bound a request is as large as RocksDB likes.
constexpr int64_t kAnyBytes = std::numeric_limits<int64_t>::max();

}  // namespace

IoRate::IoRate(int64_t bytes_per_second, bool tuned)
    : rocksdb::RateLimiter(rocksdb::RateLimiter::Mode::kWritesOnly), tuned_(tuned) {
  Set(bytes_per_second);
}

void IoRate::Set(int64_t bytes_per_second) {
  std::shared_ptr<rocksdb::RateLimiter> next;
  if (bytes_per_second > 0)
    next.reset(rocksdb::NewGenericRateLimiter(bytes_per_second, kRefillUs, kFairness,
                                              rocksdb::RateLimiter::Mode::kWritesOnly, tuned_));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    current_.swap(next);
  }
  // What waits for the old one need not wait by its rate.
  if (next != nullptr) next->SetBytesPerSecond(bytes_per_second > 0 ? bytes_per_second : kFastest);
}

std::shared_ptr<rocksdb::RateLimiter> IoRate::Current() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return current_;
}

void IoRate::Request(int64_t bytes, rocksdb::Env::IOPriority priority, rocksdb::Statistics* statistics) {
  const std::shared_ptr<rocksdb::RateLimiter> limiter = Current();
  if (limiter == nullptr) return;
  // The burst may have been another limiter's.
  for (int64_t left = bytes; left > 0;) {
    const int64_t part = std::min(left, limiter->GetSingleBurstBytes());
    limiter->Request(part, priority, statistics);
    left -= part;
  }
}

int64_t IoRate::GetSingleBurstBytes() const {
  const auto limiter = Current();
  return limiter == nullptr ? kAnyBytes : limiter->GetSingleBurstBytes();
}

int64_t IoRate::GetTotalBytesThrough(rocksdb::Env::IOPriority priority) const {
  const auto limiter = Current();
  return limiter == nullptr ? 0 : limiter->GetTotalBytesThrough(priority);
}

int64_t IoRate::GetTotalRequests(rocksdb::Env::IOPriority priority) const {
  const auto limiter = Current();
  return limiter == nullptr ? 0 : limiter->GetTotalRequests(priority);
}

int64_t IoRate::GetBytesPerSecond() const {
  const auto limiter = Current();
  return limiter == nullptr ? kAnyBytes : limiter->GetBytesPerSecond();
}

napi_value SetIoBytesPerSecond(Call& call) {
  const auto rate = static_cast<int64_t>(ReadInteger(call, call.argv[0], "bytesPerSecond", 0, kIoBytesPerSecondMax));
  Self(call).io_rate->Set(rate);
  return Undefined(call.env);
}

}  // namespace holdfast
