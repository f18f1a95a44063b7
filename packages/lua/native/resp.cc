// RESP to Lua values and back, by the conversion rules of redis.io/docs (Lua API: data type conversion).
#include <string.h>

#include "state.h"

namespace holdfast {

namespace {

struct Cursor {
  const char* at;
  const char* end;
};

// The line up to CR LF; null when it is not there.
const char* Line(Cursor& cursor, size_t* length) {
  const char* from = cursor.at;
  const char* cr = static_cast<const char*>(memchr(from, '\r', static_cast<size_t>(cursor.end - from)));
  if (cr == nullptr || cr + 1 >= cursor.end || cr[1] != '\n') return nullptr;
  *length = static_cast<size_t>(cr - from);
  cursor.at = cr + 2;
  return from;
}

bool ParseInteger(const char* text, size_t length, int64_t* value) {
  const bool negative = length > 0 && text[0] == '-';
  size_t i = negative ? 1 : 0;
  if (i == length || length - i > 19) return false;
  uint64_t sum = 0;
  for (; i < length; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    sum = sum * 10 + static_cast<uint64_t>(text[i] - '0');
  }
  *value = static_cast<int64_t>(negative ? 0 - sum : sum);
  return true;
}

bool PushValue(lua_State* lua, Cursor& cursor);

bool SkipAttributes(lua_State* lua, Cursor& cursor, int64_t pairs) {
  for (int64_t i = 0; i < 2 * pairs; i++) {
    if (!PushValue(lua, cursor)) return false;
    lua_pop(lua, 1);
  }
  return PushValue(lua, cursor);
}

// {<field> = {...}}
bool PushPairs(lua_State* lua, Cursor& cursor, int64_t pairs) {
  lua_createtable(lua, 0, 1);
  lua_newtable(lua);
  for (int64_t i = 0; i < pairs; i++) {
    if (!PushValue(lua, cursor)) return false;
    if (!PushValue(lua, cursor)) return false;
    if (lua_isnil(lua, -2) || (lua_type(lua, -2) == LUA_TNUMBER && lua_tonumber(lua, -2) != lua_tonumber(lua, -2)))
      lua_pop(lua, 2);
    else lua_rawset(lua, -3);
  }
  lua_setfield(lua, -2, "map");
  return true;
}

bool PushMembers(lua_State* lua, Cursor& cursor, int64_t count) {
  lua_createtable(lua, 0, 1);
  lua_newtable(lua);
  for (int64_t i = 0; i < count; i++) {
    if (!PushValue(lua, cursor)) return false;
    if (lua_isnil(lua, -1)) {
      lua_pop(lua, 1);
      continue;
    }
    lua_pushboolean(lua, 1);
    lua_rawset(lua, -3);
  }
  lua_setfield(lua, -2, "set");
  return true;
}

bool PushArray(lua_State* lua, Cursor& cursor, int64_t count) {
  // Never by the announced number alone: each element takes three bytes at least.
  const int64_t room = (cursor.end - cursor.at) / 3;
  lua_createtable(lua, static_cast<int>(count < room ? count : room), 0);
  for (int64_t i = 1; i <= count; i++) {
    if (!PushValue(lua, cursor)) return false;
    lua_rawseti(lua, -2, static_cast<int>(i));
  }
  return true;
}

void PushField(lua_State* lua, const char* field, const char* text, size_t length) {
  lua_createtable(lua, 0, 1);
  lua_pushlstring(lua, text, length);
  lua_setfield(lua, -2, field);
}

void PushErrorLine(lua_State* lua, const char* line, size_t length) {
  if (memchr(line, ' ', length) != nullptr) return PushField(lua, "err", line, length);
  lua_createtable(lua, 0, 1);
  lua_pushliteral(lua, "ERR ");
  lua_pushlstring(lua, line, length);
  lua_concat(lua, 2);
  lua_setfield(lua, -2, "err");
}

bool PushBulk(lua_State* lua, Cursor& cursor, char type, int64_t length) {
  if (length < 0) {
    lua_pushboolean(lua, 0);
    return true;
  }
  if (cursor.end - cursor.at < 2 || length > cursor.end - cursor.at - 2) return false;
  const char* text = cursor.at;
  const size_t bytes = static_cast<size_t>(length);
  cursor.at += length + 2;
  if (type == '$') {
    lua_pushlstring(lua, text, bytes);
    return true;
  }
  if (bytes < 4) return false;
  lua_createtable(lua, 0, 1);
  lua_createtable(lua, 0, 2);
  lua_pushlstring(lua, text, 3);
  lua_setfield(lua, -2, "format");
  lua_pushlstring(lua, text + 4, bytes - 4);
  lua_setfield(lua, -2, "string");
  lua_setfield(lua, -2, "verbatim_string");
  return true;
}

void PushDouble(lua_State* lua, const char* text, size_t length) {
  lua_createtable(lua, 0, 1);
  lua_pushlstring(lua, text, length);
  // Lua's own conversion is the C library's; it knows inf and nan.
  lua_pushnumber(lua, lua_tonumber(lua, -1));
  lua_setfield(lua, -3, "double");
  lua_pop(lua, 1);
}

bool PushAggregate(lua_State* lua, Cursor& cursor, char type, int64_t count) {
  if (count < 0) {
    lua_pushboolean(lua, 0);
    return true;
  }
  if (count > (cursor.end - cursor.at)) return false;
  switch (type) {
    case '%':
      return PushPairs(lua, cursor, count);
    case '~':
      return PushMembers(lua, cursor, count);
    case '|':
      return SkipAttributes(lua, cursor, count);
    default:
      return PushArray(lua, cursor, count);
  }
}

// One value pushed. False: no RESP; what was pushed is left to the caller, who raises an error.
bool PushValue(lua_State* lua, Cursor& cursor) {
  luaL_checkstack(lua, 8, "the reply of a command is nested too deep");
  if (cursor.at >= cursor.end) return false;
  const char type = *cursor.at++;
  size_t length = 0;
  const char* line = Line(cursor, &length);
  if (line == nullptr) return false;
  int64_t number = 0;
  switch (type) {
    case '+':
      PushField(lua, "ok", line, length);
      return true;
    case '-':
      PushErrorLine(lua, line, length);
      return true;
    case '_':
      lua_pushnil(lua);
      return true;
    case '#':
      lua_pushboolean(lua, length == 1 && line[0] == 't');
      return true;
    case ',':
      PushDouble(lua, line, length);
      return true;
    case '(':
      PushField(lua, "big_number", line, length);
      return true;
    case ':':
      if (!ParseInteger(line, length, &number)) return false;
      lua_pushnumber(lua, static_cast<lua_Number>(number));
      return true;
    case '$':
    case '=':
      return ParseInteger(line, length, &number) && PushBulk(lua, cursor, type, number);
    case '*':
    case '%':
    case '~':
    case '>':
    case '|':
      return ParseInteger(line, length, &number) && PushAggregate(lua, cursor, type, number);
    default:
      return false;
  }
}

// --- Lua to RESP ---

struct Writer {
  lua_State* lua;
  World* world;
  Output& output;
  int client;
  int script;

