// What scripts can reach: Redis' globals and nothing of the host. Debian's Lua has no read-only tables (Redis patches its
// own), so whatever must not change is shown through an empty table whose metatable reads through and refuses to write, and
// the functions that go around metatables are replaced by ones that know these faces.
#include <string.h>
#include <time.h>

#include "state.h"

extern "C" {
#include <lualib.h>
}

namespace holdfast {

namespace {

constexpr const char* kReadonlyError = "Attempt to modify a readonly table";

int RefuseWrite(lua_State* lua) { return luaL_error(lua, kReadonlyError); }

int RefuseGlobal(lua_State* lua) {
  const char* name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : luaL_typename(lua, 2);
  return luaL_error(lua, "%s: Script attempted to create global variable '%s'", kReadonlyError, name);
}

int RefuseUnknown(lua_State* lua) {
  const char* name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : luaL_typename(lua, 2);
  return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'", name);
}

// Notes that the face at `face` stands for the table at `real`; absolute indexes.
void NoteReal(lua_State* lua, int face, int real) {
  lua_getfield(lua, LUA_REGISTRYINDEX, kReal);
  lua_pushvalue(lua, face);
  lua_pushvalue(lua, real);
  lua_rawset(lua, -3);
  lua_pop(lua, 1);
}

// {__index = the real table, __newindex, __metatable}: pushed. `face` and `real` are absolute indexes.
void PushMetatable(lua_State* lua, int face, int real, lua_CFunction refuse) {
  lua_createtable(lua, 0, 3);
  lua_pushvalue(lua, real);
  lua_setfield(lua, -2, "__index");
  lua_pushcfunction(lua, refuse);
  lua_setfield(lua, -2, "__newindex");
  // What getmetatable shows: itself read-only, and leading back to the face only.
  lua_newtable(lua);
  const int shown = lua_gettop(lua);
  lua_newtable(lua);
  lua_pushvalue(lua, face);
  lua_setfield(lua, -2, "__index");
  lua_createtable(lua, 0, 3);
  lua_pushvalue(lua, shown + 1);
  lua_setfield(lua, -2, "__index");
  lua_pushcfunction(lua, RefuseWrite);
  lua_setfield(lua, -2, "__newindex");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_setmetatable(lua, shown);
  NoteReal(lua, shown, shown + 1);
  lua_settop(lua, shown);
  lua_setfield(lua, -2, "__metatable");
}

void SetUnknown(lua_State* lua) {
  lua_createtable(lua, 0, 1);
  lua_pushcfunction(lua, RefuseUnknown);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

// What errors become: {err=, source=, line=}, as Redis' handler has it.
int Handler(lua_State* lua) {
  lua_settop(lua, 1);
  lua_Debug debug;
  memset(&debug, 0, sizeof(debug));
  bool known = lua_getstack(lua, 1, &debug) != 0 && lua_getinfo(lua, "Sl", &debug) != 0;
  if (known && strcmp(debug.what, "C") == 0)
    known = lua_getstack(lua, 2, &debug) != 0 && lua_getinfo(lua, "Sl", &debug) != 0;
  if (!lua_istable(lua, 1) || PushReal(lua, 1)) {
    lua_settop(lua, 1);
    lua_newtable(lua);
    lua_pushliteral(lua, "ERR ");
    if (lua_isstring(lua, 1)) lua_pushvalue(lua, 1);
    else if (lua_isboolean(lua, 1)) lua_pushstring(lua, lua_toboolean(lua, 1) ? "true" : "false");
    else lua_pushstring(lua, luaL_typename(lua, 1));
    lua_concat(lua, 2);
    lua_setfield(lua, -2, "err");
    lua_replace(lua, 1);
  }
  if (known) {
    lua_pushliteral(lua, "source");
    lua_pushstring(lua, debug.source);
    lua_rawset(lua, 1);
    lua_pushliteral(lua, "line");
    lua_pushinteger(lua, debug.currentline);
    lua_rawset(lua, 1);
  }
  return 1;
}

void SetReadonly(lua_State* lua, int into, const char* name) {
  MakeReadonly(lua);
  lua_setfield(lua, into, name);
}

void FillGlobals(lua_State* lua, int globals) {
  struct Library {
    const char* name;
    void (*open)(lua_State*);
  };
  static const Library libraries[] = {
      {"cjson", OpenJson}, {"cmsgpack", OpenMessagePack}, {"struct", OpenStruct}, {"bit", OpenBit}};
  for (const Library& library : libraries) {
    library.open(lua);
    SetReadonly(lua, globals, library.name);
  }
  static const char* const standard[] = {"string", "table", "math", "os", "coroutine"};
  for (const char* name : standard) {
    lua_getfield(lua, globals, name);
    SetReadonly(lua, globals, name);
  }
}

// The metatable of strings is shown to nobody.
void HideStrings(lua_State* lua, int globals) {
  lua_pushliteral(lua, "");
  lua_getmetatable(lua, -1);
  lua_newtable(lua);
  lua_getfield(lua, globals, "string");
  lua_setfield(lua, -2, "__index");
  MakeReadonly(lua);
  lua_setfield(lua, -2, "__metatable");
  lua_pop(lua, 2);
}

}  // namespace

void MakeReadonly(lua_State* lua) {
  const int real = lua_gettop(lua);
  lua_newtable(lua);
  PushMetatable(lua, real + 1, real, RefuseWrite);
  lua_setmetatable(lua, real + 1);
  NoteReal(lua, real + 1, real);
  lua_replace(lua, real);
}

bool PushReal(lua_State* lua, int index) {
  if (!lua_istable(lua, index) || lua_getmetatable(lua, index) == 0) return false;
  lua_pop(lua, 1);
  lua_pushvalue(lua, index);
  lua_getfield(lua, LUA_REGISTRYINDEX, kReal);
  lua_insert(lua, -2);
  lua_rawget(lua, -2);
  lua_remove(lua, -2);
  if (lua_istable(lua, -1)) return true;
  lua_pop(lua, 1);
  return false;
}

void BuildSandbox(lua_State* lua, const char* version, int version_number) {
  lua_newtable(lua);
  lua_setfield(lua, LUA_REGISTRYINDEX, kReal);
  lua_newtable(lua);
  lua_setfield(lua, LUA_REGISTRYINDEX, kEntries);
  lua_pushcfunction(lua, Handler);
  lua_setfield(lua, LUA_REGISTRYINDEX, kHandler);

  OpenStandard(lua);  // the globals of scripts
  const int globals = lua_gettop(lua);
  FillGlobals(lua, globals);
  HideStrings(lua, globals);
  lua_newtable(lua);
  FillRedisApi(lua, version, version_number);
  MakeReadonly(lua);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, globals, "redis");
  lua_setfield(lua, globals, "server");
  SetUnknown(lua);
  lua_pushvalue(lua, globals);
  lua_setfield(lua, LUA_REGISTRYINDEX, kGlobals);

  lua_newtable(lua);  // the globals while a library is loaded
  lua_newtable(lua);
  FillLoadApi(lua, version, version_number);
  SetUnknown(lua);
  MakeReadonly(lua);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, -3, "redis");
  lua_setfield(lua, -2, "server");
  SetUnknown(lua);
  lua_setfield(lua, LUA_REGISTRYINDEX, kLoadGlobals);

  lua_newtable(lua);  // _G, for both
  const int face = lua_gettop(lua);
  PushMetatable(lua, face, globals, RefuseGlobal);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, LUA_REGISTRYINDEX, kGlobalMeta);
  lua_setmetatable(lua, face);
  NoteReal(lua, face, globals);
  lua_pushliteral(lua, "_G");
  lua_pushvalue(lua, face);
  lua_rawset(lua, globals);
  lua_replace(lua, LUA_GLOBALSINDEX);
  lua_settop(lua, 0);
}

}  // namespace holdfast
