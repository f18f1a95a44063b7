// Reminds RocksDB of flushes that somebody waits for.
//
// A memtable that has been asked to be flushed is forgotten when a flush of other full memtables is just syncing logs: it
// takes the request for done (7.8.3, with min_write_buffer_number_to_merge above 1). Who waits for it would wait until as many
// memtables are full again, without writes for ever. So while a job waits a thread looks whether there is a
// memtable that nobody is going to flush, and asks for it again.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>

#include "database.h"

namespace holdfast {

class FlushReminder {
 public:
  // `database` outlives it.
  explicit FlushReminder(const Database* database);
  ~FlushReminder();
  FlushReminder(const FlushReminder&) = delete;
  FlushReminder& operator=(const FlushReminder&) = delete;

 private:
  void Watch();
  bool IsForgotten(rocksdb::ColumnFamilyHandle* family) const;

  const Database* const database_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace holdfast
