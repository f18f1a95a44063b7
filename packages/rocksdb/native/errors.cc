#include "errors.h"

#include "addon.h"

namespace holdfast {

namespace {

const char* CodeOf(const rocksdb::Status& status) {
  switch (status.code()) {
    case rocksdb::Status::kCorruption:
      return "ROCKS_CORRUPTION";
    case rocksdb::Status::kInvalidArgument:
      return "ROCKS_ARGUMENT";
    case rocksdb::Status::kBusy:
      return "ROCKS_BUSY";
    case rocksdb::Status::kIncomplete:
      return "ROCKS_INCOMPLETE";
    case rocksdb::Status::kShutdownInProgress:
      return "ROCKS_CLOSED";
    case rocksdb::Status::kIOError:
      if (status.subcode() == rocksdb::Status::kNoSpace) return "ROCKS_NO_SPACE";
      return "ROCKS_IO";
    default:
      return "ROCKS_OTHER";
  }
}

// RocksDB has no code for a held LOCK: it is an I/O error that names the file.
bool IsLockHeld(const std::string& text) {
  return text.find("/LOCK") != std::string::npos &&
         (text.find("lock hold by current process") != std::string::npos || text.find("While lock file") != std::string::npos);
}

}  // namespace

Failure FromStatus(const rocksdb::Status& status, const std::string& what) {
  const std::string text = status.ToString();
  const char* code = CodeOf(status);
  if (status.IsIOError() && IsLockHeld(text)) code = "ROCKS_LOCKED";
  return Failure{code, what + ": " + text};
}

napi_value ErrorValue(napi_env env, Addon* addon, const Failure& failure) {
  napi_value constructor, error;
  napi_value argv[3];
  size_t argc = 2;
  if (addon->error_class == nullptr || napi_get_reference_value(env, addon->error_class, &constructor) != napi_ok ||
      napi_create_string_utf8(env, failure.code, NAPI_AUTO_LENGTH, &argv[0]) != napi_ok ||
      napi_create_string_utf8(env, failure.message.data(), failure.message.size(), &argv[1]) != napi_ok)
    return nullptr;
  if (failure.written >= 0) {
    if (napi_create_double(env, static_cast<double>(failure.written), &argv[2]) != napi_ok) return nullptr;
    argc = 3;
  }
  if (napi_new_instance(env, constructor, argc, argv, &error) != napi_ok) return nullptr;
  return error;
}

void ThrowToJs(napi_env env, Addon* addon, const Failure& failure) {
  napi_value error = ErrorValue(env, addon, failure);
  if (error != nullptr) {
    napi_throw(env, error);
    return;
  }
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && !pending)
    napi_throw_error(env, failure.code, failure.message.c_str());
}

}  // namespace holdfast
