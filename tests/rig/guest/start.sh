#!/bin/bash
# Runs in the guest as root: makes the simulated pins, installs the program as on a Pi, runs the tests.
set -euo pipefail
repo=/mnt/repo out=/mnt/out
log() { echo "rig: $(cut -d ' ' -f 1 /proc/uptime) s: $*"; }

export PYTHONDONTWRITEBYTECODE=1 EDGE_SORTER_RIG_OUT=$out
if [ -e "$out/installed" ]; then
    # A later boot of part `boot`: all that stands for a Pi was started by units.
    code=0
    cd "$repo"
    /opt/edge-sorter/bin/python -m tests.rig.guest.boot measure || code=$?
    journalctl --no-pager --output short-monotonic > "$out/journal.log"
    systemd-analyze critical-chain --no-pager edge-sorter.service > "$out/critical-chain" || true
    echo "$code" > "$out/status"
    exit
fi

log "installing the program, its user and its unit"
install -D -m 644 "$repo/systemd/edge-sorter.sysusers.conf" /usr/lib/sysusers.d/edge-sorter.conf
install -D -m 644 "$repo/systemd/edge-sorter.tmpfiles.conf" /usr/lib/tmpfiles.d/edge-sorter.conf
install -D -m 644 "$repo/systemd/60-edge-sorter.rules" /etc/udev/rules.d/60-edge-sorter.rules
install -m 644 "$repo"/systemd/edge-sorter*.{service,timer,target} /etc/systemd/system
# gpiozero takes a machine for a Pi by this line; the rest must stay, since XNNPACK reads it, too.
mkdir -p /run/rig /etc/edge-sorter /etc/systemd/system/edge-sorter.service.d
{ cat /proc/cpuinfo; echo "Revision	: a22082"; } > /run/rig/cpuinfo
# A unit that has ended forgets how: the tests read it from a file.
cat > /etc/systemd/system/edge-sorter.service.d/rig.conf <<'DROP_IN'
[Service]
BindReadOnlyPaths=/run/rig/cpuinfo:/proc/cpuinfo
ExecStopPost=/bin/sh -c 'echo "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS" > /run/edge-sorter/rig-end'
DROP_IN
systemd-sysusers
systemd-tmpfiles --create edge-sorter.conf
udevadm control --reload
systemctl daemon-reload
/opt/edge-sorter/bin/pip --isolated install --quiet --no-deps --no-index "$out"/*.whl

log "making the pins"
# shellcheck source=tests/rig/guest/pins.sh
. "$repo/tests/rig/guest/pins.sh"
EDGE_SORTER_RIG_GPIO=/sys/devices/platform/$(cat "$bank/../dev_name")/$(cat "$bank/chip_name")
export EDGE_SORTER_RIG_GPIO

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
        guest=$repo/tests/rig/guest
        run guest "$guest" --ignore "$guest/test_pulses.py" --ignore "$guest/faults" --ignore "$guest/strokes"
        ;;
    faults | strokes)
        run "$part" "$repo/tests/rig/guest/$part"
        ;;
    boot)
        cd "$repo"
        /opt/edge-sorter/bin/python -m tests.rig.guest.boot install
        touch "$out/installed"
        sync
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
