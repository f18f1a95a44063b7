// Opening a database: families keep the ids of their places in the list, because ids are written into every WAL batch.
//
//   1. A new directory is opened with `default` alone; an existing one with every family it has.
//   2. Listed families it lacks are created one by one in the listed order: a crash in between leaves a prefix, which
//      the next open completes.
//   3. Every place must then equal RocksDB's id; a directory where they differ is refused rather than written to.
//
// With walStopAt all that comes after a rewind (rewind.h), in the same job. A log with a hole in it is cut off there.
#include <rocksdb/cache.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <optional>
#include <set>

#include "arguments.h"
#include "async.h"
#include "database.h"
#include "file_reads.h"
#include "file_statistics.h"
#include "memtable.h"
#include "options.h"
#include "rewind.h"

namespace holdfast {

namespace {

constexpr uint64_t kDefaultCacheBytes = 32u << 20;
constexpr uint32_t kFamiliesMax = 256;

struct FamilyRequest {
  std::string name;
  FilterKind filter = FilterKind::kNone;
  std::string drop_key;
  StringPairs options;
  StringPairs table;
};

struct OpenRequest {
  std::string path;
  bool create = false;
  std::vector<FamilyRequest> families;
  StringPairs options;
  uint64_t cache_bytes = 0;
  bool slot_prefixed = false;
  int64_t io_bytes_per_second = 0;
  bool io_rate_tuned = false;
  std::optional<uint64_t> wal_stop_at;
};

void ReadFilter(Call& call, napi_value value, FamilyRequest* family) {
  napi_valuetype type;
  Must(napi_typeof(call.env, value, &type));
  if (type == napi_object) {
    family->filter = FilterKind::kDropKey;
    family->drop_key = ReadString(call, Property(call, value, "dropKey"), "filter.dropKey", 65536);
    return;
  }
  const std::string name = ReadString(call, value, "filter", 64);
  if (name == "none")
    family->filter = FilterKind::kNone;
  else if (name == "expired-metadata")
    family->filter = FilterKind::kExpiredMetadata;
  else if (name == "orphaned-subkeys")
    family->filter = FilterKind::kOrphanedSubkeys;
  else if (name == "drop-all")
    family->filter = FilterKind::kDropAll;
  else
    throw Failure{"ROCKS_ARGUMENT", "there is no compaction filter " + name};
}

void ReadFamilies(Call& call, napi_value list, OpenRequest* request) {
  bool is_array = false;
  uint32_t count = 0;
  if (napi_is_array(call.env, list, &is_array) != napi_ok || !is_array ||
      napi_get_array_length(call.env, list, &count) != napi_ok || count == 0 || count > kFamiliesMax)
    throw Failure{"ROCKS_ARGUMENT", "columnFamilies must be a list of 1 to 256 families"};
  std::set<std::string> names;
  bool has_metadata = false, has_subkeys = false;
  for (uint32_t i = 0; i < count; i++) {
    napi_value entry;
    Must(napi_get_element(call.env, list, i, &entry));
    RequireObject(call, entry, "a column family");
    FamilyRequest family;
    family.name = ReadString(call, Property(call, entry, "name"), "a column family's name", 255);
    ReadFilter(call, Property(call, entry, "filter"), &family);
    family.options = ReadStringPairs(call, Property(call, entry, "options"), "options");
    family.table = ReadStringPairs(call, Property(call, entry, "table"), "table");
    if (family.name.empty() || !names.insert(family.name).second)
      throw Failure{"ROCKS_ARGUMENT", "column family names must be different and not empty: '" + family.name + "'"};
    if (family.filter == FilterKind::kExpiredMetadata && has_metadata)
      throw Failure{"ROCKS_ARGUMENT", "only one family can hold the metadata (filter expired-metadata)"};
    has_metadata |= family.filter == FilterKind::kExpiredMetadata;
    has_subkeys |= family.filter == FilterKind::kOrphanedSubkeys;
    request->families.push_back(std::move(family));
  }
  if (request->families[0].name != rocksdb::kDefaultColumnFamilyName)
    throw Failure{"ROCKS_ARGUMENT", "the first column family must be default, not " + request->families[0].name};
  if (has_subkeys && !has_metadata)
    throw Failure{"ROCKS_ARGUMENT", "filter orphaned-subkeys needs a family with filter expired-metadata"};
}

OpenRequest ReadRequest(Call& call) {
  napi_value object = call.argv[0];
  RequireObject(call, object, "options");
  OpenRequest request;
  request.path = ReadPath(call, Property(call, object, "path"), "path");
  request.create = ReadBoolean(call, Property(call, object, "createIfMissing"), "createIfMissing");
  ReadFamilies(call, Property(call, object, "columnFamilies"), &request);
  request.options = ReadStringPairs(call, Property(call, object, "options"), "options");
  request.cache_bytes =
      static_cast<uint64_t>(ReadInteger(call, Property(call, object, "blockCacheBytes"), "blockCacheBytes", 0, 1ull << 50));
  request.slot_prefixed = ReadBoolean(call, Property(call, object, "slotPrefixed"), "slotPrefixed");
  napi_value rate = Property(call, object, "ioBytesPerSecondMax");
  if (!IsUndefined(call, rate))
    request.io_bytes_per_second = static_cast<int64_t>(ReadInteger(call, rate, "ioBytesPerSecondMax", 0, kIoBytesPerSecondMax));
  napi_value tuned = Property(call, object, "ioRateTuned");
  if (!IsUndefined(call, tuned)) request.io_rate_tuned = ReadBoolean(call, tuned, "ioRateTuned");
  napi_value stop = Property(call, object, "walStopAt");
  if (!IsUndefined(call, stop))
    request.wal_stop_at = static_cast<uint64_t>(ReadInteger(call, stop, "walStopAt", 0, kSafeIntegerMax));
  return request;
}

class OpenJob : public Job {
 public:
  explicit OpenJob(OpenRequest request) : Job("open", nullptr), request_(std::move(request)) {}

