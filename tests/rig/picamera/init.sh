#!/bin/sh
# Part of the root tree: finds the working tree and the folder for results, and hands over to the working tree's script.
mount -t proc proc /proc
for word in $(cat /proc/cmdline); do
    case $word in
        rig_repo=*) mount -t hostfs -o "hostfs=${word#rig_repo=}" hostfs /mnt/repo ;;
        rig_out=*) mount -t hostfs -o "hostfs=${word#rig_out=}" hostfs /mnt/out ;;
    esac
done
exec /mnt/repo/tests/rig/picamera/guest.sh
