// Byte streams of many sockets, read and written in bulk.
//
// What arrives on all sockets in one turn of the event loop is received into one arena and handed to JavaScript in one
// call, as a table of events; what is to be sent on many sockets is handed over in one call as well. Nothing is allocated
// per read or write, and no object of JavaScript exists here per socket.
//
// No policy: a stream is read while it is told to be, sends what the kernel takes now, and says once when the kernel takes
// more. Bytes that the kernel did not take stay with the caller. Streams are named by ids with a generation, so that one
// that is gone is never mistaken for its successor. Whatever JavaScript hands over is checked; it cannot make this crash.
//
// The events of a turn are delivered in its check phase, ahead of the immediates of that turn, since libuv calls the
// check handle that was started last first; or earlier, when arena or table are full.
//
// After a delivery the loop goes on asking for a moment before it sleeps: who is woken is woken by a peer that waits meanwhile,
// and at one request per round trip that is what it waits for. Where asking was in vain it is done ever more rarely.
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <memory>
#include <vector>

namespace {

// An id is a generation above an index; never negative, never 0.
constexpr uint32_t kIndexBits = 20;
constexpr uint32_t kIndexMask = (1u << kIndexBits) - 1;
constexpr uint32_t kGenerationMax = (1u << (31 - kIndexBits)) - 1;

constexpr size_t kEventsMax = 4096;
constexpr size_t kArenaBytes = 1 << 20;
constexpr size_t kReceiveBytesMax = 256 * 1024;
// With less room than this the arena counts as full.
constexpr size_t kReceiveBytesMin = 64 * 1024;

// For so long the loop goes on asking for events before it sleeps.
constexpr uint64_t kAwakeNs = 20 * 1000;
// Where it asked in vain it sleeps at once the next times: one, three, seven, up to 63 of them.
constexpr uint32_t kVainMax = 6;

// Second word of an event, if it is no offset in the arena.
constexpr int32_t kEnded = -1;
constexpr int32_t kWritable = -2;
constexpr int32_t kFailed = -3;

// Shared with JavaScript, which may keep it longer than we do.
struct Shared {
  int32_t events[3 * kEventsMax];
  uint8_t arena[kArenaBytes];
};

struct Streams;

struct Stream {
  uv_poll_t poll;
  Streams* owner;
  int fd;
  int32_t id;
  // What libuv watches for.
  int watched = 0;
  bool reads = false;
  // The kernel took less than it was given; nothing is sent before it takes more.
  bool blocked = false;
};

struct Slot {
  Stream* stream = nullptr;
  uint32_t generation = 0;
};

// All streams of one JavaScript environment.
struct Streams {
  napi_env env = nullptr;
  uv_loop_t* loop = nullptr;
  uv_check_t check;
  // While it is started the loop does not sleep.
  uv_idle_t awake;
  // There is another processor on which peers can run meanwhile.
  bool mayStayAwake = false;
  bool staysAwake = false;
  // When the first turn ended that brought nothing; 0 before.
  uint64_t awakeSinceNs = 0;
  // How often in succession nothing came, up to kVainMax; and how often it is not tried because of that.
  uint32_t vain = 0;
  uint32_t skips = 0;
  napi_ref handler = nullptr;
  napi_ref receiver = nullptr;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle cleanup = nullptr;
  std::shared_ptr<Shared> shared;
  size_t events = 0;
  size_t used = 0;
  // Handles of libuv that are not closed yet.
  size_t handles = 0;
  bool delivering = false;
  bool stopping = false;
  std::vector<Slot> slots;
  std::vector<uint32_t> free;
};

napi_value TypeError(napi_env env, const char* message) {
  napi_throw_type_error(env, "EINVAL", message);
  return nullptr;
}

napi_value Number(napi_env env, int64_t value) {
  napi_value result;
  return napi_create_int64(env, value, &result) == napi_ok ? result : nullptr;
}

Streams* StreamsOf(napi_env env) {
  void* data = nullptr;
  if (napi_get_instance_data(env, &data) != napi_ok) return nullptr;
  return static_cast<Streams*>(data);
}

// Undefined for ids that name no open stream.
Stream* Find(Streams* streams, int32_t id) {
  if (streams == nullptr || id <= 0) return nullptr;
  const uint32_t index = static_cast<uint32_t>(id) & kIndexMask;
  if (index >= streams->slots.size()) return nullptr;
  Stream* stream = streams->slots[index].stream;
  return stream != nullptr && stream->id == id ? stream : nullptr;
}

void HandleClosed(Streams* streams) {
  if (--streams->handles > 0 || !streams->stopping) return;
  napi_remove_async_cleanup_hook(streams->cleanup);
  delete streams;
}

void Deliver(Streams* streams) {
  if (streams->delivering || streams->stopping) return;
  const size_t count = streams->events;
  streams->events = 0;
  streams->used = 0;
  napi_env env = streams->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value handler, receiver, argument, result;
  if (napi_get_reference_value(env, streams->handler, &handler) == napi_ok &&
      napi_get_reference_value(env, streams->receiver, &receiver) == napi_ok &&
      napi_create_uint32(env, static_cast<uint32_t>(count), &argument) == napi_ok) {
    streams->delivering = true;
    const napi_status status = napi_make_callback(env, streams->context, receiver, handler, 1, &argument, &result);
    streams->delivering = false;
    napi_value error;
    if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &error) == napi_ok)
      napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

void Note(Streams* streams, int32_t id, int32_t what, int32_t value) {
  int32_t* event = streams->shared->events + 3 * streams->events++;
  event[0] = id;
  event[1] = what;
  event[2] = value;
}

void OnPoll(uv_poll_t* poll, int status, int events);

// Tells libuv what the stream waits for now.
void Watch(Stream* stream) {
  const int wanted = (stream->reads ? UV_READABLE : 0) | (stream->blocked ? UV_WRITABLE : 0);
  if (wanted == stream->watched) return;
  stream->watched = wanted;
  if (wanted == 0)
    uv_poll_stop(&stream->poll);
  else
    uv_poll_start(&stream->poll, wanted, OnPoll);
}

void Fail(Stream* stream, int error) {
  stream->reads = false;
  stream->blocked = false;
  Watch(stream);
  Note(stream->owner, stream->id, kFailed, error);
}

void Receive(Stream* stream) {
  Streams* streams = stream->owner;
  ssize_t received;
  do {
    const size_t left = kArenaBytes - streams->used;
    received = recv(stream->fd, streams->shared->arena + streams->used,
                    left < kReceiveBytesMax ? left : kReceiveBytesMax, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  if (received > 0) {
    Note(streams, stream->id, static_cast<int32_t>(streams->used), static_cast<int32_t>(received));
    streams->used += static_cast<size_t>(received);
  } else if (received == 0) {
    stream->reads = false;
    Watch(stream);
    Note(streams, stream->id, kEnded, 0);
  } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
    Fail(stream, errno);
  }
}

void OnPoll(uv_poll_t* poll, int status, int events) {
  Stream* stream = static_cast<Stream*>(poll->data);
  Streams* streams = stream->owner;
  // Two more events must fit, and a read.
  if (streams->events + 2 > kEventsMax || kArenaBytes - streams->used < kReceiveBytesMin) {
    const int32_t id = stream->id;
    Deliver(streams);
    // It is gone, or there is no room because this runs within a delivery.
    if (Find(streams, id) != stream || streams->events > 0) return;
  }
  // On an error libuv stops watching; what can still be read comes first.
  if (status < 0) stream->watched = 0;
  if (stream->reads && (status < 0 || (events & UV_READABLE) != 0)) Receive(stream);
  if (stream->blocked && (status < 0 || (events & UV_WRITABLE) != 0)) {
    stream->blocked = false;
    Note(streams, stream->id, kWritable, 0);
  }
  Watch(stream);
}

void OnAwake(uv_idle_t*) {}

// What was delivered will be answered, and then more may come at once.
void StayAwake(Streams* streams) {
  streams->awakeSinceNs = 0;
  if (streams->staysAwake) {
    streams->vain = 0;
  } else if (streams->skips > 0) {
    streams->skips--;
  } else {
    streams->staysAwake = true;
    uv_idle_start(&streams->awake, OnAwake);
  }
}

// A turn has brought nothing.
void ConsiderSleep(Streams* streams) {
  const uint64_t nowNs = uv_hrtime();
  if (streams->awakeSinceNs == 0) streams->awakeSinceNs = nowNs;
  if (nowNs - streams->awakeSinceNs < kAwakeNs) return;
  streams->staysAwake = false;
  uv_idle_stop(&streams->awake);
  if (streams->vain < kVainMax) streams->vain++;
  streams->skips = (1u << streams->vain) - 1;
}

void OnCheck(uv_check_t* check) {
  Streams* streams = static_cast<Streams*>(check->data);
  if (streams->events > 0) {
    if (streams->mayStayAwake) StayAwake(streams);
    Deliver(streams);
  } else if (streams->staysAwake) {
    ConsiderSleep(streams);
  }
}

void OnStreamClosed(uv_handle_t* handle) {
  Stream* stream = static_cast<Stream*>(handle->data);
  Streams* streams = stream->owner;
  delete stream;
  HandleClosed(streams);
}

// Gives up the stream, not its descriptor.
int Leave(Stream* stream) {
  Streams* streams = stream->owner;
  const int fd = stream->fd;
  const uint32_t index = static_cast<uint32_t>(stream->id) & kIndexMask;
  streams->slots[index].stream = nullptr;
  streams->free.push_back(index);
  uv_poll_stop(&stream->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&stream->poll), OnStreamClosed);
  return fd;
}

// The environment ends.
void Stop(napi_async_cleanup_hook_handle, void* data) {
  Streams* streams = static_cast<Streams*>(data);
  streams->stopping = true;
  for (Slot& slot : streams->slots)
    if (slot.stream != nullptr) close(Leave(slot.stream));
  napi_set_instance_data(streams->env, nullptr, nullptr, nullptr);
  const auto closed = [](uv_handle_t* handle) { HandleClosed(static_cast<Streams*>(handle->data)); };
  uv_close(reinterpret_cast<uv_handle_t*>(&streams->check), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&streams->awake), closed);
}

