#!/bin/bash
# Runs in the guest as root: makes the simulated pins, installs the program as on a Pi, runs the tests.
set -euo pipefail
repo=/mnt/repo out=/mnt/out
log() { echo "rig: $(cut -d ' ' -f 1 /proc/uptime) s: $*"; }

log "installing the program, its user and its unit"
install -D -m 644 "$repo/systemd/edge-sorter.sysusers.conf" /usr/lib/sysusers.d/edge-sorter.conf
install -D -m 644 "$repo/systemd/60-edge-sorter.rules" /etc/udev/rules.d/60-edge-sorter.rules
install -D -m 644 "$repo/systemd/edge-sorter.service" /etc/systemd/system/edge-sorter.service
# gpiozero takes a machine for a Pi by this line; the rest must stay, since XNNPACK reads it, too.
mkdir -p /run/rig /etc/edge-sorter /etc/systemd/system/edge-sorter.service.d
{ cat /proc/cpuinfo; echo "Revision	: a22082"; } > /run/rig/cpuinfo
printf '[Service]\nBindReadOnlyPaths=/run/rig/cpuinfo:/proc/cpuinfo\n' \
    > /etc/systemd/system/edge-sorter.service.d/rig.conf
systemd-sysusers
udevadm control --reload
systemctl daemon-reload
/opt/edge-sorter/bin/pip --isolated install --quiet --no-deps --no-index "$out"/*.whl

log "making the pins"
bank=/sys/kernel/config/gpio-sim/pi/bank0
mkdir -p "$bank"
echo 54 > "$bank/num_lines"
echo pinctrl-bcm2835 > "$bank/label"
echo 1 > "$bank/../live"
udevadm settle
EDGE_SORTER_RIG_GPIO=/sys/devices/platform/$(cat "$bank/../dev_name")/$(cat "$bank/chip_name")
export EDGE_SORTER_RIG_GPIO

export PYTHONDONTWRITEBYTECODE=1 EDGE_SORTER_RIG_OUT=$out
part=$(cat "$out/part") status=0
eval "flags=($(cat "$out/flags"))"
mkdir -p /run/rig/work
cd /run/rig/work  # lgpio makes its pipes in the working folder

# run NAME ARGUMENTS...
run() {
    log "testing: $1"
    local code=0
    unshare --mount /bin/bash -euc '
        mount --bind /run/rig/cpuinfo /proc/cpuinfo
        exec /opt/edge-sorter/bin/python -m pytest -c "$0/pyproject.toml" --rootdir "$0" -p no:cacheprovider "$@"' \
        "$repo" --junitxml "$out/$1.xml" "${@:2}" "${flags[@]}" > "$out/pytest.log" 2>&1 || code=$?
    # Flags may select tests of the other guest only.
    [ "$code" = 5 ] && [ ${#flags[@]} -gt 0 ] || status=$code
}
case $part in
    guest)
        run guest "$repo/tests/rig/guest" --ignore "$repo/tests/rig/guest/test_pulses.py"
        ;;
    contracts)
        # Those whose drivers are made on a bench of pins; last, when nothing starts any more, what wants a quiet guest.
        mapfile -t contracts < <(grep -l pin_rig "$repo"/tests/contract/*.py)
        run contracts -k 'not (local and contrast)' "${contracts[@]}" "$repo/tests/rig/guest/test_pulses.py"
        ;;
esac
journalctl --no-pager --output short-monotonic > "$out/journal.log"
log "done"
echo "$status" > "$out/status"
