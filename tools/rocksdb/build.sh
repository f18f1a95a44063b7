#!/bin/sh
# A release build of RocksDB, once per user, for the addon of packages/rocksdb. Debian's library is compiled with RocksDB's
# assertions and for any machine: it needs about twice the CPU per write (docs/decisions/0011-release-rocksdb.md).
#
# The sources are those of Debian's own package, so that nothing but the compiler's flags differs from what the quick
# default runs. apt fetches them from the mirror this system is set to, as an ordinary user, and the checksum below
# decides, whatever the way they came.
#
#   build.sh           builds, unless it is there; goes on where an interrupted one stopped
#   build.sh --where   prints the folder it is, or would be, in
#
# ROCKSDB_SOURCE=<file>   the tarball, where no Debian mirror is to be had
# ROCKSDB_CPU=<level>     -march of another machine than this one: x86-64, x86-64-v2, x86-64-v3
# JOBS=<n>                compilers at a time (as many as there are processors)
set -eu

version=7.8.3
tarball=rocksdb_$version.orig.tar.gz
checksum=b85408a374770897332bf15e51620a5f35720dd416a4749e3899057f9cfaf84d

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/holdfast

say() { echo "holdfast rocksdb: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# --- flags: all of them, so that their hash names the build ---

has_all() {
  for wanted in "$@"; do
    case " $features " in
      *" $wanted "*) ;;
      *) return 1 ;;
    esac
  done
}

# The newest level of the x86-64 psABI that this machine has: one build serves all machines of a level. The checksum of
# every block and WAL record needs SSE 4.2 and PCLMUL to be quick; PCLMUL is in no level.
x86_level() {
  features=$(sed -n 's/^flags[[:space:]]*: //p;/^flags/q' /proc/cpuinfo)
  if ! has_all cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2 pclmulqdq; then
    echo x86-64
  elif has_all avx avx2 bmi1 bmi2 f16c fma abm movbe xsave; then
    echo x86-64-v3
  else
    echo x86-64-v2
  fi
}

cpu_flags() {
  case $(uname -m) in
    x86_64 | amd64)
      level=${ROCKSDB_CPU:-$(x86_level)}
      case $level in
        x86-64) extra='' ;;
        x86-64-v2) extra='-mpclmul -DHAVE_SSE42 -DHAVE_PCLMUL' ;;
        x86-64-v3) extra='-mpclmul -DHAVE_SSE42 -DHAVE_PCLMUL -DHAVE_AVX2 -DHAVE_BMI -DHAVE_LZCNT' ;;
        *) fail "ROCKSDB_CPU=$level is none of x86-64, x86-64-v2, x86-64-v3" ;;
      esac
      # Thread-local variables of a library that is loaded later cost a call each, but not with descriptors.
      echo "-march=$level $extra -mtls-dialect=gnu2"
      ;;
    aarch64 | arm64) echo '-march=armv8-a+crc+crypto' ;;
    *) fail "there are no flags for $(uname -m) here; ROCKSDB_DIR=<prefix> takes a RocksDB that you built" ;;
  esac
}

# Linked into one shared object, in which nothing is to be replaced: calls need no table. The per-thread counters
# (perf context, I/O stats) have no reader here.
all_flags() {
  cpu=$(cpu_flags) || exit 1
  echo "-std=c++17 -O2 $cpu -pthread -w" \
    "-fPIC -fvisibility=hidden -fno-semantic-interposition -fno-plt -fno-rtti" \
    "-DNDEBUG -DNPERF_CONTEXT -DNIOSTATS_CONTEXT" \
    "-DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -DOS_LINUX -DHAVE_UINT128_EXTENSION" \
    "-DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT -DROCKSDB_SCHED_GETCPU_PRESENT" \
    "-DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_MALLOC_USABLE_SIZE -DROCKSDB_PTHREAD_ADAPTIVE_MUTEX" \
    "-DSNAPPY -DZLIB -DBZIP2 -DLZ4 -DZSTD"
}