bool Arguments(napi_env env, napi_callback_info info, size_t count, napi_value* values) {
  size_t given = count;
  return napi_get_cb_info(env, info, &given, values, nullptr, nullptr) == napi_ok && given >= count;
}

// The stream named by the first of `count` arguments; throws when there is none.
Stream* StreamArgument(napi_env env, napi_callback_info info, size_t count, napi_value* values) {
  int32_t id = 0;
  if (!Arguments(env, info, count, values) || napi_get_value_int32(env, values[0], &id) != napi_ok) {
    TypeError(env, "the id of a stream is expected");
    return nullptr;
  }
  Stream* stream = Find(StreamsOf(env), id);
  if (stream == nullptr) TypeError(env, "no open stream has this id");
  return stream;
}

napi_value SharedBuffer(napi_env env, const std::shared_ptr<Shared>& shared, void* at, size_t bytes) {
  napi_value buffer;
  auto* kept = new std::shared_ptr<Shared>(shared);
  const auto release = [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Shared>*>(hint); };
  if (napi_create_external_arraybuffer(env, at, bytes, release, kept, &buffer) == napi_ok) return buffer;
  delete kept;
  return nullptr;
}

// startStreams(onEvents: (count: number) => void): { events: ArrayBuffer, arena: ArrayBuffer }; once per environment.
napi_value StartStreams(napi_env env, napi_callback_info info) {
  napi_value handler;
  napi_valuetype type = napi_undefined;
  if (!Arguments(env, info, 1, &handler) || napi_typeof(env, handler, &type) != napi_ok || type != napi_function)
    return TypeError(env, "a function is expected");
  if (StreamsOf(env) != nullptr) return TypeError(env, "streams were started already");
  auto streams = std::make_unique<Streams>();
  streams->env = env;
  streams->shared = std::make_shared<Shared>();
  napi_value name, receiver, result;
  napi_value events = SharedBuffer(env, streams->shared, streams->shared->events, sizeof(Shared::events));
  napi_value arena = SharedBuffer(env, streams->shared, streams->shared->arena, sizeof(Shared::arena));
  if (events == nullptr || arena == nullptr || napi_get_uv_event_loop(env, &streams->loop) != napi_ok ||
      napi_create_object(env, &result) != napi_ok ||
      napi_set_named_property(env, result, "events", events) != napi_ok ||
      napi_set_named_property(env, result, "arena", arena) != napi_ok ||
      napi_create_object(env, &receiver) != napi_ok ||
      napi_create_reference(env, receiver, 1, &streams->receiver) != napi_ok ||
      napi_create_reference(env, handler, 1, &streams->handler) != napi_ok ||
      napi_create_string_utf8(env, "holdfast.streams", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, nullptr, name, &streams->context) != napi_ok ||
      napi_set_instance_data(env, streams.get(), nullptr, nullptr) != napi_ok ||
      napi_add_async_cleanup_hook(env, Stop, streams.get(), &streams->cleanup) != napi_ok)
    return nullptr;
  Streams* started = streams.release();
  uv_check_init(started->loop, &started->check);
  started->check.data = started;
  uv_idle_init(started->loop, &started->awake);
  started->awake.data = started;
  uv_unref(reinterpret_cast<uv_handle_t*>(&started->awake));
  started->mayStayAwake = uv_available_parallelism() > 1;
  started->handles = 2;
  uv_check_start(&started->check, OnCheck);
  uv_unref(reinterpret_cast<uv_handle_t*>(&started->check));
  return result;
}