 protected:
  void Run() override {
    try {
      OpenAll();
    } catch (...) {
      opened_.reset();  // closes on this thread what is already open
      throw;
    }
  }

  napi_value Value(Call& call) override {
    opened_->Attach(addon_);
    napi_value object = NewHandle(call, std::make_unique<DatabaseHandle>(call.addon, opened_));
    napi_value path, names;
    Must(napi_create_string_utf8(call.env, opened_->path.data(), opened_->path.size(), &path));
    Must(napi_create_array_with_length(call.env, opened_->family_names.size(), &names));
    for (size_t i = 0; i < opened_->family_names.size(); i++) {
      napi_value name;
      const std::string& text = opened_->family_names[i];
      Must(napi_create_string_utf8(call.env, text.data(), text.size(), &name));
      Must(napi_set_element(call.env, names, static_cast<uint32_t>(i), name));
    }
    Must(napi_object_freeze(call.env, names));
    const napi_property_descriptor properties[] = {
        {"path", nullptr, nullptr, nullptr, nullptr, path, napi_enumerable, nullptr},
        {"columnFamilies", nullptr, nullptr, nullptr, nullptr, names, napi_enumerable, nullptr}};
    Must(napi_define_properties(call.env, object, 2, properties));
    opened_.reset();
    return object;
  }

 private:
  void OpenAll() {
    Prepare();
    const std::vector<std::string> on_disk = OnDisk();
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (size_t i = 0; i < request_.families.size(); i++)
      if (Contains(on_disk, request_.families[i].name)) descriptors.emplace_back(request_.families[i].name, family_options_[i]);
    for (const std::string& name : on_disk)
      if (!IsListed(name)) descriptors.emplace_back(name, OptionsOfUnlisted());
    RewindRequest rewind{request_.path, request_.wal_stop_at.value_or(0), database_options_, descriptors};
    if (request_.wal_stop_at) Rewind(rewind);
    OpenFamilies(descriptors);
    rewind.sequence = opened_->db->GetLatestSequenceNumber();
    if (HasDroppedBatches(opened_->db.get(), rewind)) {
      Check(opened_->Free(), "close");
      CutOffAtItsEnd(rewind);
      OpenFamilies(descriptors);
    }
    opened_->path = request_.path;
    RequireStopped();
    CreateMissing();
    PlaceById();
    ReadyFilters();
  }

  void OpenFamilies(const std::vector<rocksdb::ColumnFamilyDescriptor>& descriptors) {
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(database_options_, request_.path, descriptors, &handles, &db), ("open " + request_.path).c_str());
    opened_->Own(db, std::move(handles));
    const uint64_t latest = db->GetLatestSequenceNumber();
    if (latest > static_cast<uint64_t>(kSafeIntegerMax))
      throw Failure{"ROCKS_CORRUPTION", "the database in " + request_.path + " is at sequence " + std::to_string(latest) +
                                            ", which is not a safe integer: its WAL is damaged"};
  }

  static bool Contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  bool IsListed(const std::string& name) const {
    for (const FamilyRequest& family : request_.families)
      if (family.name == name) return true;
    return false;
  }

