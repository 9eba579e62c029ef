#!/usr/bin/env bash
# kernel.sh [quick]: prints the path of a kernel for the guests, from $SORTER_RIG_CACHE, else from $SORTER_RIG, else built.
# The quick one, of Linux 6.16 or newer, is for what is timed from power on (docs/rig.md); where it cannot be had, the
# other one stands in.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${SORTER_RIG_CACHE:?names the folder of kernel and image}
ready=${SORTER_RIG:-../shared/rig}/uml-linux
kernel=$cache/uml-linux
mkdir -p "$cache"

if [ "${1:-}" = quick ]; then
    quick=$cache/uml-linux-quick failed=$cache/uml-linux-quick.failed
    # What failed just now would fail again, and take its time.
    if [ ! -x "$quick" ] && [ -z "$(find "$failed" -mmin -60 2> /dev/null)" ]; then
        rm -f "$failed"
        { tests/rig/kernel_build.sh "$quick.new" quick >&2 && mv "$quick.new" "$quick"; } || touch "$failed"
    fi
    if [ -x "$quick" ]; then
        echo "$quick"
        exit
    fi
    echo "rig: WARNING: no kernel from Linux 6.16 on: a start takes longer in the rig than it may (tried anew in an hour, or without $failed)" >&2
fi
if [ ! -x "$kernel" ]; then
    if [ -e "$ready" ]; then
        install -m 755 "$ready" "$kernel.new"
        mv "$kernel.new" "$kernel"
    else
        tests/rig/kernel_build.sh "$kernel" >&2
    fi
fi
echo "$kernel"
