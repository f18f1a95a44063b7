#include "arguments.h"

#include <cmath>

namespace holdfast {

namespace {

[[noreturn]] void Refuse(const char* name, const std::string& expected) {
  throw Failure{"ROCKS_ARGUMENT", std::string(name) + " must be " + expected};
}

Bytes ReadArray(Call& call, napi_value value, const char* name, napi_typedarray_type wanted, const char* expected) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  napi_value buffer;
  if (napi_get_typedarray_info(call.env, value, &type, &length, &data, &buffer, nullptr) != napi_ok || type != wanted)
    Refuse(name, expected);
  if (length == 0 || data == nullptr) {
    bool detached = false;
    if (napi_is_detached_arraybuffer(call.env, buffer, &detached) == napi_ok && detached)
      Refuse(name, std::string(expected) + ", this one is detached");
    return Bytes{"", 0};
  }
  return Bytes{static_cast<const char*>(data), length};
}

}  // namespace

bool IsUndefined(Call& call, napi_value value) {
  napi_valuetype type;
  Must(napi_typeof(call.env, value, &type));
  return type == napi_undefined;
}

Bytes ReadTarget(Call& call, napi_value value, const char* name) {
  return ReadArray(call, value, name, napi_uint8_array, "a Uint8Array");
}

Bytes ReadBytes(Call& call, napi_value value, const char* name) {
  const Bytes bytes = ReadTarget(call, value, name);
  if (bytes.size > kBytesMax) Refuse(name, "shorter than 2 GiB, it has " + std::to_string(bytes.size) + " bytes");
  return bytes;
}

Bytes ReadUint32s(Call& call, napi_value value, const char* name) {
  return ReadArray(call, value, name, napi_uint32_array, "a Uint32Array");
}

double ReadInteger(Call& call, napi_value value, const char* name, double min, double max) {
  double number = 0;
  if (napi_get_value_double(call.env, value, &number) != napi_ok || !(number >= min && number <= max) ||
      number != std::floor(number)) {
    Refuse(name, "an integer from " + std::to_string(static_cast<int64_t>(min)) + " to " +
                     std::to_string(static_cast<int64_t>(max)));
  }
  return number;
}

bool ReadBoolean(Call& call, napi_value value, const char* name) {
  bool result = false;
  if (napi_get_value_bool(call.env, value, &result) != napi_ok) Refuse(name, "true or false");
  return result;
}

std::string ReadString(Call& call, napi_value value, const char* name, size_t length_max) {
  size_t length = 0;
  if (napi_get_value_string_utf8(call.env, value, nullptr, 0, &length) != napi_ok) Refuse(name, "a string");
  if (length > length_max) Refuse(name, "at most " + std::to_string(length_max) + " bytes long");
  std::string text(length + 1, '\0');
  Must(napi_get_value_string_utf8(call.env, value, &text[0], length + 1, &length));
  text.resize(length);
  return text;
}

std::string ReadPath(Call& call, napi_value value, const char* name) {
  std::string path = ReadString(call, value, name, 4096);
  if (path.empty() || path.find('\0') != std::string::npos) Refuse(name, "a path of 1 to 4096 bytes without NUL");
  return path;
}

void RequireObject(Call& call, napi_value value, const char* name) {
  napi_valuetype type;
  Must(napi_typeof(call.env, value, &type));
  if (type != napi_object) Refuse(name, "an object");
}

napi_value Property(Call& call, napi_value object, const char* name) {
  napi_value value;
  Must(napi_get_named_property(call.env, object, name, &value));
  return value;
}

StringPairs ReadStringPairs(Call& call, napi_value value, const char* name) {
  StringPairs pairs;
  if (IsUndefined(call, value)) return pairs;
  RequireObject(call, value, name);
  napi_value names;
  uint32_t count = 0;
  Must(napi_get_all_property_names(call.env, value, napi_key_own_only,
                                   static_cast<napi_key_filter>(napi_key_enumerable | napi_key_skip_symbols),
                                   napi_key_numbers_to_strings, &names));
  Must(napi_get_array_length(call.env, names, &count));
  for (uint32_t i = 0; i < count; i++) {
    napi_value key, text;
    Must(napi_get_element(call.env, names, i, &key));
    const std::string key_text = ReadString(call, key, name, 256);
    Must(napi_get_property(call.env, value, key, &text));
    pairs.emplace_back(key_text, ReadString(call, text, (std::string(name) + "." + key_text).c_str(), 65536));
  }
  return pairs;
}

napi_value NumberValue(napi_env env, double number) {
  napi_value value;
  Must(napi_create_double(env, number, &value));
  return value;
}

napi_value StringValue(napi_env env, const char* text, size_t size) {
  napi_value value;
  Must(napi_create_string_utf8(env, text, size, &value));
  return value;
}

napi_value SequenceValue(napi_env env, uint64_t sequence) {
  if (sequence > static_cast<uint64_t>(kSafeIntegerMax))
    throw Failure{"ROCKS_OTHER", "sequence " + std::to_string(sequence) + " is not a safe integer"};
  return NumberValue(env, static_cast<double>(sequence));
}

napi_value BufferValue(napi_env env, const char* data, size_t size) {
  napi_value value;
  Must(napi_create_buffer_copy(env, size, data, nullptr, &value));
  return value;
}

}  // namespace holdfast
