#!/bin/sh
# `make install` and `make uninstall`: the program in an environment of its own under $PREFIX, as a service.
# With DESTDIR everything is put below that folder, and the running system is left alone.
set -eu
umask 022
cd "$(dirname "$0")/.."
PREFIX=${PREFIX:-/opt/edge-sorter}
DESTDIR=${DESTDIR:-}
PYTHON=${PYTHON:-python3}
root=${DESTDIR%/}
here=$root$PREFIX
config=/etc/edge-sorter/config.yaml
data=/var/lib/edge-sorter
watchdog=/etc/systemd/system.conf.d/90-edge-sorter-watchdog.conf
units="edge-sorter.service edge-sorter-park.service edge-sorter-wanted.target edge-sorter-retry.target edge-sorter-retry.timer"
files="/etc/sysusers.d/edge-sorter.conf /etc/tmpfiles.d/edge-sorter.conf /etc/udev/rules.d/60-edge-sorter.rules
    /usr/local/lib/systemd/system.conf.d/90-edge-sorter-watchdog.conf
    /etc/systemd/system/edge-sorter.service.d/edge-sorter-restart-direct.conf"

say() { echo "edge-sorter: $*"; }
fail() { echo "edge-sorter: $*" >&2; exit 1; }

is_live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

# Whether somebody wants it to run, also where it just waits for its next try.
is_wanted() { is_live && systemctl --quiet is-active edge-sorter-wanted.target edge-sorter.service; }

# It finishes its motion and parks the gate.
stop() { systemctl stop edge-sorter.service edge-sorter-retry.timer edge-sorter-wanted.target 2>/dev/null || true; }

put() { install -D -m 644 "$1" "$root$2"; }

# Earlier versions put it where the administrator's own files belong. One with other settings, or a link, is theirs.
drop_former_watchdog() {
    former=$root$watchdog
    if [ -f "$former" ] && [ ! -L "$former" ] \
        && [ "$(grep -v '^#' "$former")" = "$(grep -v '^#' systemd/90-edge-sorter-watchdog.conf)" ]; then
        rm -f "$former"
    fi
}

# ProtectHome= hides these folders from the service, and its user may not read them either.
is_hidden_from_service() {
    ! $PYTHON - <<'END'
import os, sys
used = [os.path.realpath(path) + "/" for path in (sys.executable, sys.prefix, sys.base_prefix)]
homes = [os.path.realpath(path) + "/" for path in ("/home", "/root", "/run/user")]
sys.exit(any(path.startswith(home) for path in used for home in homes))
END
}

left() { [ ! -e "$1" ] && [ ! -L "$1" ] || say "    sudo rm -r $1    # $2"; }

