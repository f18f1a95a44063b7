// The `cjson` library, as Redis has it: its table and its settings.
#include <stdio.h>
#include <string.h>

#include "cjson.h"
#include "state.h"

namespace holdfast {

namespace {

// Settings: each sets what is given and returns what holds.

int Number(lua_State* lua, int index, int* setting, int least, int most) {
  if (!lua_isnoneornil(lua, index)) {
    const int value = luaL_checkint(lua, index);
    char message[64];
    snprintf(message, sizeof(message), "expected integer between %d and %d", least, most);
    luaL_argcheck(lua, least <= value && value <= most, index, message);
    *setting = value;
  }
  lua_pushinteger(lua, *setting);
  return 1;
}

// false, true, or (where there is one) a third word.
int Choice(lua_State* lua, int index, int* setting, const char* third) {
  if (!lua_isnoneornil(lua, index)) {
    if (lua_isboolean(lua, index)) *setting = lua_toboolean(lua, index);
    else if (third != nullptr && lua_type(lua, index) == LUA_TSTRING && strcmp(lua_tostring(lua, index), third) == 0)
      *setting = 2;
    else if (third != nullptr && lua_type(lua, index) == LUA_TSTRING && strcmp(lua_tostring(lua, index), "on") == 0)
      *setting = 1;
    else if (third != nullptr && lua_type(lua, index) == LUA_TSTRING && strcmp(lua_tostring(lua, index), "off") == 0)
      *setting = 0;
    else return luaL_argerror(lua, index, "invalid option");
  }
  if (*setting == 2) lua_pushstring(lua, third);
  else lua_pushboolean(lua, *setting);
  return 1;
}

void AtMost(lua_State* lua, int count) {
  luaL_argcheck(lua, lua_gettop(lua) <= count, count + 1, "found too many arguments");
  lua_settop(lua, count);
}

constexpr int kIntMax = 2147483647;

int SparseArray(lua_State* lua) {
  AtMost(lua, 3);
  auto& json = World::Of(lua)->json;
  Choice(lua, 1, &json.sparse_convert, nullptr);
  Number(lua, 2, &json.sparse_ratio, 0, kIntMax);
  Number(lua, 3, &json.sparse_safe, 0, kIntMax);
  return 3;
}

int EncodeDepth(lua_State* lua) {
  AtMost(lua, 1);
  return Number(lua, 1, &World::Of(lua)->json.encode_depth_max, 1, kIntMax);
}

int DecodeDepth(lua_State* lua) {
  AtMost(lua, 1);
  return Number(lua, 1, &World::Of(lua)->json.decode_depth_max, 1, kIntMax);
}

int Precision(lua_State* lua) {
  AtMost(lua, 1);
  return Number(lua, 1, &World::Of(lua)->json.precision, 1, 16);
}

int KeepBuffer(lua_State* lua) {
  AtMost(lua, 1);
  return Choice(lua, 1, &World::Of(lua)->json.keep_buffer, nullptr);
}

int EncodeInvalid(lua_State* lua) {
  AtMost(lua, 1);
  return Choice(lua, 1, &World::Of(lua)->json.encode_invalid, "null");
}

int DecodeInvalid(lua_State* lua) {
  AtMost(lua, 1);
  return Choice(lua, 1, &World::Of(lua)->json.decode_invalid, nullptr);
}

// Another table of the same functions; settings are one for all.
int New(lua_State* lua) {
  OpenJson(lua);
  return 1;
}

}  // namespace

void OpenJson(lua_State* lua) {
  static const luaL_Reg functions[] = {{"encode", EncodeJson},
                                       {"decode", DecodeJson},
                                       {"new", New},
                                       {"encode_sparse_array", SparseArray},
                                       {"encode_max_depth", EncodeDepth},
                                       {"decode_max_depth", DecodeDepth},
                                       {"encode_number_precision", Precision},
                                       {"encode_keep_buffer", KeepBuffer},
                                       {"encode_invalid_numbers", EncodeInvalid},
                                       {"decode_invalid_numbers", DecodeInvalid},
                                       {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_register(lua, nullptr, functions);
  lua_pushlightuserdata(lua, nullptr);
  lua_setfield(lua, -2, "null");
  lua_pushliteral(lua, "cjson");
  lua_setfield(lua, -2, "_NAME");
  lua_pushliteral(lua, "2.1.0");
  lua_setfield(lua, -2, "_VERSION");
}

}  // namespace holdfast
