// The order of a memtable's entries: a B+ tree whose nodes decide nearly every comparison themselves.
//
// RocksDB's skip list reads the key of some twenty entries per insertion, each where memory put it: most of what a put
// costs is waiting for them. Here a node holds, beside pointers to entries, eight bytes of each of their keys, and those
// are the bytes that tell its keys apart: what all of them begin with stands in the node once. A descent reads a few
// adjacent cache lines per node, and an entry only where these bytes are equal.
//
// One thread inserts at a time; any number read meanwhile and wait for nobody but a node that is being changed. Each node
// has a version, odd while it is changed: who read a node looks whether its version is still the one before, and begins
// anew if not. Nothing is ever removed, so what a reader holds stays readable. A node is split while its parent is
// marked as well: a descent that found its way through a parent is right only as long as that did not change.
#pragma once
#include <rocksdb/slice.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace holdfast {

// A key as RocksDB orders them: by user key, and of one user key the later sequence first.
struct TreeKey {
  const unsigned char* data;
  size_t size;
  // Sequence and kind, turned round: ascending.
  uint64_t order;

  // Of `user key | fixed64 (sequence << 8 | kind)`.
  static TreeKey OfInternal(const char* data, size_t size) {
    uint64_t trailer;
    memcpy(&trailer, data + size - 8, 8);
    return {reinterpret_cast<const unsigned char*>(data), size - 8, ~trailer};
  }

  // Of an entry of a memtable: `varint32 length | internal key | ...`.
  static TreeKey OfEntry(const char* entry) {
    const unsigned char* at = reinterpret_cast<const unsigned char*>(entry);
    uint32_t length = *at++;
    if (length >= 0x80) {
      length &= 0x7f;
      for (unsigned shift = 7;; shift += 7) {
        const uint32_t byte = *at++;
        length |= (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
    }
    return OfInternal(reinterpret_cast<const char*>(at), length);
  }
};

struct TreeNode;

class EntryTree {
 public:
  // Gives memory that lives as long as the tree.
  class Memory {
   public:
    virtual void* Take(size_t bytes) = 0;

   protected:
    ~Memory() = default;
  };

  // Where a reader stands. Values: it may outlive changes of the tree, not the tree.
  struct Position {
    // Null: nowhere.
    const char* entry = nullptr;

   private:
    friend class EntryTree;
    const TreeNode* leaf = nullptr;
    uint32_t version = 0;
    uint32_t index = 0;
  };

  explicit EntryTree(Memory* memory);
  EntryTree(const EntryTree&) = delete;
  EntryTree& operator=(const EntryTree&) = delete;

  // One thread at a time. No entry may compare equal to one that is there.
  void Insert(const char* entry);

  // The following are for any thread, also while another one inserts.
  Position First() const;
  Position Last() const;
  // The first entry that is not before `key`.
  Position AtOrAfter(const TreeKey& key) const;
  // The last entry that is not after `key`.
  Position AtOrBefore(const TreeKey& key) const;
  // The neighbours of where `position` stands, which must be somewhere.
  void Next(Position* position) const;
  void Previous(Position* position) const;

 private:
  struct Path;

  const TreeNode* LeafOf(const TreeKey& key, bool is_before, uint32_t* version) const;
  Position Before(const TreeKey& key, bool may_be_equal) const;
  bool FirstOf(const TreeNode* leaf, Position* position) const;
  void Split(Path* path, const TreeKey& key, const char* entry);
  TreeNode* NewNode(bool is_leaf);

  Memory* const memory_;
  std::atomic<TreeNode*> root_;
  const TreeNode* first_leaf_;
};

}  // namespace holdfast
