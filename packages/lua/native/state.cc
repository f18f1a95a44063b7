#include "state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

namespace holdfast {

namespace {

// Room for what Lua and its libraries nest (200 C calls, each with a buffer of a page or two), and for what DemandStack keeps.
constexpr size_t kStackBytes = size_t{8} << 20;
constexpr size_t kStackReserve = size_t{3} << 20;
// Instructions between two looks at the clock: about ten microseconds.
constexpr int kHookInstructions = 1000;
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

}  // namespace holdfast