flags=$(all_flags)
hash=$({ echo "$checksum $flags" && cat "$here/library.mk"; } | sha256sum | cut -c1-12)
prefix=$cache/rocksdb-$version-$hash

case ${1:-} in
  --where)
    echo "$prefix"
    exit 0
    ;;
  '') ;;
  *) fail "there is no $1; build.sh [--where]" ;;
esac

# --- sources ---

is_right() { [ -f "$1" ] && echo "$checksum  $1" | sha256sum --check --status; }

# apt-helper is apt's own downloader, with the proxies and certificates apt is set to; it deletes what has another sum.
fetch_source() {
  is_right "$cache/$tarball" && return
  if [ -n "${ROCKSDB_SOURCE:-}" ]; then
    is_right "$ROCKSDB_SOURCE" || fail "$ROCKSDB_SOURCE is not Debian's $tarball: its SHA-256 must be $checksum"
    cp "$ROCKSDB_SOURCE" "$cache/$tarball.new"
    mv "$cache/$tarball.new" "$cache/$tarball"
    return
  fi
  helper=/usr/lib/apt/apt-helper
  # shellcheck disable=SC2016
  mirrors=$({ apt-get indextargets --format '$(REPO_URI)' 2>/dev/null || true; } | grep '/debian/*$' | sort -u)
  if [ -x "$helper" ] && [ -n "$mirrors" ]; then
    for mirror in $mirrors; do
      say "fetching the sources from ${mirror%/}"
      "$helper" download-file "${mirror%/}/pool/main/r/rocksdb/$tarball" "$cache/$tarball" "SHA256:$checksum" >&2 9>&- || continue
      is_right "$cache/$tarball" && return
    done
  fi
  fail "could not fetch $tarball of Debian's package rocksdb; get it elsewhere and set ROCKSDB_SOURCE=<file>"
}

unpack_source() {
  [ -f "$work/source/src.mk" ] && return
  rm -rf "$work/unpacking" "$work/source"
  mkdir -p "$work/unpacking"
  tar -xzf "$cache/$tarball" -C "$work/unpacking" --strip-components=1
  mv "$work/unpacking" "$work/source"
}

# --- the build ---

is_built() { [ -f "$prefix/lib/librocksdb.a" ]; }

if is_built; then
  say "is there already: $prefix"
  exit 0
fi
for header in snappy.h lz4.h zstd.h zlib.h bzlib.h; do
  [ -f "/usr/include/$header" ] || fail "there is no /usr/include/$header; install librocksdb-dev, which brings it (\`make build\` does)"
done
mkdir -p "$cache"
exec 9>"$cache/rocksdb.lock"
if ! flock -n 9; then
  say "another build is under way; waiting for it"
  flock 9
fi
is_built && exit 0

work=$cache/rocksdb-$version-$hash.building
mkdir -p "$work/objects"
fetch_source
unpack_source
say "compiling RocksDB $version, about 20 minutes of CPU; an interrupted build goes on where it stopped"
make --no-print-directory -s -j "${JOBS:-$(nproc)}" -C "$work/source" -f "$here/library.mk" \
  OUT="$work/objects" FLAGS="$flags" >&2 9>&- || fail "compiling failed; what is compiled stays in $work/objects"

# Nobody sees the folder before it is whole.
rm -rf "$work/prefix"
mkdir -p "$work/prefix/lib" "$work/prefix/include"
cp -R "$work/source/include/rocksdb" "$work/prefix/include/"
cp "$work/objects/librocksdb.a" "$work/prefix/lib/"
{
  echo "RocksDB $version, sources SHA-256 $checksum"
  echo "flags: $flags"
  ${CXX:-g++} --version | head -n 1
} >"$work/prefix/holdfast-build.txt"
mv -T "$work/prefix" "$prefix"
rm -rf "$work" "$cache/$tarball"
say "built $prefix"
