#!/bin/sh
# The guest's first process, as root: brings up what the cameras need, tests the driver, switches the guest off.
set -u
repo=/mnt/repo out=/mnt/out
finish() {
    echo "$1" > "$out/status"
    sync
    echo o > /proc/sysrq-trigger
    sleep 60
}
trap 'finish 1' EXIT

mount -t sysfs sysfs /sys
for folder in /run /tmp /root /var/lib; do mount -t tmpfs tmpfs "$folder"; done
mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm
# picamera2 knows the name of the memory that a Pi keeps for its camera; here there is one kind of memory only.
ln -s system /dev/dma_heap/linux,cma
# libcamera takes only devices that udev has seen.
/usr/lib/systemd/systemd-udevd --daemon
udevadm trigger --subsystem-match=media --subsystem-match=video4linux
udevadm settle

export PATH=/opt/edge-sorter/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$repo EDGE_SORTER_RIG_OUT=$out
# libcamera 0.4's virtual camera does not write down whether a picture is good, so that picamera2 reads what its memory
# held before: let all memory begin with zeros, which means good.
export GLIBC_TUNABLES=glibc.malloc.perturb=255:glibc.malloc.tcache_count=0 LIBCAMERA_LOG_LEVELS='*:ERROR'
cd /run
eval "set -- $(cat "$out/flags")"
python "$repo/tests/rig/picamera/pictures.py" /run/rig || exit 1
status=0 ran=0
for checks in checks checks_of_processes; do
    # picamera2 has warnings of its own on Python 3.13.
    python -m pytest -c "$repo/pyproject.toml" --rootdir "$repo" -o filterwarnings=default \
        -o faulthandler_timeout=90 -p no:cacheprovider --junitxml "$out/$checks.xml" -v --no-header --disable-warnings \
        "$@" "$repo/tests/rig/picamera/$checks.py" >> "$out/pytest.log" 2>&1
    case $? in
        0) ran=1 ;;
        5) ;;  # the flags leave none of these
        *) status=1 ran=1 ;;
    esac
done
[ "$ran" = 1 ] || status=1
trap - EXIT
finish "$status"
