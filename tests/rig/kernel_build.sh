#!/usr/bin/env bash
# Builds the guest's kernel from Debian's source with uml.config: kernel_build.sh OUTPUT. About ten minutes of processor.
set -euo pipefail
config=$(cd "$(dirname "$0")" && pwd)/uml.config
output=$1
missing=()
for pair in gcc:gcc make:make flex:flex bison:bison bc:bc xz:xz-utils; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
done
for pair in libelf.h:libelf-dev; do
    [ -e "/usr/include/${pair%%:*}" ] || missing+=("${pair##*:}")
done
source=$(ls /usr/src/linux-source-6.*.tar.xz 2> /dev/null | sort -V | tail -n 1 || true)
[ -n "$source" ] || missing+=(linux-source)
if [ ${#missing[@]} -gt 0 ]; then
    echo "rig: building the kernel needs what is not installed; run: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi

work=$(mktemp -d -p "$(dirname "$output")" kernel.XXXXXX)
trap 'rm -rf "$work"' EXIT
echo "rig: building the guest's kernel from $source"
tar -xf "$source" -C "$work" --strip-components=1
cd "$work"
make -s ARCH=um x86_64_defconfig
scripts/kconfig/merge_config.sh -m .config "$config" > merge.log
make -s ARCH=um olddefconfig
# An option that this version does not know, or whose needs are not met, is dropped without a word.
for option in GPIO_SIM VIDEO_VIVID HOSTFS CGROUP_BPF SECCOMP_FILTER; do
    grep -q "^CONFIG_$option=y" .config || { echo "rig: this source cannot build CONFIG_$option" >&2; exit 1; }
done
nice make -s -j"$(nproc)" ARCH=um linux
strip linux
install -m 755 linux "$output"
