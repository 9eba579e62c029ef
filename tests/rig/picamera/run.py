"""Boots the guest with Debian 13 and libcamera, lets it test the camera driver; exit 0 if every check passed.

    python -m tests.rig.picamera.run KERNEL ROOT [-- PYTEST_FLAGS]

Standard library only. What a run leaves (log of the console, JUnit file, figures) lies beside the root tree in `out/`.
"""

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.rig.core import on_core

REPO = Path(__file__).resolve().parents[3]
MEMORY = "1500M"
LIMIT_S = 170.0


def main() -> int:
    """Boot, wait, report."""
    parser = argparse.ArgumentParser(description="test the camera driver on real picamera2 and libcamera")
    parser.add_argument("kernel", type=Path)
    parser.add_argument("root", type=Path, help="tree of Debian 13, made by root.sh")
    parser.add_argument("flags", nargs="*", help="flags of pytest in the guest")
    options = parser.parse_args()
    out = options.root.resolve().parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "flags").write_text(shlex.join(options.flags))

    began_s = time.monotonic()
    is_over = _boot(options.kernel.resolve(), options.root.resolve(), out)
    took_s = time.monotonic() - began_s
    log = out / "pytest.log"
    print(log.read_text(errors="replace") if log.exists() else "", end="")
    if not is_over or not (out / "status").exists():
        print(f"rig: the guest did not end in order within {LIMIT_S:g} s; see {out}/console.log", file=sys.stderr)
        return 1
    figures = out / "figures.jsonl"
    if figures.exists():
        print("\n| what | measured | must hold |\n|---|---|---|")
        for row in map(json.loads, figures.read_text().splitlines()):
            print(f"| {row['what']} | {row['measured']} | {row['limit']} |")
    print(f"\nrig: {took_s:.0f} s from power on; logs in {out}")
    return int((out / "status").read_text())


def _boot(kernel: Path, root: Path, out: Path) -> bool:
    """Run the guest to its end. False if that took too long."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="edge-sorter-rig-", dir=shm if shm.is_dir() else None) as scratch:
        command = [
            str(kernel), f"mem={MEMORY}", "root=/dev/root", "rootfstype=hostfs", f"rootflags={root}", "ro", "quiet",
            "panic=-1", "con=null", "con0=null,fd:1", "console=tty0", "init=/usr/local/sbin/rig-init",
            f"uml_dir={scratch}/uml/", f"rig_repo={REPO}", f"rig_out={out}", "vivid.n_devs=0",
        ]  # fmt: skip
        with (out / "console.log").open("wb") as console:
            with on_core(0):
                guest = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    env=os.environ | {"TMPDIR": scratch},
                    start_new_session=True,
                )
            try:
                guest.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                return False
            finally:
                _end(guest)
    return True


def _end(guest: "subprocess.Popen[bytes]") -> None:
    """Every process of the guest is one of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(guest.pid, signal.SIGKILL)
    guest.wait()


if __name__ == "__main__":
    sys.exit(main())
