// The `cmsgpack` library: MessagePack (github.com/msgpack/msgpack, spec.md) with Redis' choices: whole numbers as the
// shortest integer, tables with keys 1 to n as arrays, what is nested deeper than 16 as nil.
#include <math.h>
#include <string.h>

#include "bytes.h"
#include "state.h"

namespace holdfast {

namespace {

constexpr int kNestingMax = 16;

void Big(Bytes& out, unsigned char type, uint64_t value, int bytes) {
  char encoded[9];
  encoded[0] = static_cast<char>(type);
  for (int i = 0; i < bytes; i++) encoded[1 + i] = static_cast<char>(value >> (8 * (bytes - 1 - i)));
  out.Add(encoded, static_cast<size_t>(bytes) + 1);
}

void PackInteger(Bytes& out, int64_t value) {
  const uint64_t bits = static_cast<uint64_t>(value);
  if (value >= 0) {
    if (value <= 127) out.Add(static_cast<char>(value));
    else if (value <= 0xff) Big(out, 0xcc, bits, 1);
    else if (value <= 0xffff) Big(out, 0xcd, bits, 2);
    else if (value <= 0xffffffffLL) Big(out, 0xce, bits, 4);
    else Big(out, 0xcf, bits, 8);
  } else if (value >= -32) {
    out.Add(static_cast<char>(value));
  } else if (value >= -128) {
    Big(out, 0xd0, bits, 1);
  } else if (value >= -32768) {
    Big(out, 0xd1, bits, 2);
  } else if (value >= -2147483648LL) {
    Big(out, 0xd2, bits, 4);
  } else {
    Big(out, 0xd3, bits, 8);
  }
}

void PackNumber(Bytes& out, double value) {
  if (value == floor(value) && value >= -9223372036854775808.0 && value < 9223372036854775808.0)
    return PackInteger(out, static_cast<int64_t>(value));
  const float narrow = static_cast<float>(value);
  if (static_cast<double>(narrow) == value) {
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof(bits));
    return Big(out, 0xca, bits, 4);
  }
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  Big(out, 0xcb, bits, 8);
}

void PackString(lua_State* lua, Bytes& out) {
  size_t length = 0;
  const char* text = lua_tolstring(lua, -1, &length);
  if (length < 32) out.Add(static_cast<char>(0xa0 | length));
  else if (length <= 0xff) Big(out, 0xd9, length, 1);
  else if (length <= 0xffff) Big(out, 0xda, length, 2);
  else Big(out, 0xdb, length, 4);
  out.Add(text, length);
}

void Count(Bytes& out, int64_t count, unsigned char small, unsigned char large) {
  if (count < 16) out.Add(static_cast<char>(small | count));
  else if (count <= 0xffff) Big(out, large, static_cast<uint64_t>(count), 2);
  else Big(out, static_cast<unsigned char>(large + 1), static_cast<uint64_t>(count), 4);
}

// Elements when the keys of the table at the top are exactly 1 to n (none at all included); else -1, and `pairs`.
int64_t ArrayCount(lua_State* lua, int64_t* pairs) {
  double most = 0;
  int64_t count = 0;
  bool array = true;
  lua_pushnil(lua);
  while (lua_next(lua, -2) != 0) {
    lua_pop(lua, 1);
    count++;
    const double key = lua_type(lua, -1) == LUA_TNUMBER ? lua_tonumber(lua, -1) : 0;
    if (key < 1 || key != floor(key) || key > 2147483647.0) array = false;
    else if (key > most) most = key;
  }
  *pairs = count;
  return array && most == static_cast<double>(count) ? count : -1;
}

// The value at the top, popped.
void Pack(lua_State* lua, Bytes& out, int level) {
  luaL_checkstack(lua, 6, "in function mp_encode");
  World::Of(lua)->Breathe(lua);
  switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
      PackString(lua, out);
      break;
    case LUA_TBOOLEAN:
      out.Add(static_cast<char>(lua_toboolean(lua, -1) ? 0xc3 : 0xc2));
      break;
    case LUA_TNUMBER:
      PackNumber(out, lua_tonumber(lua, -1));
      break;
    case LUA_TTABLE: {
      if (level == kNestingMax) {
        out.Add(static_cast<char>(0xc0));
        break;
      }
      int64_t pairs = 0;
      const int64_t count = ArrayCount(lua, &pairs);
      if (count >= 0) {
        Count(out, count, 0x90, 0xdc);
        for (int64_t i = 1; i <= count; i++) {
          lua_rawgeti(lua, -1, static_cast<int>(i));
          Pack(lua, out, level + 1);
        }
        break;
      }
      Count(out, pairs, 0x80, 0xde);
      lua_pushnil(lua);
      while (lua_next(lua, -2) != 0) {
        lua_pushvalue(lua, -2);
        Pack(lua, out, level + 1);
        Pack(lua, out, level + 1);
      }
      break;
    }
    default:
      out.Add(static_cast<char>(0xc0));
  }
  lua_pop(lua, 1);
}

int PackAll(lua_State* lua) {
  const int count = lua_gettop(lua);
  if (count == 0) return luaL_argerror(lua, 0, "MessagePack pack needs input.");
  Bytes out(lua);
  for (int i = 1; i <= count; i++) {
    luaL_checkstack(lua, 1, "in function mp_check");
    lua_pushvalue(lua, i);
    Pack(lua, out, 0);
  }
  out.Push();
  return 1;
}

struct Source {
  lua_State* lua;
  const unsigned char* at;
  const unsigned char* end;

