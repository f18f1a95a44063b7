// What one JavaScript environment (the main thread, or a worker thread) holds of this addon.
#pragma once
#define NAPI_VERSION 8
#include <node_api.h>

#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "counters.h"
#include "errors.h"

namespace holdfast {

class Database;
class Handle;

enum class Kind { kDatabase = 0, kIterator, kTail, kSnapshot };
constexpr int kKinds = 4;

struct Addon : std::enable_shared_from_this<Addon> {
  napi_env env = nullptr;
  napi_ref error_class = nullptr;
  napi_ref classes[kKinds] = {};
  // Every native object that a JavaScript object of this environment wraps. An object of another addon unwraps to an
  // address that is not in here: it is refused before it is looked into.
  std::unordered_set<const void*> handles;
  // Databases to close when the environment ends.
  std::unordered_map<Database*, std::weak_ptr<Database>> databases;
  // Set only while NewHandle runs a constructor: what `new` from JavaScript cannot provide.
  Handle* under_construction = nullptr;
  // Of this thread and of the jobs.
  BlockReads block_reads;
};

// One call from JavaScript. Absent arguments are `undefined`.
struct Call {
  static constexpr size_t kArguments = 7;
  napi_env env;
  Addon* addon;
  napi_value self;
  napi_value argv[kArguments];
};

using Method = napi_value (*)(Call&);

// Runs a method at the border: what it throws becomes a thrown JavaScript error.
napi_value RunMethod(napi_env env, napi_callback_info info, Method method);
// The same for methods that return a promise: what they throw becomes a rejection.
napi_value RunAsyncMethod(napi_env env, napi_callback_info info, Method method);

template <Method M>
napi_value Sync(napi_env env, napi_callback_info info) {
  return RunMethod(env, info, M);
}

template <Method M>
napi_value Async(napi_env env, napi_callback_info info) {
  return RunAsyncMethod(env, info, M);
}

inline napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

// A failed Node-API call that no argument explains: out of memory, or the environment is ending.
inline void Must(napi_status status) {
  if (status == napi_ok) return;
  if (status == napi_pending_exception) throw PendingException{};
  throw Failure{"ROCKS_OTHER", "Node-API call failed with status " + std::to_string(status)};
}

}  // namespace holdfast
