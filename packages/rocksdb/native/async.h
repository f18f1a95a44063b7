// Work on libuv's worker threads with a promise for its end.
//
// Run() is on a worker thread and may not touch JavaScript; everything it needs is owned by the job. When the
// environment ends Node waits for the jobs and still runs their completion, but JavaScript may not be entered any
// more: Node-API calls in a completion may fail and their failure is ignored there.
#pragma once
#include <memory>
#include <optional>

#include "database.h"

namespace holdfast {

class Job {
 public:
  // `database` may be empty (open, destroy).
  Job(const char* name, std::shared_ptr<Database> database) : database_(std::move(database)), name_(name) {}
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // The promise of the job's end. Takes ownership.
  static napi_value Start(Call& call, std::unique_ptr<Job> job);
  // Without a promise of its own.
  static bool Launch(napi_env env, Addon* addon, std::unique_ptr<Job> job);
  // Queues a prepared job.
  static bool Enqueue(napi_env env, Job* job);

 protected:
  virtual void Run() = 0;
  // The value of the promise, on the JavaScript thread.
  virtual napi_value Value(Call& call) { return Undefined(call.env); }
  // Settles promises; the default settles the job's own.
  virtual void Finish(napi_env env);
  virtual bool IsCompaction() const { return false; }

  const std::shared_ptr<Database> database_;
  std::optional<Failure> failure_;
  std::shared_ptr<Addon> addon_;
  napi_deferred deferred_ = nullptr;

 private:
  static void Execute(napi_env env, void* data);
  static void Complete(napi_env env, napi_status status, void* data);

  const char* name_;
  napi_async_work work_ = nullptr;
};

void Reject(napi_env env, Addon* addon, napi_deferred deferred, const Failure& failure);

}  // namespace holdfast