  void Need(uint64_t bytes) {
    if (static_cast<uint64_t>(end - at) < bytes) luaL_error(lua, "Missing bytes in input.");
  }

  uint64_t Big(int bytes) {
    Need(static_cast<uint64_t>(bytes));
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | *at++;
    return value;
  }

  void Text(uint64_t length) {
    Need(length);
    lua_pushlstring(lua, reinterpret_cast<const char*>(at), static_cast<size_t>(length));
    at += length;
  }

  void Array(uint64_t count) {
    // Nothing is made for what was only announced.
    lua_newtable(lua);
    for (uint64_t i = 1; i <= count; i++) {
      Value();
      lua_rawseti(lua, -2, static_cast<int>(i));
    }
  }

  void Map(uint64_t count) {
    lua_newtable(lua);
    for (uint64_t i = 0; i < count; i++) {
      Value();
      Value();
      lua_rawset(lua, -3);
    }
  }

  void Signed(uint64_t value) { lua_pushnumber(lua, static_cast<lua_Number>(static_cast<int64_t>(value))); }

  // Pushes one value. Nesting is bounded by Lua's stack.
  void Value() {
    luaL_checkstack(lua, 6, "too many return values at once; use unpack_one or unpack_limit instead.");
    World::Of(lua)->Breathe(lua);
    Need(1);
    const unsigned char type = *at++;
    if (type < 0x80) return lua_pushnumber(lua, type);
    if (type >= 0xe0) return lua_pushnumber(lua, static_cast<signed char>(type));
    if (type < 0x90) return Map(type & 15);
    if (type < 0xa0) return Array(type & 15);
    if (type < 0xc0) return Text(type & 31);
    switch (type) {
      case 0xc0: return lua_pushnil(lua);
      case 0xc2: return lua_pushboolean(lua, 0);
      case 0xc3: return lua_pushboolean(lua, 1);
      case 0xd9: return Text(Big(1));
      case 0xda: return Text(Big(2));
      case 0xdb: return Text(Big(4));
      case 0xca: {
        const uint32_t bits = static_cast<uint32_t>(Big(4));
        float value;
        memcpy(&value, &bits, sizeof(value));
        return lua_pushnumber(lua, static_cast<lua_Number>(value));
      }
      case 0xcb: {
        const uint64_t bits = Big(8);
        double value;
        memcpy(&value, &bits, sizeof(value));
        return lua_pushnumber(lua, value);
      }
      case 0xcc: return lua_pushnumber(lua, static_cast<lua_Number>(Big(1)));
      case 0xcd: return lua_pushnumber(lua, static_cast<lua_Number>(Big(2)));
      case 0xce: return lua_pushnumber(lua, static_cast<lua_Number>(Big(4)));
      case 0xcf: return lua_pushnumber(lua, static_cast<lua_Number>(Big(8)));
      case 0xd0: return lua_pushnumber(lua, static_cast<signed char>(Big(1)));
      case 0xd1: return lua_pushnumber(lua, static_cast<int16_t>(Big(2)));
      case 0xd2: return lua_pushnumber(lua, static_cast<int32_t>(Big(4)));
      case 0xd3: return Signed(Big(8));
      case 0xdc: return Array(Big(2));
      case 0xdd: return Array(Big(4));
      case 0xde: return Map(Big(2));
      case 0xdf: return Map(Big(4));
      default: luaL_error(lua, "Bad data format in input.");
    }
  }
};

// At most `limit` values (0: all) from `offset`; `tells` puts the next offset, -1 at the end, before them.
int Unpack(lua_State* lua, int limit, int offset, bool tells) {
  size_t length = 0;
  const char* data = luaL_checklstring(lua, 1, &length);
  if (offset < 0 || limit < 0)
    return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.", offset, static_cast<int>(length));
  if (static_cast<size_t>(offset) > length)
    return luaL_error(lua, "Start offset %d greater than input length %d.", offset, static_cast<int>(length));
  World::Of(lua)->DemandStack(lua);
  lua_settop(lua, 1);
  const unsigned char* begin = reinterpret_cast<const unsigned char*>(data);
  Source source = {lua, begin + offset, begin + length};
  int count = 0;
  while (source.at < source.end && (limit == 0 || count < limit)) {
    source.Value();
    count++;
  }
  if (!tells) return count;
  luaL_checkstack(lua, 2, "too many values");
  lua_pushinteger(lua, source.at == source.end ? -1 : static_cast<lua_Integer>(source.at - begin));
  lua_insert(lua, 2);
  return count + 1;
}

int UnpackAll(lua_State* lua) { return Unpack(lua, 0, 0, false); }
int UnpackOne(lua_State* lua) { return Unpack(lua, 1, luaL_optint(lua, 2, 0), true); }
int UnpackLimit(lua_State* lua) { return Unpack(lua, luaL_checkint(lua, 2), luaL_optint(lua, 3, 0), true); }

}  // namespace

void OpenMessagePack(lua_State* lua) {
  static const luaL_Reg functions[] = {{"pack", PackAll},
                                       {"unpack", UnpackAll},
                                       {"unpack_one", UnpackOne},
                                       {"unpack_limit", UnpackLimit},
                                       {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_register(lua, nullptr, functions);
  lua_pushliteral(lua, "cmsgpack");
  lua_setfield(lua, -2, "_NAME");
  lua_pushliteral(lua, "lua-cmsgpack 0.4.0");
  lua_setfield(lua, -2, "_VERSION");
}

}  // namespace holdfast
