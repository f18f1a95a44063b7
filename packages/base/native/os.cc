// What Node does not offer of the operating system: the lease clock, advisory file locks, a parent-death signal, and
// the end of a stream together with what comes before it.
// No policy here. Every argument is checked; failures become JavaScript errors with errno's text in `code`.
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <string>

namespace {

napi_value Throw(napi_env env, const char* code, const std::string& message) {
  napi_throw_error(env, code, message.c_str());
  return nullptr;
}

napi_value ThrowErrno(napi_env env, const std::string& what, int error) {
  const char* code = error == EWOULDBLOCK ? "EWOULDBLOCK" : error == EACCES ? "EACCES" : error == ENOENT ? "ENOENT" : "EOS";
  return Throw(env, code, what + ": " + strerror(error));
}

int64_t Nanoseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

// CLOCK_MONOTONIC_RAW is not slewed by NTP but stands still in suspend; the difference of the other two is the time
// spent suspended.
napi_value LeaseClockMs(napi_env env, napi_callback_info) {
  const int64_t raw = Nanoseconds(CLOCK_MONOTONIC_RAW);
  const int64_t suspended = Nanoseconds(CLOCK_BOOTTIME) - Nanoseconds(CLOCK_MONOTONIC);
  // The three readings are not simultaneous: without suspend the difference is noise of some 100 ns, rounded away.
  const int64_t whole = suspended < 1000000 ? 0 : suspended;
  napi_value result;
  if (napi_create_double(env, static_cast<double>(raw + whole) / 1e6, &result) != napi_ok) return nullptr;
  return result;
}

bool PathArgument(napi_env env, napi_callback_info info, std::string* path) {
  size_t argc = 1;
  napi_value argv[1];
  size_t length = 0;
  if (napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr) != napi_ok || argc < 1 ||
      napi_get_value_string_utf8(env, argv[0], nullptr, 0, &length) != napi_ok || length == 0 || length > 4096) {
    napi_throw_type_error(env, "EINVAL", "a path of 1 to 4096 bytes is expected");
    return false;
  }
  path->resize(length + 1);
  napi_get_value_string_utf8(env, argv[0], path->data(), length + 1, &length);
  path->resize(length);
  if (path->find('\0') != std::string::npos) {
    napi_throw_type_error(env, "EINVAL", "a path may not contain a NUL byte");
    return false;
  }
  return true;
}

bool IntArgument(napi_env env, napi_callback_info info, int32_t* value) {
  size_t argc = 1;
  napi_value argv[1];
  if (napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr) != napi_ok || argc < 1 ||
      napi_get_value_int32(env, argv[0], value) != napi_ok) {
    napi_throw_type_error(env, "EINVAL", "a number is expected");
    return false;
  }
  return true;
}

// Opens (creating it, mode 0600) and locks a file exclusively without waiting; returns the descriptor, which holds
// the lock until it is closed or the process ends.
napi_value LockFile(napi_env env, napi_callback_info info) {
  std::string path;
  if (!PathArgument(env, info, &path)) return nullptr;
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return ThrowErrno(env, "cannot open " + path, errno);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(fd);
    return ThrowErrno(env, path + " is locked by another process", error);
  }
  napi_value result;
  if (napi_create_int32(env, fd, &result) != napi_ok) {
    close(fd);
    return nullptr;
  }
  return result;
}

// Asks the kernel to send `signal` to this process when the thread that started it ends.
napi_value SetParentDeathSignal(napi_env env, napi_callback_info info) {
  int32_t signal = 0;
  if (!IntArgument(env, info, &signal)) return nullptr;
  if (signal < 0 || signal > 64) return Throw(env, "EINVAL", "a signal number from 0 to 64 is expected");
  if (prctl(PR_SET_PDEATHSIG, signal) != 0) return ThrowErrno(env, "prctl", errno);
  return nullptr;
}

// Sends the last bytes of a connected TCP socket and ends its sending half behind them, in one segment where they fit one:
// sent apart, the bytes wake the peer, which may have acted on them before this process comes to send the end. Returns how
// many bytes the kernel took; unless it took all, nothing was ended. -1: the descriptor takes none.
napi_value SendLast(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2];
  int32_t fd = -1;
  void* bytes = nullptr;
  size_t length = 0;
  if (napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr) != napi_ok || argc < 2 ||
      napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      napi_get_buffer_info(env, argv[1], &bytes, &length) != napi_ok) {
    napi_throw_type_error(env, "EINVAL", "a number and bytes are expected");
    return nullptr;
  }
  ssize_t sent = 0;
  if (length > 0) {
    do sent = send(fd, bytes, length, MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) sent = errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
  }
  if (sent >= 0 && static_cast<size_t>(sent) == length && shutdown(fd, SHUT_WR) != 0) sent = -1;
  napi_value result;
  if (napi_create_int64(env, sent, &result) != napi_ok) return nullptr;
  return result;
}

// Whether all that the peer of a TCP socket sent has been read, and the end of its sending half has arrived.
napi_value PeerEnded(napi_env env, napi_callback_info info) {
  int32_t fd = -1;
  if (!IntArgument(env, info, &fd)) return nullptr;
  char byte = 0;
  napi_value result;
  if (napi_get_boolean(env, fd >= 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0, &result) != napi_ok)
    return nullptr;
  return result;
}

napi_value Init(napi_env env, napi_value exports) {
  const napi_property_descriptor properties[] = {
      {"leaseClockMs", nullptr, LeaseClockMs, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"lockFile", nullptr, LockFile, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"sendLast", nullptr, SendLast, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"peerEnded", nullptr, PeerEnded, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"setParentDeathSignal", nullptr, SetParentDeathSignal, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof(properties) / sizeof(properties[0]), properties);
  DefineStreams(env, exports);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
