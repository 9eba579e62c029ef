#!/usr/bin/env bash
# Builds a guest's kernel from Debian's source with uml.config: kernel_build.sh OUTPUT [quick]. About ten minutes of processor.
# The source is the newest of Linux 6 in /usr/src; of a quick one (kernel.sh) the newest from 6.16 on, else it is fetched.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
config=$here/uml.config
output=$1
missing=()
for pair in gcc:gcc make:make flex:flex bison:bison bc:bc xz:xz-utils; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}")
done
for pair in libelf.h:libelf-dev; do
    [ -e "/usr/include/${pair%%:*}" ] || missing+=("${pair##*:}")
done
if [ "${2:-}" = quick ]; then
    # Sorted after whatever is too old.
    source=$(printf '%s\n' /usr/src/linux-source-6.16.tar.xz /usr/src/linux-source-*.tar.xz | sort -V | tail -n 1)
else
    source=$(ls /usr/src/linux-source-6.*.tar.xz 2> /dev/null | sort -V | tail -n 1 || true)
    [ -n "$source" ] || missing+=(linux-source)
fi
if [ ${#missing[@]} -gt 0 ]; then
    echo "rig: building the kernel needs what is not installed; run: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi

work=$(mktemp -d -p "$(dirname "$output")" kernel.XXXXXX)
trap 'rm -rf "$work"' EXIT
[ -e "$source" ] || source=$("$here/kernel_source.sh" "$work/source")
echo "rig: building the guest's kernel from $source"
mkdir "$work/tree"
tar -xf "$source" -C "$work/tree" --strip-components=1
cd "$work/tree"
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
