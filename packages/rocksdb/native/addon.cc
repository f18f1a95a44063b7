// Entry of the addon: one Addon per environment, methods wrapped so that nothing but JavaScript errors gets out.
#include "addon.h"

#include "arguments.h"
#include "async.h"
#include "database.h"
#include "handles.h"

namespace holdfast {

namespace {

bool Enter(napi_env env, napi_callback_info info, Call* call) {
  size_t argc = Call::kArguments;
  void* data = nullptr;
  call->env = env;
  if (napi_get_cb_info(env, info, &argc, call->argv, &call->self, &data) != napi_ok) return false;
  call->addon = static_cast<Addon*>(data);
  return true;
}

napi_value Rejected(Call& call, napi_value error) {
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(call.env, &deferred, &promise) != napi_ok) return nullptr;
  napi_reject_deferred(call.env, deferred, error == nullptr ? Undefined(call.env) : error);
  return promise;
}

napi_value RejectedWith(Call& call, const Failure& failure) {
  return Rejected(call, ErrorValue(call.env, call.addon, failure));
}

// setErrorClass(RocksError): what failures become.
napi_value SetErrorClass(Call& call) {
  napi_valuetype type;
  Must(napi_typeof(call.env, call.argv[0], &type));
  if (type != napi_function) throw Failure{"ROCKS_ARGUMENT", "an error class is expected"};
  if (call.addon->error_class != nullptr) Must(napi_delete_reference(call.env, call.addon->error_class));
  call.addon->error_class = nullptr;
  Must(napi_create_reference(call.env, call.argv[0], 1, &call.addon->error_class));
  return Undefined(call.env);
}

// leave(): the process is about to end, and Node will wait for its worker threads.
napi_value Leave(Call& call) {
  for (const auto& entry : call.addon->databases) entry.first->Hurry();
  return Undefined(call.env);
}

void EndEnvironment(void* data) {
  Addon* addon = static_cast<Addon*>(data);
  const auto databases = addon->databases;
  for (const auto& entry : databases) {
    const std::shared_ptr<Database> database = entry.second.lock();
    if (database) database->CloseNow();
  }
}

void DeleteAddon(napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Addon>*>(data); }

}  // namespace

napi_value RunMethod(napi_env env, napi_callback_info info, Method method) {
  Call call;
  if (!Enter(env, info, &call)) return nullptr;
  try {
    return method(call);
  } catch (const Failure& failure) {
    ThrowToJs(env, call.addon, failure);
  } catch (const PendingException&) {
    // JavaScript's own exception goes on.
  } catch (const std::exception& error) {
    ThrowToJs(env, call.addon, Failure{"ROCKS_OTHER", error.what()});
  }
  return nullptr;
}

napi_value RunAsyncMethod(napi_env env, napi_callback_info info, Method method) {
  Call call;
  if (!Enter(env, info, &call)) return nullptr;
  try {
    return method(call);
  } catch (const Failure& failure) {
    return RejectedWith(call, failure);
  } catch (const PendingException&) {
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) != napi_ok) return nullptr;
    return Rejected(call, error);
  } catch (const std::exception& error) {
    return RejectedWith(call, Failure{"ROCKS_OTHER", error.what()});
  }
}

napi_value Init(napi_env env, napi_value exports) {
  auto* owner = new std::shared_ptr<Addon>(std::make_shared<Addon>());
  Addon* addon = owner->get();
  addon->env = env;
  if (napi_set_instance_data(env, owner, DeleteAddon, nullptr) != napi_ok) {
    delete owner;
    return nullptr;
  }
  const napi_property_descriptor functions[] = {
      {"setErrorClass", nullptr, Sync<SetErrorClass>, nullptr, nullptr, nullptr, napi_enumerable, addon},
      {"open", nullptr, Async<Open>, nullptr, nullptr, nullptr, napi_enumerable, addon},
      {"destroy", nullptr, Async<Destroy>, nullptr, nullptr, nullptr, napi_enumerable, addon},
      {"leave", nullptr, Sync<Leave>, nullptr, nullptr, nullptr, napi_enumerable, addon},
      {"buildInfo", nullptr, Sync<BuildInfo>, nullptr, nullptr, nullptr, napi_enumerable, addon},
      {"blockReads", nullptr, Sync<BlockReadsOf>, nullptr, nullptr, nullptr, napi_enumerable, addon},
      {"copyWithout", nullptr, Sync<CopyWithout>, nullptr, nullptr, nullptr, napi_enumerable, addon},
      {"beginProfile", nullptr, Sync<BeginProfile>, nullptr, nullptr, nullptr, napi_enumerable, addon},
      {"endProfile", nullptr, Sync<EndProfile>, nullptr, nullptr, nullptr, napi_enumerable, addon},
  };
  try {
    Must(napi_add_env_cleanup_hook(env, EndEnvironment, addon));
    Must(napi_define_properties(env, exports, sizeof functions / sizeof functions[0], functions));
    DefineClasses(env, addon);
  } catch (const Failure& failure) {
    napi_throw_error(env, failure.code, failure.message.c_str());
    return nullptr;
  } catch (const PendingException&) {
    return nullptr;
  }
  return exports;
}

}  // namespace holdfast

NAPI_MODULE_INIT() { return holdfast::Init(env, exports); }