// adoptStream(fd): id of a stream over a duplicate of a connected socket, not read yet; -errno when it cannot be had.
napi_value AdoptStream(napi_env env, napi_callback_info info) {
  napi_value value;
  int32_t fd = -1;
  Streams* streams = StreamsOf(env);
  if (!Arguments(env, info, 1, &value) || napi_get_value_int32(env, value, &fd) != napi_ok || streams == nullptr)
    return TypeError(env, "a descriptor and started streams are expected");
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return Number(env, -errno);
  if (type != SOCK_STREAM) return Number(env, -EPROTOTYPE);
  if (streams->free.empty() && streams->slots.size() > kIndexMask) return Number(env, -EMFILE);
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return Number(env, -errno);
  auto stream = std::make_unique<Stream>();
  const int status = uv_poll_init(streams->loop, &stream->poll, own);
  if (status != 0) {
    close(own);
    return Number(env, status);
  }
  if (streams->free.empty()) {
    streams->free.push_back(static_cast<uint32_t>(streams->slots.size()));
    streams->slots.emplace_back();
  }
  const uint32_t index = streams->free.back();
  streams->free.pop_back();
  Slot& slot = streams->slots[index];
  slot.generation = slot.generation == kGenerationMax ? 1 : slot.generation + 1;
  stream->owner = streams;
  stream->fd = own;
  stream->id = static_cast<int32_t>(slot.generation << kIndexBits | index);
  stream->poll.data = stream.get();
  streams->handles++;
  slot.stream = stream.release();
  return Number(env, slot.stream->id);
}

