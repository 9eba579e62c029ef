#!/usr/bin/env bash
# Makes the guest's root image in $SORTER_RIG_CACHE unless one made from the same inputs is there; prints its path.
# It holds Debian and the program's dependencies, never the program: that is installed at every boot (guest/start.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${SORTER_RIG_CACHE:?names the folder of kernel and image}
python=${PYTHON:-python3}
packages=systemd,systemd-sysv,udev,dbus,kmod,procps,python3,python3-venv,gpiod,v4l-utils

# As `pip install edge-sorter[pi]` on a Pi, and what the tests in the guest need.
requirements=$("$python" - <<'PYTHON'
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
print("\n".join([*project["dependencies"], *project["optional-dependencies"]["pi"], "pytest", "hypothesis"]))
PYTHON
)
key=$(printf '%s\n' "$packages" "$requirements" | cat - constraints.txt tests/rig/image.sh tests/rig/guest/rig.service |
    sha256sum | cut -c 1-12)
image=$cache/root-$key.img
if [ -e "$image" ]; then
    echo "$image"
    exit
fi

mkdir -p "$cache"
work=$(mktemp -d -p "$cache" image.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/wheels" "$work/root"
printf '%s\n' "$requirements" > "$work/requirements.txt"
echo "rig: fetching wheels for Python 3.11 of Debian 12" >&2
"$python" -m pip download --quiet --disable-pip-version-check --only-binary :all: --dest "$work/wheels" \
    --python-version 3.11 --implementation cp --abi cp311 \
    --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --constraint constraints.txt --requirement "$work/requirements.txt" >&2

# mmdebstrap sets the clock of every new file back to its own start: byte code that goes by a file's time is stale then,
# and the program compiles its libraries at each start.
echo "rig: installing Debian 12 into a root image; this takes a minute or two" >&2
mmdebstrap --quiet --variant=minbase --include="$packages" \
    --customize-hook="copy-in $work/wheels $work/requirements.txt /tmp" \
    --customize-hook="copy-in tests/rig/guest/rig.service /etc/systemd/system" \
    --customize-hook='chroot "$1" python3 -m venv --system-site-packages /opt/edge-sorter' \
    --customize-hook='chroot "$1" /opt/edge-sorter/bin/pip --isolated install --quiet --no-index --find-links /tmp/wheels \
        --requirement /tmp/requirements.txt' \
    --customize-hook='chroot "$1" /opt/edge-sorter/bin/python -m compileall -q -f --invalidation-mode unchecked-hash \
        /opt/edge-sorter/lib' \
    --customize-hook='chroot "$1" systemctl --quiet enable rig.service' \
    --customize-hook='chroot "$1" systemctl --quiet mask getty@tty1.service systemd-networkd-wait-online.service \
        apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer' \
    --customize-hook='rm -rf "$1"/tmp/wheels "$1"/tmp/requirements.txt; echo rig > "$1"/etc/hostname' \
    bookworm "$work/root.tar" >&2

# The tree's owners and modes hold only within one call of fakeroot.
as_root=()
[ "$(id -u)" = 0 ] || as_root=(fakeroot)
"${as_root[@]}" sh -c 'tar -xf "$1/root.tar" -C "$1/root" && mke2fs -q -t ext4 -d "$1/root" "$1/root.img" 3G' sh "$work"
mv "$work/root.img" "$image"
find "$cache" -maxdepth 1 -name 'root-*.img' ! -path "$image" -delete
echo "$image"
