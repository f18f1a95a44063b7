// A C stack of its own for Lua. Lua's errors unwind with longjmp and its functions nest, so a script can only be put aside
// in the middle of a call if its whole C stack is put aside: that is what this does, by exchanging stack pointers.
#pragma once

#include <stddef.h>

namespace holdfast {

class Stack {
 public:
  Stack() = default;
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack();

  // Maps `bytes` of address space with a guard page below. False: no address space.
  bool Map(size_t bytes);
  // The next Enter calls body(argument), which must never return.
  void Prepare(void (*body)(void*), void* argument);
  // Goes on where the stack was left (or begins); returns when the stack calls Leave.
  void Enter();
  // On this stack: goes back to whoever called Enter.
  void Leave();
  // On this stack: bytes left below the running frame.
  size_t Left() const;

 private:
  static void Begin();

  char* base_ = nullptr;
  size_t bytes_ = 0;
  void* own_ = nullptr;
  void* caller_ = nullptr;
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
};

}  // namespace holdfast
