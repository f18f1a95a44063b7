// The tables `redis` (and `server`): what scripts may ask of the database. Texts of errors are Redis 7.2's.
#include <string.h>

#include "bytes.h"
#include "state.h"

namespace holdfast {

int PushErrorTable(lua_State* lua, const char* text, size_t length) {
  while (length > 0 && (text[length - 1] == '\r' || text[length - 1] == '\n')) length--;
  lua_createtable(lua, 0, 1);
  lua_pushlstring(lua, text, length);
  lua_setfield(lua, -2, "err");
  return 1;
}

namespace {

int Refuse(lua_State* lua, const char* text) {
  PushErrorTable(lua, text, strlen(text));
  return lua_error(lua);
}

// An error that was made here: raised by redis.call, returned by redis.pcall.
int Refused(lua_State* lua, bool raises, const char* text) {
  PushErrorTable(lua, text, strlen(text));
  return raises ? lua_error(lua) : 1;
}

// The arguments as bytes; null when one is neither string nor number, or there are too many.
Part* Gather(lua_State* lua, World* world, int count) {
  Part* parts = world->Parts(static_cast<size_t>(count));
  if (parts == nullptr) return nullptr;
  for (int i = 1; i <= count; i++) {
    const int type = lua_type(lua, i);
    if (type == LUA_TNUMBER) {
      char text[40];
      const size_t length = FormatDouble(lua_tonumber(lua, i), text);
      lua_pushlstring(lua, text, length);
      lua_replace(lua, i);
    } else if (type != LUA_TSTRING) {
      return nullptr;
    }
    parts[i - 1].data = lua_tolstring(lua, i, &parts[i - 1].length);
  }
  return parts;
}

// "CODE rest" -> "CODE user_script:1: rest": the error tells where it was raised, as Lua's own do.
void AddPosition(lua_State* lua, int error) {
  lua_getfield(lua, error, "err");
  size_t length = 0;
  const char* text = lua_tolstring(lua, -1, &length);
  const char* blank = text == nullptr ? nullptr : static_cast<const char*>(memchr(text, ' ', length));
  if (blank == nullptr) return;
  lua_pushlstring(lua, text, static_cast<size_t>(blank - text) + 1);
  luaL_where(lua, 1);
  lua_pushlstring(lua, blank + 1, length - static_cast<size_t>(blank - text) - 1);
  lua_concat(lua, 3);
  lua_setfield(lua, error, "err");
}

// Upvalue 1: whether errors are raised.
int Call(lua_State* lua) {
  World* world = World::Of(lua);
  const bool raises = lua_toboolean(lua, lua_upvalueindex(1)) != 0;
  const int count = lua_gettop(lua);
  if (count == 0) return Refused(lua, raises, "ERR Please specify at least one argument for this redis lib call");
  if (Gather(lua, world, count) == nullptr)
    return Refused(lua, raises, "ERR Lua redis lib command arguments must be strings or integers");
  world->Ask(lua, EventKind::kCall, count, raises ? 1 : 0);
  const bool failed = world->reply_length > 0 && world->reply[0] == '-';
  if (!failed || !raises) return 1;
  if (world->reply_position) {
    const int error = lua_gettop(lua);
    AddPosition(lua, error);
    lua_settop(lua, error);
  }
  return lua_error(lua);
}

int AclCheckCommand(lua_State* lua) {
  World* world = World::Of(lua);
  const int count = lua_gettop(lua);
  if (count == 0) return Refuse(lua, "ERR Please specify at least one argument for this redis.acl_check_cmd() call");
  if (Gather(lua, world, count) == nullptr)
    return Refuse(lua, "ERR redis.acl_check_cmd() require all the arguments to be strings or integers");
  world->Ask(lua, EventKind::kAclCheck, count, 0);
  if (world->reply_length > 0 && world->reply[0] == '-') return lua_error(lua);
  lua_pushboolean(lua, lua_tonumber(lua, -1) != 0);
  return 1;
}

int Log(lua_State* lua) {
  World* world = World::Of(lua);
  const int count = lua_gettop(lua);
  if (count < 2) return Refuse(lua, "ERR redis.log() requires two arguments or more.");
  if (!lua_isnumber(lua, 1)) return Refuse(lua, "ERR First argument must be a number (log level).");
  const lua_Number given = lua_tonumber(lua, 1);
  if (!(given > -1 && given < 4)) return Refuse(lua, "ERR Invalid debug level.");
  const int level = static_cast<int>(given);
  Bytes line(lua);
  for (int i = 2; i <= count; i++) {
    if (!lua_isstring(lua, i)) continue;
    size_t length = 0;
    const char* text = lua_tolstring(lua, i, &length);
    if (i > 2) line.Add(' ');
    line.Add(text, length);
  }
  line.Push();
  Part* parts = world->Parts(1);
  if (parts == nullptr) return 0;
  parts[0].data = lua_tolstring(lua, -1, &parts[0].length);
  // Nobody serves requests while a library is being loaded.
  if (world->running) world->Ask(lua, EventKind::kLog, 1, level);
  return 0;
}

int SingleField(lua_State* lua, const char* field) {
  if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING)
    return PushErrorTable(lua, "ERR wrong number or type of arguments", 37);
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, field);
  return 1;
}

