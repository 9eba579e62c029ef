"""The rig's cache: what takes minutes to make is kept under a name that holds a digest of all that it is made from."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


class RigError(Exception):
    """The rig cannot go on; the message says why, and what to do."""


def folder() -> Path:
    """Where images are kept: `SORTER_RIG_CACHE`/pi."""
    base = os.environ.get("SORTER_RIG_CACHE")
    path = (Path(base) if base else Path.home() / ".cache" / "edge-sorter" / "rig") / "pi"
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest(*parts: object) -> str:
    """12 hex digits that change with any of the parts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """The file or folder `name` of the cache, made by `make(path)` where it is not there yet.

    It gets its name only when it is whole, so that a build that was interrupted is never taken for a result.
    """
    path = folder() / name
    if path.exists():
        return path
    check_builder()
    say(f"making {name}; kept in {folder()}")
    part = path.with_name(f"{name}.{os.getpid()}.part")
    try:
        make(part)
        part.rename(path)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
    return path


def call(*command: object, **options: object) -> str:
    """Run a program. Returns: its standard output. Raises: RigError with the end of what it said."""
    words = [str(word) for word in command]
    done = subprocess.run(words, text=True, capture_output=True, **options)  # type: ignore[call-overload]  # options pass
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise RigError(f"`{' '.join(words)[:300]}` ended with {done.returncode}:\n{said}")
    return str(done.stdout)


def say(text: str) -> None:
    print(f"rig-pi: {text}", flush=True)


def check_tools(tools: dict[str, str]) -> None:
    """Check that programs are installed.

    Args:
        tools: programs, and the Debian package of each.
    Raises: RigError that says what to install.
    """
    missing = {package for program, package in tools.items() if find_tool(program) is None}
    if missing:
        raise RigError(f"programs are missing; run: sudo apt-get install {' '.join(sorted(missing))}")


def find_tool(program: str) -> str | None:
    """Path of a program, also of those that Debian keeps from ordinary users."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def check_builder() -> None:
    """Raises: RigError unless roots of another machine can be made here."""
    if os.geteuid() != 0:
        raise RigError(
            "roots of another machine are made with chroot and device nodes; run this as root once, with "
            "SORTER_RIG_CACHE set to a folder that you may read"
        )


def project_wheel(into: Path) -> Path:
    """Build the project's wheel from the working tree."""
    call(*PIP, "wheel", "--no-deps", "--wheel-dir", into, REPOSITORY)
    return next(into.glob("edge_sorter-*.whl"))
