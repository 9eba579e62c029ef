#!/bin/busybox sh
# First program of the emulated Pi: brings up the SD card, read-only, and gives the console to /rig/guest.py on it.
b=/bin/busybox
$b mkdir -p /proc /sys /dev /card
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
for module in /*.ko*; do
    $b insmod "$module"
done
while [ ! -b /dev/mmcblk0 ]; do
    $b sleep 0.2
done
$b mount -t ext4 -o ro,noload /dev/mmcblk0 /card || exec $b sleep 100000
for folder in dev proc sys; do
    $b mount --bind /$folder /card/$folder
done
for folder in tmp run var; do
    $b mount -t tmpfs tmpfs /card/$folder
done
$b mkdir /card/run/rig
$b cp -a /rig/. /card/run/rig
$b stty -echo -onlcr </dev/console
cd /
$b chroot /card /usr/bin/env -i PATH=/opt/edge-sorter/bin:/usr/bin:/bin HOME=/run PYTHONPATH=/run/rig/site \
    /opt/edge-sorter/bin/python -u /run/rig/guest.py </dev/console >/dev/console 2>&1
echo "@rig {\"event\": \"ended\", \"status\": $?}" >/dev/console
exec $b sleep 100000
