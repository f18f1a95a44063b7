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
  export NODE_COMPILE_CACHE
  # Memtables and caches on huge pages where the kernel offers them (docs/decisions/0011-release-rocksdb.md).
  GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
  export GLIBC_TUNABLES
  exec "$node" --disable-warning=ExperimentalWarning "$root/$entry" "$@"
}