  bool Text(const char* text) { return output.Add(text, strlen(text)); }

  bool Header(char type, int64_t number) {
    char line[24];
    size_t at = sizeof(line);
    line[--at] = '\n';
    line[--at] = '\r';
    uint64_t left = number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    do {
      line[--at] = static_cast<char>('0' + left % 10);
      left /= 10;
    } while (left != 0);
    if (number < 0) line[--at] = '-';
    line[--at] = type;
    return output.Add(line + at, sizeof(line) - at);
  }

  bool Line(char type, const char* text, size_t length) {
    if (!output.Add(&type, 1)) return false;
    const size_t from = output.length;
    if (!output.Add(text, length)) return false;
    for (size_t i = from; i < output.length; i++) {
      if (output.data[i] == '\r' || output.data[i] == '\n') output.data[i] = ' ';
    }
    return output.Add("\r\n", 2);
  }

  bool Bulk(const char* text, size_t length) {
    return Header('$', static_cast<int64_t>(length)) && output.Add(text, length) && output.Add("\r\n", 2);
  }

  bool Null() { return Text(client == 3 ? "_\r\n" : "$-1\r\n"); }

  // A field of the table at the top, pushed without asking metatables; its type.
  int Field(const char* name) {
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    return lua_type(lua, -1);
  }

  bool Double(lua_Number value) {
    char text[40];
    const size_t length = FormatDouble(value, text);
    return client == 3 ? Line(',', text, length) : Bulk(text, length);
  }

  // The table of pairs, or of members, at the top.
  bool Pairs(bool members) {
    int64_t count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
      lua_pop(lua, 1);
      count++;
    }
    if (!(client == 3 ? Header(members ? '~' : '%', count) : Header('*', members ? count : 2 * count))) return false;
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
      lua_pushvalue(lua, -2);
      if (!Value()) return false;
      if (members) lua_pop(lua, 1);
      else if (!Value()) return false;
    }
    return true;
  }

