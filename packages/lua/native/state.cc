#include "state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <initializer_list>

namespace holdfast {

namespace {

// Room for what Lua and its libraries nest (200 C calls, each with a buffer of a page or two), and for what DemandStack keeps.
constexpr size_t kStackBytes = size_t{8} << 20;
constexpr size_t kStackReserve = size_t{3} << 20;
// Instructions between two looks at the clock: about ten microseconds.
constexpr int kHookInstructions = 1000;
// Runs between two steps of the garbage collector that nobody asked for.
constexpr uint32_t kRunsPerStep = 50;
constexpr size_t kPartsMax = size_t{1} << 20;

}  // namespace

double MonotonicMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

bool Output::Reserve(size_t bytes) {
  if (bytes > kOutputBytesMax - length) return false;
  const size_t needed = length + bytes;
  if (needed <= capacity) return true;
  size_t grown = capacity < 4096 ? 4096 : capacity * 2;
  if (grown < needed) grown = needed;
  void* moved = realloc(data, grown);
  if (moved == nullptr) return false;
  data = static_cast<char*>(moved);
  capacity = grown;
  return true;
}

bool Output::Add(const void* bytes, size_t count) {
  if (!Reserve(count)) return false;
  memcpy(data + length, bytes, count);
  length += count;
  return true;
}

void Output::Free() {
  free(data);
  data = nullptr;
  length = capacity = 0;
}

World::~World() { Close(); }

void* World::Allocate(void* self, void* old, size_t old_bytes, size_t bytes) {
  World* world = static_cast<World*>(self);
  if (bytes == 0) {
    free(old);
    world->memory_bytes_ -= old_bytes;
    return nullptr;
  }
  if (old == nullptr) old_bytes = 0;
  // Giving back is always allowed: Lua relies on it.
  if (bytes > old_bytes) {
    const size_t more = bytes - old_bytes;
    if (more > world->memory_bytes_max_ || world->memory_bytes_ > world->memory_bytes_max_ - more) return nullptr;
  }
  void* moved = realloc(old, bytes);
  if (moved == nullptr) {
    if (bytes > old_bytes) return nullptr;
    moved = old;
  }
  world->memory_bytes_ = world->memory_bytes_ - old_bytes + bytes;
  return moved;
}

bool World::Open(size_t memory_bytes_max, const char* version, size_t version_length, int version_number) {
  memory_bytes_max_ = memory_bytes_max;
  mapped_ = stack_.Map(kStackBytes);
  if (!mapped_) return false;
  lua_ = lua_newstate(Allocate, this);
  if (lua_ == nullptr) return false;
  lua_atpanic(lua_, Panic);
  stack_.Prepare(Body, this);
  text_[0] = {version, version_length};
  run.keys = version_number;
  Perform(Task::kSetup);
  if (event.kind == EventKind::kDone && !broken_) return true;
  Close();
  return false;
}

void World::Close() {
  // Nothing in here has a finalizer (no userdata of scripts), so closing runs no Lua code, wherever the script was left.
  if (lua_ != nullptr && !broken_) lua_close(lua_);
  lua_ = nullptr;
  suspended_ = false;
  running = false;
  output.Free();
  free(parts_);
  parts_ = nullptr;
  parts_capacity_ = 0;
}

World* World::Of(lua_State* lua) {
  void* self = nullptr;
  lua_getallocf(lua, &self);
  return static_cast<World*>(self);
}

// An error outside of every protected call: there should be none. Lua would end the process; we leave its stack for good.
int World::Panic(lua_State* lua) {
  World* world = Of(lua);
  world->broken_ = true;
  world->event = {EventKind::kBroken, nullptr, 0, 0};
  for (;;) world->stack_.Leave();
}

void World::Body(void* self) {
  World* world = static_cast<World*>(self);
  for (;;) {
    world->DoTask();
    world->stack_.Leave();
  }
}

void World::Perform(Task task) {
  task_ = task;
  output.length = 0;
  stack_.Enter();
}

int World::Protected(lua_State* lua) {
  World* world = Of(lua);
  lua_settop(lua, 0);
  switch (world->task_) {
    case Task::kSetup:
      lua_sethook(lua, Hook, LUA_MASKCOUNT, kHookInstructions);
      lua_gc(lua, LUA_GCSETPAUSE, 120);
      BuildSandbox(lua, world->text_[0].data, world->run.keys);
      world->Finish(EventKind::kDone);
      break;
    case Task::kCompile:
      world->DoCompile();
      break;
    case Task::kForget:
      lua_getfield(lua, LUA_REGISTRYINDEX, kEntries);
      lua_pushlstring(lua, world->text_[0].data, world->text_[0].length);
      lua_pushnil(lua);
      lua_rawset(lua, -3);
      world->Finish(EventKind::kDone);
      break;
    case Task::kLoad:
      world->DoLoad();
      break;
    case Task::kRun:
      world->DoRun();
      break;
  }
  return 0;
}

void World::DoTask() {
  lua_settop(lua_, 0);
  deadline_ms_ = 0;
  const int status = lua_cpcall(lua_, Protected, nullptr);
  if (status != 0) {
    // Out of memory while preparing or converting.
    output.length = 0;
    const char* message = lua_tostring(lua_, -1);
    if (message == nullptr) message = "not enough memory";
    output.Add("-ERR ", 5);
    output.Add(message, strlen(message));
    output.Add("\r\n", 2);
    Finish(EventKind::kFailed);
  }
  running = false;
  loading = false;
  lua_settop(lua_, 0);
  if (status == LUA_ERRMEM) lua_gc(lua_, LUA_GCCOLLECT, 0);
}

void World::Finish(EventKind kind) {
  text_[1] = {output.data, output.length};
  event = {kind, &text_[1], output.length == 0 ? 0 : 1, 0};
}

Part* World::Parts(size_t count) {
  if (count > kPartsMax) return nullptr;
  if (count > parts_capacity_) {
    void* moved = realloc(parts_, count * sizeof(Part));
    if (moved == nullptr) return nullptr;
    parts_ = static_cast<Part*>(moved);
    parts_capacity_ = count;
  }
  return parts_;
}

void World::Ask(lua_State* lua, EventKind kind, int32_t count, int32_t detail) {
  event = {kind, parts_, count, detail};
  suspended_ = true;
  stack_.Leave();
  suspended_ = false;
  if (kind != EventKind::kCall && kind != EventKind::kAclCheck) return;
  // The arguments have been read; many of them would leave no room for the reply.
  lua_settop(lua, 0);
  if (!PushReply(lua, reply, reply_length)) luaL_error(lua, "the reply of a command could not be read");
}

void World::DemandStack(lua_State* lua) {
  if (stack_.Left() < kStackReserve) luaL_error(lua, "C stack overflow");
}

void World::Arm(double slice_ms) { deadline_ms_ = slice_ms > 0 ? MonotonicMs() + slice_ms : 0; }

void World::Hook(lua_State* lua, lua_Debug* debug) {
  World* world = Of(lua);
  if (world->deadline_ms_ == 0 || MonotonicMs() < world->deadline_ms_) return;
  if (world->loading) {
    // Not once: a script that catches the error gets the next.
    lua_newtable(lua);
    lua_pushliteral(lua, "ERR FUNCTION LOAD timeout");
    lua_setfield(lua, -2, "err");
    lua_error(lua);
  }
  if (world->running) world->Pause(lua, debug);
}

void World::LookAtClock(lua_State* lua) {
  if (!running || deadline_ms_ == 0 || MonotonicMs() < deadline_ms_) return;
  // Above the function of ours that calls: whoever called it.
  lua_Debug debug;
  Pause(lua, lua_getstack(lua, 1, &debug) != 0 ? &debug : nullptr);
}

// Leaves until the owner says to go on, and tells where the script stands: nowhere when it has returned.
void World::Pause(lua_State* lua, lua_Debug* debug) {
  size_t length = 0;
  if (debug != nullptr && lua_getinfo(lua, "Sl", debug) != 0) {
    const char* source = debug->source;
    while (*source != '\0' && length < sizeof(position_) - 16) position_[length++] = *source++;
    position_[length++] = ':';
    char digits[12];
    int count = 0;
    unsigned line = debug->currentline < 0 ? 0 : static_cast<unsigned>(debug->currentline);
    do {
      digits[count++] = static_cast<char>('0' + line % 10);
      line /= 10;
    } while (line != 0);
    while (count > 0) position_[length++] = digits[--count];
  }
  Part* parts = Parts(1);
  if (parts != nullptr) parts[0] = {position_, length};
  Ask(lua, EventKind::kPaused, parts == nullptr ? 0 : 1, 0);
}

void World::Compile(const char* id, size_t id_length, const char* body, size_t body_length) {
  text_[0] = {id, id_length};
  text_[1] = {body, body_length};
  Perform(Task::kCompile);
}

void World::Forget(const char* id, size_t id_length) {
  text_[0] = {id, id_length};
  Perform(Task::kForget);
}

void World::LoadLibrary(const char* prefix, size_t prefix_length, const char* body, size_t body_length, double limit_ms) {
  text_[0] = {prefix, prefix_length};
  text_[1] = {body, body_length};
  run.slice_ms = limit_ms;
  Perform(Task::kLoad);
}

void World::Run(const RunArguments& arguments) {
  run = arguments;
  // The name is told at the end, when the caller's bytes may be gone.
  if (run.name_length > sizeof(name_)) run.name_length = sizeof(name_);
  memcpy(name_, run.name, run.name_length);
  run.name = name_;
  Perform(Task::kRun);
}

void World::Resume(const char* bytes, size_t length, bool position, double slice_ms) {
  reply = bytes;
  reply_length = length;
  reply_position = position;
  if (slice_ms > 0) Arm(slice_ms);
  stack_.Enter();
}

namespace {

// Byte code can do anything to the process.
bool IsBinary(const Part& body) { return body.length > 0 && body.data[0] == LUA_SIGNATURE[0]; }

}  // namespace

// Leaves what went wrong as an error line, with the message at the top of the stack.
void World::Fail(lua_State* lua, const char* prefix) {
  output.length = 0;
  size_t length = 0;
  if (lua_istable(lua, -1)) {
    lua_pushliteral(lua, "err");
    lua_rawget(lua, -2);
  }
  const char* message = lua_tolstring(lua, -1, &length);
  if (message == nullptr) {
    message = "unknown error";
    length = strlen(message);
  }
  output.Add("-ERR ", 5);
  output.Add(prefix, strlen(prefix));
  const size_t from = output.length;
  output.Add(message, length);
  for (size_t i = from; i < output.length; i++) {
    if (output.data[i] == '\r' || output.data[i] == '\n') output.data[i] = ' ';
  }
  output.Add("\r\n", 2);
  Finish(EventKind::kFailed);
}

void World::DoCompile() {
  lua_State* lua = lua_;
  if (IsBinary(text_[1])) {
    lua_pushliteral(lua, "byte code is not accepted");
    return Fail(lua, "Error compiling script (new function): ");
  }
  if (luaL_loadbuffer(lua, text_[1].data, text_[1].length, kScriptChunk) != 0)
    return Fail(lua, "Error compiling script (new function): ");
  lua_getfield(lua, LUA_REGISTRYINDEX, kEntries);
  lua_pushlstring(lua, text_[0].data, text_[0].length);
  lua_pushvalue(lua, -3);
  lua_rawset(lua, -3);
  Finish(EventKind::kDone);
}

namespace {

// The globals that `_G` shows: those of scripts, or those of a library being loaded.
void ShowGlobals(lua_State* lua, const char* which) {
  lua_getfield(lua, LUA_REGISTRYINDEX, kGlobalMeta);
  lua_getfield(lua, LUA_REGISTRYINDEX, which);
  lua_setfield(lua, -2, "__index");
  lua_pop(lua, 1);
}

void AddLength(Output& output, uint32_t length) { output.Add(&length, sizeof(length)); }

}  // namespace

// The functions go into the entries as <prefix><name>; the output lists them: for each 3 + n parts as length and bytes:
// name, description, number of flags (one byte), flags.
void World::DoLoad() {
  lua_State* lua = lua_;
  const Part prefix = text_[0];
  if (IsBinary(text_[1])) {
    lua_pushliteral(lua, "byte code is not accepted");
    return Fail(lua, "Error compiling function: ");
  }
  lua_getfield(lua, LUA_REGISTRYINDEX, kHandler);
  if (luaL_loadbuffer(lua, text_[1].data, text_[1].length, kFunctionChunk) != 0)
    return Fail(lua, "Error compiling function: ");
  lua_newtable(lua);
  lua_setfield(lua, LUA_REGISTRYINDEX, kPending);
  ShowGlobals(lua, kLoadGlobals);
  loading = true;
  Arm(run.slice_ms);
  const int status = lua_pcall(lua, 0, 0, -2);
  loading = false;
  deadline_ms_ = 0;
  ShowGlobals(lua, kGlobals);
  if (status != 0) return Fail(lua, "Error registering functions: ");
  lua_getfield(lua, LUA_REGISTRYINDEX, kEntries);
  lua_getfield(lua, LUA_REGISTRYINDEX, kPending);
  const int count = static_cast<int>(lua_objlen(lua, -1));
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(lua, -1, i);
    size_t length;
    lua_getfield(lua, -1, "name");
    const char* name = lua_tolstring(lua, -1, &length);
    AddLength(output, static_cast<uint32_t>(length));
    output.Add(name, length);
    lua_pushlstring(lua, prefix.data, prefix.length);
    lua_pushvalue(lua, -2);
    lua_concat(lua, 2);
    lua_getfield(lua, -3, "callback");
    lua_rawset(lua, -6);
    lua_getfield(lua, -2, "description");
    const char* description = lua_tolstring(lua, -1, &length);
    AddLength(output, description == nullptr ? UINT32_MAX : static_cast<uint32_t>(length));
    if (description != nullptr) output.Add(description, length);
    lua_getfield(lua, -3, "flags");
    const int flags = static_cast<int>(lua_objlen(lua, -1));
    AddLength(output, static_cast<uint32_t>(flags));
    for (int f = 1; f <= flags; f++) {
      lua_rawgeti(lua, -1, f);
      const char* flag = lua_tolstring(lua, -1, &length);
      AddLength(output, static_cast<uint32_t>(length));
      output.Add(flag, length);
      lua_pop(lua, 1);
    }
    lua_pop(lua, 4);
  }
  lua_pushnil(lua);
  lua_setfield(lua, LUA_REGISTRYINDEX, kPending);
  Finish(EventKind::kDone);
}

