#include "flush_reminder.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <vector>

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstLook{50};
// Looks become rarer after each reminder: a long compaction beside writes is no reason to flush memtables that are not full.
constexpr milliseconds kLastLook{5000};

}  // namespace

FlushReminder::FlushReminder(const Database* database) : database_(database) {
  try {
    thread_ = std::thread([this] { Watch(); });
  } catch (const std::system_error&) {
    // No threads to be had: then nobody reminds, which is needed rarely.
  }
}

FlushReminder::~FlushReminder() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// Full or asked for, and neither being flushed nor about to be. Also of memtables that wait for others to be full.
bool FlushReminder::IsForgotten(rocksdb::ColumnFamilyHandle* family) const {
  rocksdb::DB* const db = database_->db.get();
  uint64_t full = 0, pending = 1, running = 1;
  return db->GetIntProperty(family, rocksdb::DB::Properties::kNumImmutableMemTable, &full) && full > 0 &&
         db->GetIntProperty(family, rocksdb::DB::Properties::kMemTableFlushPending, &pending) && pending == 0 &&
         db->GetIntProperty(family, rocksdb::DB::Properties::kNumRunningFlushes, &running) && running == 0;
}

void FlushReminder::Watch() {
  const std::vector<rocksdb::ColumnFamilyHandle*>& families = database_->families;
  // Which were so at the last look: once says nothing, a flush may be between two steps.
  std::vector<bool> seen(families.size(), false);
  milliseconds pause = kFirstLook;
  rocksdb::FlushOptions ask;
  ask.wait = false;
  ask.allow_write_stall = true;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!changed_.wait_for(lock, pause, [this] { return is_over_; })) {
    lock.unlock();
    bool has_reminded = false;
    for (size_t i = 0; i < families.size(); i++) {
      const bool is_forgotten = IsForgotten(families[i]);
      if (is_forgotten && seen[i]) {
        // Refused: the database is closing, or writes nothing any more; who waits is told so as well.
        database_->db->Flush(ask, families[i]).PermitUncheckedError();
        has_reminded = true;
      }
      seen[i] = is_forgotten && !seen[i];
    }
    if (has_reminded) pause = std::min(pause * 2, kLastLook);
    lock.lock();
  }
}

}  // namespace holdfast
