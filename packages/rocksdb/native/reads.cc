// Lookups and what a database says about itself.
#include <rocksdb/cache.h>
#include <rocksdb/table.h>

#include <cstring>

#include "arguments.h"
#include "async.h"
#include "database.h"
#include "file_reads.h"

namespace holdfast {

namespace {

constexpr int32_t kAbsent = -1;
constexpr int32_t kNotInMemory = -2;
constexpr size_t kFetchedBytesMax = 65536;

// `no_waiting`: nullptr for a lookup that waits.
napi_value Lookup(Call& call, const rocksdb::ReadOptions& options, Database& database, const NoWaiting* no_waiting = nullptr) {
  rocksdb::ColumnFamilyHandle* family = ReadFamily(call, call.argv[0], database);
  const Bytes key = ReadBytes(call, call.argv[1], "key");
  const Bytes into = ReadTarget(call, call.argv[2], "into");
  rocksdb::PinnableSlice& value = database.scratch;
  value.Reset();
  const rocksdb::Status status = database.db->Get(options, family, rocksdb::Slice(key.data, key.size), &value);
  int64_t result;
  if (status.ok()) {
    result = static_cast<int64_t>(value.size());
    if (value.size() <= into.size && value.size() > 0) memcpy(const_cast<char*>(into.data), value.data(), value.size());
  } else if (status.IsNotFound()) {
    result = kAbsent;
  } else if (no_waiting != nullptr && no_waiting->WouldWait()) {
    result = kNotInMemory;
  } else {
    throw FromStatus(status, "get");
  }
  // A pinned block must not stay in the cache because of us, nor a large value in the scratch.
  value.Reset();
  if (value.GetSelf()->capacity() > 65536) std::string().swap(*value.GetSelf());
  napi_value number;
  Must(napi_create_int64(call.env, result, &number));
  return number;
}

// Keys of one multiGet and its answer, in bytes of its own.
class MultiGetJob : public Job {
 public:
  MultiGetJob(std::shared_ptr<Database> database, Bytes packed, double count)
      : Job("multiGet", database), packed_(packed.data, packed.size), request_(*database) {
    request_.Parse(packed_, static_cast<size_t>(count));
  }

  struct Request {
    explicit Request(Database& database) : database(database) {}
    Database& database;
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    std::vector<rocksdb::Slice> keys;

    void Parse(const std::string& packed, size_t count) {
      if (count > packed.size() / 8) throw Failure{"ROCKS_ARGUMENT", "packed is too short for count keys"};
      families.reserve(count);
      keys.reserve(count);
      size_t at = 0;
      for (size_t i = 0; i < count; i++) {
        uint32_t head[2];
        if (packed.size() - at < sizeof head)
          throw Failure{"ROCKS_ARGUMENT", "packed ends before key " + std::to_string(i)};
        memcpy(head, packed.data() + at, sizeof head);
        at += sizeof head;
        if (head[0] >= database.families.size())
          throw Failure{"ROCKS_ARGUMENT", "key " + std::to_string(i) + ": there is no column family " + std::to_string(head[0])};
        if (head[1] > packed.size() - at)
          throw Failure{"ROCKS_ARGUMENT", "key " + std::to_string(i) + " runs past the end of packed"};
        families.push_back(database.families[head[0]]);
        keys.emplace_back(packed.data() + at, head[1]);
        at += head[1];
      }
    }

    std::string Run() const {
      const size_t count = keys.size();
      std::string result;
      if (count == 0) return result;
      std::vector<rocksdb::PinnableSlice> values(count);
      std::vector<rocksdb::Status> statuses(count);
      database.db->MultiGet(database.reads, count, const_cast<rocksdb::ColumnFamilyHandle**>(families.data()), keys.data(),
                            values.data(), statuses.data());
      size_t total = count * 4;
      for (size_t i = 0; i < count; i++) {
        if (statuses[i].ok())
          total += values[i].size();
        else if (!statuses[i].IsNotFound())
          throw FromStatus(statuses[i], "multiGet");
      }
      result.reserve(total);
      for (size_t i = 0; i < count; i++) {
        const int32_t length = statuses[i].ok() ? static_cast<int32_t>(values[i].size()) : kAbsent;
        result.append(reinterpret_cast<const char*>(&length), sizeof length);
        if (length > 0) result.append(values[i].data(), values[i].size());
      }
      return result;
    }
  };

