// Checked reading of JavaScript values. Every reader throws ROCKS_ARGUMENT naming the argument.
//
// Order matters in callers: option objects are read first (their getters run JavaScript, which may close the database
// or detach a buffer), then bytes, then the state of the handle is looked at.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "addon.h"

namespace holdfast {

struct Bytes {
  const char* data;
  size_t size;
};

using StringPairs = std::vector<std::pair<std::string, std::string>>;

// Largest key, value or batch this binding passes on; RocksDB's own limits are just above.
constexpr size_t kBytesMax = 0x7fffffff;
constexpr double kSafeIntegerMax = 9007199254740991.0;

bool IsUndefined(Call& call, napi_value value);
Bytes ReadBytes(Call& call, napi_value value, const char* name);
// The same for a buffer that is written to: any length.
Bytes ReadTarget(Call& call, napi_value value, const char* name);
// Elements of a Uint32Array.
Bytes ReadUint32s(Call& call, napi_value value, const char* name);
double ReadInteger(Call& call, napi_value value, const char* name, double min, double max);
bool ReadBoolean(Call& call, napi_value value, const char* name);
std::string ReadString(Call& call, napi_value value, const char* name, size_t length_max);
// A file system path: 1 to 4096 bytes, no NUL.
std::string ReadPath(Call& call, napi_value value, const char* name);
void RequireObject(Call& call, napi_value value, const char* name);
// A property; `undefined` when absent.
napi_value Property(Call& call, napi_value object, const char* name);
// An object of strings, e.g. RocksDB options; undefined reads as empty.
StringPairs ReadStringPairs(Call& call, napi_value value, const char* name);

napi_value NumberValue(napi_env env, double number);
napi_value StringValue(napi_env env, const char* text, size_t size);
napi_value SequenceValue(napi_env env, uint64_t sequence);
napi_value BufferValue(napi_env env, const char* data, size_t size);

}  // namespace holdfast
