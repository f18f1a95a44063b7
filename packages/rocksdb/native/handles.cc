#include "handles.h"

#include <utility>
#include <vector>

#include "database.h"

namespace holdfast {

namespace {

struct ClassSpec {
  const char* name;
  std::vector<std::pair<const char*, napi_callback>> methods;
};

ClassSpec SpecOf(Kind kind) {
  switch (kind) {
    case Kind::kIterator:
      return {"BlockIterator", {{"next", Sync<IteratorNext>}, {"seek", Sync<IteratorSeek>}, {"close", Sync<IteratorClose>}}};
    case Kind::kTail:
      return {"WalTail", {{"next", Sync<WalTailNext>}, {"nextAsync", Async<WalTailNextAsync>}, {"close", Sync<WalTailClose>}}};
    case Kind::kSnapshot:
      return {"Snapshot", {{"release", Sync<ReleaseSnapshot>}}};
    case Kind::kDatabase:
      break;
  }
  return {"Database",
          {{"latestSequence", Sync<LatestSequence>},
           {"get", Sync<Get>},
           {"getCached", Sync<GetCached>},
           {"getWithoutWaiting", Sync<GetWithoutWaiting>},
           {"consecutiveFrames", Sync<ConsecutiveFrames>},
           {"multiGet", Sync<MultiGet>},
           {"multiGetAsync", Async<MultiGetAsync>},
           {"fetchAsync", Async<FetchAsync>},
           {"write", Sync<Write>},
           {"writeAsync", Async<WriteAsync>},
           {"iterate", Sync<Iterate>},
           {"scan", Sync<Scan>},
           {"snapshot", Sync<TakeSnapshot>},
           {"walTail", Sync<NewWalTail>},
           {"walTailAsync", Async<NewWalTailAsync>},
           {"walFiles", Async<WalFiles>},
           {"syncWal", Sync<SyncWal>},
           {"syncWalAsync", Async<SyncWalAsync>},
           {"checkpoint", Async<CheckpointTo>},
           {"flush", Async<Flush>},
           {"compact", Async<Compact>},
           {"fileStatistics", Async<FileStatisticsOf>},
           {"property", Sync<PropertyOf>},
           {"mapProperty", Sync<MapPropertyOf>},
           {"endedWork", Sync<EndedWorkOf>},
           {"setIoBytesPerSecond", Sync<SetIoBytesPerSecond>},
           {"flushBlockCache", Sync<FlushBlockCache>},
           {"largestFlushedSequence", Sync<LargestFlushedSequence>},
           {"liveFiles", Sync<LiveFiles>},
           {"close", Async<CloseDatabase>}}};
}

void Finalize(napi_env, void* data, void*) { delete static_cast<Handle*>(data); }

// `new` reaches this also from JavaScript (database.constructor); only NewHandle leaves something to wrap.
napi_value Construct(Call& call) {
  Handle* handle = std::exchange(call.addon->under_construction, nullptr);
  if (handle == nullptr) throw Failure{"ROCKS_ARGUMENT", "this class has no public constructor, call open()"};
  const napi_status status = napi_wrap(call.env, call.self, handle, Finalize, nullptr, nullptr);
  if (status != napi_ok) {
    delete handle;
    Must(status);
  }
  return call.self;
}

}  // namespace

Handle::Handle(Kind kind, Addon* addon) : kind(kind), addon(addon->shared_from_this()) { addon->handles.insert(this); }

Handle::~Handle() { addon->handles.erase(this); }

Child::Child(Kind kind, Addon* addon, std::shared_ptr<Database> database)
    : Handle(kind, addon), database(std::move(database)) {
  this->database->Adopt(this);
}

Child::~Child() { Detach(); }

void Child::Detach() {
  if (database) database->Forget(this);
  database.reset();
}

DatabaseHandle::DatabaseHandle(Addon* addon, std::shared_ptr<Database> database)
    : Handle(Kind::kDatabase, addon), database(std::move(database)) {}

void DefineClasses(napi_env env, Addon* addon) {
  for (int i = 0; i < kKinds; i++) {
    const ClassSpec spec = SpecOf(static_cast<Kind>(i));
    napi_value constructor, prototype;
    Must(napi_define_class(env, spec.name, NAPI_AUTO_LENGTH, Sync<Construct>, addon, 0, nullptr, &constructor));
    Must(napi_get_named_property(env, constructor, "prototype", &prototype));
    std::vector<napi_property_descriptor> methods;
    for (const auto& [name, callback] : spec.methods)
      methods.push_back({name, nullptr, callback, nullptr, nullptr, nullptr, napi_default_method, addon});
    Must(napi_define_properties(env, prototype, methods.size(), methods.data()));
    Must(napi_create_reference(env, constructor, 1, &addon->classes[i]));
  }
}

napi_value NewHandle(Call& call, std::unique_ptr<Handle> handle) {
  napi_value constructor, object;
  Must(napi_get_reference_value(call.env, call.addon->classes[static_cast<int>(handle->kind)], &constructor));
  call.addon->under_construction = handle.release();
  const napi_status status = napi_new_instance(call.env, constructor, 0, nullptr, &object);
  // Still set when the constructor never ran.
  delete std::exchange(call.addon->under_construction, nullptr);
  Must(status);
  return object;
}

Handle* Unwrap(Call& call, napi_value value, Kind kind) {
  void* data = nullptr;
  if (napi_unwrap(call.env, value, &data) != napi_ok || call.addon->handles.count(data) == 0) return nullptr;
  Handle* handle = static_cast<Handle*>(data);
  return handle->kind == kind ? handle : nullptr;
}

std::shared_ptr<Database> SharedSelf(Call& call) {
  const auto& handle = SelfChild<DatabaseHandle>(call, Kind::kDatabase, "Database");
  if (handle.database->state() != Database::State::kOpen)
    throw Failure{"ROCKS_CLOSED", "the database in " + handle.database->path + " is closed"};
  return handle.database;
}

Database& Self(Call& call) {
  Handle* handle = Unwrap(call, call.self, Kind::kDatabase);
  if (handle != nullptr) {
    Database& database = *static_cast<DatabaseHandle*>(handle)->database;
    if (database.state() == Database::State::kOpen) return database;
  }
  return *SharedSelf(call);  // throws
}

}  // namespace holdfast
