// The standard libraries as scripts see them: those without access to the host, and with functions of our own where Lua's
// would go around a read-only face, use up the C stack, run for ever without Lua noticing, or keep state of the process.
#include <limits.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include <initializer_list>

#include "state.h"

extern "C" {
#include <lualib.h>
}

namespace holdfast {

namespace {

// Lua's matcher calls itself once for each of these in a pattern; its frames are below 256 bytes.
constexpr int kQuantifiersMax = 4000;
// Elements that table.insert may have to move up for one that is put far in front.
constexpr double kInsertSpanMax = 1e7;
constexpr size_t kSortedAtOnce = 1000;

void RefuseFace(lua_State* lua, int index) {
  if (PushReal(lua, index)) luaL_error(lua, "Attempt to modify a readonly table");
}

// The function that is upvalue 1, called in this frame: for those that have no upvalues of their own.
int Original(lua_State* lua) { return lua_tocfunction(lua, lua_upvalueindex(1))(lua); }

int WithStack(lua_State* lua) {
  World::Of(lua)->DemandStack(lua);
  return Original(lua);
}

int WithPattern(lua_State* lua) {
  World::Of(lua)->DemandStack(lua);
  size_t length = 0;
  const char* pattern = luaL_checklstring(lua, 2, &length);
  int quantifiers = 0;
  for (size_t i = 0; i < length; i++) {
    if (pattern[i] == '?' || pattern[i] == '*' || pattern[i] == '+' || pattern[i] == '-') quantifiers++;
  }
  if (quantifiers > kQuantifiersMax) return luaL_error(lua, "pattern too complex");
  return Original(lua);
}

int OnTable(lua_State* lua) {
  RefuseFace(lua, 1);
  World::Of(lua)->DemandStack(lua);
  return Original(lua);
}

// The length that a table claims says nothing of how much it holds: whatever goes by it may be paused.
int TableInsert(lua_State* lua) {
  RefuseFace(lua, 1);
  luaL_checktype(lua, 1, LUA_TTABLE);
  World* world = World::Of(lua);
  const int behind = static_cast<int>(lua_objlen(lua, 1)) + 1;
  int at = behind;
  switch (lua_gettop(lua)) {
    case 2:
      break;
    case 3:
      at = luaL_checkint(lua, 2);
      if (static_cast<double>(behind) - at > kInsertSpanMax) return luaL_argerror(lua, 2, "position out of bounds");
      for (int i = behind; i > at; i--) {
        lua_rawgeti(lua, 1, i - 1);
        lua_rawseti(lua, 1, i);
        world->Breathe(lua);
      }
      break;
    default:
      return luaL_error(lua, "wrong number of arguments to " LUA_QL("insert"));
  }
  lua_rawseti(lua, 1, at);
  return 0;
}

int TableRemove(lua_State* lua) {
  RefuseFace(lua, 1);
  luaL_checktype(lua, 1, LUA_TTABLE);
  World* world = World::Of(lua);
  const int last = static_cast<int>(lua_objlen(lua, 1));
  const int at = luaL_optint(lua, 2, last);
  if (at < 1 || at > last) return 0;
  lua_settop(lua, 1);
  lua_rawgeti(lua, 1, at);
  for (int i = at; i < last; i++) {
    lua_rawgeti(lua, 1, i + 1);
    lua_rawseti(lua, 1, i);
    world->Breathe(lua);
  }
  lua_pushnil(lua);
  lua_rawseti(lua, 1, last);
  return 1;
}

int Less(lua_State* lua) {
  World::Of(lua)->Breathe(lua);
  lua_pushboolean(lua, lua_lessthan(lua, 1, 2));
  return 1;
}

// Upvalue 1: a comparison that is no Lua function, so that no instruction is counted in it.
int LessByOther(lua_State* lua) {
  World::Of(lua)->Breathe(lua);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, lua_gettop(lua) - 1, 1);
  return 1;
}

int TableSort(lua_State* lua) {
  RefuseFace(lua, 1);
  luaL_checktype(lua, 1, LUA_TTABLE);
  World::Of(lua)->DemandStack(lua);
  lua_settop(lua, 2);
  // Small ones are sorted before anybody would look at the clock.
  if (lua_objlen(lua, 1) > kSortedAtOnce) {
    if (lua_isnil(lua, 2)) lua_pushcfunction(lua, Less);
    else if (lua_iscfunction(lua, 2) != 0) lua_pushcclosure(lua, LessByOther, 1);
    if (lua_gettop(lua) > 2) lua_replace(lua, 2);
  }
  return Original(lua);
}

int Next(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 2);
  if (PushReal(lua, 1)) lua_replace(lua, 1);
  if (lua_next(lua, 1) != 0) return 2;
  lua_pushnil(lua);
  return 1;
}

int Pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_pushvalue(lua, 1);
  lua_pushnil(lua);
  return 3;
}

