#!/usr/bin/env bash
# Makes the guest's root tree in $SORTER_RIG_CACHE/picamera unless one made from the same inputs is there; prints its path.
# It holds Debian 13 with its libcamera, picamera2 and the program's dependencies for Python 3.13, never the program.
set -euo pipefail
cd "$(dirname "$0")/../../.."
cache=${SORTER_RIG_CACHE:?names the folder of kernel and images}/picamera
python=${PYTHON:-python3}
packages=udev,v4l-utils,python3,python3-venv,python3-libcamera,libcamera-ipa,python3-pil,python3-prctl,libarchive13t64
# picamera2 without what only displays and raw files need; PIL and prctl come from Debian, as on a Pi.
picamera2="picamera2==0.3.38 av jsonschema libarchive-c OpenEXR piexif simplejpeg tqdm videodev2"

# As `pip install edge-sorter` on a Pi with simulated pins, and what the tests in the guest need.
requirements=$("$python" - <<'PYTHON'
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
print("\n".join([*project["dependencies"], "pytest"]))
PYTHON
)
key=$(printf '%s\n' "$packages" "$picamera2" "$requirements" |
    cat - constraints.txt tests/rig/picamera/root.sh tests/rig/picamera/init.sh | sha256sum | cut -c 1-12)
root=$cache/root-$key
if [ -d "$root" ]; then
    echo "$root"
    exit
fi

mkdir -p "$cache"
work=$(mktemp -d -p "$cache" making.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir "$work/wheels" "$work/root"
printf '%s\n' "$requirements" > "$work/requirements.txt"
echo "rig: fetching wheels for Python 3.13 of Debian 13" >&2
fetch() {
    "$python" -m pip download --quiet --disable-pip-version-check --only-binary :all: --dest "$work/wheels" \
        --python-version 3.13 --implementation cp --abi cp313 --abi abi3 --abi none \
        --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --constraint constraints.txt "$@" >&2
}
fetch --requirement "$work/requirements.txt"
# shellcheck disable=SC2086  # a list of names
fetch --no-deps $picamera2 attrs referencing rpds-py jsonschema-specifications

echo "rig: installing Debian 13 into a root tree; this takes a minute or two" >&2
mmdebstrap --quiet --variant=minbase --include="$packages" \
    --customize-hook="copy-in $work/wheels $work/requirements.txt /tmp" \
    --customize-hook="upload tests/rig/picamera/init.sh /usr/local/sbin/rig-init" \
    --customize-hook='chmod 755 "$1"/usr/local/sbin/rig-init; mkdir -p "$1"/mnt/repo "$1"/mnt/out' \
    --customize-hook='mkdir -p "$1"/usr/share/libcamera/pipeline/virtual
        ln -s /run/rig/virtual.yaml "$1"/usr/share/libcamera/pipeline/virtual/virtual.yaml' \
    --customize-hook='chroot "$1" python3 -m venv --system-site-packages /opt/edge-sorter' \
    --customize-hook='chroot "$1" /opt/edge-sorter/bin/pip --isolated install --quiet --no-index \
        --find-links /tmp/wheels --requirement /tmp/requirements.txt' \
    --customize-hook='chroot "$1" /opt/edge-sorter/bin/pip --isolated install --quiet --no-index --no-deps \
        --find-links /tmp/wheels '"$picamera2"' attrs referencing rpds-py jsonschema-specifications' \
    --customize-hook='rm -rf "$1"/tmp/* "$1"/var/cache/apt "$1"/var/lib/apt/lists' \
    trixie "$work/root.tar" >&2

# The guest sees this folder as its root: every file belongs to whoever runs it, and devices are the guest's own.
tar -xf "$work/root.tar" --no-same-owner --exclude './dev/*' -C "$work/root"
find "$cache" -maxdepth 1 -name 'root-*' -exec rm -rf {} +
mv "$work/root" "$root"
echo "$root"