check() {
    case $PREFIX in /?*) ;; *) fail "PREFIX is '$PREFIX', expected a full path" ;; esac
    case $root in '' | /*) ;; *) fail "DESTDIR is '$DESTDIR', expected a full path" ;; esac
    if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
        fail "this writes to the system; run: sudo make $1"
    fi
    if [ -z "$root" ] && [ "$(dpkg-query -W -f '${db:Status-Status}' edge-sorter 2>/dev/null)" = installed ]; then
        fail "it is installed as a Debian package; run first: sudo apt-get remove edge-sorter (configuration and ledger stay)"
    fi
    if [ "$1" = install ]; then
        $PYTHON -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
            || fail "Python 3.11, 3.12 or 3.13 is needed, $($PYTHON --version) found; set PYTHON=/usr/bin/python3.11"
        $PYTHON -c 'import ensurepip' 2>/dev/null || fail "Python has no venv module; run: sudo apt install python3-venv"
        if [ -z "$root" ] && is_hidden_from_service; then
            fail "$($PYTHON -c 'import sys; print(sys.executable)') is in a home folder, where the service may not run it; set PYTHON=/usr/bin/python3"
        fi
    fi
}

# What fits the system's own libraries: apt's picamera2 was built with apt's NumPy, which therefore stays, and lgpio
# comes from apt where apt has it (docs/install.md). The rest is what the project is tested with.
choose() {
    constraints=$work/constraints.txt
    extra=
    if numpy=$($PYTHON -c 'import numpy; print(numpy.__version__)' 2>/dev/null); then
        case $numpy in
            1.*) { grep -v -e '^numpy==' -e '^opencv-python-headless==' -e '^ml_dtypes==' constraints.txt; cat constraints-bookworm.txt; } ;;
            *) grep -v '^numpy==' constraints.txt ;;
        esac > "$constraints"
    else
        cp constraints.txt "$constraints"
    fi
    if ! $PYTHON -c 'import lgpio' 2>/dev/null; then
        if $PYTHON -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then
            extra='[pi]'
        else
            say "lgpio is missing, and real pins need it; on Raspberry Pi OS: sudo apt install python3-lgpio" >&2
        fi
    fi
}

# However it ends, what ran before runs again: with the new program, or the former one if there is no new one.
give_back() {
    rm -rf "$work" "$new"
    if [ ! -e "$here" ] && [ -e "$here.old" ]; then
        mv "$here.old" "$here"
        say "it did not come to its end; the former program is back in $here" >&2
    fi
    rm -rf "$here.old"
    if [ "$was_wanted" = true ]; then
        systemctl --no-block start edge-sorter.service
    fi
}

install_all() {
    check install
    work=$(mktemp -d)
    new=$here.new
    was_wanted=false
    trap give_back EXIT
    choose
    # Made beside a former one, and put in its place when it is whole: a network that fails changes nothing.
    say "making the environment"
    rm -rf "$new"
    $PYTHON -m venv --system-site-packages --prompt edge-sorter "$new"
    # What it would warn of are conflicts among other programs' packages, which this environment sees and leaves alone.
    "$new/bin/python" -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --no-compile \
        --constraint "$constraints" ".$extra"
    grep -rlI --null "$new" "$new/bin" "$new/pyvenv.cfg" | xargs -0 -r sed -i "s|$new|$PREFIX|g"
    install -d "$new/share/config"
    install -m 644 config/*.yaml "$new/share/config"
    if is_wanted; then
        was_wanted=true
        say "stopping the service; it parks the gate"
        stop
    fi
    [ ! -e "$here" ] || rm -rf "$here.old"
    [ ! -e "$here" ] || mv "$here" "$here.old"
    mv "$new" "$here"
    $PYTHON -m compileall -q -s "$root" "$here/lib" || true
    for unit in $units; do
        install -d "$root/etc/systemd/system"
        sed "s|/opt/edge-sorter/|$PREFIX/|" "systemd/$unit" > "$root/etc/systemd/system/$unit"
    done
    put systemd/edge-sorter.sysusers.conf /etc/sysusers.d/edge-sorter.conf
    put systemd/edge-sorter.tmpfiles.conf /etc/tmpfiles.d/edge-sorter.conf
    put systemd/60-edge-sorter.rules /etc/udev/rules.d/60-edge-sorter.rules
    put systemd/90-edge-sorter-watchdog.conf /usr/local/lib/systemd/system.conf.d/90-edge-sorter-watchdog.conf
    drop_former_watchdog
    if [ "$(systemctl --version 2>/dev/null | awk 'NR == 1 { print $2 }')" -ge 254 ] 2>/dev/null; then
        put systemd/edge-sorter-restart-direct.conf /etc/systemd/system/edge-sorter.service.d/edge-sorter-restart-direct.conf
    fi
    install -d "$root/usr/local/bin"
    ln -sf "$PREFIX/bin/edge-sorter" "$root/usr/local/bin/edge-sorter"
    if [ ! -e "$root$config" ]; then
        install -d "$root$(dirname $config)"
        sed "s|@CONFIGS@|$PREFIX/share/config|" packaging/config.yaml.in > "$root$config"
        chmod 644 "$root$config"
        say "wrote $root$config, which simulates; it says how to choose a machine"
    fi
    if [ -z "$root" ]; then
        systemd-sysusers /etc/sysusers.d/edge-sorter.conf
        install -d -m 750 -o edge-sorter -g edge-sorter $data
    fi
    if is_live; then
        systemd-tmpfiles --create /etc/tmpfiles.d/edge-sorter.conf
        # A container has no udev.
        udevadm control --reload 2>/dev/null || true
        udevadm trigger --subsystem-match=gpio --subsystem-match=dma_heap --subsystem-match=pwm 2>/dev/null || true
        systemctl daemon-reload
    fi
    if [ -z "$root" ]; then
        say "what \`edge-sorter doctor\` finds on this machine:"
        timeout 120 runuser -u edge-sorter -- env XDG_STATE_HOME=/var/lib PYTHONDONTWRITEBYTECODE=1 \
            "$PREFIX/bin/edge-sorter" doctor 2>&1 | sed 's/^/    /' || true
    fi
    if [ $was_wanted = true ]; then
        say "the service ran before, and is started again"
    elif [ -n "$root" ]; then
        say "put into $here, to be moved to $PREFIX; this system is as it was"
    else
        say "installed in $PREFIX; when $config is right: sudo systemctl enable --now edge-sorter"
    fi
}

uninstall_all() {
    check uninstall
    if is_live; then
        stop
        systemctl --quiet disable edge-sorter.service 2>/dev/null || true
    fi
    for unit in $units; do
        rm -f "$root/etc/systemd/system/$unit"
    done
    for file in $files; do
        rm -f "$root$file"
    done
    drop_former_watchdog
    rmdir "$root/etc/systemd/system/edge-sorter.service.d" 2>/dev/null || true
    rmdir "$root/usr/local/lib/systemd/system.conf.d" "$root/usr/local/lib/systemd" 2>/dev/null || true
    if [ "$(readlink "$root/usr/local/bin/edge-sorter")" = "$PREFIX/bin/edge-sorter" ]; then
        rm -f "$root/usr/local/bin/edge-sorter"
    fi
    # Only what is such an environment: PREFIX may have been mistyped.
    if [ -e "$here/pyvenv.cfg" ] && [ -e "$here/bin/edge-sorter" ]; then
        rm -rf "$here"
    fi
    if is_live; then
        udevadm control --reload 2>/dev/null || true
        systemctl daemon-reload
    fi
    say "what stays, to be deleted by hand if you wish:"
    left "$root/etc/edge-sorter" "configuration and calibration"
    left "$root$data" "ledger and pictures"
    left "$root$watchdog" "your own setting of the board's watchdog"
    if [ -z "$root" ] && getent passwd edge-sorter > /dev/null; then
        say "    sudo userdel edge-sorter    # the program's user"
    fi
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) fail "expected install or uninstall" ;;
esac
