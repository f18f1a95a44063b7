// The `struct` library: C structures as strings. Formats: < > = ! x b B h H l L T i[n] I[n] c[n] s f d and blanks.
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "state.h"

namespace holdfast {

namespace {

constexpr int kIntegerBytesMax = 32;
constexpr int kAlignMax = 16;

struct Format {
  lua_State* lua;
  const char* at;
  bool little = true;
  int align = 1;

  explicit Format(lua_State* state, const char* text) : lua(state), at(text) {}

  bool HasNumber() const { return isdigit(static_cast<unsigned char>(*at)) != 0; }

  int Number(int otherwise) {
    if (!HasNumber()) return otherwise;
    int64_t number = 0;
    while (HasNumber()) {
      number = number * 10 + (*at++ - '0');
      if (number > 2147483647) luaL_error(lua, "integral size overflow");
    }
    return static_cast<int>(number);
  }

  // Bytes of an option, its number read.
  size_t Size(char option) {
    switch (option) {
      case 'b': case 'B': return 1;
      case 'h': case 'H': return 2;
      case 'l': case 'L': case 'T': return 8;
      case 'f': return 4;
      case 'd': return 8;
      case 'x': return 1;
      case 'c': return static_cast<size_t>(Number(1));
      case 'i': case 'I': {
        const int size = Number(4);
        if (size > kIntegerBytesMax) luaL_error(lua, "integral size %d is larger than limit of %d", size, kIntegerBytesMax);
        return static_cast<size_t>(size);
      }
      default: return 0;
    }
  }

  // Bytes of padding before an option at `position`.
  size_t Padding(char option, size_t size, size_t position) const {
    if (size == 0 || option == 'c' || option == 'x' || option == 's') return 0;
    size_t to = size > static_cast<size_t>(align) ? static_cast<size_t>(align) : size;
    if (to <= 1) return 0;
    return (to - (position & (to - 1))) & (to - 1);
  }

