// One Lua 5.1 world: its memory and its limit, its stack, and the one script that runs in it.
//
// Everything that calls Lua runs on the world's own stack, within a protected call: see Stack. Whatever needs JavaScript
// (redis.call, a pause) puts down what it wants in `event` and leaves that stack; the addon's methods read it on the main
// stack and enter again. No frame on the Lua stack owns memory: Lua's errors jump over it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stack.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace holdfast {

struct Part {
  const char* data;
  size_t length;
};

// What the Lua side wants of the main side. The numbers are the contract with JavaScript (src/native.ts).
enum class EventKind : int32_t { kDone = 0, kCall = 1, kPaused = 2, kFailed = 3, kLog = 4, kAclCheck = 5, kBroken = 6 };

struct Event {
  EventKind kind;
  const Part* parts;
  int32_t count;
  // kCall: 1 when an error is raised (redis.call). kLog: the level.
  int32_t detail;
};

struct RunArguments {
  const char* id;
  size_t id_length;
  const char* name;
  size_t name_length;
  const char* bytes;
  const int32_t* bounds;
  int32_t keys;
  int32_t args;
  int32_t protocol;
  bool is_function;
  bool resp3_allowed;
  uint32_t seed;
  double slice_ms;
};

// A buffer outside of Lua's memory, for what leaves Lua. Owned by the world, so that errors cannot leak it.
struct Output {
  char* data = nullptr;
  size_t length = 0;
  size_t capacity = 0;
  bool Reserve(size_t bytes);
  bool Add(const void* bytes, size_t count);
  void Free();
};

constexpr size_t kOutputBytesMax = size_t{512} << 20;

class World {
 public:
  World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  // Builds the sandbox. False: no memory.
  bool Open(size_t memory_bytes_max, const char* version, size_t version_length, int version_number);
  // Ends the world, a script in the middle of it included. No Lua code runs.
  void Close();

  bool open() const { return lua_ != nullptr && !broken_; }
  bool suspended() const { return suspended_; }
  size_t memory_bytes() const { return memory_bytes_; }
  void set_memory_bytes_max(size_t bytes) { memory_bytes_max_ = bytes; }

  // All of these: on the main stack, nothing suspended (Resume: something suspended). They set `event`.
  void Compile(const char* id, size_t id_length, const char* body, size_t body_length);
  void Forget(const char* id, size_t id_length);
  void LoadLibrary(const char* prefix, size_t prefix_length, const char* body, size_t body_length, double limit_ms);
  void Run(const RunArguments& arguments);
  // Goes on after kCall, kLog, kAclCheck (with the reply in RESP) or kPaused (without).
  void Resume(const char* reply, size_t length, bool position, double slice_ms);

  Event event = {EventKind::kDone, nullptr, 0, 0};
  Output output;

  // --- on the Lua stack ---

  static World* Of(lua_State* lua);
  // Leaves the stack with an event; returns when the main side has resumed.
  void Ask(lua_State* lua, EventKind kind, int32_t count, int32_t detail);
  // To be called for each piece of work of ours that no instruction of the script counts (an element written, a byte
  // matched): pauses the script once its slice is over. What the caller holds has to stand on Lua's stack.
  void Breathe(lua_State* lua) {
    if (++breaths_ % kBreathsPerLook == 0) LookAtClock(lua);
  }
  // Raises an error unless the C stack has room for anything Lua's libraries do.
  void DemandStack(lua_State* lua);
  // Puts parts together for Ask; nullptr when there are too many.
  Part* Parts(size_t count);

  const char* reply = nullptr;
  size_t reply_length = 0;
  bool reply_position = false;

  RunArguments run = {};
  // RESP of the running script's own calls: redis.setresp.
  int script_protocol = 2;
  bool running = false;
  bool loading = false;
  // drand48's state: math.random.
  uint64_t random = 0;
  // cjson's settings: like Redis', they last.
  struct {
    int sparse_convert = 0;
    int sparse_ratio = 2;
    int sparse_safe = 10;
    int encode_depth_max = 1000;
    int decode_depth_max = 1000;
    int precision = 14;
    int encode_invalid = 0;
    int decode_invalid = 1;
    int keep_buffer = 1;
  } json;

