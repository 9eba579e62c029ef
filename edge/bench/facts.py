"""On what is measured: what a machine is, and its state at the moment.

What a machine does not tell is None: never an error, and never a value that nobody measured.
"""

import os
import platform
import re
from pathlib import Path

from edge.bench.report import MachineFacts
from edge.board.gauges import Gauges
from edge.board.identity import board_name, library_versions, memory_mb, os_name
from edge.board.sysfiles import ROOT, Run, fields, run_command, text
from edge.board.throttling import describe_throttled

__all__ = ["machine_facts"]


def machine_facts(root: Path = ROOT, run: Run = run_command) -> MachineFacts:
    """What this machine is, and its state now.

    Args:
        root: what stands for `/`.
        run: how `systemd-detect-virt` and `vcgencmd` are run.
    """
    gauges = Gauges(root, run)
    now = gauges.read()
    board = board_name(root)
    processor = fields(root / "proc/cpuinfo", ":")
    return MachineFacts(
        model=board or _processor(processor) or platform.machine(),
        board=board,
        architecture=platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_mb=_memory_mb(root),
        os=os_name(root),
        kernel=platform.release(),
        python=platform.python_version(),
        is_virtual=_is_virtual(run, processor.get("flags")),
        governor=now.governor,
        clock_mhz=now.clock_mhz,
        clock_max_mhz=gauges.clock_max_mhz(),
        temperature_c=now.temperature_c,
        throttled=None if now.throttled is None else f"{now.throttled:#x}",
        throttled_meaning=() if now.throttled is None else describe_throttled(now.throttled),
        load=_load(root),
        libraries=library_versions(),
    )


def _processor(told: dict[str, str]) -> str | None:
    """Its name, with what tells generations of one name apart."""
    name = told.get("model name") or told.get("Model")
    family, model = told.get("cpu family"), told.get("model")
    return f"{name} (family {family}, model {model})" if name and family and model else name


def _memory_mb(root: Path) -> int:
    found = memory_mb(root)
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6 if found is None else found)


def _load(root: Path) -> float | None:
    word = (text(root / "proc/loadavg") or "").split(" ")[0]
    return float(word) if re.fullmatch(r"\d+\.\d+", word) else None


def _is_virtual(run: Run, flags: str | None) -> bool | None:
    """True on a virtual machine; a container runs on the machine itself and does not count."""
    told = (run(("systemd-detect-virt", "--vm")) or "").strip()
    if told:
        return told != "none"
    # Only x86 has such a flag.
    return None if flags is None else "hypervisor" in flags.split()