  // Options that change how others are read.
  bool Control(char option) {
    switch (option) {
      case ' ': return true;
      case '>': little = false; return true;
      case '<': little = true; return true;
      case '=': little = true; return true;
      case '!': {
        const int to = Number(8);
        if (to <= 0 || to > kAlignMax || (to & (to - 1)) != 0) luaL_error(lua, "alignment is not a power of 2");
        align = to;
        return true;
      }
      default: return false;
    }
  }
};

int Invalid(lua_State* lua, char option) {
  char message[48];
  snprintf(message, sizeof(message), "invalid format option '%c'", option);
  return luaL_argerror(lua, 1, message);
}

// Doubles to 64 bits, those of unsigned numbers above 2^63 too.
uint64_t ToBits(double value) {
  if (value < 0) return value < -9223372036854775808.0 ? 0x8000000000000000ULL : static_cast<uint64_t>(static_cast<int64_t>(value));
  if (value < 18446744073709551616.0) return static_cast<uint64_t>(value);
  return value > 0 ? UINT64_MAX : 0;
}

void PutInteger(Bytes& out, const Format& format, double value, size_t size) {
  const uint64_t bits = ToBits(value);
  const unsigned char fill = value < 0 ? 0xff : 0;
  char bytes[kIntegerBytesMax];
  for (size_t i = 0; i < size; i++) {
    const char byte = i < 8 ? static_cast<char>(bits >> (8 * i)) : static_cast<char>(fill);
    bytes[format.little ? i : size - 1 - i] = byte;
  }
  out.Add(bytes, size);
}

void PutFloat(Bytes& out, const Format& format, const void* value, size_t size) {
  char bytes[8];
  memcpy(bytes, value, size);
  if (!format.little) {
    for (size_t i = 0; i < size / 2; i++) {
      const char kept = bytes[i];
      bytes[i] = bytes[size - 1 - i];
      bytes[size - 1 - i] = kept;
    }
  }
  out.Add(bytes, size);
}

int Pack(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  const int arguments = lua_gettop(lua);
  Bytes out(lua);
  int argument = 2;
  while (*format.at != '\0') {
    const char option = *format.at++;
    const bool sized = format.HasNumber();
    if (format.Control(option)) continue;
    size_t size = format.Size(option);
    for (size_t padding = format.Padding(option, size, out.length()); padding > 0; padding--) out.Add('\0');
    // Above the arguments stands the buffer: what is missing must not be found there.
    if (option != 'x' && argument > arguments && strchr("bBhHlLTiIcsfd", option) != nullptr)
      return luaL_argerror(lua, argument, "no value");
    switch (option) {
      case 'b': case 'B': case 'h': case 'H': case 'l': case 'L': case 'T': case 'i': case 'I':
        PutInteger(out, format, luaL_checknumber(lua, argument++), size);
        break;
      case 'x':
        out.Add('\0');
        break;
      case 'f': {
        const float value = static_cast<float>(luaL_checknumber(lua, argument++));
        PutFloat(out, format, &value, sizeof(value));
        break;
      }
      case 'd': {
        const double value = luaL_checknumber(lua, argument++);
        PutFloat(out, format, &value, sizeof(value));
        break;
      }
      case 'c': case 's': {
        size_t length = 0;
        const char* text = luaL_checklstring(lua, argument++, &length);
        if (option == 's' || (sized && size == 0)) size = length;
        if (length < size) return luaL_argerror(lua, argument - 1, "string too short");
        out.Add(text, size);
        if (option == 's') out.Add('\0');
        break;
      }
      default:
        return Invalid(lua, option);
    }
  }
  out.Push();
  return 1;
}

double GetInteger(const Format& format, const unsigned char* bytes, size_t size, bool is_signed) {
  uint64_t bits = 0;
  const size_t used = size < 8 ? size : 8;
  for (size_t i = used; i-- > 0;) bits = bits << 8 | bytes[format.little ? i : size - 1 - i];
  if (!is_signed) return static_cast<double>(bits);
  if (used < 8 && used > 0 && (bits >> (8 * used - 1) & 1) != 0) bits |= ~uint64_t{0} << (8 * used);
  return static_cast<double>(static_cast<int64_t>(bits));
}

void GetFloat(const Format& format, const unsigned char* bytes, void* value, size_t size) {
  unsigned char ordered[8];
  for (size_t i = 0; i < size; i++) ordered[i] = bytes[format.little ? i : size - 1 - i];
  memcpy(value, ordered, size);
}

int Unpack(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  size_t length = 0;
  const char* data = luaL_checklstring(lua, 2, &length);
  const lua_Number from = luaL_optnumber(lua, 3, 1);
  luaL_argcheck(lua, from >= 1, 3, "offset must be 1 or greater");
  if (from - 1 > static_cast<lua_Number>(length)) return luaL_argerror(lua, 2, "data string too short");
  size_t position = static_cast<size_t>(from) - 1;
  lua_settop(lua, 2);
  int results = 0;
  while (*format.at != '\0') {
    const char option = *format.at++;
    const bool sized = format.HasNumber();
    if (format.Control(option)) continue;
    size_t size = format.Size(option);
    position += format.Padding(option, size, position);
    if (position > length || size > length - position) return luaL_argerror(lua, 2, "data string too short");
    const unsigned char* bytes = reinterpret_cast<const unsigned char*>(data) + position;
    luaL_checkstack(lua, 2, "too many results");
    switch (option) {
      case 'b': case 'B': case 'h': case 'H': case 'l': case 'L': case 'T': case 'i': case 'I':
        lua_pushnumber(lua, GetInteger(format, bytes, size, option == 'T' ? false : islower(option) != 0));
        results++;
        break;
      case 'x':
        break;
      case 'f': {
        float value;
        GetFloat(format, bytes, &value, sizeof(value));
        lua_pushnumber(lua, static_cast<lua_Number>(value));
        results++;
        break;
      }
      case 'd': {
        double value;
        GetFloat(format, bytes, &value, sizeof(value));
        lua_pushnumber(lua, value);
        results++;
        break;
      }
      case 'c':
        if (sized && size == 0) {
          // Its length is the number before it.
          if (results == 0 || lua_type(lua, -1) != LUA_TNUMBER) return luaL_error(lua, "format 'c0' needs a previous size");
          const lua_Number told = lua_tonumber(lua, -1);
          if (!(told >= 0) || told > static_cast<lua_Number>(length - position))
            return luaL_argerror(lua, 2, "data string too short");
          size = static_cast<size_t>(told);
          lua_pop(lua, 1);
          results--;
        }
        lua_pushlstring(lua, data + position, size);
        results++;
        break;
      case 's': {
        const void* end = memchr(data + position, '\0', length - position);
        if (end == nullptr) return luaL_error(lua, "unfinished string in data");
        size = static_cast<size_t>(static_cast<const char*>(end) - (data + position)) + 1;
        lua_pushlstring(lua, data + position, size - 1);
        results++;
        break;
      }
      default:
        return Invalid(lua, option);
    }
    position += size;
  }
  luaL_checkstack(lua, 2, "too many results");
  lua_pushnumber(lua, static_cast<lua_Number>(position) + 1);
  return results + 1;
}

int SizeOf(lua_State* lua) {
  Format format(lua, luaL_checkstring(lua, 1));
  double position = 0;
  while (*format.at != '\0') {
    const char option = *format.at++;
    const bool sized = format.HasNumber();
    if (format.Control(option)) continue;
    const size_t size = format.Size(option);
    if (option == 's') return luaL_argerror(lua, 1, "option 's' has no fixed size");
    if (option == 'c' && sized && size == 0) return luaL_argerror(lua, 1, "option 'c0' has no fixed size");
    if (strchr("bBhHlLTiIcfdx", option) == nullptr) return Invalid(lua, option);
    position += static_cast<double>(format.Padding(option, size, static_cast<size_t>(position)));
    position += static_cast<double>(size);
    if (position > 2147483647.0) return luaL_error(lua, "format is too large");
  }
  lua_pushnumber(lua, position);
  return 1;
}

}  // namespace

void OpenStruct(lua_State* lua) {
  static const luaL_Reg functions[] = {{"pack", Pack}, {"unpack", Unpack}, {"size", SizeOf}, {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_register(lua, nullptr, functions);
}

}  // namespace holdfast