  void Prepare() {
    opened_ = std::make_shared<Database>();
    opened_->filters = std::make_shared<FilterContext>();
    opened_->filters->slot_prefixed = request_.slot_prefixed;
    opened_->ended_work = std::make_shared<EndedWork>();
    cache_ = rocksdb::NewLRUCache(request_.cache_bytes == 0 ? kDefaultCacheBytes : request_.cache_bytes);
    ApplyDatabaseOptions(request_.options, &database_options_);
    database_options_.env = ReadingEnv();
    database_options_.create_if_missing = request_.create;
    // Their writers take turns, as one commit after the other does anyway.
    database_options_.allow_concurrent_memtable_write = false;
    database_options_.listeners.push_back(opened_->ended_work);
    opened_->io_rate = std::make_shared<IoRate>(request_.io_bytes_per_second, request_.io_rate_tuned);
    database_options_.rate_limiter = opened_->io_rate;
    const std::shared_ptr<rocksdb::MemTableRepFactory> memtables = NewTreeMemtables();
    for (const FamilyRequest& family : request_.families) {
      rocksdb::ColumnFamilyOptions options;
      rocksdb::BlockBasedTableOptions table;
      ApplyFamilyOptions(family.name, family.options, &options);
      ApplyTableOptions(family.name, family.table, &table);
      table.block_cache = cache_;
      options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
      options.memtable_factory = memtables;
      options.compaction_filter_factory = NewFilterFactory(family.filter, family.drop_key, opened_->filters);
      CountDeadEntries(family.filter, &options);
      family_options_.push_back(options);
    }
  }

  rocksdb::ColumnFamilyOptions OptionsOfUnlisted() const {
    rocksdb::ColumnFamilyOptions options;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache_;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    return options;
  }

  std::vector<std::string> OnDisk() const {
    const rocksdb::Status exists = rocksdb::Env::Default()->FileExists(request_.path + "/CURRENT");
    if (exists.IsNotFound()) {
      if (request_.wal_stop_at) throw Failure{"ROCKS_ARGUMENT", "there is no database in " + request_.path + " that walStopAt could rewind"};
      if (!request_.create) throw Failure{"ROCKS_ARGUMENT", "there is no database in " + request_.path + " and createIfMissing is false"};
      return {rocksdb::kDefaultColumnFamilyName};
    }
    Check(exists, "open");
    std::vector<std::string> names;
    Check(rocksdb::DB::ListColumnFamilies(database_options_, request_.path, &names), ("open " + request_.path).c_str());
    return names;
  }

  void RequireStopped() const {
    const uint64_t latest = opened_->db->GetLatestSequenceNumber();
    if (!request_.wal_stop_at || latest == *request_.wal_stop_at) return;
    throw Failure{"ROCKS_WAL_STOP", "the database in " + request_.path + " was to stop at sequence " +
                                        std::to_string(*request_.wal_stop_at) + " and opened at " + std::to_string(latest)};
  }

  rocksdb::ColumnFamilyHandle* Find(const std::string& name) const {
    for (rocksdb::ColumnFamilyHandle* handle : opened_->families)
      if (handle->GetName() == name) return handle;
    return nullptr;
  }

  [[noreturn]] void RefuseId(const std::string& name, uint32_t id, size_t place) const {
    throw Failure{"ROCKS_CORRUPTION", "column family " + name + " in " + request_.path + " has id " + std::to_string(id) +
                                          " but stands in place " + std::to_string(place) + "; batches could not be told apart"};
  }

  void CreateMissing() {
    // What is there must be right before anything is added.
    for (size_t i = 0; i < request_.families.size(); i++) {
      rocksdb::ColumnFamilyHandle* handle = Find(request_.families[i].name);
      if (handle != nullptr && handle->GetID() != i) RefuseId(request_.families[i].name, handle->GetID(), i);
    }
    for (size_t i = 0; i < request_.families.size(); i++) {
      const std::string& name = request_.families[i].name;
      if (Find(name) != nullptr) continue;
      rocksdb::ColumnFamilyHandle* handle = nullptr;
      Check(opened_->db->CreateColumnFamily(family_options_[i], name, &handle), ("create column family " + name).c_str());
      opened_->families.push_back(handle);
      if (handle->GetID() == i) continue;
      const uint32_t id = handle->GetID();
      opened_->db->DropColumnFamily(handle).PermitUncheckedError();
      RefuseId(name, id, i);
    }
  }

  void PlaceById() {
    std::vector<rocksdb::ColumnFamilyHandle*>& families = opened_->families;
    std::sort(families.begin(), families.end(),
              [](rocksdb::ColumnFamilyHandle* a, rocksdb::ColumnFamilyHandle* b) { return a->GetID() < b->GetID(); });
    for (size_t i = 0; i < families.size(); i++) {
      if (families[i]->GetID() != i) RefuseId(families[i]->GetName(), families[i]->GetID(), i);
      opened_->family_names.push_back(families[i]->GetName());
    }
  }

  void ReadyFilters() {
    for (size_t i = 0; i < request_.families.size(); i++)
      if (request_.families[i].filter == FilterKind::kExpiredMetadata) opened_->filters->metadata = opened_->families[i];
    opened_->filters->db.store(opened_->db.get(), std::memory_order_release);
  }

  const OpenRequest request_;
  std::shared_ptr<Database> opened_;
  std::shared_ptr<rocksdb::Cache> cache_;
  rocksdb::DBOptions database_options_;
  std::vector<rocksdb::ColumnFamilyOptions> family_options_;
};

}  // namespace

napi_value Open(Call& call) { return Job::Start(call, std::make_unique<OpenJob>(ReadRequest(call))); }

}  // namespace holdfast
