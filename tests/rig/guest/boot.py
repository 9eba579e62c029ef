"""From power to sorting, with everything installed: `install` at a first boot, `measure` at each one after it.

    python -m tests.rig.guest.boot install|measure

Run as root by start.sh, in a guest that has nothing else to do. From the second boot on nothing of the bench runs
before the sorter is ready, but what stands for a Pi's pins and camera. The row is written anew at each boot, of all of
them.
"""

import json
import mmap
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import yaml

from tests.fault.suite.rows import Rows
from tests.rig.guest.camera import STRIP, Camera, camera_commands
from tests.rig.guest.chip import eventually
from tests.rig.guest.sorter import BASE, CONFIG, STATUS, allowance

UNIT = "edge-sorter.service"
POWER_TO_SORTING_S = 20.0
OWN_S = 1.5
PROBE_BYTES = 4 << 20
PROBES = 5
RATE_S = 1.0
"""How long the page faults of the loop alone are counted."""
UNITS = Path("/etc/systemd/system")
KEPT_STRIP = Path("/usr/local/share/rig-strip")
PINS = """\
#!/bin/bash
set -euo pipefail
mkdir -p /run/rig
{ cat /proc/cpuinfo; echo "Revision	: a22082"; } > /run/rig/cpuinfo
"""
PINS_UNIT = """\
[Unit]
Before=edge-sorter.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/rig-pins
[Install]
WantedBy=multi-user.target
"""
CAMERA_UNIT = """\
[Unit]
Before=edge-sorter.service
[Service]
Type=exec
ExecStart={command}
[Install]
WantedBy=multi-user.target
"""


def install() -> None:
    """Leave a system that starts the sorter at its next boot."""
    CONFIG.write_text(yaml.safe_dump(BASE))
    pins = Path("/usr/local/sbin/rig-pins")
    pins.write_text(PINS + Path(__file__).with_name("pins.sh").read_text())
    pins.chmod(0o755)
    (UNITS / "rig-pins.service").write_text(PINS_UNIT)
    Camera().clear()
    shutil.copy(STRIP, KEPT_STRIP)
    stream = Path("/usr/local/sbin/rig-camera")
    *prepare, last = [shlex.join(command) for command in camera_commands(KEPT_STRIP)]
    stream.write_text("\n".join(["#!/bin/sh -e", *prepare, f"exec {last}"]) + "\n")
    stream.chmod(0o755)
    (UNITS / "rig-camera.service").write_text(CAMERA_UNIT.format(command=stream))
    subprocess.run(["systemctl", "enable", "rig-pins", "rig-camera", UNIT], check=True)


@dataclass(frozen=True, slots=True)
class Boot:
    """One boot, in seconds.

    Attributes:
        ready_s: from power to READY=1.
        share_s: of it, from exec of the program on.
        own_s, faults_s, home_s: of that, the program's own work, what the emulator takes for page faults, and the
            gate's way home. They explain; what is promised is the whole.
        faults: page faults until the loop began.
        seen_s: from power to a tray that was seen empty.
    """

    ready_s: float
    share_s: float
    own_s: float
    faults_s: float
    home_s: float
    faults: int
    seen_s: float


