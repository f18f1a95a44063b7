// The `cjson` library, as Redis has it: JSON (RFC 8259) with a few liberties in reading numbers.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "state.h"

namespace holdfast {

namespace {

using Settings = decltype(World::json);

// --- writing ---

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

int Encode(lua_State* lua) {
  luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
  World* world = World::Of(lua);
  world->DemandStack(lua);
  Bytes out(lua);
  lua_pushvalue(lua, 1);
  WriteValue(lua, out, world->json, 0);
  out.Push();
  return 1;
}

// --- reading ---

enum Token { kObjectBegin, kObjectEnd, kArrayBegin, kArrayEnd, kString, kNumber, kBoolean, kNull, kColon, kComma, kEnd, kWrong };

const char* const kTokenNames[] = {"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END", "T_STRING", "T_NUMBER",
                                   "T_BOOLEAN",   "T_NULL",    "T_COLON",     "T_COMMA",   "T_END",    "T_ERROR"};

struct Reader {
  lua_State* lua;
  const char* data;
  size_t length;
  size_t at;
  const Settings& settings;
  int depth;
  // Of the last token. Strings are left on the Lua stack.
  size_t token_at;
  double number;
  bool boolean;
  const char* wrong;

  Token Wrong(const char* what) {
    wrong = what;
    return kWrong;
  }

  bool Word(const char* word) {
    const size_t count = strlen(word);
    if (length - at < count || memcmp(data + at, word, count) != 0) return false;
    at += count;
    return true;
  }

  Token Next() {
    while (at < length && (data[at] == ' ' || data[at] == '\t' || data[at] == '\n' || data[at] == '\r')) at++;
    token_at = at;
    if (at == length) return kEnd;
    switch (data[at]) {
      case '{': at++; return kObjectBegin;
      case '}': at++; return kObjectEnd;
      case '[': at++; return kArrayBegin;
      case ']': at++; return kArrayEnd;
      case ',': at++; return kComma;
      case ':': at++; return kColon;
      case '"': at++; return ReadString();
      case 't': boolean = true; return Word("true") ? kBoolean : Wrong("invalid token");
      case 'f': boolean = false; return Word("false") ? kBoolean : Wrong("invalid token");
      default: break;
    }
    if (data[at] == 'n' && Word("null")) return kNull;
    return ReadNumber();
  }

  // The C library's strtod reads more than JSON has: hexadecimal, inf and nan are a setting.
  Token ReadNumber() {
    const char c = data[at];
    if (!((c >= '0' && c <= '9') || c == '-' || c == '+' || c == 'i' || c == 'I' || c == 'n' || c == 'N'))
      return Wrong("invalid token");
    if (settings.decode_invalid == 0 && !IsStrictNumber()) return Wrong("invalid number");
    if (c == '+') return Wrong("invalid token");
    char* end = nullptr;
    // Lua's strings end with a zero byte.
    number = strtod(data + at, &end);
    if (end == data + at) return Wrong((c >= '0' && c <= '9') || c == '-' ? "invalid number" : "invalid token");
    at = static_cast<size_t>(end - data);
    return kNumber;
  }

  bool IsStrictNumber() const {
    size_t i = at;
    if (data[i] == '-') i++;
    if (i >= length || data[i] < '0' || data[i] > '9') return false;
    if (data[i] == '0' && i + 1 < length) {
      const char next = data[i + 1];
      if ((next >= '0' && next <= '9') || next == 'x' || next == 'X') return false;
    }
    return true;
  }

  int HexDigits() {
    if (length - at < 4) return -1;
    int code = 0;
    for (int i = 0; i < 4; i++) {
      const char c = data[at + static_cast<size_t>(i)];
      int digit;
      if (c >= '0' && c <= '9') digit = c - '0';
      else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
      else if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
      else return -1;
      code = code * 16 + digit;
    }
    at += 4;
    return code;
  }

  // \uXXXX behind its `u`, pairs of surrogates joined, as UTF-8.
  bool Unicode(Bytes& out) {
    int code = HexDigits();
    if (code < 0 || (code >= 0xdc00 && code <= 0xdfff)) return false;
    if (code >= 0xd800 && code <= 0xdbff) {
      if (length - at < 6 || data[at] != '\\' || data[at + 1] != 'u') return false;
      at += 2;
      const int low = HexDigits();
      if (low < 0xdc00 || low > 0xdfff) return false;
      code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
    }
    char utf8[4];
    size_t count;
    if (code < 0x80) {
      utf8[0] = static_cast<char>(code);
      count = 1;
    } else if (code < 0x800) {
      utf8[0] = static_cast<char>(0xc0 | code >> 6);
      utf8[1] = static_cast<char>(0x80 | (code & 63));
      count = 2;
    } else if (code < 0x10000) {
      utf8[0] = static_cast<char>(0xe0 | code >> 12);
      utf8[1] = static_cast<char>(0x80 | (code >> 6 & 63));
      utf8[2] = static_cast<char>(0x80 | (code & 63));
      count = 3;
    } else {
      utf8[0] = static_cast<char>(0xf0 | code >> 18);
      utf8[1] = static_cast<char>(0x80 | (code >> 12 & 63));
      utf8[2] = static_cast<char>(0x80 | (code >> 6 & 63));
      utf8[3] = static_cast<char>(0x80 | (code & 63));
      count = 4;
    }
    out.Add(utf8, count);
    return true;
  }

