#!/usr/bin/env bash
# Says in one sentence what is missing of what the rig needs from the host.
set -euo pipefail
missing=()
need() { command -v "$1" > /dev/null || missing+=("$2"); }
PATH=$PATH:/usr/sbin:/sbin
need mmdebstrap mmdebstrap
need mke2fs e2fsprogs
[ "$(id -u)" = 0 ] || { need fakeroot fakeroot; need newuidmap uidmap; }
[ "$(uname -m)" = x86_64 ] || { echo "rig: the guest's kernel runs on x86-64 only, this is $(uname -m)" >&2; exit 1; }
if [ ${#missing[@]} -gt 0 ]; then
    echo "rig: needs what is not installed; run: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