int StatusReply(lua_State* lua) { return SingleField(lua, "ok"); }

int ErrorReply(lua_State* lua) {
  if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) return SingleField(lua, "err");
  size_t length = 0;
  const char* text = lua_tolstring(lua, 1, &length);
  if (length > 0 && text[0] == '-') {
    text++;
    length--;
  }
  if (length > 0 && memchr(text, ' ', length) != nullptr) return PushErrorTable(lua, text, length);
  // Every error has a code.
  lua_pushstring(lua, length == 0 ? "ERR" : "ERR ");
  lua_pushlstring(lua, text, length);
  lua_concat(lua, 2);
  text = lua_tolstring(lua, -1, &length);
  return PushErrorTable(lua, text, length);
}

int Sha1(lua_State* lua) {
  if (lua_gettop(lua) != 1) return Refuse(lua, "ERR wrong number of arguments");
  size_t length = 0;
  const char* text = lua_tolstring(lua, 1, &length);
  char hex[40];
  Sha1Hex(text == nullptr ? "" : text, text == nullptr ? 0 : length, hex);
  lua_pushlstring(lua, hex, sizeof(hex));
  return 1;
}

int SetResp(lua_State* lua) {
  World* world = World::Of(lua);
  if (lua_gettop(lua) != 1) return Refuse(lua, "ERR redis.setresp() requires one argument.");
  const lua_Number version = lua_tonumber(lua, 1);
  if (version != 2 && version != 3) return Refuse(lua, "ERR RESP version must be 2 or 3.");
  if (version == 3 && !world->run.resp3_allowed)
    return Refuse(lua, "ERR You need set resp3-enabled to yes to enable RESP3.");
  world->script_protocol = static_cast<int>(version);
  return 0;
}