def measure(out: Path) -> bool:
    """Write down this boot, and the row of all so far. Returns: whether it held."""
    kept = out / "boots.jsonl"
    with kept.open("a") as lines:
        lines.write(json.dumps(asdict(_this_boot())) + "\n")
    boots = [Boot(**json.loads(line)) for line in kept.read_text().splitlines()]
    power_s, share_s = [boot.ready_s for boot in boots], [boot.share_s for boot in boots]
    middle = sorted(boots, key=lambda boot: boot.share_s)[len(boots) // 2]
    is_held = max(power_s) <= POWER_TO_SORTING_S and median(share_s) <= OWN_S
    Rows("boot", out / "rows").add(
        "power-cut",
        fault="power comes back, the whole system starts",
        injected_by=f"{len(boots)} boots of Debian 12 with systemd in User Mode Linux {os.uname().release}, a USB "
        f"camera and the gate as a Pi's; {allowance()}",
        required=f"power to sorting (READY=1) at most {POWER_TO_SORTING_S:g} s, the program's own share, from exec on, "
        f"{OWN_S:g} s in the median",
        figure=f"power to READY=1 {min(power_s):.1f} to {max(power_s):.1f} s; since exec of the program "
        f"{median(share_s):.2f} s ({min(share_s):.2f} to {max(share_s):.2f}). The one in the middle: "
        f"{middle.own_s:.2f} s its own work, {middle.faults_s:.2f} s for {middle.faults} page faults at "
        f"{middle.faults_s / max(1, middle.faults) * 1e6:.0f} us, {middle.home_s:.2f} s for the gate's way home. The "
        f"tray seen empty by {max(boot.seen_s for boot in boots):.1f} s",
        is_held=is_held,
        wall_s=sum(boot.seen_s for boot in boots),
    )
    return is_held


def _this_boot() -> Boot:
    eventually(lambda: STATUS.exists() and json.loads(STATUS.read_text())["state"] == "ready", 60.0, "an empty tray")
    seen_s = time.clock_gettime(time.CLOCK_MONOTONIC)
    words = dict(word.partition("=")[::2] for word in Path("/proc/cmdline").read_text().split())
    # The guest's clock is the host's when its kernel starts.
    kernel_s = time.time() - seen_s - float(words["rig_power_on"])
    stamps = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    exec_s, ready_s = (int(_property(name)) / 1e6 for name in stamps)
    pid = int(_property("MainPID"))
    all_faults, read_s = _page_faults(pid), time.monotonic()
    time.sleep(RATE_S)
    faults_per_s = (_page_faults(pid) - all_faults) / (time.monotonic() - read_s)
    subprocess.run(["systemctl", "stop", UNIT], check=True)
    begun_s = _begun_s()
    # The loop has some as well: what it has a second while it idles is taken off.
    faults = max(0, round(all_faults - faults_per_s * (read_s - begun_s)))
    faults_s = faults * _page_fault_s()
    return Boot(
        ready_s=kernel_s + ready_s,
        share_s=ready_s - exec_s,
        own_s=begun_s - exec_s - faults_s,
        faults_s=faults_s,
        home_s=ready_s - begun_s,
        faults=faults,
        seen_s=kernel_s + seen_s,
    )


def _property(name: str) -> str:
    command = ["systemctl", "show", "--property", name, "--value", UNIT]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _begun_s() -> float:
    """When everything was open and the loop began: it says `boot`, and brings the gate home."""
    command = ["journalctl", "--unit", UNIT, "--boot", "--output", "json", "--grep", r"\bboot #\d"]
    first, *_ = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return int(json.loads(first)["__MONOTONIC_TIMESTAMP"]) / 1e6


def _page_faults(pid: int) -> int:
    """How many a process has had that needed no disk (proc(5), minflt)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def _page_fault_s() -> float:
    """What one costs here: User Mode Linux hears of each by a signal that another process catches for it."""
    return min(_touch_s() for _ in range(PROBES))


def _touch_s() -> float:
    with mmap.mmap(-1, PROBE_BYTES) as memory:
        times_s = []
        for _ in range(2):
            began_s = time.perf_counter()
            for at in range(0, PROBE_BYTES, mmap.PAGESIZE):
                memory[at] = 1
            times_s.append(time.perf_counter() - began_s)
    # The second time the pages are there.
    return (times_s[0] - times_s[1]) / (PROBE_BYTES // mmap.PAGESIZE)


if __name__ == "__main__":
    match sys.argv[1]:
        case "install":
            install()
        case "measure":
            sys.exit(not measure(Path(os.environ["EDGE_SORTER_RIG_OUT"])))