namespace {

void PushList(lua_State* lua, const RunArguments& run, int first, int count) {
  lua_createtable(lua, count, 0);
  for (int i = 0; i < count; i++) {
    const int32_t* bound = run.bounds + 2 * (first + i);
    lua_pushlstring(lua, run.bytes + bound[0], static_cast<size_t>(bound[1] - bound[0]));
    lua_rawseti(lua, -2, i + 1);
  }
}

}  // namespace

// What the handler made of an error, at the top: {err=, source=, line=}; text when it could not even run. The table is the
// script's, which may have given it a metatable: nobody is asked but the table itself.
void World::WriteError(lua_State* lua) {
  output.length = 0;
  output.Add("-", 1);
  size_t length = 0;
  if (lua_istable(lua, -1)) {
    const int table = lua_gettop(lua);
    for (const char* field : {"err", "source", "line"}) {
      lua_pushstring(lua, field);
      lua_rawget(lua, table);
    }
    const char* message = lua_tolstring(lua, table + 1, &length);
    if (message == nullptr) output.Add("ERR unknown error", 17);
    else output.Add(message, length);
    if (lua_isstring(lua, table + 2) && lua_isstring(lua, table + 3)) {
      output.Add(" script: ", 9);
      output.Add(run.name, run.name_length);
      output.Add(", on ", 5);
      const char* source = lua_tolstring(lua, table + 2, &length);
      output.Add(source, length);
      output.Add(":", 1);
      const char* line = lua_tolstring(lua, table + 3, &length);
      output.Add(line, length);
      output.Add(".", 1);
    }
  } else {
    const char* message = lua_tolstring(lua, -1, &length);
    output.Add("ERR Error running script ", 25);
    output.Add(run.name, run.name_length);
    output.Add(", ", 2);
    if (message == nullptr) output.Add("execution failure", 17);
    else output.Add(message, length > 100 ? 100 : length);
  }
  for (size_t i = 0; i < output.length; i++) {
    if (output.data[i] == '\r' || output.data[i] == '\n') output.data[i] = ' ';
  }
  output.Add("\r\n", 2);
}

