#include "file_statistics.h"

#include <optional>
#include <unordered_map>
#include <utility>

#include "arguments.h"
#include "async.h"
#include "database.h"
#include "metadata.h"

namespace holdfast {

namespace {

constexpr char kTotal[] = "total_keys";
constexpr char kDeleted[] = "deleted_keys";

// One instance counts one file that is being written, on the thread that writes it.
class Counter : public rocksdb::TablePropertiesCollector {
 public:
  explicit Counter(bool holds_metadata) : holds_metadata_(holds_metadata) {}
  const char* Name() const override { return "compact_on_expired_collector"; }

  rocksdb::Status AddUserKey(const rocksdb::Slice& key, const rocksdb::Slice& value, rocksdb::EntryType type,
                             rocksdb::SequenceNumber, uint64_t) override {
    if (type == rocksdb::kEntryRangeDeletion) return rocksdb::Status::OK();
    if (total_ == 0) first_.assign(key.data(), key.size());
    last_.assign(key.data(), key.size());
    total_++;
    if (IsDead(value, type)) deleted_++;
    return rocksdb::Status::OK();
  }

  rocksdb::Status Finish(rocksdb::UserCollectedProperties* properties) override {
    *properties = GetReadableProperties();
    properties->emplace("start_key", first_);
    properties->emplace("stop_key", last_);
    return rocksdb::Status::OK();
  }

  rocksdb::UserCollectedProperties GetReadableProperties() const override {
    return {{kTotal, std::to_string(total_)}, {kDeleted, std::to_string(deleted_)}};
  }

 private:
  bool IsDead(const rocksdb::Slice& value, rocksdb::EntryType type) const {
    if (type == rocksdb::kEntryDelete || type == rocksdb::kEntrySingleDelete) return true;
    Metadata metadata;
    return holds_metadata_ && type == rocksdb::kEntryPut && metadata.Decode(value) && metadata.IsDead(now_ms_);
  }

  const bool holds_metadata_;
  const uint64_t now_ms_ = WallClock();
  uint64_t total_ = 0;
  uint64_t deleted_ = 0;
  std::string first_, last_;
};

class CounterFactory : public rocksdb::TablePropertiesCollectorFactory {
 public:
  explicit CounterFactory(bool holds_metadata) : holds_metadata_(holds_metadata) {}
  const char* Name() const override { return "compact_on_expired_collector"; }
  rocksdb::TablePropertiesCollector* CreateTablePropertiesCollector(Context) override {
    return new Counter(holds_metadata_);
  }

 private:
  const bool holds_metadata_;
};

// A count among the properties of a file; whoever wrote it may have written anything.
std::optional<uint64_t> CountOf(const rocksdb::TableProperties& properties, const char* name) {
  const auto found = properties.user_collected_properties.find(name);
  if (found == properties.user_collected_properties.end()) return std::nullopt;
  const std::string& text = found->second;
  if (text.empty() || text.size() > 15) return std::nullopt;
  uint64_t count = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    count = count * 10 + static_cast<uint64_t>(digit - '0');
  }
  return count;
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }  // npos + 1 is 0

struct FileStatistics {
  rocksdb::LiveFileMetaData file;
  uint64_t created_seconds = 0;
  uint64_t total = 0;
  uint64_t deleted = 0;
};

// Reads the properties block of files that are not open.
class FileStatisticsJob : public Job {
 public:
  FileStatisticsJob(std::shared_ptr<Database> database, rocksdb::ColumnFamilyHandle* family)
      : Job("fileStatistics", std::move(database)), family_(family) {}

 protected:
  void Run() override {
    rocksdb::TablePropertiesCollection collection;
    Check(database_->db->GetPropertiesOfAllTables(family_, &collection), "fileStatistics");
    std::unordered_map<std::string, std::pair<std::string, std::shared_ptr<const rocksdb::TableProperties>>> by_name;
    for (const auto& [path, properties] : collection) by_name.emplace(BaseName(path), std::make_pair(path, properties));
    std::vector<rocksdb::LiveFileMetaData> files;
    database_->db->GetLiveFilesMetaData(&files);
    for (rocksdb::LiveFileMetaData& file : files) {
      if (file.column_family_name != family_->GetName()) continue;
      const auto found = by_name.find(BaseName(file.name));
      // A file that came or went in between.
      if (found == by_name.end()) continue;
      const auto& [path, properties] = found->second;
      files_.push_back(Read(std::move(file), path, *properties));
    }
  }

  napi_value Value(Call& call) override {
    napi_value list;
    Must(napi_create_array_with_length(call.env, files_.size(), &list));
    for (size_t i = 0; i < files_.size(); i++)
      Must(napi_set_element(call.env, list, static_cast<uint32_t>(i), Entry(call.env, files_[i])));
    return list;
  }

 private:
  FileStatistics Read(rocksdb::LiveFileMetaData file, const std::string& path, const rocksdb::TableProperties& properties) {
    FileStatistics statistics;
    statistics.created_seconds = properties.file_creation_time;
    // What is not known there the file system knows; 0 when it does not either.
    if (statistics.created_seconds == 0)
      database_->db->GetEnv()->GetFileModificationTime(path, &statistics.created_seconds).PermitUncheckedError();
    statistics.total = CountOf(properties, kTotal).value_or(properties.num_entries);
    statistics.deleted = CountOf(properties, kDeleted).value_or(properties.num_deletions);
    statistics.file = std::move(file);
    return statistics;
  }

  static napi_value Entry(napi_env env, const FileStatistics& statistics) {
    const rocksdb::LiveFileMetaData& file = statistics.file;
    const std::string name = BaseName(file.name);
    napi_value entry;
    Must(napi_create_object(env, &entry));
    const auto set = [&](const char* property, napi_value value) {
      Must(napi_set_named_property(env, entry, property, value));
    };
    set("name", StringValue(env, name.data(), name.size()));
    set("createdAtSeconds", NumberValue(env, static_cast<double>(statistics.created_seconds)));
    set("entries", NumberValue(env, static_cast<double>(statistics.total)));
    set("deadEntries", NumberValue(env, static_cast<double>(statistics.deleted)));
    set("smallestKey", BufferValue(env, file.smallestkey.data(), file.smallestkey.size()));
    set("largestKey", BufferValue(env, file.largestkey.data(), file.largestkey.size()));
    return entry;
  }

  rocksdb::ColumnFamilyHandle* const family_;
  std::vector<FileStatistics> files_;
};

}  // namespace

void CountDeadEntries(FilterKind kind, rocksdb::ColumnFamilyOptions* options) {
  if (kind != FilterKind::kExpiredMetadata && kind != FilterKind::kOrphanedSubkeys) return;
  options->table_properties_collector_factories.push_back(
      std::make_shared<CounterFactory>(kind == FilterKind::kExpiredMetadata));
}

napi_value FileStatisticsOf(Call& call) {
  const std::shared_ptr<Database> database = SharedSelf(call);
  return Job::Start(call, std::make_unique<FileStatisticsJob>(database, ReadFamily(call, call.argv[0], *database)));
}

}  // namespace holdfast
