#!/usr/bin/env bash
# Takes the guest's kernel from $SORTER_RIG_CACHE, else from $SORTER_RIG, else builds it; prints its path.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${SORTER_RIG_CACHE:?names the folder of kernel and image}
kernel=$cache/uml-linux
if [ ! -x "$kernel" ]; then
    mkdir -p "$cache"
    ready=${SORTER_RIG:-../shared/rig}/uml-linux
    if [ -e "$ready" ]; then
        install -m 755 "$ready" "$kernel.new"
        mv "$kernel.new" "$kernel"
    else
        tests/rig/kernel_build.sh "$kernel" >&2
    fi
fi
echo "$kernel"
