// Raw batches into the database: copied, walked, then written in order. And the copy of batches without some records.
#include <cstring>

#include "arguments.h"
#include "async.h"
#include "batch.h"
#include "database.h"

namespace holdfast {

namespace {

WriteFlags ReadFlags(Call& call, napi_value options) {
  RequireObject(call, options, "options");
  WriteFlags flags;
  flags.sync = ReadBoolean(call, Property(call, options, "sync"), "options.sync");
  flags.no_slowdown = ReadBoolean(call, Property(call, options, "noSlowdown"), "options.noSlowdown");
  napi_value disable = Property(call, options, "disableWal");
  if (!IsUndefined(call, disable)) flags.disable_wal = ReadBoolean(call, disable, "options.disableWal");
  if (flags.sync && flags.disable_wal) throw Failure{"ROCKS_ARGUMENT", "options: sync needs the WAL that disableWal skips"};
  return flags;
}

// Copies the batches before looking at them: the caller's memory may be shared with another thread.
void ReadBatches(Call& call, uint32_t families, WriteRequest* request) {
  const Bytes packed = ReadBytes(call, call.argv[0], "packed");
  const Bytes lengths = ReadUint32s(call, call.argv[1], "lengths");
  const size_t count = static_cast<size_t>(ReadInteger(call, call.argv[2], "count", 0, static_cast<double>(lengths.size)));
  request->batches.reserve(count);
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t length;
    memcpy(&length, lengths.data + i * sizeof length, sizeof length);
    if (length > packed.size - at)
      throw Failure{"ROCKS_ARGUMENT", "batch " + std::to_string(i) + " of " + std::to_string(length) + " bytes runs past the end of packed", 0};
    request->batches.emplace_back(packed.data + at, length);
    at += length;
    const std::string& batch = request->batches.back();
    const std::string fault = BatchFault(batch.data(), batch.size(), families);
    if (!fault.empty()) throw Failure{"ROCKS_CORRUPTION", "batch " + std::to_string(i) + ": " + fault, 0};
  }
}

// Runs whichever queued write is next and settles whichever are done: the order is that of the calls, the number of
// jobs is that of the requests.
class WriteJob : public Job {
 public:
  explicit WriteJob(std::shared_ptr<Database> database) : Job("writeAsync", std::move(database)) {}

 protected:
  void Run() override { database_->RunQueuedWrite(); }

  void Finish(napi_env env) override {
    for (const std::unique_ptr<WriteRequest>& request : database_->TakeFinishedWrites()) Settle(env, *request);
  }

 private:
  void Settle(napi_env env, WriteRequest& request) {
    if (!request.failed) {
      try {
        napi_resolve_deferred(env, request.deferred, SequenceValue(env, request.sequence));
        return;
      } catch (const Failure& failure) {
        request.failure = failure;
      } catch (const PendingException&) {
        request.failure = Failure{"ROCKS_OTHER", "writeAsync: JavaScript may not run any more"};
      }
    }
    Reject(env, addon_.get(), request.deferred, request.failure);
  }
};

class SyncWalJob : public Job {
 public:
  explicit SyncWalJob(std::shared_ptr<Database> database) : Job("syncWalAsync", std::move(database)) {}

 protected:
  void Run() override { Check(database_->db->SyncWAL(), "syncWal"); }
};

}  // namespace

napi_value CopyWithout(Call& call) {
  const Bytes from = ReadBytes(call, call.argv[0], "from");
  const Bytes gaps = ReadUint32s(call, call.argv[1], "gaps");
  const Bytes into = ReadTarget(call, call.argv[2], "into");
  if (into.size < from.size) throw Failure{"ROCKS_ARGUMENT", "into is shorter than from"};
  if (gaps.size % 2 != 0) throw Failure{"ROCKS_ARGUMENT", "gaps must be pairs of a begin and an end"};
  char* const target = const_cast<char*>(into.data);
  size_t at = 0, to = 0;
  for (size_t i = 0; i < gaps.size; i += 2) {
    uint32_t gap[2];
    memcpy(gap, gaps.data + i * sizeof gap[0], sizeof gap);
    if (gap[0] < at || gap[1] < gap[0] || gap[1] > from.size)
      throw Failure{"ROCKS_ARGUMENT", "the gap from " + std::to_string(gap[0]) + " to " + std::to_string(gap[1]) +
                                          " does not lie behind the one before it and within from"};
    memmove(target + to, from.data + at, gap[0] - at);
    to += gap[0] - at;
    at = gap[1];
  }
  memmove(target + to, from.data + at, from.size - at);
  return NumberValue(call.env, static_cast<double>(to + from.size - at));
}

napi_value Write(Call& call) {
  WriteRequest request;
  request.flags = ReadFlags(call, call.argv[3]);
  Database& database = Self(call);
  ReadBatches(call, static_cast<uint32_t>(database.families.size()), &request);
  database.Write(&request);
  if (request.failed) throw request.failure;
  return SequenceValue(call.env, request.sequence);
}

napi_value WriteAsync(Call& call) {
  auto request = std::make_unique<WriteRequest>();
  request->flags = ReadFlags(call, call.argv[3]);
  const std::shared_ptr<Database> database = SharedSelf(call);
  ReadBatches(call, static_cast<uint32_t>(database->families.size()), request.get());
  napi_value promise;
  Must(napi_create_promise(call.env, &request->deferred, &promise));
  database->Queue(std::move(request));
  if (!Job::Launch(call.env, call.addon, std::make_unique<WriteJob>(database))) {
    // No worker will come: write here. The request is settled with the next job, or never when there is none, which
    // only an ending environment makes possible.
    database->RunQueuedWrite();
  }
  return promise;
}

napi_value SyncWal(Call& call) {
  Check(Self(call).db->SyncWAL(), "syncWal");
  return Undefined(call.env);
}

napi_value SyncWalAsync(Call& call) { return Job::Start(call, std::make_unique<SyncWalJob>(SharedSelf(call))); }

}  // namespace holdfast