  bool Verbatim() {
    const bool whole = Field("format") == LUA_TSTRING;
    size_t format_length = 0;
    const char* format = lua_tolstring(lua, -1, &format_length);
    lua_pop(lua, 1);
    const bool text_there = Field("string") == LUA_TSTRING;
    size_t length = 0;
    const char* text = lua_tolstring(lua, -1, &length);
    lua_pop(lua, 1);
    if (!whole || !text_there) return Null();
    if (client != 3) return Bulk(text, length);
    char kind[4] = {'t', 'x', 't', ':'};
    memcpy(kind, format, format_length < 3 ? format_length : 3);
    return Header('=', static_cast<int64_t>(length) + 4) && output.Add(kind, 4) && output.Add(text, length) &&
           output.Add("\r\n", 2);
  }

  bool Array() {
    int64_t count = 0;
    for (;;) {
      lua_rawgeti(lua, -1, static_cast<int>(count + 1));
      const bool end = lua_isnil(lua, -1);
      lua_pop(lua, 1);
      if (end) break;
      count++;
    }
    if (!Header('*', count)) return false;
    for (int64_t i = 1; i <= count; i++) {
      lua_rawgeti(lua, -1, static_cast<int>(i));
      if (!Value()) return false;
    }
    return true;
  }

  bool Table() {
    size_t length = 0;
    if (Field("err") == LUA_TSTRING) {
      const char* text = lua_tolstring(lua, -1, &length);
      return Line('-', text, length);
    }
    lua_pop(lua, 1);
    if (Field("ok") == LUA_TSTRING) {
      const char* text = lua_tolstring(lua, -1, &length);
      return Line('+', text, length);
    }
    lua_pop(lua, 1);
    if (Field("double") == LUA_TNUMBER) return Double(lua_tonumber(lua, -1));
    lua_pop(lua, 1);
    if (Field("map") == LUA_TTABLE) return Pairs(false);
    lua_pop(lua, 1);
    if (Field("set") == LUA_TTABLE) return Pairs(true);
    lua_pop(lua, 1);
    if (Field("big_number") == LUA_TSTRING) {
      const char* text = lua_tolstring(lua, -1, &length);
      if (client == 3) return Line('(', text, length);
      // Broken lines are mended here too, as in Redis.
      if (!Header('$', static_cast<int64_t>(length))) return false;
      const size_t from = output.length;
      if (!output.Add(text, length)) return false;
      for (size_t i = from; i < output.length; i++) {
        if (output.data[i] == '\r' || output.data[i] == '\n') output.data[i] = ' ';
      }
      return output.Add("\r\n", 2);
    }
    lua_pop(lua, 1);
    if (Field("verbatim_string") == LUA_TTABLE) return Verbatim();
    lua_pop(lua, 1);
    return Array();
  }

  // Writes and pops the value at the top.
  bool Value() {
    world->Breathe(lua);
    // Redis' limit: what is nested deeper than Lua's stack allows.
    if (lua_checkstack(lua, 8) == 0) {
      lua_pop(lua, 1);
      return Text("-ERR reached lua stack limit\r\n");
    }
    const int top = lua_gettop(lua);
    bool written = true;
    size_t length = 0;
    switch (lua_type(lua, -1)) {
      case LUA_TSTRING: {
        const char* text = lua_tolstring(lua, -1, &length);
        written = Bulk(text, length);
        break;
      }
      case LUA_TBOOLEAN: {
        const bool value = lua_toboolean(lua, -1) != 0;
        if (script < 3) written = value ? Text(":1\r\n") : Null();
        else if (client == 3) written = Text(value ? "#t\r\n" : "#f\r\n");
        else written = Text(value ? ":1\r\n" : ":0\r\n");
        break;
      }
      case LUA_TNUMBER: {
        const lua_Number value = lua_tonumber(lua, -1);
        // Cut towards zero; what no integer holds becomes the least, as the processor has it.
        const bool fits = value >= -9223372036854775808.0 && value < 9223372036854775808.0;
        written = Header(':', fits ? static_cast<int64_t>(value) : INT64_MIN);
        break;
      }
      case LUA_TTABLE:
        written = Table();
        break;
      default:
        written = Null();
    }
    lua_settop(lua, top - 1);
    return written;
  }
};

}  // namespace

bool PushReply(lua_State* lua, const char* reply, size_t length) {
  Cursor cursor = {reply, reply + length};
  return PushValue(lua, cursor);
}

bool WriteReply(lua_State* lua, World* world, int client_protocol, int script_protocol) {
  world->output.length = 0;
  Writer writer = {lua, world, world->output, client_protocol, script_protocol};
  return writer.Value();
}

}  // namespace holdfast
