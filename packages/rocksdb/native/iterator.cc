// Ranges read in packed blocks: one call and one allocation for many entries.
#include <cstring>

#include "arguments.h"
#include "database.h"

namespace holdfast {

namespace {

using rocksdb::Slice;

constexpr double kEntriesMax = 4294967295.0;

struct Range {
  bool has_gte = false, has_lt = false, reverse = false, keys_only = false, fill_cache = true;
  napi_value gte, lt, snapshot;
};

bool OptionalBoolean(Call& call, napi_value object, const char* name, bool otherwise) {
  napi_value value = Property(call, object, name);
  return IsUndefined(call, value) ? otherwise : ReadBoolean(call, value, name);
}

Range ReadRange(Call& call, napi_value object) {
  RequireObject(call, object, "range");
  Range range;
  range.gte = Property(call, object, "gte");
  range.lt = Property(call, object, "lt");
  range.snapshot = Property(call, object, "snapshot");
  range.has_gte = !IsUndefined(call, range.gte);
  range.has_lt = !IsUndefined(call, range.lt);
  range.reverse = OptionalBoolean(call, object, "reverse", false);
  range.keys_only = OptionalBoolean(call, object, "keysOnly", false);
  range.fill_cache = OptionalBoolean(call, object, "fillCache", true);
  return range;
}

class IteratorHandle : public Child {
 public:
  IteratorHandle(Call& call, std::shared_ptr<Database> owner, rocksdb::ColumnFamilyHandle* family, const Range& range,
                 const rocksdb::Snapshot* snapshot)
      : Child(Kind::kIterator, call.addon, std::move(owner)),
        has_lower_(range.has_gte),
        has_upper_(range.has_lt),
        reverse_(range.reverse),
        keys_only_(range.keys_only) {
    if (has_lower_) lower_ = Copy(ReadBytes(call, range.gte, "gte"));
    if (has_upper_) upper_ = Copy(ReadBytes(call, range.lt, "lt"));
    // RocksDB expects the bounds in order; an empty range needs no iterator at all.
    empty_ = has_lower_ && has_upper_ && lower_ >= upper_;
    if (empty_) return;
    rocksdb::ReadOptions options = database->reads;
    options.snapshot = snapshot;
    options.fill_cache = range.fill_cache;
    lower_slice_ = lower_;
    upper_slice_ = upper_;
    if (has_lower_) options.iterate_lower_bound = &lower_slice_;
    if (has_upper_) options.iterate_upper_bound = &upper_slice_;
    iterator_.reset(database->db->NewIterator(options, family));
    First();
  }

  ~IteratorHandle() override { Release(); }

  void Release() override {
    iterator_.reset();
    Detach();
  }

  void RequireOpen() const {
    if (!database) throw Failure{"ROCKS_CLOSED", "the iterator, or its database, is closed"};
  }

  // Appends entries; returns their number.
  uint32_t Fill(uint32_t entries_max, size_t bytes_max, std::string* block) {
    uint32_t count = 0;
    while (!Done() && count < entries_max && (count == 0 || block->size() < bytes_max)) {
      const Slice key = iterator_->key();
      const Slice value = keys_only_ ? Slice() : iterator_->value();
      const uint32_t head[2] = {static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size())};
      block->append(reinterpret_cast<const char*>(head), sizeof head);
      block->append(key.data(), key.size());
      block->append(value.data(), value.size());
      count++;
      if (reverse_)
        iterator_->Prev();
      else
        iterator_->Next();
    }
    if (iterator_) Check(iterator_->status(), "iterate");
    return count;
  }

  bool Done() const { return empty_ || past_end_ || !iterator_->Valid(); }

  void Seek(const std::string& key) {
    if (empty_) return;
    past_end_ = reverse_ ? (has_lower_ && key < lower_) : (has_upper_ && key >= upper_);
    if (past_end_) return;
    const bool before = reverse_ ? (has_upper_ && key >= upper_) : (has_lower_ && key < lower_);
    if (before)
      First();
    else if (reverse_)
      iterator_->SeekForPrev(key);
    else
      iterator_->Seek(key);
    Check(iterator_->status(), "seek");
  }

 private:
  static std::string Copy(Bytes bytes) { return std::string(bytes.data, bytes.size); }