 protected:
  void Run() override { result_ = request_.Run(); }
  napi_value Value(Call& call) override { return BufferValue(call.env, result_.data(), result_.size()); }

 private:
  const std::string packed_;
  Request request_;
  std::string result_;
};

// Keys of one fetchAsync. Those that are on the disk are looked up twice: what the first lookups ask of it, it reads at once,
// rather than one after the other.
class FetchJob : public Job {
 public:
  FetchJob(std::shared_ptr<Database> database, Bytes packed, double count)
      : Job("fetch", database), packed_(packed.data, packed.size), request_(*database) {
    request_.Parse(packed_, static_cast<size_t>(count));
  }

 protected:
  void Run() override {
    const size_t count = request_.keys.size();
    std::vector<Fetched> fetched(count);
    {
      NoWaiting no_waiting(Reach::kBeginsReading);
      for (size_t i = 0; i < count; i++) LookUp(i, &no_waiting, &fetched[i]);
    }
    for (size_t i = 0; i < count; i++)
      if (fetched[i].is_on_disk) LookUp(i, nullptr, &fetched[i]);
    result_.reserve(count * sizeof(int32_t) + values_.size());
    for (const Fetched& each : fetched) {
      result_.append(reinterpret_cast<const char*>(&each.length), sizeof each.length);
      if (each.length > 0) result_.append(values_, each.start, static_cast<size_t>(each.length));
    }
  }
  napi_value Value(Call& call) override { return BufferValue(call.env, result_.data(), result_.size()); }

 private:
  struct Fetched {
    size_t start = 0;  // in values_
    int32_t length = kAbsent;
    bool is_on_disk = false;
  };

  // What is not handed over is not kept either.
  void LookUp(size_t i, NoWaiting* no_waiting, Fetched* into) {
    if (no_waiting != nullptr) no_waiting->Again();
    const rocksdb::Status status = database_->db->Get(database_->reads, request_.families[i], request_.keys[i], &value_);
    into->is_on_disk = !status.ok() && no_waiting != nullptr && no_waiting->WouldWait();
    if (!status.ok() && !status.IsNotFound() && !into->is_on_disk) throw FromStatus(status, "fetch");
    if (status.ok()) {
      into->length = value_.size() > kFetchedBytesMax ? kNotInMemory : static_cast<int32_t>(value_.size());
      into->start = values_.size();
      if (into->length > 0) values_.append(value_.data(), value_.size());
    }
    value_.Reset();
    if (value_.GetSelf()->capacity() > kFetchedBytesMax) std::string().swap(*value_.GetSelf());
  }

