// cjson.decode: JSON (RFC 8259) with a few liberties in numbers.
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "cjson.h"
#include "state.h"

namespace holdfast {

namespace {

using Settings = decltype(World::json);

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

}  // namespace

int DecodeJson(lua_State* lua) {
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

}  // namespace holdfast
