#include "bytes.h"

#include <string.h>

#include "state.h"

namespace holdfast {

Bytes::Bytes(lua_State* lua) : lua_(lua) {
  luaL_checkstack(lua, 4, "too many values");
  lua_pushnil(lua);
  slot_ = lua_gettop(lua);
}

void Bytes::Add(const void* data, size_t count) {
  if (count > capacity_ - length_) {
    if (count > kOutputBytesMax * 4 - length_) luaL_error(lua_, "not enough memory");
    size_t grown = capacity_ < 128 ? 256 : capacity_ * 2;
    if (grown < length_ + count) grown = length_ + count;
    char* moved = static_cast<char*>(lua_newuserdata(lua_, grown));
    memcpy(moved, data_ == nullptr ? moved : data_, length_);
    lua_replace(lua_, slot_);
    data_ = moved;
    capacity_ = grown;
  }
  memcpy(data_ + length_, data, count);
  length_ += count;
}

void Bytes::Push() { lua_pushlstring(lua_, data_ == nullptr ? "" : data_, length_); }

}  // namespace holdfast
