#include "stack.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// holdfast_lua_swap(save, load): keeps the registers that a function must preserve, and exchanges the stack pointer. The
// system's swapcontext would do, but it asks the kernel for the signal mask twice for every call of a script.
#if defined(__x86_64__)
asm(R"(
.text
.type holdfast_lua_swap,@function
holdfast_lua_swap:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size holdfast_lua_swap,.-holdfast_lua_swap
)");
static constexpr size_t kSavedWords = 6;
static constexpr size_t kReturnWord = 6;
static constexpr size_t kFrameWords = 8;  // the saved ones, the return address, an end of frames
#elif defined(__aarch64__)
asm(R"(
.text
.type holdfast_lua_swap,%function
holdfast_lua_swap:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size holdfast_lua_swap,.-holdfast_lua_swap
)");
static constexpr size_t kReturnWord = 11;  // x30
static constexpr size_t kFrameWords = 20;
#else
#error "no stack exchange for this processor"
#endif

extern "C" void holdfast_lua_swap(void** save, void* load);

namespace holdfast {

namespace {
// The stack that is being entered for the first time: its first function takes no argument.
thread_local Stack* entering = nullptr;
}  // namespace

Stack::~Stack() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

bool Stack::Map(size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  bytes_ = (bytes + page - 1) / page * page + page;
  void* mapped = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (mapped == MAP_FAILED) return false;
  base_ = static_cast<char*>(mapped);
  return mprotect(base_, page, PROT_NONE) == 0;
}

void Stack::Begin() {
  Stack* stack = entering;
  stack->body_(stack->argument_);
  __builtin_trap();
}

void Stack::Prepare(void (*body)(void*), void* argument) {
  body_ = body;
  argument_ = argument;
  // 16-byte aligned end; x86-64 wants the stack 8 off at a function's entry, as after a call.
  void** frame = reinterpret_cast<void**>(base_ + bytes_) - kFrameWords;
  memset(frame, 0, kFrameWords * sizeof(void*));
  frame[kReturnWord] = reinterpret_cast<void*>(&Stack::Begin);
  own_ = frame;
}

void Stack::Enter() {
  entering = this;
  holdfast_lua_swap(&caller_, own_);
}

void Stack::Leave() { holdfast_lua_swap(&own_, caller_); }

size_t Stack::Left() const {
  char here;
  return static_cast<size_t>(&here - base_);
}

}  // namespace holdfast