int SetReplication(lua_State* lua) {
  if (lua_gettop(lua) != 1) return Refuse(lua, "ERR redis.set_repl() requires two arguments.");
  const lua_Number flags = lua_tonumber(lua, 1);
  if (flags != 0 && flags != 1 && flags != 2 && flags != 3)
    return Refuse(lua, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  return 0;
}

int True(lua_State* lua) {
  lua_pushboolean(lua, 1);
  return 1;
}

int False(lua_State* lua) {
  lua_pushboolean(lua, 0);
  return 1;
}

int Nothing(lua_State*) { return 0; }

constexpr const char* kNameError =
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

bool IsName(const char* text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    const char c = text[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return length > 0;
}

// Leaves only known flags, as a list, in place of the table at the top.
void CheckFlags(lua_State* lua, const char* unknown) {
  static const char* const known[] = {"no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"};
  const int given = lua_gettop(lua);
  lua_newtable(lua);
  for (int i = 1;; i++) {
    lua_rawgeti(lua, given, i);
    if (lua_isnil(lua, -1)) break;
    bool found = false;
    if (lua_type(lua, -1) == LUA_TSTRING) {
      for (const char* flag : known) found = found || strcmp(flag, lua_tostring(lua, -1)) == 0;
    }
    if (!found) Refuse(lua, unknown);
    lua_rawseti(lua, given + 1, i);
  }
  lua_settop(lua, given + 1);
  lua_replace(lua, given);
}

// Stack 1 to 4: name, callback, flags (table or nil), description (string or nil).
int Register(lua_State* lua) {
  lua_settop(lua, 4);
  size_t length = 0;
  const char* name = lua_tolstring(lua, 1, &length);
  if (!IsName(name, length)) return Refuse(lua, kNameError);
  if (lua_istable(lua, 3)) {
    lua_pushvalue(lua, 3);
    CheckFlags(lua, "ERR unknown flag given");
    lua_replace(lua, 3);
  } else {
    lua_newtable(lua);
    lua_replace(lua, 3);
  }
  lua_getfield(lua, LUA_REGISTRYINDEX, kPending);
  const int pending = lua_gettop(lua);
  const int count = static_cast<int>(lua_objlen(lua, pending));
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(lua, pending, i);
    lua_getfield(lua, -1, "name");
    if (lua_rawequal(lua, -1, 1)) return Refuse(lua, "ERR Function already exists in the library");
    lua_settop(lua, pending);
  }
  lua_newtable(lua);
  static const char* const fields[] = {"name", "callback", "flags", "description"};
  for (int i = 0; i < 4; i++) {
    lua_pushvalue(lua, i + 1);
    lua_setfield(lua, -2, fields[i]);
  }
  lua_rawseti(lua, pending, count + 1);
  return 0;
}

// One table of named arguments at 1: spread to 1 to 4.
int RegisterNamed(lua_State* lua) {
  if (!lua_istable(lua, 1))
    return Refuse(lua,
                  "ERR calling redis.register_function with a single argument is only applicable to Lua table "
                  "(representing named arguments).");
  lua_settop(lua, 1);
  for (int i = 0; i < 4; i++) lua_pushnil(lua);
  lua_pushnil(lua);
  while (lua_next(lua, 1) != 0) {
    if (lua_type(lua, -2) != LUA_TSTRING)
      return Refuse(lua, "ERR named argument key given to redis.register_function is not a string");
    const char* key = lua_tostring(lua, -2);
    if (strcmp(key, "function_name") == 0) {
      if (lua_type(lua, -1) != LUA_TSTRING)
        return Refuse(lua, "ERR function_name argument given to redis.register_function must be a string");
      lua_replace(lua, 2);
    } else if (strcmp(key, "callback") == 0) {
      if (!lua_isfunction(lua, -1))
        return Refuse(lua, "ERR callback argument given to redis.register_function must be a function");
      lua_replace(lua, 3);
    } else if (strcmp(key, "flags") == 0) {
      if (!lua_istable(lua, -1))
        return Refuse(lua, "ERR flags argument to redis.register_function must be a table representing function flags");
      lua_replace(lua, 4);
    } else if (strcmp(key, "description") == 0) {
      if (lua_type(lua, -1) != LUA_TSTRING)
        return Refuse(lua, "ERR description argument given to redis.register_function must be a string");
      lua_replace(lua, 5);
    } else {
      return Refuse(lua, "ERR unknown argument given to redis.register_function");
    }
  }
  if (lua_isnil(lua, 2)) return Refuse(lua, "ERR redis.register_function must get a function name argument");
  if (lua_isnil(lua, 3)) return Refuse(lua, "ERR redis.register_function must get a callback argument");
  lua_remove(lua, 1);
  return Register(lua);
}

int RegisterFunction(lua_State* lua) {
  if (!World::Of(lua)->loading)
    return Refuse(lua, "ERR redis.register_function can only be called on FUNCTION LOAD command");
  const int count = lua_gettop(lua);
  // Three arguments (name, callback, flags) are Kvrocks' form.
  if (count < 1 || count > 3) return Refuse(lua, "ERR wrong number of arguments to redis.register_function");
  if (count == 1) return RegisterNamed(lua);
  if (lua_type(lua, 1) != LUA_TSTRING)
    return Refuse(lua, "ERR first argument to redis.register_function must be a string");
  if (!lua_isfunction(lua, 2))
    return Refuse(lua, "ERR second argument to redis.register_function must be a function");
  if (count == 3 && !lua_istable(lua, 3))
    return Refuse(lua, "ERR Expects a valid flags argument to register_function, e.g. flags={ 'no-writes' }");
  return Register(lua);
}

struct Function {
  const char* name;
  lua_CFunction function;
};

struct Constant {
  const char* name;
  int value;
};

void SetAll(lua_State* lua, const Function* functions) {
  for (; functions->name != nullptr; functions++) {
    lua_pushcfunction(lua, functions->function);
    lua_setfield(lua, -2, functions->name);
  }
}

void SetCommon(lua_State* lua, const char* version, int version_number) {
  static const Constant constants[] = {{"LOG_DEBUG", 0}, {"LOG_VERBOSE", 1}, {"LOG_NOTICE", 2}, {"LOG_WARNING", 3}};
  for (const Constant& constant : constants) {
    lua_pushinteger(lua, constant.value);
    lua_setfield(lua, -2, constant.name);
  }
  static const Function functions[] = {{"log", Log}, {nullptr, nullptr}};
  SetAll(lua, functions);
  lua_pushstring(lua, version);
  lua_setfield(lua, -2, "REDIS_VERSION");
  lua_pushinteger(lua, version_number);
  lua_setfield(lua, -2, "REDIS_VERSION_NUM");
}

}  // namespace

void FillRedisApi(lua_State* lua, const char* version, int version_number) {
  SetCommon(lua, version, version_number);
  static const Constant constants[] = {
      {"REPL_NONE", 0}, {"REPL_AOF", 1}, {"REPL_SLAVE", 2}, {"REPL_REPLICA", 2}, {"REPL_ALL", 3}};
  for (const Constant& constant : constants) {
    lua_pushinteger(lua, constant.value);
    lua_setfield(lua, -2, constant.name);
  }
  for (int raises = 0; raises <= 1; raises++) {
    lua_pushboolean(lua, raises);
    lua_pushcclosure(lua, Call, 1);
    lua_setfield(lua, -2, raises ? "call" : "pcall");
  }
  static const Function functions[] = {{"error_reply", ErrorReply},
                                       {"status_reply", StatusReply},
                                       {"sha1hex", Sha1},
                                       {"setresp", SetResp},
                                       {"set_repl", SetReplication},
                                       {"replicate_commands", True},
                                       {"breakpoint", False},
                                       {"debug", Nothing},
                                       {"acl_check_cmd", AclCheckCommand},
                                       {nullptr, nullptr}};
  SetAll(lua, functions);
}

void FillLoadApi(lua_State* lua, const char* version, int version_number) {
  SetCommon(lua, version, version_number);
  static const Function functions[] = {{"register_function", RegisterFunction}, {nullptr, nullptr}};
  SetAll(lua, functions);
}

}  // namespace holdfast
