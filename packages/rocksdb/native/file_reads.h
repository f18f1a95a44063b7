// How table files are read: a thread may ask not to wait for the disk, and whoever waits for it has it read some more.
//
// The kernel keeps what was read of a file. A copy out of there takes a microsecond, which the JavaScript thread can spend
// itself; a disk takes a hundred and more, which it cannot. RocksDB only tells its own block cache from everything else. So
// table files are opened here, and while a thread has a `NoWaiting` its reads fail where they would have to wait
// (preadv2 with RWF_NOWAIT).
//
// Blocks are small, so that a lookup copies and checks little. A disk takes hardly longer for several of them than for one,
// and what is near has often been written together: reads that have to wait anyway are of `kReadUnit` bytes.
#pragma once
#include <rocksdb/env.h>

namespace holdfast {

// What a thread that does not wait may read of a table file.
enum class Reach {
  kNothing,
  kKernelCache,
  // As kKernelCache, and what it does not get the disk begins to read.
  kBeginsReading,
};

// While it lives, reads of this thread do not wait for the disk, and no table file is opened. Not RocksDB's read tier of the
// block cache: with that a key that may be in a file that is not open is found, with an empty value.
class NoWaiting {
 public:
  explicit NoWaiting(Reach reach);
  ~NoWaiting();
  NoWaiting(const NoWaiting&) = delete;
  NoWaiting& operator=(const NoWaiting&) = delete;

  // Whether a read would have waited since the last Again: what failed then has failed because of that.
  bool WouldWait() const;
  void Again();
};

// RocksDB's own, but for the reads of table files; lives as long as the process.
rocksdb::Env* ReadingEnv();

}  // namespace holdfast