  const std::string packed_;
  MultiGetJob::Request request_;
  rocksdb::PinnableSlice value_;
  std::string values_;
  std::string result_;
};

}  // namespace

napi_value LatestSequence(Call& call) { return SequenceValue(call.env, Self(call).db->GetLatestSequenceNumber()); }

napi_value Get(Call& call) {
  Database& database = Self(call);
  const rocksdb::Snapshot* snapshot = ReadSnapshot(call, call.argv[3], database);
  if (snapshot == nullptr) return Lookup(call, database.reads, database);
  rocksdb::ReadOptions options = database.reads;
  options.snapshot = snapshot;
  return Lookup(call, options, database);
}

napi_value GetCached(Call& call) {
  Database& database = Self(call);
  const NoWaiting no_waiting(Reach::kNothing);
  return Lookup(call, database.reads, database, &no_waiting);
}

napi_value GetWithoutWaiting(Call& call) {
  Database& database = Self(call);
  const NoWaiting no_waiting(Reach::kKernelCache);
  return Lookup(call, database.reads, database, &no_waiting);
}

napi_value MultiGet(Call& call) {
  Database& database = Self(call);
  const double count = ReadInteger(call, call.argv[1], "count", 0, kBytesMax);
  const Bytes packed = ReadBytes(call, call.argv[0], "packed");
  const std::string keys(packed.data, packed.size);
  MultiGetJob::Request request(database);
  request.Parse(keys, static_cast<size_t>(count));
  const std::string result = request.Run();
  return BufferValue(call.env, result.data(), result.size());
}

napi_value MultiGetAsync(Call& call) {
  const std::shared_ptr<Database> database = SharedSelf(call);
  const double count = ReadInteger(call, call.argv[1], "count", 0, kBytesMax);
  const Bytes packed = ReadBytes(call, call.argv[0], "packed");
  return Job::Start(call, std::make_unique<MultiGetJob>(database, packed, count));
}

napi_value FetchAsync(Call& call) {
  const std::shared_ptr<Database> database = SharedSelf(call);
  const double count = ReadInteger(call, call.argv[1], "count", 0, kBytesMax);
  const Bytes packed = ReadBytes(call, call.argv[0], "packed");
  return Job::Start(call, std::make_unique<FetchJob>(database, packed, count));
}

napi_value PropertyOf(Call& call) {
  Database& database = Self(call);
  rocksdb::ColumnFamilyHandle* family = ReadFamily(call, call.argv[0], database);
  const std::string name = ReadString(call, call.argv[1], "name", 256);
  std::string text;
  if (!database.db->GetProperty(family, name, &text)) return Undefined(call.env);
  napi_value value;
  Must(napi_create_string_utf8(call.env, text.data(), text.size(), &value));
  return value;
}

napi_value FlushBlockCache(Call& call) {
  Database& database = Self(call);
  // One cache serves all families.
  const rocksdb::Options options = database.db->GetOptions(database.db->DefaultColumnFamily());
  auto* table = options.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  if (table != nullptr && table->block_cache != nullptr) table->block_cache->EraseUnRefEntries();
  return Undefined(call.env);
}

napi_value LargestFlushedSequence(Call& call) {
  Database& database = Self(call);
  std::vector<rocksdb::LiveFileMetaData> files;
  database.db->GetLiveFilesMetaData(&files);
  uint64_t largest = 0;
  for (const rocksdb::LiveFileMetaData& file : files) largest = std::max<uint64_t>(largest, file.largest_seqno);
  return SequenceValue(call.env, largest);
}

napi_value LiveFiles(Call& call) {
  Database& database = Self(call);
  std::vector<rocksdb::LiveFileMetaData> files;
  database.db->GetLiveFilesMetaData(&files);
  napi_value list;
  Must(napi_create_array_with_length(call.env, files.size(), &list));
  for (size_t i = 0; i < files.size(); i++) {
    const rocksdb::LiveFileMetaData& file = files[i];
    const std::string& family = file.column_family_name;
    const size_t slash = file.name.rfind('/') + 1;  // npos + 1 is 0
    napi_value entry;
    Must(napi_create_object(call.env, &entry));
    Must(napi_set_named_property(call.env, entry, "name",
                                 StringValue(call.env, file.name.data() + slash, file.name.size() - slash)));
    Must(napi_set_named_property(call.env, entry, "columnFamily", StringValue(call.env, family.data(), family.size())));
    Must(napi_set_named_property(call.env, entry, "level", NumberValue(call.env, file.level)));
    Must(napi_set_named_property(call.env, entry, "sizeBytes", NumberValue(call.env, static_cast<double>(file.size))));
    Must(napi_set_named_property(call.env, entry, "smallestSequence", SequenceValue(call.env, file.smallest_seqno)));
    Must(napi_set_named_property(call.env, entry, "largestSequence", SequenceValue(call.env, file.largest_seqno)));
    Must(napi_set_element(call.env, list, static_cast<uint32_t>(i), entry));
  }
  return list;
}

}  // namespace holdfast
