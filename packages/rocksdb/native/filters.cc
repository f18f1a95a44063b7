#include "filters.h"

#include <utility>

#include "metadata.h"

namespace holdfast {

namespace {

using rocksdb::Slice;

// A reader that looked a key up just before it expired may still walk its sub keys.
constexpr uint64_t kSubkeyGraceMs = 300000;

class MetadataFilter : public rocksdb::CompactionFilter {
 public:
  const char* Name() const override { return "holdfast.expired-metadata"; }

  bool Filter(int, const Slice&, const Slice& value, std::string*, bool*) const override {
    Metadata metadata;
    return metadata.Decode(value) && metadata.IsDead(now_ms_);
  }

 private:
  const uint64_t now_ms_ = WallClock();
};

// One instance serves one (sub)compaction on one thread, hence the unguarded memory of the last key.
class SubkeyFilter : public rocksdb::CompactionFilter {
 public:
  explicit SubkeyFilter(std::shared_ptr<FilterContext> context) : context_(std::move(context)) {}
  const char* Name() const override { return "holdfast.orphaned-subkeys"; }

  bool Filter(int, const Slice& key, const Slice& value, std::string*, bool*) const override {
    uint64_t version = 0;
    if (!ParseKey(key, &version)) return false;
    if (!remembered_ || metadata_key_ != looked_up_key_) LookUp();
    switch (found_) {
      case Found::kUnknown:
        return false;
      case Found::kMissing:
        return true;
      case Found::kPresent:
        break;
    }
    if (IsSingleValue(metadata_.type) || metadata_.version != version) return true;
    // A clock that starts in 1970 must not wrap around into the far future.
    if (metadata_.IsDead(now_ms_ > kSubkeyGraceMs ? now_ms_ - kSubkeyGraceMs : 0)) return true;
    return metadata_.type == kBitmap && IsAllZero(value);
  }

 private:
  enum class Found { kUnknown, kMissing, kPresent };

  // nsLen | ns | [slot] | keyLen | user key | version | sub key; leaves nsLen | ns | [slot] | user key.
  bool ParseKey(const Slice& key, uint64_t* version) const {
    if (key.empty()) return false;
    const size_t prefix = 1 + static_cast<uint8_t>(key[0]) + (context_->slot_prefixed ? 2 : 0);
    if (key.size() < prefix + 4) return false;
    const uint64_t length = BigEndian(key.data() + prefix, 4);
    if (key.size() - prefix - 4 < length + 8) return false;
    const char* user_key = key.data() + prefix + 4;
    metadata_key_.assign(key.data(), prefix);
    metadata_key_.append(user_key, length);
    *version = BigEndian(user_key + length, 8);
    return true;
  }

  void LookUp() const {
    remembered_ = true;
    looked_up_key_ = metadata_key_;
    found_ = Found::kUnknown;
    rocksdb::DB* db = context_->db.load(std::memory_order_acquire);
    if (db == nullptr) {
      remembered_ = false;
      return;
    }
    value_.Reset();
    const rocksdb::Status status = db->Get(rocksdb::ReadOptions(), context_->metadata, metadata_key_, &value_);
    if (status.IsNotFound()) found_ = Found::kMissing;
    if (status.ok()) {
      metadata_ = Metadata();
      if (metadata_.Decode(value_)) found_ = Found::kPresent;
    }
  }

  static bool IsAllZero(const Slice& value) {
    for (size_t i = 0; i < value.size(); i++)
      if (value[i] != 0) return false;
    return true;
  }

  const std::shared_ptr<FilterContext> context_;
  const uint64_t now_ms_ = WallClock();
  mutable std::string metadata_key_;
  mutable std::string looked_up_key_;
  mutable bool remembered_ = false;
  mutable Found found_ = Found::kUnknown;
  mutable Metadata metadata_;
  mutable rocksdb::PinnableSlice value_;
};

class DropFilter : public rocksdb::CompactionFilter {
 public:
  DropFilter(bool all, std::string key) : all_(all), key_(std::move(key)) {}
  const char* Name() const override { return "holdfast.drop"; }
  bool Filter(int, const Slice& key, const Slice&, std::string*, bool*) const override {
    return all_ || key == Slice(key_);
  }

 private:
  const bool all_;
  const std::string key_;
};

class FilterFactory : public rocksdb::CompactionFilterFactory {
 public:
  FilterFactory(FilterKind kind, std::string drop_key, std::shared_ptr<FilterContext> context)
      : kind_(kind), drop_key_(std::move(drop_key)), context_(std::move(context)) {}
  const char* Name() const override { return "holdfast.filters"; }

  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    switch (kind_) {
      case FilterKind::kExpiredMetadata:
        return std::make_unique<MetadataFilter>();
      case FilterKind::kOrphanedSubkeys:
        return std::make_unique<SubkeyFilter>(context_);
      case FilterKind::kDropAll:
        return std::make_unique<DropFilter>(true, "");
      case FilterKind::kDropKey:
        return std::make_unique<DropFilter>(false, drop_key_);
      case FilterKind::kNone:
        break;
    }
    return nullptr;
  }

 private:
  const FilterKind kind_;
  const std::string drop_key_;
  const std::shared_ptr<FilterContext> context_;
};

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> NewFilterFactory(FilterKind kind, const std::string& drop_key,
                                                                   std::shared_ptr<FilterContext> context) {
  if (kind == FilterKind::kNone) return nullptr;
  return std::make_shared<FilterFactory>(kind, drop_key, std::move(context));
}

}  // namespace holdfast
