#!/bin/sh
# All the set-up that `make build`, `make up` and `make test` need, and nothing when there is nothing to do:
#   1. Debian packages (installed with apt as root or through sudo, else the exact line to run is printed);
#   2. npm packages from package-lock.json, among them the pinned Node;
#   3. the native addons, compiled against the headers that ship with the pinned Node.
# Usage: setup.sh build|test|bench    ("test" and "bench" also ask for what only they need)
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
mode=${1:-build}
cache=$root/.cache
mkdir -p "$cache"

say() { echo "holdfast setup: $*" >&2; }

need_apt=''
missing() { need_apt="$need_apt $1"; }
have_package() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

# RocksDB: the one asked for, else the release build that `make rocksdb` left in the user's cache, else Debian's.
case ${ROCKSDB_DIR:-} in
  system) ROCKSDB_DIR='' ;;
  '')
    release=$(tools/rocksdb/build.sh --where 2>/dev/null || true)
    [ ! -f "$release/lib/librocksdb.a" ] || ROCKSDB_DIR=$release
    ;;
esac
export ROCKSDB_DIR="${ROCKSDB_DIR:-}"
if [ -n "$ROCKSDB_DIR" ]; then
  [ -f "$ROCKSDB_DIR/include/rocksdb/db.h" ] || {
    say "ROCKSDB_DIR=$ROCKSDB_DIR has no include/rocksdb/db.h"
    exit 1
  }
else
  [ -f /usr/include/rocksdb/db.h ] || missing librocksdb-dev
fi
# The compression libraries that an archive is linked with come with it.
[ -f /usr/include/zstd.h ] || [ ! -f "$ROCKSDB_DIR/lib/librocksdb.a" ] || missing librocksdb-dev
[ -f /usr/include/lua5.1/lua.h ] || missing liblua5.1-0-dev
command -v g++ >/dev/null 2>&1 || missing g++
command -v make >/dev/null 2>&1 || missing make
command -v python3 >/dev/null 2>&1 || missing python3
if [ "$mode" != build ]; then
  command -v redis-cli >/dev/null 2>&1 || missing redis-tools
  command -v redis-server >/dev/null 2>&1 || missing redis-server
fi
if [ "$mode" = test ]; then
  command -v openssl >/dev/null 2>&1 || missing openssl
  command -v etcd >/dev/null 2>&1 || missing etcd-server
  command -v ip >/dev/null 2>&1 || have_package iproute2 || missing iproute2
fi
if [ -n "$need_apt" ]; then
  line="apt-get update && apt-get install -y --no-install-recommends$need_apt"
  if ! command -v apt-get >/dev/null 2>&1; then
    say "missing:$need_apt (no apt-get here; install them with this system's package tool)"
    exit 1
  elif [ "$(id -u)" = 0 ]; then
    say "installing:$need_apt"
    apt-get update -q >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $need_apt >&2
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    say "installing:$need_apt"
    sudo -n apt-get update -q >&2
    # shellcheck disable=SC2086
    sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $need_apt >&2
  else
    say "missing packages; run this, then try again:"
    echo "sudo sh -c '$line'" >&2
    exit 1
  fi
fi

case $(uname -m) in
  x86_64 | amd64) arch=x64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *)
    say "no pinned Node for $(uname -m)"
    exit 1
    ;;
esac
nodedir=$root/node_modules/node-linux-$arch

stamp=$(sha256sum package-lock.json package.json packages/*/package.json apps/*/package.json | sha256sum | cut -d' ' -f1)
if [ ! -x "$nodedir/bin/node" ] || [ "$(cat "$cache/npm.stamp" 2>/dev/null)" != "$stamp" ]; then
  say "installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error >&2
  [ -x "$nodedir/bin/node" ] || {
    say "npm did not install the pinned Node (node-linux-$arch); is optional=false set somewhere?"
    exit 1
  }
  echo "$stamp" >"$cache/npm.stamp"
fi

tell_which_rocksdb() {
  if [ -n "$ROCKSDB_DIR" ]; then
    say "with the RocksDB in $ROCKSDB_DIR"
  else
    say "with Debian's RocksDB, whose assertions are on; \`make rocksdb\` builds a faster one, once (about 10 minutes)"
  fi
}

rocksdb_version=$(sed -n 's/^#define ROCKSDB_\(MAJOR\|MINOR\|PATCH\) //p' "${ROCKSDB_DIR:-/usr}/include/rocksdb/version.h" | tr '\n' '.')
for package in base rocksdb lua; do
  dir=$root/packages/$package
  [ -f "$dir/binding.gyp" ] || continue
  sources=$(find "$dir/binding.gyp" "$dir/native" -type f -print | sort)
  linked=''
  [ "$package" != rocksdb ] || linked="$rocksdb_version ${ROCKSDB_DIR:-system}"
  # shellcheck disable=SC2086
  stamp=$( (cat $sources && echo "$nodedir $linked" && "$nodedir/bin/node" --version) | sha256sum | cut -d' ' -f1)
  if [ ! -f "$dir/build/Release/$package.node" ] || [ "$(cat "$dir/build/holdfast.stamp" 2>/dev/null)" != "$stamp" ]; then
    say "compiling the native addon of packages/$package"
    [ "$package" != rocksdb ] || tell_which_rocksdb
    log=$cache/$package-build.log
    if ! (cd "$dir" && PATH="$nodedir/bin:$PATH" "$nodedir/bin/node" "$root/node_modules/node-gyp/bin/node-gyp.js" \
      rebuild --nodedir="$nodedir" -j 2) >"$log" 2>&1; then
      tail -n 40 "$log" >&2
      say "compiling packages/$package failed; the whole log is $log"
      exit 1
    fi
    echo "$stamp" >"$dir/build/holdfast.stamp"
  fi
done

# Sources are compiled once here, so that the first start is as quick and as small as later ones.
warm=$cache/warm
if [ ! -f "$warm" ] || [ -n "$(find packages apps \( -name node_modules -o -name build \) -prune -o -name '*.ts' -newer "$warm" -print -quit)" ]; then
  if NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$cache/node-compile}" "$nodedir/bin/node" --disable-warning=ExperimentalWarning \
    apps/holdfast/src/server-main.ts --version >/dev/null; then
    touch "$warm"
  fi
fi
