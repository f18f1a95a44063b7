#include "io_rate.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "arguments.h"
#include "database.h"

namespace holdfast {

namespace {

constexpr int64_t kRefillUs = 100 * 1000;
// One request of a compaction in so many goes before those of flushes.
constexpr int32_t kFairness = 10;
// How far down RocksDB tunes a rate (kAllowedRangeFactor there).
constexpr int64_t kTunedDown = 20;
constexpr int64_t kFastest = static_cast<int64_t>(kIoBytesPerSecondMax);
// Without a bound a request is as large as RocksDB likes.
constexpr int64_t kAnyBytes = std::numeric_limits<int64_t>::max();

}  // namespace

IoRate::IoRate(int64_t bytes_per_second, bool tuned)
    : rocksdb::RateLimiter(rocksdb::RateLimiter::Mode::kWritesOnly), tuned_(tuned) {
  Set(bytes_per_second);
}

void IoRate::Set(int64_t bytes_per_second) {
  Bound bound;
  if (bytes_per_second > 0) {
    bound.limiter.reset(rocksdb::NewGenericRateLimiter(bytes_per_second, kRefillUs, kFairness,
                                                       rocksdb::RateLimiter::Mode::kWritesOnly, tuned_));
    bound.burst_bytes = bound.limiter->GetSingleBurstBytes();
    // It asserts that no request is larger than its burst at that moment, and another thread's may just have tuned it down.
    if (tuned_) bound.burst_bytes = std::max(bound.burst_bytes / kTunedDown - 1, int64_t{1});
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    std::swap(current_, bound);
  }
  // What waits for the one before need not wait by its rate.
  if (bound.limiter != nullptr) bound.limiter->SetBytesPerSecond(kFastest);
}

IoRate::Bound IoRate::Current() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return current_;
}

void IoRate::Request(int64_t bytes, rocksdb::Env::IOPriority priority, rocksdb::Statistics* statistics) {
  const Bound bound = Current();
  if (bound.limiter == nullptr) return;
  // The burst that RocksDB went by may have been that of the limiter before.
  for (int64_t left = bytes; left > 0;) {
    const int64_t part = std::min(left, bound.burst_bytes);
    bound.limiter->Request(part, priority, statistics);
    left -= part;
  }
}

int64_t IoRate::GetSingleBurstBytes() const {
  const Bound bound = Current();
  return bound.limiter == nullptr ? kAnyBytes : bound.burst_bytes;
}

int64_t IoRate::GetTotalBytesThrough(rocksdb::Env::IOPriority priority) const {
  const auto limiter = Current().limiter;
  return limiter == nullptr ? 0 : limiter->GetTotalBytesThrough(priority);
}

int64_t IoRate::GetTotalRequests(rocksdb::Env::IOPriority priority) const {
  const auto limiter = Current().limiter;
  return limiter == nullptr ? 0 : limiter->GetTotalRequests(priority);
}

int64_t IoRate::GetBytesPerSecond() const {
  const auto limiter = Current().limiter;
  return limiter == nullptr ? kAnyBytes : limiter->GetBytesPerSecond();
}

napi_value SetIoBytesPerSecond(Call& call) {
  const auto rate = static_cast<int64_t>(ReadInteger(call, call.argv[0], "bytesPerSecond", 0, kIoBytesPerSecondMax));
  Self(call).io_rate->Set(rate);
  return Undefined(call.env);
}

}  // namespace holdfast