  void First() {
    if (reverse_)
      iterator_->SeekToLast();
    else
      iterator_->SeekToFirst();
  }

  const bool has_lower_, has_upper_, reverse_, keys_only_;
  std::string lower_, upper_;
  Slice lower_slice_, upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  bool empty_ = false;
  bool past_end_ = false;
};

IteratorHandle& SelfIterator(Call& call) {
  auto& handle = SelfChild<IteratorHandle>(call, Kind::kIterator, "BlockIterator");
  handle.RequireOpen();
  return handle;
}

}  // namespace

napi_value Iterate(Call& call) {
  const Range range = ReadRange(call, call.argv[1]);
  const std::shared_ptr<Database> database = SharedSelf(call);
  rocksdb::ColumnFamilyHandle* family = ReadFamily(call, call.argv[0], *database);
  const rocksdb::Snapshot* snapshot = ReadSnapshot(call, range.snapshot, *database);
  return NewHandle(call, std::make_unique<IteratorHandle>(call, database, family, range, snapshot));
}

napi_value Scan(Call& call) {
  const double entries_max = ReadInteger(call, call.argv[3], "maxEntries", 1, kEntriesMax);
  const bool reverse = ReadBoolean(call, call.argv[4], "reverse");
  const bool keys_only = ReadBoolean(call, call.argv[5], "keysOnly");
  const Bytes gte = ReadBytes(call, call.argv[1], "gte");
  const Bytes lt = ReadBytes(call, call.argv[2], "lt");
  const Bytes into = ReadTarget(call, call.argv[6], "into");
  Database& database = Self(call);
  rocksdb::ColumnFamilyHandle* family = ReadFamily(call, call.argv[0], database);
  const Slice lower(gte.data, gte.size), upper(lt.data, lt.size);
  if (lower.compare(upper) >= 0) return NumberValue(call.env, 0);

  rocksdb::ReadOptions options = database.reads;
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.db->NewIterator(options, family));
  if (reverse)
    iterator->SeekToLast();
  else
    iterator->SeekToFirst();
  char* at = const_cast<char*>(into.data);
  const char* const end = into.data + into.size;
  double count = 0;
  bool has_room = true;
  while (iterator->Valid()) {
    const Slice key = iterator->key();
    const Slice value = keys_only ? Slice() : iterator->value();
    const uint32_t head[2] = {static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size())};
    has_room = count < entries_max && static_cast<size_t>(end - at) >= sizeof head + key.size() + value.size();
    if (!has_room) break;
    memcpy(at, head, sizeof head);
    memcpy(at + sizeof head, key.data(), key.size());
    if (value.size() > 0) memcpy(at + sizeof head + key.size(), value.data(), value.size());
    at += sizeof head + key.size() + value.size();
    count++;
    if (reverse)
      iterator->Prev();
    else
      iterator->Next();
  }
  Check(iterator->status(), "scan");
  return NumberValue(call.env, has_room ? count : -1 - count);
}

napi_value IteratorNext(Call& call) {
  IteratorHandle& iterator = SelfIterator(call);
  const double entries_max = ReadInteger(call, call.argv[0], "maxEntries", 1, kEntriesMax);
  const double bytes_max = ReadInteger(call, call.argv[1], "maxBytes", 0, kSafeIntegerMax);
  std::string block;
  const uint32_t count = iterator.Fill(static_cast<uint32_t>(entries_max), static_cast<size_t>(bytes_max), &block);
  napi_value result, number, done;
  Must(napi_create_object(call.env, &result));
  Must(napi_set_named_property(call.env, result, "bytes", BufferValue(call.env, block.data(), block.size())));
  Must(napi_create_uint32(call.env, count, &number));
  Must(napi_set_named_property(call.env, result, "count", number));
  Must(napi_get_boolean(call.env, iterator.Done(), &done));
  Must(napi_set_named_property(call.env, result, "done", done));
  return result;
}

napi_value IteratorSeek(Call& call) {
  IteratorHandle& iterator = SelfIterator(call);
  const Bytes key = ReadBytes(call, call.argv[0], "key");
  iterator.Seek(std::string(key.data, key.size));
  return Undefined(call.env);
}

napi_value IteratorClose(Call& call) {
  SelfChild<IteratorHandle>(call, Kind::kIterator, "BlockIterator").Release();
  return Undefined(call.env);
}

}  // namespace holdfast
