#include "memtable.h"

#include <cstdint>
#include <new>

#include "entry_tree.h"

namespace rocksdb {

// Memory for iterators, which RocksDB has whoever makes one take from it and never gives back one by one. Its public
// headers name the class and do not declare it; this is the one member that is needed, as every RocksDB since 3.6 has it.
class Arena {
 public:
  char* AllocateAligned(size_t bytes, size_t huge_page_size, Logger* logger);
};

}  // namespace rocksdb

namespace holdfast {

namespace {

using rocksdb::MemTableRep;

class TreeIterator final : public MemTableRep::Iterator {
 public:
  explicit TreeIterator(const EntryTree* tree) : tree_(tree) {}

  bool Valid() const override { return at_.entry != nullptr; }
  const char* key() const override { return at_.entry; }
  void Next() override { tree_->Next(&at_); }
  void Prev() override { tree_->Previous(&at_); }
  void SeekToFirst() override { at_ = tree_->First(); }
  void SeekToLast() override { at_ = tree_->Last(); }

  void Seek(const rocksdb::Slice& internal_key, const char* entry) override {
    at_ = tree_->AtOrAfter(KeyOf(internal_key, entry));
  }

  void SeekForPrev(const rocksdb::Slice& internal_key, const char* entry) override {
    at_ = tree_->AtOrBefore(KeyOf(internal_key, entry));
  }

 private:
  static TreeKey KeyOf(const rocksdb::Slice& internal_key, const char* entry) {
    return entry != nullptr ? TreeKey::OfEntry(entry) : TreeKey::OfInternal(internal_key.data(), internal_key.size());
  }

  const EntryTree* const tree_;
  EntryTree::Position at_;
};

class TreeMemtable final : public MemTableRep, private EntryTree::Memory {
 public:
  explicit TreeMemtable(rocksdb::Allocator* allocator) : MemTableRep(allocator), tree_(this) {}

  void Insert(rocksdb::KeyHandle handle) override { tree_.Insert(static_cast<const char*>(handle)); }

  bool Contains(const char* entry) const override {
    const TreeKey key = TreeKey::OfEntry(entry);
    const EntryTree::Position found = tree_.AtOrAfter(key);
    if (found.entry == nullptr) return false;
    const TreeKey there = TreeKey::OfEntry(found.entry);
    return there.order == key.order && there.size == key.size && memcmp(there.data, key.data, key.size) == 0;
  }

  // All memory is the allocator's.
  size_t ApproximateMemoryUsage() override { return 0; }

  Iterator* GetIterator(rocksdb::Arena* arena) override {
    if (arena == nullptr) return new TreeIterator(&tree_);
    return new (arena->AllocateAligned(sizeof(TreeIterator), 0, nullptr)) TreeIterator(&tree_);
  }

 private:
  // On whole lines of the processor's caches.
  void* Take(size_t bytes) override {
    constexpr uintptr_t kLine = 64;
    char* memory;
    Allocate(bytes + kLine - 1, &memory);
    return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(memory) + kLine - 1) & ~(kLine - 1));
  }

  EntryTree tree_;
};

class TreeMemtableFactory final : public rocksdb::MemTableRepFactory {
 public:
  const char* Name() const override { return "HoldfastTree"; }

  using MemTableRepFactory::CreateMemTableRep;
  MemTableRep* CreateMemTableRep(const MemTableRep::KeyComparator&, rocksdb::Allocator* allocator,
                                 const rocksdb::SliceTransform*, rocksdb::Logger*) override {
    return new TreeMemtable(allocator);
  }
};

}  // namespace

std::shared_ptr<rocksdb::MemTableRepFactory> NewTreeMemtables() { return std::make_shared<TreeMemtableFactory>(); }

}  // namespace holdfast
