// How a refusal travels: thrown as a Failure inside the addon, turned into a RocksError (src/errors.ts) at the border
// to JavaScript. Nothing else may cross that border.
#pragma once
#include <node_api.h>
#include <rocksdb/status.h>

#include <cstdint>
#include <string>

namespace holdfast {

struct Addon;

struct Failure {
  const char* code;
  std::string message;
  // Batches written before the failure; -1: the operation was not a write.
  int64_t written = -1;
};

// JavaScript's own exception is pending (a getter threw): leave it as it is.
struct PendingException {};

// The code RocksErrorCode gives a status; `what` names the operation and its object.
Failure FromStatus(const rocksdb::Status& status, const std::string& what);

inline void Check(const rocksdb::Status& status, const char* what) {
  if (!status.ok()) throw FromStatus(status, what);
}

// A new RocksError; nullptr when JavaScript may not run any more.
napi_value ErrorValue(napi_env env, Addon* addon, const Failure& failure);

void ThrowToJs(napi_env env, Addon* addon, const Failure& failure);

}  // namespace holdfast
