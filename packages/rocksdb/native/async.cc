#include "async.h"

#include <new>

namespace holdfast {

void Reject(napi_env env, Addon* addon, napi_deferred deferred, const Failure& failure) {
  napi_value error = ErrorValue(env, addon, failure);
  if (error == nullptr) {
    bool pending = false;
    napi_value ignored;
    if (napi_is_exception_pending(env, &pending) == napi_ok && pending) napi_get_and_clear_last_exception(env, &ignored);
    if (napi_get_undefined(env, &error) != napi_ok) return;
  }
  napi_reject_deferred(env, deferred, error);
}

void Job::Execute(napi_env, void* data) {
  Job* job = static_cast<Job*>(data);
  try {
    job->Run();
  } catch (const Failure& failure) {
    job->failure_ = failure;
  } catch (const std::exception& error) {
    job->failure_ = Failure{"ROCKS_OTHER", std::string(job->name_) + ": " + error.what()};
  }
  job->addon_->block_reads.TakeFromThread();
}

void Job::Finish(napi_env env) {
  if (!failure_) {
    Call call{env, addon_.get(), nullptr, {}};
    try {
      napi_value value = Value(call);
      napi_resolve_deferred(env, deferred_, value);
      return;
    } catch (const Failure& failure) {
      failure_ = failure;
    } catch (const PendingException&) {
      napi_value error;
      if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_reject_deferred(env, deferred_, error);
      return;
    } catch (const std::exception& error) {
      failure_ = Failure{"ROCKS_OTHER", std::string(name_) + ": " + error.what()};
    }
  }
  Reject(env, addon_.get(), deferred_, *failure_);
}

void Job::Complete(napi_env env, napi_status status, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env, &scope);
  if (status != napi_ok && !job->failure_) job->failure_ = Failure{"ROCKS_CLOSED", std::string(job->name_) + " was cancelled"};
  job->Finish(env);
  napi_delete_async_work(env, job->work_);
  if (job->database_) {
    Job* next = job->IsCompaction() ? job->database_->ReleaseCompaction() : nullptr;
    if (next != nullptr && napi_queue_async_work(env, next->work_) != napi_ok) Complete(env, napi_cancelled, next);
    job->database_->EndWork(env);
  }
  if (scope != nullptr) napi_close_handle_scope(env, scope);
}

bool Job::Enqueue(napi_env env, Job* job) {
  napi_value name;
  if (napi_create_string_utf8(env, job->name_, NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, Execute, Complete, job, &job->work_) != napi_ok)
    return false;
  if (job->database_) job->database_->BeginWork();
  if (job->IsCompaction() && !job->database_->AcquireCompaction(job)) return true;
  if (napi_queue_async_work(env, job->work_) == napi_ok) return true;
  napi_delete_async_work(env, job->work_);
  // Nothing is under way because of this job, so the count goes down without the walk EndWork may start.
  if (job->IsCompaction()) job->database_->ReleaseCompaction();
  if (job->database_) job->database_->EndWork(env);
  return false;
}

bool Job::Launch(napi_env env, Addon* addon, std::unique_ptr<Job> job) {
  job->addon_ = addon->shared_from_this();
  if (!Enqueue(env, job.get())) return false;
  job.release();  // Complete deletes it.
  return true;
}

napi_value Job::Start(Call& call, std::unique_ptr<Job> job) {
  napi_value promise;
  napi_deferred deferred;
  Must(napi_create_promise(call.env, &deferred, &promise));
  job->deferred_ = deferred;
  const char* name = job->name_;
  if (!Launch(call.env, call.addon, std::move(job)))
    Reject(call.env, call.addon, deferred, Failure{"ROCKS_OTHER", std::string(name) + " could not be queued"});
  return promise;
}

}  // namespace holdfast
