// Snapshots: a sequence to read at, pinned until released.
#include "arguments.h"
#include "database.h"

namespace holdfast {

namespace {

class SnapshotHandle : public Child {
 public:
  SnapshotHandle(Addon* addon, std::shared_ptr<Database> owner)
      : Child(Kind::kSnapshot, addon, std::move(owner)), snapshot(database->db->GetSnapshot()) {}

  ~SnapshotHandle() override { Release(); }

  void Release() override {
    if (snapshot != nullptr) database->db->ReleaseSnapshot(snapshot);
    snapshot = nullptr;
    Detach();
  }

  const rocksdb::Snapshot* snapshot;
};

}  // namespace

napi_value TakeSnapshot(Call& call) {
  const std::shared_ptr<Database> database = SharedSelf(call);
  auto handle = std::make_unique<SnapshotHandle>(call.addon, database);
  if (handle->snapshot == nullptr) throw Failure{"ROCKS_OTHER", "RocksDB gave no snapshot"};
  napi_value sequence = SequenceValue(call.env, handle->snapshot->GetSequenceNumber());
  napi_value object = NewHandle(call, std::move(handle));
  const napi_property_descriptor property = {"sequence", nullptr, nullptr, nullptr, nullptr, sequence, napi_enumerable, nullptr};
  Must(napi_define_properties(call.env, object, 1, &property));
  return object;
}

napi_value ReleaseSnapshot(Call& call) {
  SelfChild<SnapshotHandle>(call, Kind::kSnapshot, "Snapshot").Release();
  return Undefined(call.env);
}

const rocksdb::Snapshot* ReadSnapshot(Call& call, napi_value value, Database& database) {
  if (IsUndefined(call, value)) return nullptr;
  auto* handle = static_cast<SnapshotHandle*>(Unwrap(call, value, Kind::kSnapshot));
  if (handle == nullptr) throw Failure{"ROCKS_ARGUMENT", "snapshot must be a Snapshot"};
  if (handle->snapshot == nullptr) throw Failure{"ROCKS_CLOSED", "the snapshot is released"};
  if (handle->database.get() != &database) throw Failure{"ROCKS_ARGUMENT", "the snapshot belongs to another database"};
  return handle->snapshot;
}

}  // namespace holdfast
