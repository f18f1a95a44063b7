// Native objects behind JavaScript objects: identity, liveness, and closing in the right order.
//
// A Handle is owned by its JavaScript object and deleted by its finalizer. What must end before the database does
// (iterators, tails, snapshots) is a Child: the database knows them all and closes them first; a closed child stays
// behind as an empty shell whose methods throw.
#pragma once
#include <memory>

#include "addon.h"

namespace holdfast {

class Handle {
 public:
  const Kind kind;
  const std::shared_ptr<Addon> addon;

  Handle(Kind kind, Addon* addon);
  virtual ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
};

class Child : public Handle {
 public:
  Child(Kind kind, Addon* addon, std::shared_ptr<Database> database);
  ~Child() override;
  // Frees what belongs to RocksDB; safe to call twice.
  virtual void Release() = 0;

  std::shared_ptr<Database> database;  // empty once released

 protected:
  void Detach();
};

class DatabaseHandle : public Handle {
 public:
  DatabaseHandle(Addon* addon, std::shared_ptr<Database> database);
  const std::shared_ptr<Database> database;
};

// Creates the four classes with their methods. Methods are plain functions on the prototypes.
void DefineClasses(napi_env env, Addon* addon);

// The JavaScript object of a native one; takes ownership also when it throws.
napi_value NewHandle(Call& call, std::unique_ptr<Handle> handle);

// The native object of a JavaScript value; nullptr when it is anything else.
Handle* Unwrap(Call& call, napi_value value, Kind kind);

// `this` as a database that is open. Throws ROCKS_ARGUMENT or ROCKS_CLOSED.
Database& Self(Call& call);
std::shared_ptr<Database> SharedSelf(Call& call);

template <typename T>
T& SelfChild(Call& call, Kind kind, const char* name) {
  Handle* handle = Unwrap(call, call.self, kind);
  if (handle == nullptr) throw Failure{"ROCKS_ARGUMENT", std::string("this is not a ") + name};
  return *static_cast<T*>(handle);
}

}  // namespace holdfast
