#include "entry_tree.h"

#include <sched.h>

#include <algorithm>
#include <new>

namespace holdfast {

namespace {

constexpr unsigned kEntriesMax = 32;
// So much of what all keys of a node begin with is left out of their words.
constexpr unsigned kPrefixWords = 6;
constexpr unsigned kPrefixMax = 8 * kPrefixWords;
constexpr unsigned kDepthMax = 16;

// What a slot that was never used points to, for readers that look while a node is being changed: an empty key.
const char kNoEntry[] = "\x08\0\0\0\0\0\0\0\0";

// Eight bytes of a key from `from` on, which is not behind its end, as a number; zeros behind its end. Every key is
// followed by its eight bytes of sequence and kind, so that reading does not leave its memory.
uint64_t WordAt(const TreeKey& key, size_t from) {
  uint64_t bytes;
  memcpy(&bytes, key.data + from, 8);
  const uint64_t word = __builtin_bswap64(bytes);
  const size_t rest = key.size - from;
  if (rest >= 8) return word;
  return rest == 0 ? 0 : word & ~(~uint64_t{0} >> (8 * rest));
}

int Compare(const TreeKey& a, const TreeKey& b) {
  const int order = memcmp(a.data, b.data, std::min(a.size, b.size));
  if (order != 0) return order;
  if (a.size != b.size) return a.size < b.size ? -1 : 1;
  return a.order < b.order ? -1 : a.order > b.order ? 1 : 0;
}

size_t CommonBytes(const TreeKey& a, const TreeKey& b, size_t most) {
  const size_t end = std::min({a.size, b.size, most});
  size_t i = 0;
  while (i < end && a.data[i] == b.data[i]) i++;
  return i;
}

template <typename Value>
Value Load(const std::atomic<Value>& from) {
  return from.load(std::memory_order_relaxed);
}

template <typename Value>
void Store(std::atomic<Value>& to, Value value) {
  to.store(value, std::memory_order_relaxed);
}

}  // namespace

// What readers read while it may be changed is atomic throughout, so that what they read then is old or new, and never
// followed before the version says that it is whole; but for entries, of which every pointer ever stored is good.
struct alignas(64) TreeNode {
  std::atomic<uint32_t> version{0};
  std::atomic<uint16_t> count{0};
  const bool is_leaf;
  std::atomic<uint8_t> prefix_bytes{0};
  // Of a leaf: the one behind it.
  std::atomic<const TreeNode*> next{nullptr};
  std::atomic<uint64_t> prefix[kPrefixWords]{};
  // Of the bytes behind the prefix, the first eight.
  std::atomic<uint64_t> words[kEntriesMax];
  // Of an inner node: the first entry below each child. The first of these says nothing, as no child is before it.
  std::atomic<const char*> entries[kEntriesMax];

  explicit TreeNode(bool is_leaf_node) : is_leaf(is_leaf_node) {
    for (unsigned i = 0; i < kEntriesMax; i++) {
      Store<uint64_t>(words[i], 0);
      Store<const char*>(entries[i], kNoEntry);
    }
  }

  // Where what is in order begins.
  unsigned Begin() const { return is_leaf ? 0 : 1; }

  TreeKey KeyAt(unsigned i) const { return TreeKey::OfEntry(entries[i].load(std::memory_order_acquire)); }

  uint32_t StableVersion() const {
    for (unsigned tries = 0;; tries++) {
      const uint32_t seen = version.load(std::memory_order_acquire);
      if ((seen & 1) == 0) return seen;
      if (tries > 64) sched_yield();
    }
  }

  bool IsStill(uint32_t seen) const {
    std::atomic_thread_fence(std::memory_order_acquire);
    return Load(version) == seen;
  }

  void BeginChange() {
    Store(version, Load(version) + 1);
    std::atomic_thread_fence(std::memory_order_release);
  }

  void EndChange() { version.store(Load(version) + 1, std::memory_order_release); }

  // Where `key` stands beside all keys that begin with the prefix: 0 among them, else before or after.
  int ComparePrefix(const TreeKey& key) const {
    const size_t bytes = Load(prefix_bytes);
    for (size_t at = 0; at < bytes; at += 8) {
      const size_t rest = bytes - at;
      uint64_t own = at <= key.size ? WordAt(key, at) : 0;
      if (rest < 8) own &= ~(~uint64_t{0} >> (8 * rest));
      const uint64_t common = Load(prefix[at / 8]);
      if (own != common) return own < common ? -1 : 1;
    }
    // Zeros stood for what a shorter key does not have.
    return key.size < bytes ? -1 : 0;
  }

