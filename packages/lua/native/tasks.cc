// What a world does on its own stack, each within a protected call: compile a script, load a library, run one of their functions.
#include <string.h>

#include <initializer_list>

#include "state.h"

namespace holdfast {

namespace {

// Runs between two steps of the garbage collector that nobody asked for.
constexpr uint32_t kRunsPerStep = 50;

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
