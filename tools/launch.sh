# Sourced by the launchers in bin/: finds the pinned Node and replaces the shell with it, so that the caller's
# pid is the server's. `launch ENTRY [ARG...]` runs a TypeScript file given relative to the repository root.
# Expects $root to be the repository's absolute path.

launch() {
  entry=$1
  shift
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *)
      echo "holdfast: no pinned Node for this machine ($(uname -m)); x86_64 and aarch64 are supported" >&2
      exit 3
      ;;
  esac
  node=$root/node_modules/node-linux-$arch/bin/node
  if [ ! -x "$node" ]; then
    echo "holdfast: not built yet; run: make -C $root build" >&2
    exit 3
  fi
  NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$root/.cache/node-compile}
  # Memtables and caches on huge pages where the kernel offers them (docs/decisions/0011-release-rocksdb.md).
  GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
  # Workers read records from disk (six of them, docs/decisions/0015-cold-reads.md), commit, and do what else takes long.
  UV_THREADPOOL_SIZE=${UV_THREADPOOL_SIZE:-8}
  # How much TurboFan inlines: docs/decisions/0018-few-processors-small-memtables.md.
  inlined=--max-inlined-bytecode-size-cumulative=2000
  export NODE_COMPILE_CACHE GLIBC_TUNABLES UV_THREADPOOL_SIZE
  exec "$node" $inlined --disable-warning=ExperimentalWarning "$root/$entry" "$@"
}
