"""Boots the rig's guest, lets it test the working tree, prints what it says; exit 0 if every test passed.

    python -m tests.rig.run [--limit-s 480] [--part all] KERNEL IMAGE [-- PYTEST_FLAGS]

Standard library only. What a run leaves (log of the console, journal, JUnit files, figures) lies beside the image in
`out/` until the next run.
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
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.rig.core import QUICK, on_core

REPO = Path(__file__).resolve().parents[2]
MEMORY = "2G"
USED_BYTES = 768 << 20
"""A guest needs no more until its tests begin."""
# One camera: an HDMI input, into which the bench's pictures come from an HDMI output.
CAMERA = (
    "vivid.n_devs=1 vivid.node_types=0x101 vivid.num_inputs=1 vivid.input_types=0x3 vivid.num_outputs=1 "
    "vivid.output_types=0x1 vivid.vid_cap_nr=10 vivid.vid_out_nr=11"
)
PARTS = ("guest", "contracts")
POLL_S = 0.2


def main() -> int:
    """Build the wheel, boot, wait, report."""
    parser = argparse.ArgumentParser(description="test the working tree on simulated hardware")
    parser.add_argument("kernel", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--limit-s", type=float, default=480.0, help="the guest is ended after so long")
    parser.add_argument("--part", choices=[*PARTS, "all"], default="all", help="which tests")
    parser.add_argument("flags", nargs="*", help="flags of pytest in the guest")
    options = parser.parse_args()
    out = options.image.resolve().parent / "out"
    build_wheel(out)
    # Side by side: each guest has one processor, and the contracts have no need of the other's camera and service.
    parts = PARTS if options.part == "all" else (options.part,)
    return run_parts(parts, options.kernel, options.image, out, options.flags, options.limit_s)


def build_wheel(out: Path) -> None:
    """Empty the folder of results, and put the working tree's wheel into it."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", str(out), str(REPO)], check=True)


def run_parts(
    parts: Sequence[str],
    kernel: Path,
    image: Path,
    out: Path,
    flags: Sequence[str],
    limit_s: float,
    cow: str = "cow",
    *,
    is_timed: bool = False,
) -> int:
    """Boot a guest for each part, side by side, and wait for their tests.

    Args:
        out: holds the wheel; each part has a folder in it.
        cow: file in which what the guest writes to its disk is kept; a name without a folder ends with the guest.
        is_timed: the emulator takes as little of the guest's time as it can.
    Returns: 0 if all tests passed.
    """
    started_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        guests = {}
        for number, part in enumerate(parts):
            folder = out / part
            folder.mkdir(exist_ok=True)
            (folder / "status").unlink(missing_ok=True)
            (folder / "part").write_text(part)
            (folder / "flags").write_text(shlex.join(flags))
            for wheel in out.glob("*.whl"):
                shutil.copy(wheel, folder)
            guests[folder] = stack.enter_context(
                _guest(kernel.resolve(), image.resolve(), folder, cow, number, is_timed)
            )
        statuses = [_follow(guest, folder, started_s + limit_s) for folder, guest in guests.items()]
    _print_figures([folder / "figures.jsonl" for folder in guests])
    print(f"rig: {time.monotonic() - started_s:.0f} s from power on; logs in {out}")
    return max(statuses)


@contextlib.contextmanager
def _guest(
    kernel: Path, image: Path, out: Path, cow: str, number: int, is_timed: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """The running kernel. Its memory, and what else has no other place, lies in a folder that ends with it."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="edge-sorter-rig-", dir=shm if shm.is_dir() else None) as scratch:
        command = [
            str(kernel), f"mem={MEMORY}", f"ubda={Path(scratch, cow)},{image}", "root=/dev/ubda", "rw", "quiet",
            "panic=-1", "con=null", "con0=null,fd:1", "console=tty0", f"uml_dir={scratch}/uml/", f"rig_repo={REPO}",
            f"rig_out={out}", f"rig_power_on={time.time():.3f}", *CAMERA.split(),
            *([QUICK] if is_timed else []),
        ]  # fmt: skip
        with (out / "console.log").open("ab") as console, on_core(number):
            guest = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env=os.environ | {"TMPDIR": scratch},
                start_new_session=True,
            )
        # What else runs on this machine would show in the guest's timings; only root may ask for this. The guest has
        # one processor, and rests when it has nothing to do.
        if os.cpu_count() != 1:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(guest.pid, os.SCHED_RR, os.sched_param(1))
        try:
            if is_timed and not _make_memory(guest.pid, scratch):
                print("rig: the guest's memory could not be made: what is timed takes longer", flush=True)
            yield guest
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(guest.pid, signal.SIGKILL)
            guest.wait()


def _make_memory(pid: int, scratch: str) -> bool:
    """Let a guest's memory be there when it is used first, as that of a machine is which was switched on.

    User Mode Linux keeps it in a file without a name in TMPDIR, whose pages this machine would make one by one.

    Returns: whether it is there.
    """
    end_s = time.monotonic() + 1.0
    while time.monotonic() < end_s:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                name = os.readlink(link)
                if not (name.startswith(f"{scratch}/") and name.endswith("(deleted)")):
                    continue
                with link.open("r+b", buffering=0) as memory:
                    if os.fstat(memory.fileno()).st_size >= USED_BYTES:
                        os.posix_fallocate(memory.fileno(), 0, USED_BYTES)
                        return True
        time.sleep(0.005)
    return False


def _follow(guest: subprocess.Popen[bytes], out: Path, end_s: float) -> int:
    """Print the log of a guest's tests as it grows, until the guest has ended. Returns: 0 if all passed."""
    shown = 0
    while True:
        has_ended = guest.poll() is not None
        log = out / "pytest.log"
        if log.exists():
            with log.open("rb") as file:
                file.seek(shown)
                text = file.read()
            shown += len(text)
            sys.stdout.write(text.decode(errors="replace"))
            sys.stdout.flush()
        if has_ended or time.monotonic() > end_s:
            break
        time.sleep(POLL_S)
    status = out / "status"
    if status.exists():
        return int(status.read_text())
    said = "ended before its tests did" if has_ended else "was not done in time"
    print(f"rig: the guest {said}; see {out}/console.log", file=sys.stderr)
    return 1


def _print_figures(files: list[Path]) -> None:
    """What the tests measured, as a table in Markdown."""
    rows = [json.loads(line) for file in files if file.exists() for line in file.read_text().splitlines()]
    if not rows:
        return
    print("\n| what | measured | must hold |\n|---|---|---|")
    for row in rows:
        print(f"| {row['what']} | {row['measured']} | {row['limit']} |")
    print()


if __name__ == "__main__":
    sys.exit(main())
