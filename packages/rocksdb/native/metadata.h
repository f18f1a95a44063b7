// What this addon knows of a metadata record (docs/formats/keys.md): enough to tell whether its key is dead.
#pragma once
#include <rocksdb/slice.h>

#include <chrono>
#include <cstdint>

namespace holdfast {

enum Type : uint8_t { kString = 1, kBitmap = 6, kStream = 8, kBloom = 9, kJson = 10, kTypeMax = 14 };

// In milliseconds.
inline uint64_t WallClock() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

inline uint64_t BigEndian(const char* data, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value = value << 8 | static_cast<uint8_t>(data[i]);
  return value;
}

inline bool IsSingleValue(uint8_t type) { return type == kString || type == kJson; }

// A size of 0 means "gone" only for the types that Kvrocks deletes when they become empty. Types 9 and above are
// created empty; what a later release adds is kept.
inline bool MayBeEmpty(uint8_t type) { return IsSingleValue(type) || type >= kStream; }

struct Metadata {
  uint8_t type = 0;
  uint64_t expire_ms = 0;
  uint64_t version = 0;
  uint64_t size = 0;

  // False when the bytes are not a metadata record this code knows.
  bool Decode(const rocksdb::Slice& value) {
    if (value.empty()) return false;
    const uint8_t flags = static_cast<uint8_t>(value[0]);
    type = flags & 0x0f;
    if (type == 0 || type > kTypeMax) return false;
    const bool wide = (flags & 0x80) != 0;
    const size_t width = wide ? 8 : 4;
    size_t at = 1;
    if (value.size() < at + width) return false;
    expire_ms = BigEndian(value.data() + at, width) * (wide ? 1 : 1000);
    at += width;
    if (IsSingleValue(type)) return true;
    if (value.size() < at + 8 + width) return false;
    version = BigEndian(value.data() + at, 8);
    size = BigEndian(value.data() + at + 8, width);
    return true;
  }

  bool IsDead(uint64_t now_ms) const {
    return (size == 0 && !MayBeEmpty(type)) || (expire_ms != 0 && expire_ms < now_ms);
  }
};

}  // namespace holdfast
