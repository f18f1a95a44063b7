#include "batch.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace holdfast {

namespace {

// How a record goes on after its tag.
enum class Shape : uint8_t { kRefused, kKey, kKeyValue, kRange, kBlob };

struct Record {
  Shape shape;
  bool has_family;
  bool counted;
};

// Merge has no operator here. A SingleDelete beside a Delete of the same key makes RocksDB refuse to open the database.
// Two-phase commit, blob index and wide columns are not used by Kvrocks or by us.
Record RecordOf(uint8_t tag) {
  switch (tag) {
    case 0x00:
      return {Shape::kKey, false, true};
    case 0x01:
      return {Shape::kKeyValue, false, true};
    case 0x03:
      return {Shape::kBlob, false, false};
    case 0x04:
      return {Shape::kKey, true, true};
    case 0x05:
      return {Shape::kKeyValue, true, true};
    case 0x0e:
      return {Shape::kRange, true, true};
    case 0x0f:
      return {Shape::kRange, false, true};
    default:
      return {Shape::kRefused, false, false};
  }
}

struct Span {
  const uint8_t* data;
  size_t size;
};

struct Cursor {
  const uint8_t* at;
  const uint8_t* end;

  bool Varint32(uint32_t* value) {
    uint64_t result = 0;
    for (int shift = 0; shift <= 28; shift += 7) {
      if (at == end) return false;
      const uint8_t byte = *at++;
      result |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        *value = static_cast<uint32_t>(result);
        return result <= 0xffffffffu;
      }
    }
    return false;
  }

  bool String(Span* span) {
    uint32_t length = 0;
    if (!Varint32(&length) || length > static_cast<size_t>(end - at)) return false;
    *span = Span{at, length};
    at += length;
    return true;
  }
};

int Compare(const Span& a, const Span& b) {
  const int order = memcmp(a.data, b.data, std::min(a.size, b.size));
  if (order != 0) return order;
  return a.size < b.size ? -1 : a.size > b.size ? 1 : 0;
}

std::string At(const char* what, uint8_t tag, size_t offset) {
  char text[160];
  snprintf(text, sizeof text, "%s (record 0x%02x at byte %zu)", what, tag, offset);
  return text;
}

const char* BodyFault(Cursor* cursor, const Record& record, uint32_t families) {
  uint32_t family = 0;
  if (record.has_family) {
    if (!cursor->Varint32(&family)) return "column family id is cut short";
    if (family >= families) return "unknown column family";
  }
  Span first{}, second{};
  if (!cursor->String(&first)) return "a string runs past the end";
  if (record.shape == Shape::kKeyValue || record.shape == Shape::kRange) {
    if (!cursor->String(&second)) return "a string runs past the end";
    // RocksDB does not count an empty range when it recovers the WAL: the sequence would go back.
    if (record.shape == Shape::kRange && Compare(first, second) >= 0) return "a deleted range ends before or where it begins";
  }
  return nullptr;
}

}  // namespace

uint32_t BatchCount(const char* data) {
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(data) + 8;
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 | static_cast<uint32_t>(bytes[2]) << 16 |
         static_cast<uint32_t>(bytes[3]) << 24;
}

uint64_t BatchSequence(const char* data) {
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(data);
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

std::string BatchFault(const char* data, size_t size, uint32_t families) {
  if (size < kBatchHeaderBytes) return "shorter than its 12-byte header";
  const uint8_t* start = reinterpret_cast<const uint8_t*>(data);
  Cursor cursor{start + kBatchHeaderBytes, start + size};
  uint64_t counted = 0;
  while (cursor.at < cursor.end) {
    const size_t offset = static_cast<size_t>(cursor.at - start);
    const uint8_t tag = *cursor.at++;
    const Record record = RecordOf(tag);
    if (record.shape == Shape::kRefused) return At("this kind of record is not accepted", tag, offset);
    const char* fault = BodyFault(&cursor, record, families);
    if (fault != nullptr) return At(fault, tag, offset);
    if (record.counted) counted++;
  }
  const uint32_t declared = BatchCount(data);
  if (counted != declared)
    return "declares " + std::to_string(declared) + " records but holds " + std::to_string(counted);
  return "";
}

}  // namespace holdfast
