// What RocksDB keeps new records in until they are flushed: the binding's own order (entry_tree.h) in place of RocksDB's
// skip list.
#pragma once
#include <rocksdb/memtablerep.h>

#include <memory>

namespace holdfast {

// For families with the bytewise comparator, which all are that this binding opens by name. One thread inserts at a
// time: the database must be opened without allow_concurrent_memtable_write.
std::shared_ptr<rocksdb::MemTableRepFactory> NewTreeMemtables();

}  // namespace holdfast