  // How many of the keys from Begin() on are before `key`, or, with `or_equal`, not after it; counted from 0.
  unsigned Rank(const TreeKey& key, bool or_equal) const {
    const unsigned begin = Begin();
    const unsigned end = std::max<unsigned>(begin, std::min<unsigned>(Load(count), kEntriesMax));
    const int side = ComparePrefix(key);
    if (side != 0) return side < 0 ? begin : end;
    const uint64_t word = WordAt(key, std::min<size_t>(Load(prefix_bytes), key.size));
    unsigned low = begin;
    for (unsigned size = end - begin; size > 0;) {
      const unsigned half = size / 2;
      const bool is_before = Load(words[low + half]) < word;
      low = is_before ? low + half + 1 : low;
      size = is_before ? size - half - 1 : half;
    }
    unsigned high = low;
    while (high < end && Load(words[high]) == word) high++;
    // Between `low` and `high` the words do not tell.
    while (low < high) {
      const unsigned middle = (low + high) / 2;
      const int order = Compare(KeyAt(middle), key);
      if (order < 0 || (or_equal && order == 0))
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  // The rest is for who changes the node.

  void SetWords(size_t bytes) {
    const unsigned begin = Begin(), end = Load(count);
    Store(prefix_bytes, static_cast<uint8_t>(bytes));
    for (unsigned i = begin; i < end; i++) Store(words[i], WordAt(KeyAt(i), bytes));
    if (begin == end) return;
    const TreeKey first = KeyAt(begin);
    for (size_t at = 0; at < bytes; at += 8) {
      const uint64_t word = WordAt(first, at);
      Store(prefix[at / 8], bytes - at >= 8 ? word : word & ~(~uint64_t{0} >> (8 * (bytes - at))));
    }
  }

  // The words tell little: half of each is what all keys have in common.
  bool HasPoorWords() const {
    const unsigned begin = Begin(), end = Load(count);
    return end > begin && (Load(words[begin]) ^ Load(words[end - 1])) >> 32 == 0;
  }

  // Of few keys the next one may have less in common.
  void Refine() {
    if (Load(count) < kEntriesMax / 4 || !HasPoorWords()) return;
    const size_t common = CommonBytes(KeyAt(Begin()), KeyAt(Load(count) - 1u), kPrefixMax);
    if (common > Load(prefix_bytes)) SetWords(common);
  }

  void MoveUp(unsigned from) {
    for (unsigned i = Load(count); i > from; i--) {
      Store(words[i], Load(words[i - 1]));
      Store(entries[i], Load(entries[i - 1]));
    }
    Store(count, static_cast<uint16_t>(Load(count) + 1));
  }

  void InsertAt(unsigned at, const TreeKey& key, const char* entry) {
    MoveUp(at);
    Store(entries[at], entry);
    const size_t bytes = Load(prefix_bytes);
    if (ComparePrefix(key) == 0)
      Store(words[at], WordAt(key, bytes));
    else
      SetWords(CommonBytes(KeyAt(Begin()), KeyAt(Load(count) - 1u), bytes));
  }
};

namespace {

struct InnerNode : TreeNode {
  std::atomic<TreeNode*> children[kEntriesMax]{};

  InnerNode() : TreeNode(false) {}

  void InsertChild(unsigned at, const char* entry, TreeNode* child) {
    for (unsigned i = Load(count); i > at; i--) Store(children[i], Load(children[i - 1]));
    Store(children[at], child);
    InsertAt(at, TreeKey::OfEntry(entry), entry);
  }
};

const InnerNode* Inner(const TreeNode* node) { return static_cast<const InnerNode*>(node); }
InnerNode* Inner(TreeNode* node) { return static_cast<InnerNode*>(node); }

// Hands what `from` has from `at` on to `to`, which is new and seen by nobody.
void Share(TreeNode* from, TreeNode* to, unsigned at) {
  const unsigned count = Load(from->count);
  for (unsigned i = at; i < count; i++) {
    Store(to->words[i - at], Load(from->words[i]));
    Store(to->entries[i - at], Load(from->entries[i]));
    if (!from->is_leaf) Store(Inner(to)->children[i - at], Load(Inner(from)->children[i]));
  }
  Store(to->count, static_cast<uint16_t>(count - at));
  Store(from->count, static_cast<uint16_t>(at));
  Store(to->prefix_bytes, Load(from->prefix_bytes));
  for (unsigned i = 0; i < kPrefixWords; i++) Store(to->prefix[i], Load(from->prefix[i]));
  to->Refine();
  from->Refine();
}

}  // namespace

// From the root to a leaf, and which child was taken in each.
struct EntryTree::Path {
  TreeNode* nodes[kDepthMax];
  unsigned taken[kDepthMax];
  unsigned length = 0;
};

EntryTree::EntryTree(Memory* memory) : memory_(memory), root_(nullptr) {
  TreeNode* leaf = NewNode(true);
  first_leaf_ = leaf;
  root_.store(leaf, std::memory_order_release);
}

TreeNode* EntryTree::NewNode(bool is_leaf) {
  void* memory = memory_->Take(is_leaf ? sizeof(TreeNode) : sizeof(InnerNode));
  return is_leaf ? new (memory) TreeNode(true) : new (memory) InnerNode();
}

void EntryTree::Insert(const char* entry) {
  const TreeKey key = TreeKey::OfEntry(entry);
  Path path;
  TreeNode* node = Load(root_);
  while (!node->is_leaf) {
    const unsigned taken = node->Rank(key, true) - 1;
    path.nodes[path.length] = node;
    path.taken[path.length++] = taken;
    node = Load(Inner(node)->children[taken]);
  }
  path.nodes[path.length] = node;
  path.taken[path.length++] = node->Rank(key, false);
  if (Load(node->count) == kEntriesMax) return Split(&path, key, entry);
  node->BeginChange();
  node->InsertAt(path.taken[path.length - 1], key, entry);
  node->EndChange();
}

// Where a full node is divided for what is to stand at `at`: keys that come in ascending or descending order leave full
// nodes behind.
static unsigned DividedAt(const TreeNode* node, unsigned at) {
  if (at == kEntriesMax) return kEntriesMax;
  if (at == node->Begin()) return node->Begin() + 1;
  return kEntriesMax / 2;
}

void EntryTree::Split(Path* path, const TreeKey& key, const char* entry) {
  // The leaf, all full nodes above it, and the one that takes the last new child.
  unsigned top = path->length - 1;
  path->nodes[top]->BeginChange();
  while (top > 0 && Load(path->nodes[top]->count) == kEntriesMax) path->nodes[--top]->BeginChange();
  TreeNode* child = nullptr;
  const char* first = entry;
  for (unsigned level = path->length; level-- > top;) {
    TreeNode* node = path->nodes[level];
    const bool is_leaf = level + 1 == path->length;
    unsigned at = path->taken[level] + (is_leaf ? 0 : 1);
    if (Load(node->count) < kEntriesMax) {
      Inner(node)->InsertChild(at, first, child);
      child = nullptr;
      break;
    }
    const unsigned divided = DividedAt(node, at);
    TreeNode* right = NewNode(is_leaf);
    Share(node, right, divided);
    TreeNode* into = at > divided || at == kEntriesMax ? right : node;
    if (into == right) at -= divided;
    if (is_leaf) {
      into->InsertAt(at, key, entry);
      right->next.store(Load(node->next), std::memory_order_relaxed);
      node->next.store(right, std::memory_order_release);
    } else {
      Inner(into)->InsertChild(at, first, child);
    }
    first = Load(right->entries[0]);
    child = right;
  }
  if (child != nullptr) {
    TreeNode* root = NewNode(false);
    Store(Inner(root)->children[0], path->nodes[0]);
    Store<uint16_t>(root->count, 1);
    Inner(root)->InsertChild(1, first, child);
    root_.store(root, std::memory_order_release);
  }
  for (unsigned level = top; level < path->length; level++) path->nodes[level]->EndChange();
}

// The leaf in which `key` has its place or, with `is_before`, what is right before it has.
const TreeNode* EntryTree::LeafOf(const TreeKey& key, bool is_before, uint32_t* version) const {
  for (;;) {
    const TreeNode* node = root_.load(std::memory_order_acquire);
    uint32_t seen = node->StableVersion();
    if (root_.load(std::memory_order_acquire) != node) continue;
    while (!node->is_leaf) {
      const unsigned taken = node->Rank(key, !is_before) - 1;
      const TreeNode* child = Inner(node)->children[taken].load(std::memory_order_acquire);
      if (!node->IsStill(seen)) break;
      const uint32_t seen_below = child->StableVersion();
      if (!node->IsStill(seen)) break;
      node = child;
      seen = seen_below;
    }
    if (!node->is_leaf) continue;
    *version = seen;
    return node;
  }
}

// The first entry of a leaf that has any. @returns false when there is no leaf.
bool EntryTree::FirstOf(const TreeNode* leaf, Position* position) const {
  position->entry = nullptr;
  if (leaf == nullptr) return false;
  for (;;) {
    position->leaf = leaf;
    position->index = 0;
    position->version = leaf->StableVersion();
    if (Load(leaf->count) > 0) position->entry = leaf->entries[0].load(std::memory_order_acquire);
    if (leaf->IsStill(position->version)) return position->entry != nullptr;
    position->entry = nullptr;
  }
}

EntryTree::Position EntryTree::First() const {
  Position position;
  FirstOf(first_leaf_, &position);
  return position;
}

EntryTree::Position EntryTree::AtOrAfter(const TreeKey& key) const {
  Position position;
  for (;;) {
    const TreeNode* leaf = LeafOf(key, false, &position.version);
    const unsigned at = leaf->Rank(key, false);
    if (at < Load(leaf->count)) {
      position.entry = leaf->entries[at].load(std::memory_order_acquire);
      position.leaf = leaf;
      position.index = at;
      if (leaf->IsStill(position.version)) return position;
    } else {
      const TreeNode* next = leaf->next.load(std::memory_order_acquire);
      if (!leaf->IsStill(position.version)) continue;
      FirstOf(next, &position);
      return position;
    }
  }
}

EntryTree::Position EntryTree::Before(const TreeKey& key, bool may_be_equal) const {
  Position position;
  for (;;) {
    const TreeNode* leaf = LeafOf(key, !may_be_equal, &position.version);
    const unsigned end = leaf->Rank(key, may_be_equal);
    // Every leaf but the first begins with the entry by which its parent finds it, and that is not after `key`.
    position.entry = end == 0 ? nullptr : leaf->entries[end - 1].load(std::memory_order_acquire);
    position.leaf = leaf;
    position.index = end == 0 ? 0 : end - 1;
    if (leaf->IsStill(position.version)) return position;
  }
}

EntryTree::Position EntryTree::AtOrBefore(const TreeKey& key) const { return Before(key, true); }

EntryTree::Position EntryTree::Last() const {
  Position position;
  for (;;) {
    const TreeNode* node = root_.load(std::memory_order_acquire);
    uint32_t seen = node->StableVersion();
    if (root_.load(std::memory_order_acquire) != node) continue;
    while (!node->is_leaf) {
      const unsigned count = Load(node->count);
      const TreeNode* child = Inner(node)->children[count == 0 ? 0 : count - 1].load(std::memory_order_acquire);
      if (!node->IsStill(seen)) break;
      const uint32_t seen_below = child->StableVersion();
      if (!node->IsStill(seen)) break;
      node = child;
      seen = seen_below;
    }
    if (!node->is_leaf) continue;
    const unsigned count = Load(node->count);
    position.entry = count == 0 ? nullptr : node->entries[count - 1].load(std::memory_order_acquire);
    position.leaf = node;
    position.version = seen;
    position.index = count == 0 ? 0 : count - 1;
    if (node->IsStill(seen)) return position;
  }
}

void EntryTree::Next(Position* position) const {
  const TreeNode* leaf = position->leaf;
  const unsigned at = position->index + 1;
  const unsigned count = Load(leaf->count);
  if (at < count) {
    const char* entry = leaf->entries[at].load(std::memory_order_acquire);
    // Who goes on reads these soon; they stand wherever they were written.
    if (at + 4 < count) __builtin_prefetch(Load(leaf->entries[at + 4]));
    if (leaf->IsStill(position->version)) {
      position->entry = entry;
      position->index = at;
      return;
    }
  } else {
    const TreeNode* next = leaf->next.load(std::memory_order_acquire);
    if (leaf->IsStill(position->version)) {
      FirstOf(next, position);
      if (next == nullptr) return;
      for (unsigned i = 1; i <= 4; i++) __builtin_prefetch(Load(next->entries[i]));
      __builtin_prefetch(Load(next->next));
      return;
    }
  }
  // The leaf has changed: look for the place anew.
  const char* entry = position->entry;
  *position = AtOrAfter(TreeKey::OfEntry(entry));
  if (position->entry == entry) Next(position);
}

void EntryTree::Previous(Position* position) const {
  if (position->index > 0) {
    const char* entry = position->leaf->entries[position->index - 1].load(std::memory_order_acquire);
    if (position->leaf->IsStill(position->version)) {
      position->entry = entry;
      position->index--;
      return;
    }
  }
  *position = Before(TreeKey::OfEntry(position->entry), false);
}

}  // namespace holdfast
