// A growing string in Lua's memory: an error that jumps over its user leaves it to the garbage collector.
#pragma once

#include <stddef.h>

struct lua_State;

namespace holdfast {

class Bytes {
 public:
  // Takes one slot of the Lua stack, at the top, until Push.
  explicit Bytes(lua_State* lua);
  void Add(const void* data, size_t count);
  void Add(char byte) { Add(&byte, 1); }
  // Takes the last `count` bytes back.
  void Drop(size_t count) { length_ -= count; }
  size_t length() const { return length_; }
  // Pushes what was gathered as a Lua string.
  void Push();

 private:
  lua_State* lua_;
  int slot_;
  char* data_ = nullptr;
  size_t length_ = 0;
  size_t capacity_ = 0;
};

}  // namespace holdfast