 private:
  enum class Task { kSetup, kCompile, kForget, kLoad, kRun };

  static void Body(void* self);
  static int Protected(lua_State* lua);
  static int Panic(lua_State* lua);
  static void Hook(lua_State* lua, lua_Debug* debug);
  static constexpr uint32_t kBreathsPerLook = 256;
  void LookAtClock(lua_State* lua);
  void Pause(lua_State* lua, lua_Debug* debug);
  static void* Allocate(void* self, void* old, size_t old_bytes, size_t bytes);

  void Perform(Task task);
  void DoTask();
  void DoCompile();
  void DoLoad();
  void DoRun();
  void Fail(lua_State* lua, const char* prefix);
  void WriteError(lua_State* lua);
  void Finish(EventKind kind);
  void Arm(double slice_ms);

  lua_State* lua_ = nullptr;
  Stack stack_;
  bool mapped_ = false;
  bool broken_ = false;
  bool suspended_ = false;
  size_t memory_bytes_ = 0;
  size_t memory_bytes_max_ = 0;
  Task task_ = Task::kSetup;
  double deadline_ms_ = 0;
  Part text_[2] = {};
  Part* parts_ = nullptr;
  size_t parts_capacity_ = 0;
  char position_[128] = {};
  char name_[256] = {};
  uint32_t runs_ = 0;
  uint32_t breaths_ = 0;
};

// Lua's chunk names, and what messages call them.
constexpr const char* kScriptChunk = "@user_script";
constexpr const char* kFunctionChunk = "@user_function";

// Registry fields.
constexpr const char* kEntries = "holdfast.entries";      // id -> function
constexpr const char* kPending = "holdfast.pending";      // functions of the library being loaded
constexpr const char* kReal = "holdfast.real";            // proxy -> the table behind it
constexpr const char* kHandler = "holdfast.handler";      // what errors become
constexpr const char* kGlobals = "holdfast.globals";      // the real globals of scripts
constexpr const char* kLoadGlobals = "holdfast.load";     // the real globals while a library is loaded
constexpr const char* kGlobalMeta = "holdfast.globalmeta";  // the metatable of _G

// sandbox.cc: the globals of scripts and of libraries being loaded.
void BuildSandbox(lua_State* lua, const char* version, int version_number);
// sandbox.cc: puts a read-only face on the table at the top of the stack in its place.
void MakeReadonly(lua_State* lua);
// sandbox.cc: what is behind a read-only face at `index`, pushed; false and nothing pushed when it is none.
bool PushReal(lua_State* lua, int index);

// api.cc: fills the table at the top of the stack.
void FillRedisApi(lua_State* lua, const char* version, int version_number);
void FillLoadApi(lua_State* lua, const char* version, int version_number);
// api.cc: raises, or returns as a table, an error as redis.call does. `text` begins with the code.
int PushErrorTable(lua_State* lua, const char* text, size_t length);

// libraries.cc, cjson.cc, cmsgpack.cc, struct.cc, bit.cc: each pushes its table.
void OpenStandard(lua_State* lua);
void OpenJson(lua_State* lua);
void OpenMessagePack(lua_State* lua);
void OpenStruct(lua_State* lua);
void OpenBit(lua_State* lua);

// resp.cc: the reply as Lua values, one pushed; false when it is no RESP.
bool PushReply(lua_State* lua, const char* reply, size_t length);
// resp.cc: the value at the top of the stack as RESP for a client, into the output. False: the output is full.
bool WriteReply(lua_State* lua, World* world, int client_protocol, int script_protocol);

// numbers.cc: as Redis prints doubles (shortest that reads back). `text` has room for 40 bytes; the length.
size_t FormatDouble(double value, char* text);
// sha1.cc: 40 hexadecimal digits.
void Sha1Hex(const char* data, size_t length, char* hex);

double MonotonicMs();

}  // namespace holdfast