// readStream(id, on: boolean): begins or stops receiving.
napi_value ReadStream(napi_env env, napi_callback_info info) {
  napi_value values[2];
  Stream* stream = StreamArgument(env, info, 2, values);
  if (stream == nullptr) return nullptr;
  bool reads = false;
  if (napi_get_value_bool(env, values[1], &reads) != napi_ok) return TypeError(env, "a boolean is expected");
  stream->reads = reads;
  // Who stops often begins again before anything comes: libuv is told when something does.
  if (reads) Watch(stream);
  return nullptr;
}

// Bytes the kernel took; -errno when it takes none any more.
ssize_t Send(Stream* stream, const uint8_t* bytes, size_t length, int flags) {
  if (stream->blocked) return 0;
  ssize_t sent = 0;
  do sent = send(stream->fd, bytes, length, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return -errno;
  if (sent < 0) sent = 0;
  if (static_cast<size_t>(sent) < length) {
    stream->blocked = true;
    Watch(stream);
  }
  return sent;
}

// sendStreams(table: Int32Array, count, bytes: Uint8Array): `count` triples of id, offset and length. The length becomes
// what the kernel took, or -errno. Returns for how many that is not the whole length.
napi_value SendStreams(napi_env env, napi_callback_info info) {
  napi_value values[3];
  napi_typedarray_type type;
  size_t words = 0;
  size_t length = 0;
  int32_t* table = nullptr;
  uint8_t* bytes = nullptr;
  uint32_t count = 0;
  Streams* streams = StreamsOf(env);
  if (!Arguments(env, info, 3, values) ||
      napi_get_typedarray_info(env, values[0], &type, &words, reinterpret_cast<void**>(&table), nullptr, nullptr) !=
          napi_ok ||
      type != napi_int32_array || napi_get_value_uint32(env, values[1], &count) != napi_ok || count > words / 3 ||
      napi_get_typedarray_info(env, values[2], &type, &length, reinterpret_cast<void**>(&bytes), nullptr, nullptr) !=
          napi_ok ||
      type != napi_uint8_array)
    return TypeError(env, "a table of triples, their number and bytes are expected");
  uint32_t incomplete = 0;
  for (uint32_t i = 0; i < count; i++) {
    int32_t* entry = table + 3 * i;
    const int64_t offset = entry[1];
    const int64_t wanted = entry[2];
    Stream* stream = Find(streams, entry[0]);
    ssize_t sent;
    if (offset < 0 || wanted < 0 || static_cast<size_t>(offset + wanted) > length)
      sent = -EINVAL;
    else if (stream == nullptr)
      sent = -EBADF;
    else
      sent = Send(stream, bytes + offset, static_cast<size_t>(wanted), 0);
    if (sent != wanted) incomplete++;
    entry[2] = static_cast<int32_t>(sent);
  }
  return Number(env, incomplete);
}

// endStream(id, bytes): sends bytes and the end behind them, in one segment where they fit one. Returns how many bytes the
// kernel took; unless it took all, nothing was ended. -errno when it takes none any more.
napi_value EndStream(napi_env env, napi_callback_info info) {
  napi_value values[2];
  Stream* stream = StreamArgument(env, info, 2, values);
  if (stream == nullptr) return nullptr;
  napi_typedarray_type type;
  size_t length = 0;
  uint8_t* bytes = nullptr;
  if (napi_get_typedarray_info(env, values[1], &type, &length, reinterpret_cast<void**>(&bytes), nullptr, nullptr) !=
          napi_ok ||
      type != napi_uint8_array)
    return TypeError(env, "bytes are expected");
  ssize_t sent = length == 0 ? 0 : Send(stream, bytes, length, MSG_MORE);
  if (sent >= 0 && static_cast<size_t>(sent) == length && shutdown(stream->fd, SHUT_WR) != 0) sent = -errno;
  return Number(env, sent);
}

// releaseStream(id): gives the socket up and returns its descriptor, which the caller owns.
napi_value ReleaseStream(napi_env env, napi_callback_info info) {
  napi_value value;
  Stream* stream = StreamArgument(env, info, 1, &value);
  return stream == nullptr ? nullptr : Number(env, Leave(stream));
}

// closeStream(id): closes at once; with RST where the kernel holds what was not read.
napi_value CloseStream(napi_env env, napi_callback_info info) {
  napi_value value;
  Stream* stream = StreamArgument(env, info, 1, &value);
  if (stream != nullptr) close(Leave(stream));
  return nullptr;
}

}  // namespace

bool DefineStreams(napi_env env, napi_value exports) {
  const napi_property_descriptor properties[] = {
      {"startStreams", nullptr, StartStreams, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"adoptStream", nullptr, AdoptStream, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"readStream", nullptr, ReadStream, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"sendStreams", nullptr, SendStreams, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"endStream", nullptr, EndStream, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"releaseStream", nullptr, ReleaseStream, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"closeStream", nullptr, CloseStream, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  return napi_define_properties(env, exports, sizeof(properties) / sizeof(properties[0]), properties) == napi_ok;
}
