// The `bit` library: whole numbers modulo 2^32, results signed, as in BitOp.
#include <string.h>

#include "state.h"

namespace holdfast {

namespace {

// Any double, taken modulo 2^32 by adding 2^52 + 2^51: the low bits of the sum are the number.
uint32_t Bits(lua_State* lua, int index) {
  const double shifted = luaL_checknumber(lua, index) + 6755399441055744.0;
  uint64_t raw;
  memcpy(&raw, &shifted, sizeof(raw));
  return static_cast<uint32_t>(raw);
}

int Push(lua_State* lua, uint32_t bits) {
  lua_pushnumber(lua, static_cast<lua_Number>(static_cast<int32_t>(bits)));
  return 1;
}

int ToBit(lua_State* lua) { return Push(lua, Bits(lua, 1)); }
int Not(lua_State* lua) { return Push(lua, ~Bits(lua, 1)); }

template <typename Operation>
int Fold(lua_State* lua, Operation operation) {
  uint32_t bits = Bits(lua, 1);
  for (int i = 2; i <= lua_gettop(lua); i++) bits = operation(bits, Bits(lua, i));
  return Push(lua, bits);
}

int And(lua_State* lua) {
  return Fold(lua, [](uint32_t a, uint32_t b) { return a & b; });
}
int Or(lua_State* lua) {
  return Fold(lua, [](uint32_t a, uint32_t b) { return a | b; });
}
int Xor(lua_State* lua) {
  return Fold(lua, [](uint32_t a, uint32_t b) { return a ^ b; });
}

uint32_t Left(uint32_t bits, uint32_t by) { return by == 0 ? bits : bits << by | bits >> (32 - by); }

int ShiftLeft(lua_State* lua) { return Push(lua, Bits(lua, 1) << (Bits(lua, 2) & 31)); }
int ShiftRight(lua_State* lua) { return Push(lua, Bits(lua, 1) >> (Bits(lua, 2) & 31)); }
int ShiftArithmetic(lua_State* lua) {
  return Push(lua, static_cast<uint32_t>(static_cast<int32_t>(Bits(lua, 1)) >> (Bits(lua, 2) & 31)));
}
int RotateLeft(lua_State* lua) { return Push(lua, Left(Bits(lua, 1), Bits(lua, 2) & 31)); }
int RotateRight(lua_State* lua) { return Push(lua, Left(Bits(lua, 1), (32 - (Bits(lua, 2) & 31)) & 31)); }
int Swap(lua_State* lua) { return Push(lua, __builtin_bswap32(Bits(lua, 1))); }

int ToHex(lua_State* lua) {
  uint32_t bits = Bits(lua, 1);
  int64_t count = lua_isnone(lua, 2) ? 8 : static_cast<int32_t>(Bits(lua, 2));
  const char* digits = "0123456789abcdef";
  if (count < 0) {
    count = -count;
    digits = "0123456789ABCDEF";
  }
  if (count > 8) count = 8;
  char text[8];
  for (int64_t i = count - 1; i >= 0; i--) {
    text[i] = digits[bits & 15];
    bits >>= 4;
  }
  lua_pushlstring(lua, text, static_cast<size_t>(count));
  return 1;
}

}  // namespace

void OpenBit(lua_State* lua) {
  static const luaL_Reg functions[] = {
      {"tobit", ToBit},       {"bnot", Not},           {"band", And},       {"bor", Or},           {"bxor", Xor},
      {"lshift", ShiftLeft},  {"rshift", ShiftRight},  {"arshift", ShiftArithmetic}, {"rol", RotateLeft},
      {"ror", RotateRight},   {"bswap", Swap},         {"tohex", ToHex},    {nullptr, nullptr}};
  lua_newtable(lua);
  luaL_register(lua, nullptr, functions);
}

}  // namespace holdfast
