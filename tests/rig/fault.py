"""The rig's part of the fault suite: faults that need a real kernel; exit 0 if every promise was kept.

    python -m tests.rig.fault [--only faults,strokes,boot,cuts] [--rows DIR] [--quick KERNEL] KERNEL IMAGE
        [-- PYTEST_FLAGS]

Two guests at a time: the service under systemd beside the strokes, then some boots by themselves, then the power cuts.
The rows go to `rig.jsonl` and `rig-cuts.jsonl` of the fault suite's folder (tests/fault/suite/README.md); logs lie
beside the image in `out/`. Standard library only.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.fault.suite.rows import Rows, read_rows, rows_folder
from tests.rig.run import REPO, build_wheel, run_parts

PARTS = ("faults", "strokes", "boot", "cuts")
SIDE_BY_SIDE = ("faults", "strokes")
LIMIT_S = 600.0
BOOT_LIMIT_S = 120.0
BOOTS = 5
"""That are measured: this machine is never quiet for long."""
CUTS_LIMIT_S = 700.0
"""No cut begins later, so that all of it stays below 18 minutes where it is slow."""


def main() -> int:
    """Boot what is asked for, one after the other, and gather the rows."""
    parser = argparse.ArgumentParser(description="inject faults that need a real kernel")
    parser.add_argument("kernel", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--quick", type=Path, help="kernel for what is timed from power on (kernel.sh quick)")
    parser.add_argument("--only", help=f"parts, by commas: {','.join(PARTS)}")
    parser.add_argument("--rows", type=Path, default=rows_folder())
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("flags", nargs="*", help="flags of pytest in the guest")
    options = parser.parse_args()
    asked = PARTS if options.only is None else tuple(options.only.split(","))
    if unknown := set(asked) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    kernel, image = options.kernel.resolve(), options.image.resolve()
    out = image.parent / "out"
    build_wheel(out)
    statuses = []
    if together := [part for part in SIDE_BY_SIDE if part in asked]:
        statuses.append(run_parts(together, kernel, image, out, options.flags, LIMIT_S))
    if "boot" in asked:
        statuses.append(_boot((options.quick or kernel).resolve(), image, out))
    _gather(out, options.rows)
    if "cuts" in asked:
        statuses.append(_cut(kernel, image, out, options))
    return max(statuses, default=0)


def _boot(kernel: Path, image: Path, out: Path) -> int:
    """Install at a first boot, measure the next ones from the same disk; the last one judges all of them.

    Returns: 0 if they held; 1 at once if one did not come to its end, and there is no row then.
    """
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="edge-sorter-rig-", dir=shm if shm.is_dir() else None) as folder:
        for number in range(1 + BOOTS):
            status = run_parts(["boot"], kernel, image, out, [], BOOT_LIMIT_S, f"{folder}/cow", is_timed=True)
            # A boot that is only slow has its line.
            measured = out / "boot" / "boots.jsonl"
            lines = len(measured.read_text().splitlines()) if measured.exists() else 0
            if lines != number or (number == 0 and status != 0):
                shutil.rmtree(out / "boot" / "rows", ignore_errors=True)
                return 1
    return status


def _gather(out: Path, folder: Path) -> None:
    rows = Rows("rig", folder)
    for written in sorted(out.glob("*/rows")):
        for row in read_rows(written):
            rows.add(
                row.row,
                fault=row.fault,
                injected_by=row.injected_by,
                required=row.required,
                figure=row.figure,
                is_held=row.is_held,
                wall_s=row.wall_s,
            )
            print(f"{'held' if row.is_held else 'BROKEN'}: {row.fault}: {row.figure}")


def _cut(kernel: Path, image: Path, out: Path, options: argparse.Namespace) -> int:
    flags: Sequence[object] = (
        "--cuts", options.cuts, "--limit-s", CUTS_LIMIT_S, "--logs", out / "cuts", "--rows", options.rows.resolve(),
        kernel, image,
    )  # fmt: skip
    return subprocess.run([sys.executable, "-m", "tests.rig.cuts", *map(str, flags)], cwd=REPO, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