  Token ReadString() {
    const size_t begin = at;
    while (at < length && data[at] != '"' && data[at] != '\\') at++;
    if (at < length && data[at] == '"') {
      lua_pushlstring(lua, data + begin, at - begin);
      at++;
      return kString;
    }
    Bytes out(lua);
    out.Add(data + begin, at - begin);
    while (at < length && data[at] != '"') {
      if (data[at] != '\\') {
        const size_t from = at;
        while (at < length && data[at] != '"' && data[at] != '\\') at++;
        out.Add(data + from, at - from);
        continue;
      }
      const size_t escape_at = at++;
      const char c = at < length ? data[at] : '\0';
      at++;
      static const char names[] = "\"\\/bfnrt";
      static const char values[] = "\"\\/\b\f\n\r\t";
      const char* found = c == '\0' ? nullptr : strchr(names, c);
      if (found != nullptr) {
        out.Add(values[found - names]);
      } else if (c != 'u' || !Unicode(out)) {
        token_at = escape_at;
        return Wrong(c == 'u' ? "invalid unicode escape code" : "invalid escape code");
      }
    }
    if (at >= length) {
      token_at = length;
      return Wrong("unexpected end of string");
    }
    at++;
    out.Push();
    lua_remove(lua, -2);
    return kString;
  }

  int Unexpected(const char* expected, Token token) {
    const char* found = token == kWrong ? wrong : kTokenNames[token];
    return luaL_error(lua, "Expected %s but found %s at character %d", expected, found, static_cast<int>(token_at) + 1);
  }

  void Descend() {
    depth++;
    if (depth > settings.decode_depth_max || lua_checkstack(lua, 12) == 0)
      luaL_error(lua, "Found too many nested data structures (%d)", depth);
  }

  void Object() {
    Descend();
    lua_newtable(lua);
    Token token = Next();
    if (token == kObjectEnd) {
      depth--;
      return;
    }
    for (;;) {
      if (token != kString) Unexpected("object key string", token);
      token = Next();
      if (token != kColon) Unexpected("colon", token);
      Value(Next());
      lua_rawset(lua, -3);
      token = Next();
      if (token == kObjectEnd) break;
      if (token != kComma) Unexpected("comma or object end", token);
      token = Next();
    }
    depth--;
  }

  void Array() {
    Descend();
    lua_newtable(lua);
    Token token = Next();
    if (token == kArrayEnd) {
      depth--;
      return;
    }
    for (int i = 1;; i++) {
      Value(token);
      lua_rawseti(lua, -2, i);
      token = Next();
      if (token == kArrayEnd) break;
      if (token != kComma) Unexpected("comma or array end", token);
      token = Next();
    }
    depth--;
  }

  // Leaves one value on the Lua stack.
  void Value(Token token) {
    World::Of(lua)->Breathe(lua);
    switch (token) {
      case kString: return;
      case kNumber: return lua_pushnumber(lua, number);
      case kBoolean: return lua_pushboolean(lua, boolean);
      case kNull: return lua_pushlightuserdata(lua, nullptr);
      case kObjectBegin: return Object();
      case kArrayBegin: return Array();
      default: Unexpected("value", token);
    }
  }
};

int Decode(lua_State* lua) {
  luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
  World* world = World::Of(lua);
  world->DemandStack(lua);
  size_t length = 0;
  const char* data = luaL_checklstring(lua, 1, &length);
  if (length >= 2 && (data[0] == '\0' || data[1] == '\0'))
    return luaL_error(lua, "JSON parser does not support UTF-16 or UTF-32");
  luaL_checkstack(lua, 12, "JSON");
  Reader reader = {lua, data, length, 0, world->json, 0, 0, 0, false, nullptr};
  reader.Value(reader.Next());
  const Token token = reader.Next();
  if (token != kEnd) reader.Unexpected("the end", token);
  return 1;
}

// --- settings: each sets what is given and returns what holds ---

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
  static const luaL_Reg functions[] = {{"encode", Encode},
                                       {"decode", Decode},
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
