#!/bin/sh
# Runs one of the repository's own TypeScript tools on the pinned Node: tools/run.sh tools/x.ts [ARG...]
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 3
. "$root/tools/launch.sh"
launch "$@"
