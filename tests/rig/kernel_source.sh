#!/usr/bin/env bash
# Fetches the source of the quick kernel, as Debian has it, from the machine's own mirror: kernel_source.sh FOLDER; prints
# the archive's path. Nothing is installed, and the system's list of packages is left alone.
set -euo pipefail
suite=trixie-backports wanted=linux-source-7.2
mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
work=$(cd "$1" && pwd)
lists=(/etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/debian.list)
mirror=$(sed -nE 's/^URIs: *(\S+).*/\1/p; s/^deb (\[[^]]*\] +)?(\S+) .*/\2/p' "${lists[@]}" 2> /dev/null |
    awk '/\/debian\/?$/ && !found { print; found = 1 }') || true
keys=/usr/share/keyrings/debian-archive-keyring.gpg
if [ -z "$mirror" ] || [ ! -e "$keys" ]; then
    echo "rig: apt knows no Debian here; put linux-source-X.tar.xz of Linux 6.16 or newer into /usr/src" >&2
    exit 1
fi
echo "deb [signed-by=$keys] $mirror $suite main" > "$work/sources.list"
apt=(-q=2 -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State="$work/state"
    -o Dir::Cache="$work/cache" -o APT::Architecture=amd64 -o APT::Sandbox::User=)
echo "rig: fetching $wanted from Debian's $suite" >&2
apt-get "${apt[@]}" update >&2 || true
# Backports go on: what was tested, or the newest that is there.
if ! apt-cache "${apt[@]}" show "$wanted" > /dev/null 2>&1; then
    wanted=$(apt-cache "${apt[@]}" depends linux-source | awk '$2 ~ /^linux-source-/ { name = $2 } END { print name }') || true
fi
cd "$work"
if [ -z "$wanted" ] || ! apt-get "${apt[@]}" download "$wanted" >&2; then
    echo "rig: cannot fetch ${wanted:-linux-source}; put linux-source-X.tar.xz of Linux 6.16 or newer into /usr/src" >&2
    exit 1
fi
dpkg-deb --fsys-tarfile "$wanted"_*.deb | tar -x --strip-components 3 "./usr/src/$wanted.tar.xz"
echo "$work/$wanted.tar.xz"