int RawGet(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_checkany(lua, 2);
  lua_settop(lua, 2);
  if (PushReal(lua, 1)) lua_replace(lua, 1);
  lua_rawget(lua, 1);
  return 1;
}

int StringRep(lua_State* lua) {
  size_t length = 0;
  const char* text = luaL_checklstring(lua, 1, &length);
  const lua_Number times = luaL_checknumber(lua, 2);
  if (!(times >= 1) || length == 0) {
    lua_pushliteral(lua, "");
    return 1;
  }
  if (times > static_cast<lua_Number>(INT_MAX) || static_cast<lua_Number>(length) * times > static_cast<lua_Number>(kOutputBytesMax) * 4)
    return luaL_error(lua, "not enough memory");
  const size_t count = static_cast<size_t>(times);
  char* built = static_cast<char*>(lua_newuserdata(lua, length * count));
  memcpy(built, text, length);
  size_t filled = length;
  while (filled < length * count) {
    const size_t more = filled <= length * count - filled ? filled : length * count - filled;
    memcpy(built + filled, built, more);
    filled += more;
  }
  lua_pushlstring(lua, built, filled);
  return 1;
}

// POSIX' lrand48, whose results Redis' scripts know: 31 bits of a 48-bit sequence.
double NextRandom(World* world) {
  world->random = (world->random * 0x5deece66dULL + 0xb) & 0xffffffffffffULL;
  return static_cast<double>(world->random >> 17);
}

constexpr double kRandomMax = 2147483647.0;

int MathRandom(lua_State* lua) {
  World* world = World::Of(lua);
  const double drawn = fmod(NextRandom(world), kRandomMax) / kRandomMax;
  switch (lua_gettop(lua)) {
    case 0:
      lua_pushnumber(lua, drawn);
      return 1;
    case 1: {
      const int upper = luaL_checkint(lua, 1);
      luaL_argcheck(lua, 1 <= upper, 1, "interval is empty");
      lua_pushnumber(lua, floor(drawn * upper) + 1);
      return 1;
    }
    case 2: {
      const int lower = luaL_checkint(lua, 1);
      const int upper = luaL_checkint(lua, 2);
      luaL_argcheck(lua, lower <= upper, 2, "interval is empty");
      lua_pushnumber(lua, floor(drawn * (static_cast<double>(upper) - lower + 1)) + lower);
      return 1;
    }
    default:
      return luaL_error(lua, "wrong number of arguments");
  }
}

int MathRandomSeed(lua_State* lua) {
  const uint32_t seed = static_cast<uint32_t>(luaL_checkint(lua, 1));
  World::Of(lua)->random = (static_cast<uint64_t>(seed) << 16) + 0x330e;
  return 0;
}

int OsClock(lua_State* lua) {
  lua_pushnumber(lua, static_cast<lua_Number>(clock()) / CLOCKS_PER_SEC);
  return 1;
}

int Loaded(lua_State* lua, int status) {
  if (status == 0) return 1;
  lua_pushnil(lua);
  lua_insert(lua, -2);
  return 2;
}

int RefusedBinary(lua_State* lua) {
  lua_pushnil(lua);
  lua_pushliteral(lua, "byte code is not accepted");
  return 2;
}

int LoadString(lua_State* lua) {
  size_t length = 0;
  const char* text = luaL_checklstring(lua, 1, &length);
  const char* name = luaL_optstring(lua, 2, text);
  World::Of(lua)->DemandStack(lua);
  if (length > 0 && text[0] == LUA_SIGNATURE[0]) return RefusedBinary(lua);
  return Loaded(lua, luaL_loadbuffer(lua, text, length, name));
}

// load(function): the pieces are gathered first, so that the compiler is handed text that was looked at.
int LoadFunction(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TFUNCTION);
  const char* name = luaL_optstring(lua, 2, "=(load)");
  World::Of(lua)->DemandStack(lua);
  lua_settop(lua, 2);
  lua_newtable(lua);
  int count = 0;
  for (;;) {
    lua_pushvalue(lua, 1);
    lua_call(lua, 0, 1);
    if (lua_isnil(lua, -1)) break;
    if (!lua_isstring(lua, -1)) return luaL_error(lua, "reader function must return a string");
    size_t length = 0;
    lua_tolstring(lua, -1, &length);
    if (length == 0) break;
    lua_rawseti(lua, 3, ++count);
  }
  lua_pop(lua, 1);
  luaL_Buffer buffer;
  luaL_buffinit(lua, &buffer);
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(lua, 3, i);
    luaL_addvalue(&buffer);
  }
  luaL_pushresult(&buffer);
  size_t length = 0;
  const char* text = lua_tolstring(lua, -1, &length);
  if (length > 0 && text[0] == LUA_SIGNATURE[0]) return RefusedBinary(lua);
  return Loaded(lua, luaL_loadbuffer(lua, text, length, name));
}

