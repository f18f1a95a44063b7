// RocksDB writes an info log wherever it opens a database; what is only looked at, or copied, is to get none.
#pragma once
#include <rocksdb/env.h>

namespace holdfast {

class SilentLogger : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace holdfast
