// The border to JavaScript: a class whose methods run on the main stack, check what they are given, and hand over what Lua
// wants in buffers of the caller. JavaScript is never called from the Lua stack.
#define NAPI_VERSION 8
#include <node_api.h>
#include <string.h>

#include <new>

#include "state.h"

namespace holdfast {

namespace {

constexpr napi_type_tag kTag = {0x6c7561576f726c64ULL, 0x686f6c6466617374ULL};
constexpr size_t kTextMax = 2048;
// Facts of an event; behind them begin and end of each part.
constexpr size_t kFacts = 4;
enum Fact { kBytes = 0, kCount, kDetail, kProtocol };

struct Text {
  char data[kTextMax];
  size_t length;
};

napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

napi_value Throw(napi_env env, const char* code, const char* message) {
  napi_throw_error(env, code, message);
  return nullptr;
}

template <size_t N>
bool Arguments(napi_env env, napi_callback_info info, napi_value (&values)[N], napi_value* self) {
  size_t count = N;
  return napi_get_cb_info(env, info, &count, values, self, nullptr) == napi_ok;
}

// The world of `self`, ready for work; null after throwing.
World* Ready(napi_env env, napi_value self, bool suspended) {
  bool tagged = false;
  void* data = nullptr;
  if (self == nullptr || napi_check_object_type_tag(env, self, &kTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, self, &data) != napi_ok || data == nullptr) {
    Throw(env, "LUA_ARGUMENT", "the method was called on something that is no Lua world");
    return nullptr;
  }
  World* world = static_cast<World*>(data);
  if (!world->open()) {
    Throw(env, "LUA_CLOSED", "the Lua world is closed");
    return nullptr;
  }
  if (world->suspended() != suspended) {
    Throw(env, "LUA_STATE", suspended ? "no script is running" : "a script is running");
    return nullptr;
  }
  return world;
}

bool GetText(napi_env env, napi_value value, Text* text) {
  // One more than fits tells a text that is too long.
  if (napi_get_value_string_utf8(env, value, text->data, kTextMax, &text->length) != napi_ok ||
      text->length >= kTextMax - 1) {
    Throw(env, "LUA_ARGUMENT", "a text of less than 2047 bytes is expected");
    return false;
  }
  return true;
}

template <typename T>
struct Array {
  T* data = nullptr;
  size_t length = 0;
};

template <typename T>
bool GetArray(napi_env env, napi_value value, napi_typedarray_type type, Array<T>* array, const char* what) {
  napi_typedarray_type actual;
  void* data = nullptr;
  bool is_array = false;
  if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array ||
      napi_get_typedarray_info(env, value, &actual, &array->length, &data, nullptr, nullptr) != napi_ok || actual != type) {
    Throw(env, "LUA_ARGUMENT", what);
    return false;
  }
  array->data = static_cast<T*>(data);
  if (data == nullptr) array->length = 0;
  return true;
}

bool GetBytes(napi_env env, napi_value value, Array<char>* array) {
  return GetArray(env, value, napi_uint8_array, array, "a Uint8Array is expected");
}

struct Exchange {
  Array<char> out;
  Array<int32_t> facts;
};

bool GetExchange(napi_env env, napi_value out, napi_value facts, Exchange* exchange) {
  if (!GetBytes(env, out, &exchange->out)) return false;
  if (!GetArray(env, facts, napi_int32_array, &exchange->facts, "an Int32Array is expected")) return false;
  if (exchange->facts.length >= 8) return true;
  Throw(env, "LUA_ARGUMENT", "the facts need room for 8 numbers");
  return false;
}

// Puts the event where the caller finds it. What does not fit is told by facts[0] and facts[1]: take() after making room.
napi_value Tell(napi_env env, const World& world, const Exchange& exchange) {
  const Event& event = world.event;
  int32_t* facts = exchange.facts.data;
  size_t bytes = 0;
  for (int32_t i = 0; i < event.count; i++) bytes += event.parts[i].length;
  napi_value kind = nullptr;
  if (bytes > 0x7fffffff) return Throw(env, "LUA_TOO_LARGE", "what the script hands over exceeds 2 GiB");
  facts[kBytes] = static_cast<int32_t>(bytes);
  facts[kCount] = event.count;
  facts[kDetail] = event.detail;
  facts[kProtocol] = world.script_protocol;
  const size_t room = (exchange.facts.length - kFacts) / 2;
  if (bytes <= exchange.out.length && static_cast<size_t>(event.count) <= room) {
    size_t at = 0;
    for (int32_t i = 0; i < event.count; i++) {
      const Part& part = event.parts[i];
      if (part.length > 0) memcpy(exchange.out.data + at, part.data, part.length);
      facts[kFacts + 2 * static_cast<size_t>(i)] = static_cast<int32_t>(at);
      at += part.length;
      facts[kFacts + 2 * static_cast<size_t>(i) + 1] = static_cast<int32_t>(at);
    }
  }
  napi_create_int32(env, static_cast<int32_t>(event.kind), &kind);
  return kind;
}

// take(out, facts)
napi_value Take(napi_env env, napi_callback_info info) {
  napi_value argv[2], self = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  bool tagged = false;
  void* data = nullptr;
  if (self == nullptr || napi_check_object_type_tag(env, self, &kTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, self, &data) != napi_ok)
    return Throw(env, "LUA_ARGUMENT", "the method was called on something that is no Lua world");
  World* world = static_cast<World*>(data);
  if (!world->open()) return Throw(env, "LUA_CLOSED", "the Lua world is closed");
  Exchange exchange;
  if (!GetExchange(env, argv[0], argv[1], &exchange)) return nullptr;
  return Tell(env, *world, exchange);
}

bool GetFrom(napi_env env, napi_value value, size_t length, size_t* from) {
  int64_t given = 0;
  if (napi_get_value_int64(env, value, &given) != napi_ok || given < 0 || static_cast<uint64_t>(given) > length) {
    Throw(env, "LUA_ARGUMENT", "an offset within the bytes is expected");
    return false;
  }
  *from = static_cast<size_t>(given);
  return true;
}

// compile(id, body, from, out, facts)
napi_value Compile(napi_env env, napi_callback_info info) {
  napi_value argv[5], self = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  World* world = Ready(env, self, false);
  Text id;
  Array<char> body;
  size_t from = 0;
  Exchange exchange;
  if (world == nullptr || !GetText(env, argv[0], &id) || !GetBytes(env, argv[1], &body) ||
      !GetFrom(env, argv[2], body.length, &from) || !GetExchange(env, argv[3], argv[4], &exchange))
    return nullptr;
  world->Compile(id.data, id.length, body.data + from, body.length - from);
  return Tell(env, *world, exchange);
}

// load(prefix, body, from, limitMs, out, facts)
napi_value Load(napi_env env, napi_callback_info info) {
  napi_value argv[6], self = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  World* world = Ready(env, self, false);
  Text prefix;
  Array<char> body;
  size_t from = 0;
  double limit_ms = 0;
  Exchange exchange;
  if (world == nullptr || !GetText(env, argv[0], &prefix) || !GetBytes(env, argv[1], &body) ||
      !GetFrom(env, argv[2], body.length, &from) || !GetExchange(env, argv[4], argv[5], &exchange))
    return nullptr;
  if (napi_get_value_double(env, argv[3], &limit_ms) != napi_ok)
    return Throw(env, "LUA_ARGUMENT", "a number of milliseconds is expected");
  world->LoadLibrary(prefix.data, prefix.length, body.data + from, body.length - from, limit_ms);
  return Tell(env, *world, exchange);
}

// forget(id)
napi_value Forget(napi_env env, napi_callback_info info) {
  napi_value argv[1], self = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  World* world = Ready(env, self, false);
  Text id;
  if (world == nullptr || !GetText(env, argv[0], &id)) return nullptr;
  world->Forget(id.data, id.length);
  return Undefined(env);
}

// start(id, name, bytes, bounds, out, facts); facts: first argument, keys, arguments behind them, protocol, flags
// (1 function, 2 RESP3 allowed), seed, slice in ms.
napi_value Start(napi_env env, napi_callback_info info) {
  napi_value argv[6], self = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  World* world = Ready(env, self, false);
  Text id, name;
  Array<char> bytes;
  Array<int32_t> bounds;
  Exchange exchange;
  if (world == nullptr || !GetText(env, argv[0], &id) || !GetText(env, argv[1], &name) || !GetBytes(env, argv[2], &bytes) ||
      !GetArray(env, argv[3], napi_int32_array, &bounds, "an Int32Array is expected") ||
      !GetExchange(env, argv[4], argv[5], &exchange))
    return nullptr;
  const int32_t* facts = exchange.facts.data;
  const int64_t first = facts[0], keys = facts[1], args = facts[2];
  if (first < 0 || keys < 0 || args < 0 || 2 * (first + keys + args) > static_cast<int64_t>(bounds.length))
    return Throw(env, "LUA_ARGUMENT", "more arguments than bounds");
  for (int64_t i = first; i < first + keys + args; i++) {
    const int64_t begin = bounds.data[2 * i], end = bounds.data[2 * i + 1];
    if (begin < 0 || end < begin || end > static_cast<int64_t>(bytes.length))
      return Throw(env, "LUA_ARGUMENT", "a bound lies outside of the bytes");
  }
  RunArguments run = {id.data,
                      id.length,
                      name.data,
                      name.length,
                      bytes.data,
                      keys + args == 0 ? nullptr : bounds.data + 2 * first,
                      static_cast<int32_t>(keys),
                      static_cast<int32_t>(args),
                      facts[3] == 3 ? 3 : 2,
                      (facts[4] & 1) != 0,
                      (facts[4] & 2) != 0,
                      static_cast<uint32_t>(facts[5]),
                      static_cast<double>(facts[6])};
  world->Run(run);
  return Tell(env, *world, exchange);
}

// resume(reply, length, out, facts); facts: flags (1: an error tells its position), slice in ms (0: as before).
napi_value Resume(napi_env env, napi_callback_info info) {
  napi_value argv[4], self = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  World* world = Ready(env, self, true);
  Array<char> reply;
  size_t length = 0;
  Exchange exchange;
  if (world == nullptr || !GetBytes(env, argv[0], &reply) || !GetFrom(env, argv[1], reply.length, &length) ||
      !GetExchange(env, argv[2], argv[3], &exchange))
    return nullptr;
  const int32_t* facts = exchange.facts.data;
  world->Resume(reply.data == nullptr ? "" : reply.data, length, (facts[0] & 1) != 0, static_cast<double>(facts[1]));
  return Tell(env, *world, exchange);
}

World* Any(napi_env env, napi_value self) {
  bool tagged = false;
  void* data = nullptr;
  if (self == nullptr || napi_check_object_type_tag(env, self, &kTag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, self, &data) != napi_ok || data == nullptr) {
    Throw(env, "LUA_ARGUMENT", "the method was called on something that is no Lua world");
    return nullptr;
  }
  return static_cast<World*>(data);
}

// close(): also in the middle of a script. Safe to call twice.
napi_value Close(napi_env env, napi_callback_info info) {
  napi_value argv[1], self = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  World* world = Any(env, self);
  if (world == nullptr) return nullptr;
  world->Close();
  return Undefined(env);
}

// memoryBytes()
napi_value MemoryBytes(napi_env env, napi_callback_info info) {
  napi_value argv[1], self = nullptr, bytes = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  World* world = Any(env, self);
  if (world == nullptr) return nullptr;
  napi_create_double(env, static_cast<double>(world->memory_bytes()), &bytes);
  return bytes;
}

bool GetSize(napi_env env, napi_value value, size_t* bytes) {
  double given = 0;
  if (napi_get_value_double(env, value, &given) != napi_ok || !(given >= 1) || given > 9007199254740991.0) {
    Throw(env, "LUA_ARGUMENT", "a number of bytes is expected");
    return false;
  }
  *bytes = static_cast<size_t>(given);
  return true;
}

// setMemoryBytesMax(bytes)
napi_value SetMemoryBytesMax(napi_env env, napi_callback_info info) {
  napi_value argv[1], self = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  World* world = Any(env, self);
  size_t bytes = 0;
  if (world == nullptr || !GetSize(env, argv[0], &bytes)) return nullptr;
  world->set_memory_bytes_max(bytes);
  return Undefined(env);
}

void Finalize(napi_env, void* data, void*) { delete static_cast<World*>(data); }

// new World(memoryBytesMax, version, versionNumber)
napi_value New(napi_env env, napi_callback_info info) {
  napi_value argv[3], self = nullptr, target = nullptr;
  if (!Arguments(env, info, argv, &self)) return nullptr;
  if (napi_get_new_target(env, info, &target) != napi_ok || target == nullptr)
    return Throw(env, "LUA_ARGUMENT", "a Lua world is made with new");
  size_t bytes = 0;
  Text version;
  int32_t number = 0;
  if (!GetSize(env, argv[0], &bytes) || !GetText(env, argv[1], &version)) return nullptr;
  if (napi_get_value_int32(env, argv[2], &number) != napi_ok)
    return Throw(env, "LUA_ARGUMENT", "a version number is expected");
  version.data[version.length] = '\0';
  World* world = new (std::nothrow) World;
  if (world == nullptr) return Throw(env, "LUA_MEMORY", "no memory for a Lua world");
  if (!world->Open(bytes, version.data, version.length, number)) {
    delete world;
    return Throw(env, "LUA_MEMORY", "the memory limit is too small for a Lua world");
  }
  if (napi_wrap(env, self, world, Finalize, nullptr, nullptr) != napi_ok) {
    delete world;
    return Throw(env, "LUA_ARGUMENT", "the object cannot hold a Lua world");
  }
  napi_type_tag_object(env, self, &kTag);
  return self;
}

napi_property_descriptor Method(const char* name, napi_callback callback) {
  return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_default_method, nullptr};
}

}  // namespace

}  // namespace holdfast

NAPI_MODULE_INIT() {
  using namespace holdfast;
  const napi_property_descriptor methods[] = {
      Method("compile", Compile), Method("load", Load),   Method("forget", Forget), Method("start", Start),
      Method("resume", Resume),   Method("take", Take),   Method("close", Close),   Method("memoryBytes", MemoryBytes),
      Method("setMemoryBytesMax", SetMemoryBytesMax)};
  napi_value constructor = nullptr;
  if (napi_define_class(env, "World", NAPI_AUTO_LENGTH, New, nullptr, sizeof(methods) / sizeof(methods[0]), methods,
                        &constructor) == napi_ok)
    napi_set_named_property(env, exports, "World", constructor);
  return exports;
}
