#!/bin/bash
# Process 1 of a guest that ends by a power cut, without systemd: mounts, pins, and the witness that starts the program.
set -euo pipefail
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /run
mount -t tmpfs none /tmp
mkdir -p /dev/shm /run/share /run/work /run/edge-sorter
mount -t tmpfs none /dev/shm
mount -t configfs none /sys/kernel/config
mount --move /mnt /run/share
mount -t tmpfs none /var/lib
mkdir /var/lib/edge-sorter
mount -t ext4 -o data=ordered /dev/ubdb /var/lib/edge-sorter

bank=/sys/kernel/config/gpio-sim/pi/bank0
mkdir -p "$bank"
echo 54 > "$bank/num_lines"
echo pinctrl-bcm2835 > "$bank/label"
echo 1 > "$bank/../live"
gpio=/sys/devices/platform/$(cat "$bank/../dev_name")/$(cat "$bank/chip_name")

# gpiozero takes a machine for a Pi by this line; the rest must stay, since XNNPACK reads it, too.
{ cat /proc/cpuinfo; echo "Revision	: a22082"; } > /run/cpuinfo
mount --bind /run/cpuinfo /proc/cpuinfo
cd /run/work  # lgpio makes its pipes in the working folder
exec /usr/bin/python3 -I /run/share/witness.py --gpio "$gpio" "$@"
