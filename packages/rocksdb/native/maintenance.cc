// The slow operations, on worker threads: list of WAL files, checkpoint, flush, compact, close, destroy.
#include <rocksdb/convenience.h>
#include <rocksdb/utilities/checkpoint.h>

#include <optional>

#include "arguments.h"
#include "async.h"
#include "database.h"
#include "flush_reminder.h"
#include "silent_logger.h"

namespace holdfast {

namespace {

class CheckpointJob : public Job {
 public:
  CheckpointJob(std::shared_ptr<Database> database, std::string path)
      : Job("checkpoint", std::move(database)), path_(std::move(path)) {}

 protected:
  void Run() override {
    rocksdb::Checkpoint* checkpoint = nullptr;
    Check(rocksdb::Checkpoint::Create(database_->db.get(), &checkpoint), "checkpoint");
    const std::unique_ptr<rocksdb::Checkpoint> owner(checkpoint);
    {
      const FlushReminder reminder(database_.get());
      Check(checkpoint->CreateCheckpoint(path_), "checkpoint");
    }
    sequence_ = ReadBack();
  }

  napi_value Value(Call& call) override { return SequenceValue(call.env, sequence_); }

 private:
  // Writes went on meanwhile, so only the copy itself knows its sequence; opening it also proves that it opens.
  uint64_t ReadBack() {
    rocksdb::DBOptions options;
    options.info_log = std::make_shared<SilentLogger>();  // a checkpoint is to hold nothing but the checkpoint
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const std::string& name : database_->family_names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* copy = nullptr;
    Check(rocksdb::DB::OpenForReadOnly(options, path_, descriptors, &handles, &copy), "checkpoint: reading it back");
    const std::unique_ptr<rocksdb::DB> owner(copy);
    const uint64_t sequence = copy->GetLatestSequenceNumber();
    for (rocksdb::ColumnFamilyHandle* handle : handles) copy->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    return sequence;
  }

  const std::string path_;
  uint64_t sequence_ = 0;
};

// Reads the first record of files it has not met before, hence a job.
class WalFilesJob : public Job {
 public:
  explicit WalFilesJob(std::shared_ptr<Database> database) : Job("walFiles", std::move(database)) {}

 protected:
  void Run() override { Check(database_->db->GetSortedWalFiles(files_), "walFiles"); }

  napi_value Value(Call& call) override {
    napi_value list;
    Must(napi_create_array_with_length(call.env, files_.size(), &list));
    for (size_t i = 0; i < files_.size(); i++) {
      rocksdb::LogFile& file = *files_[i];
      const std::string path = file.PathName();
      const size_t slash = path.rfind('/') + 1;  // npos + 1 is 0
      napi_value entry, archived;
      Must(napi_create_object(call.env, &entry));
      Must(napi_get_boolean(call.env, file.Type() == rocksdb::kArchivedLogFile, &archived));
      Must(napi_set_named_property(call.env, entry, "name", StringValue(call.env, path.data() + slash, path.size() - slash)));
      Must(napi_set_named_property(call.env, entry, "archived", archived));
      Must(napi_set_named_property(call.env, entry, "startSequence", SequenceValue(call.env, file.StartSequence())));
      Must(napi_set_named_property(call.env, entry, "sizeBytes",
                                   NumberValue(call.env, static_cast<double>(file.SizeFileBytes()))));
      Must(napi_set_element(call.env, list, static_cast<uint32_t>(i), entry));
    }
    return list;
  }

 private:
  rocksdb::VectorLogPtr files_;
};

class FlushJob : public Job {
 public:
  explicit FlushJob(std::shared_ptr<Database> database) : Job("flush", std::move(database)) {}

 protected:
  void Run() override {
    const FlushReminder reminder(database_.get());
    Check(database_->db->Flush(rocksdb::FlushOptions(), database_->families), "flush");
  }
};

class CompactJob : public Job {
 public:
  CompactJob(std::shared_ptr<Database> database, rocksdb::ColumnFamilyHandle* family)
      : Job("compact", std::move(database)), family_(family) {}

  std::optional<std::string> gte, lt;

 protected:
  bool IsCompaction() const override { return true; }

  void Run() override {
    RequireNotClosing();
    if (gte && lt && *gte >= *lt) return;
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    // The lowest level too, once: that is where most of what the filters drop lies.
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    options.canceled = &database_->cancel;
    rocksdb::Slice begin, end;
    if (gte) begin = *gte;
    if (lt) end = *lt;
    const FlushReminder reminder(database_.get());
    const rocksdb::Status status =
        database_->db->CompactRange(options, family_, gte ? &begin : nullptr, lt ? &end : nullptr);
    if (!status.ok()) RequireNotClosing();
    Check(status, "compact");
  }

 private:
  void RequireNotClosing() const {
    if (database_->cancel.load()) throw Failure{"ROCKS_CLOSED", "compact: the database is closing"};
  }

  rocksdb::ColumnFamilyHandle* const family_;
};

class DestroyJob : public Job {
 public:
  explicit DestroyJob(std::string path) : Job("destroy", nullptr), path_(std::move(path)) {}

 protected:
  void Run() override {
    rocksdb::Options options;
    options.info_log = std::make_shared<SilentLogger>();
    Check(rocksdb::DestroyDB(path_, options), "destroy");
  }

 private:
  const std::string path_;
};

std::optional<std::string> OptionalBytes(Call& call, napi_value value, const char* name) {
  if (IsUndefined(call, value)) return std::nullopt;
  const Bytes bytes = ReadBytes(call, value, name);
  return std::string(bytes.data, bytes.size);
}

}  // namespace

napi_value WalFiles(Call& call) { return Job::Start(call, std::make_unique<WalFilesJob>(SharedSelf(call))); }

napi_value CheckpointTo(Call& call) {
  const std::shared_ptr<Database> database = SharedSelf(call);
  return Job::Start(call, std::make_unique<CheckpointJob>(database, ReadPath(call, call.argv[0], "path")));
}

napi_value Flush(Call& call) { return Job::Start(call, std::make_unique<FlushJob>(SharedSelf(call))); }

napi_value Compact(Call& call) {
  std::optional<std::string> gte, lt;
  if (!IsUndefined(call, call.argv[1])) {
    RequireObject(call, call.argv[1], "range");
    napi_value from = Property(call, call.argv[1], "gte");
    napi_value before = Property(call, call.argv[1], "lt");
    gte = OptionalBytes(call, from, "gte");
    lt = OptionalBytes(call, before, "lt");
  }
  const std::shared_ptr<Database> database = SharedSelf(call);
  auto job = std::make_unique<CompactJob>(database, ReadFamily(call, call.argv[0], *database));
  job->gte = std::move(gte);
  job->lt = std::move(lt);
  return Job::Start(call, std::move(job));
}

napi_value CloseDatabase(Call& call) {
  const std::shared_ptr<Database> database = SelfChild<DatabaseHandle>(call, Kind::kDatabase, "Database").database;
  return database->Close(call);
}

napi_value Destroy(Call& call) { return Job::Start(call, std::make_unique<DestroyJob>(ReadPath(call, call.argv[0], "path"))); }

}  // namespace holdfast