// Upvalues: the coroutine, coroutine.resume.
int CallWrapped(lua_State* lua) {
  lua_pushvalue(lua, lua_upvalueindex(2));
  lua_insert(lua, 1);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 2);
  lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
  if (lua_toboolean(lua, 1)) return lua_gettop(lua) - 1;
  lua_settop(lua, 2);
  if (lua_type(lua, 2) == LUA_TSTRING) {
    luaL_where(lua, 1);
    lua_insert(lua, -2);
    lua_concat(lua, 2);
  }
  return lua_error(lua);
}

// Upvalues: coroutine.create, coroutine.resume.
int Wrap(lua_State* lua) {
  lua_settop(lua, 1);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, 1, 1);
  lua_pushvalue(lua, lua_upvalueindex(2));
  lua_pushcclosure(lua, CallWrapped, 2);
  return 1;
}

void OpenLibrary(lua_State* lua, lua_CFunction open, const char* name) {
  lua_pushcfunction(lua, open);
  lua_pushstring(lua, name);
  lua_call(lua, 1, 0);
}

// Replaces a field of the table at the top by `around`, with the field as its upvalue.
void Around(lua_State* lua, const char* name, lua_CFunction around) {
  lua_getfield(lua, -1, name);
  lua_pushcclosure(lua, around, 1);
  lua_setfield(lua, -2, name);
}

void Set(lua_State* lua, const char* name, lua_CFunction function) {
  lua_pushcfunction(lua, function);
  lua_setfield(lua, -2, name);
}

void Remove(lua_State* lua, const char* name) {
  lua_pushnil(lua);
  lua_setfield(lua, -2, name);
}

void OpenText(lua_State* lua, int globals) {
  lua_getfield(lua, LUA_GLOBALSINDEX, "string");
  Set(lua, "rep", StringRep);
  for (const char* name : {"find", "match", "gmatch", "gsub"}) Around(lua, name, WithPattern);
  Remove(lua, "gfind");
  lua_setfield(lua, globals, "string");
}

void OpenTables(lua_State* lua, int globals) {
  lua_getfield(lua, LUA_GLOBALSINDEX, "table");
  Set(lua, "insert", TableInsert);
  Set(lua, "remove", TableRemove);
  Around(lua, "sort", TableSort);
  for (const char* name : {"setn", "foreach", "foreachi"}) Around(lua, name, OnTable);
  lua_setfield(lua, globals, "table");
}

void OpenCoroutines(lua_State* lua, int globals) {
  lua_getfield(lua, LUA_GLOBALSINDEX, "coroutine");
  Around(lua, "resume", WithStack);
  lua_getfield(lua, -1, "create");
  lua_getfield(lua, -2, "resume");
  lua_pushcclosure(lua, Wrap, 2);
  lua_setfield(lua, -2, "wrap");
  lua_setfield(lua, globals, "coroutine");
}

void OpenMath(lua_State* lua, int globals) {
  lua_getfield(lua, LUA_GLOBALSINDEX, "math");
  Set(lua, "random", MathRandom);
  Set(lua, "randomseed", MathRandomSeed);
  lua_setfield(lua, globals, "math");
}

}  // namespace

void OpenStandard(lua_State* lua) {
  OpenLibrary(lua, luaopen_base, "");
  OpenLibrary(lua, luaopen_table, LUA_TABLIBNAME);
  OpenLibrary(lua, luaopen_string, LUA_STRLIBNAME);
  OpenLibrary(lua, luaopen_math, LUA_MATHLIBNAME);
  lua_newtable(lua);
  const int globals = lua_gettop(lua);
  static const char* const kept[] = {"assert",   "collectgarbage", "error", "getmetatable", "ipairs", "pcall", "gcinfo",
                                     "rawequal", "select",         "tonumber", "tostring",  "type",   "unpack",
                                     "xpcall",   "setmetatable",   "rawset",   "_VERSION"};
  for (const char* name : kept) {
    lua_getfield(lua, LUA_GLOBALSINDEX, name);
    lua_setfield(lua, globals, name);
  }
  for (const char* name : {"setmetatable", "rawset"}) Around(lua, name, OnTable);
  for (const char* name : {"pcall", "xpcall"}) Around(lua, name, WithStack);
  Set(lua, "rawget", RawGet);
  Set(lua, "loadstring", LoadString);
  Set(lua, "load", LoadFunction);
  lua_pushcfunction(lua, Next);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, globals, "next");
  lua_pushcclosure(lua, Pairs, 1);
  lua_setfield(lua, globals, "pairs");
  OpenText(lua, globals);
  OpenTables(lua, globals);
  OpenCoroutines(lua, globals);
  OpenMath(lua, globals);
  lua_newtable(lua);
  Set(lua, "clock", OsClock);
  lua_setfield(lua, globals, "os");
}

}  // namespace holdfast