void World::DoRun() {
  lua_State* lua = lua_;
  lua_getfield(lua, LUA_REGISTRYINDEX, kHandler);
  lua_getfield(lua, LUA_REGISTRYINDEX, kEntries);
  lua_pushlstring(lua, run.id, run.id_length);
  lua_rawget(lua, -2);
  lua_remove(lua, -2);
  if (!lua_isfunction(lua, -1)) {
    output.Add("-NOSCRIPT No matching script. Please use EVAL.\r\n", 48);
    return Finish(EventKind::kFailed);
  }
  PushList(lua, run, 0, run.keys);
  PushList(lua, run, run.keys, run.args);
  int passed = 2;
  if (!run.is_function) {
    lua_getfield(lua, LUA_REGISTRYINDEX, kGlobals);
    lua_insert(lua, -3);
    lua_setfield(lua, -3, "ARGV");
    lua_setfield(lua, -2, "KEYS");
    lua_pop(lua, 1);
    passed = 0;
  }
  script_protocol = 2;
  random = (static_cast<uint64_t>(run.seed) << 16) + 0x330e;
  running = true;
  Arm(run.slice_ms);
  const int status = lua_pcall(lua, passed, 1, 1);
  if (status == 0) {
    // It is running still: a large reply is written in as many slices as it takes.
    if (!WriteReply(lua, this, run.protocol, script_protocol)) {
      output.length = 0;
      output.Add("-ERR the reply of the script would be too large\r\n", 49);
    }
    Finish(EventKind::kDone);
  } else {
    WriteError(lua);
    Finish(EventKind::kFailed);
  }
  running = false;
  deadline_ms_ = 0;
  lua_settop(lua, 0);
  lua_gc(lua, LUA_GCRESTART, 0);
  lua_gc(lua, LUA_GCSETPAUSE, 120);
  lua_gc(lua, LUA_GCSETSTEPMUL, 200);
  if (status == LUA_ERRMEM) lua_gc(lua, LUA_GCCOLLECT, 0);
  else if (++runs_ % kRunsPerStep == 0) lua_gc(lua, LUA_GCSTEP, 1000);
}

}  // namespace holdfast
