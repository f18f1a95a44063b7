// Values of keys that are numbered, in one call and without an object: what is asked for again and again.
#include <rocksdb/db.h>

#include <cstring>
#include <memory>
#include <optional>

#include "arguments.h"
#include "database.h"
#include "file_reads.h"

namespace holdfast {

namespace {

using rocksdb::Slice;

constexpr size_t kNumberBytes = 8;
constexpr double kCountMax = 65536;
constexpr double kNotInMemory = -2;

// Writes `$<length>\r\n`. Returns its end; `into` has room for 24 bytes.
char* WriteHead(char* into, size_t length) {
  char digits[20];
  size_t count = 0;
  do digits[count++] = static_cast<char>('0' + length % 10);
  while ((length /= 10) != 0);
  *into++ = '$';
  while (count > 0) *into++ = digits[--count];
  *into++ = '\r';
  *into++ = '\n';
  return into;
}

constexpr size_t kHeadBytesMax = 24;
constexpr size_t kEndBytes = 2;

// A table of count + 1 offsets, then the values: where `into` is filled, and where it ends.
class Frames {
 public:
  Frames(Bytes into, size_t count) : begin_(const_cast<char*>(into.data)), end_(begin_ + into.size), table_(begin_), at_(begin_) {
    const size_t table_bytes = (count + 1) * sizeof(uint32_t);
    if (into.size < table_bytes) throw Failure{"ROCKS_ARGUMENT", "into has no room for the offsets"};
    at_ += table_bytes;
    NoteOffset();
  }

  // False when there is no room for it.
  bool Add(const Slice& value) {
    if (static_cast<size_t>(end_ - at_) < value.size() + kHeadBytesMax + kEndBytes) return false;
    at_ = WriteHead(at_, value.size());
    memcpy(at_, value.data(), value.size());
    at_ += value.size();
    *at_++ = '\r';
    *at_++ = '\n';
    NoteOffset();
    return true;
  }

 private:
  void NoteOffset() {
    const uint32_t offset = static_cast<uint32_t>(at_ - begin_);
    memcpy(table_, &offset, sizeof offset);
    table_ += sizeof offset;
  }

  char* const begin_;
  char* const end_;
  char* table_;
  char* at_;
};

uint64_t NumberAt(const char* from) {
  uint64_t number = 0;
  for (size_t i = 0; i < kNumberBytes; i++) number = number << 8 | static_cast<uint8_t>(from[i]);
  return number;
}

}  // namespace

napi_value ConsecutiveFrames(Call& call) {
  const size_t count = static_cast<size_t>(ReadInteger(call, call.argv[2], "count", 1, kCountMax));
  const bool waits = ReadBoolean(call, call.argv[4], "waits");
  const Bytes first = ReadBytes(call, call.argv[1], "first");
  const Bytes into = ReadTarget(call, call.argv[3], "into");
  if (first.size < kNumberBytes) throw Failure{"ROCKS_ARGUMENT", "first has no number at its end"};
  if (into.size > UINT32_MAX) throw Failure{"ROCKS_ARGUMENT", "into is larger than an offset can tell"};
  Database& database = Self(call);
  rocksdb::ColumnFamilyHandle* family = ReadFamily(call, call.argv[0], database);
  Frames frames(into, count);

  std::optional<NoWaiting> no_waiting;
  if (!waits) no_waiting.emplace(Reach::kKernelCache);
  const std::unique_ptr<rocksdb::Iterator> iterator(database.db->NewIterator(database.reads, family));
  const size_t shared = first.size - kNumberBytes;
  uint64_t number = NumberAt(first.data + shared);
  size_t found = 0;
  for (iterator->Seek(Slice(first.data, first.size)); iterator->Valid(); iterator->Next()) {
    const Slice key = iterator->key();
    if (key.size() != first.size || NumberAt(key.data() + shared) != number || memcmp(key.data(), first.data, shared) != 0) break;
    if (!frames.Add(iterator->value())) break;
    number++;
    if (++found == count) break;
  }
  const rocksdb::Status status = iterator->status();
  if (!status.ok()) {
    if (no_waiting && no_waiting->WouldWait()) return NumberValue(call.env, kNotInMemory);
    throw FromStatus(status, "read consecutive keys");
  }
  return NumberValue(call.env, static_cast<double>(found));
}

}  // namespace holdfast
