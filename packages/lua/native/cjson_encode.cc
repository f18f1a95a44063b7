// cjson.encode: Lua values as JSON text.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "cjson.h"
#include "state.h"

namespace holdfast {

namespace {

using Settings = decltype(World::json);

void WriteValue(lua_State* lua, Bytes& out, Settings& settings, int depth);

void WriteString(lua_State* lua, Bytes& out, int index) {
  size_t length = 0;
  const char* text = lua_tolstring(lua, index, &length);
  out.Add('"');
  size_t from = 0;
  for (size_t i = 0; i < length; i++) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    char escape[8];
    size_t count = 2;
    escape[0] = '\\';
    switch (c) {
      case '"': escape[1] = '"'; break;
      case '\\': escape[1] = '\\'; break;
      case '/': escape[1] = '/'; break;
      case '\b': escape[1] = 'b'; break;
      case '\t': escape[1] = 't'; break;
      case '\n': escape[1] = 'n'; break;
      case '\f': escape[1] = 'f'; break;
      case '\r': escape[1] = 'r'; break;
      default:
        if (c >= 32 && c != 127) continue;
        count = static_cast<size_t>(snprintf(escape, sizeof(escape), "\\u%04x", c));
    }
    out.Add(text + from, i - from);
    out.Add(escape, count);
    from = i + 1;
  }
  out.Add(text + from, length - from);
  out.Add('"');
}

void WriteNumber(lua_State* lua, Bytes& out, Settings& settings, int index) {
  const double number = lua_tonumber(lua, index);
  if (!isfinite(number)) {
    if (settings.encode_invalid == 0) {
      luaL_error(lua, "Cannot serialise number: must not be NaN or Inf");
    } else if (settings.encode_invalid == 2) {
      out.Add("null", 4);
      return;
    } else if (isnan(number)) {
      out.Add("nan", 3);
      return;
    }
  }
  char text[64];
  const int length = snprintf(text, sizeof(text), "%.*g", settings.precision, number);
  out.Add(text, static_cast<size_t>(length));
}

// Elements of the table at the top when it is an array; -1 when it is written as an object.
int ArrayLength(lua_State* lua, const Settings& settings) {
  double most = 0;
  double items = 0;
  lua_pushnil(lua);
  while (lua_next(lua, -2) != 0) {
    lua_pop(lua, 1);
    const double key = lua_type(lua, -1) == LUA_TNUMBER ? lua_tonumber(lua, -1) : 0;
    if (key < 1 || floor(key) != key || key > 2147483647.0) {
      lua_pop(lua, 1);
      return -1;
    }
    if (key > most) most = key;
    items++;
  }
  if (settings.sparse_ratio > 0 && most > items * settings.sparse_ratio && most > settings.sparse_safe) {
    if (settings.sparse_convert == 0) luaL_error(lua, "Cannot serialise table: excessively sparse array");
    return -1;
  }
  return static_cast<int>(most);
}

void WriteArray(lua_State* lua, Bytes& out, Settings& settings, int depth, int length) {
  out.Add('[');
  for (int i = 1; i <= length; i++) {
    if (i > 1) out.Add(',');
    lua_rawgeti(lua, -1, i);
    WriteValue(lua, out, settings, depth);
    lua_pop(lua, 1);
  }
  out.Add(']');
}

void WriteObject(lua_State* lua, Bytes& out, Settings& settings, int depth) {
  out.Add('{');
  bool first = true;
  lua_pushnil(lua);
  while (lua_next(lua, -2) != 0) {
    if (!first) out.Add(',');
    first = false;
    if (lua_type(lua, -2) == LUA_TNUMBER) {
      out.Add('"');
      WriteNumber(lua, out, settings, -2);
      out.Add("\":", 2);
    } else if (lua_type(lua, -2) == LUA_TSTRING) {
      WriteString(lua, out, -2);
      out.Add(':');
    } else {
      luaL_error(lua, "Cannot serialise %s: table key must be a number or string", luaL_typename(lua, -2));
    }
    WriteValue(lua, out, settings, depth);
    lua_pop(lua, 1);
  }
  out.Add('}');
}

void WriteTable(lua_State* lua, Bytes& out, Settings& settings, int depth) {
  // Lua's own stack is the bound that settings cannot lift.
  if (depth > settings.encode_depth_max || lua_checkstack(lua, 8) == 0)
    luaL_error(lua, "Cannot serialise, excessive nesting (%d)", depth);
  if (PushReal(lua, -1)) lua_replace(lua, -2);
  const int length = ArrayLength(lua, settings);
  if (length > 0) WriteArray(lua, out, settings, depth, length);
  else WriteObject(lua, out, settings, depth);
}

// The value at the top; it stays there.
void WriteValue(lua_State* lua, Bytes& out, Settings& settings, int depth) {
  World::Of(lua)->Breathe(lua);
  switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
      return WriteString(lua, out, -1);
    case LUA_TNUMBER:
      return WriteNumber(lua, out, settings, -1);
    case LUA_TBOOLEAN:
      return lua_toboolean(lua, -1) ? out.Add("true", 4) : out.Add("false", 5);
    case LUA_TTABLE:
      return WriteTable(lua, out, settings, depth + 1);
    case LUA_TNIL:
      return out.Add("null", 4);
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(lua, -1) == nullptr) return out.Add("null", 4);
      break;
    default:
      break;
  }
  luaL_error(lua, "Cannot serialise %s: type not supported", luaL_typename(lua, -1));
}

}  // namespace

int EncodeJson(lua_State* lua) {
  luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
  World* world = World::Of(lua);
  world->DemandStack(lua);
  Bytes out(lua);
  lua_pushvalue(lua, 1);
  WriteValue(lua, out, world->json, 0);
  out.Push();
  return 1;
}

}  // namespace holdfast
