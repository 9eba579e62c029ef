"""Environments of the peers, set up on demand: a virtual environment for each set of requirements, in the user's cache.

A folder counts once its marker stands in it, which is written last; whatever was cut short is built anew.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge.bench.workers import clean_environment, without_places
from edge.errors import SorterError

__all__ = ["Run", "environment", "network", "peers_folder", "run_quietly"]

MARKER = "complete.txt"
TIMEOUT_S = 3600.0
DIGITS = 12
Run = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a command to its end; gives its exit status and what it said."""


def peers_folder() -> Path:
    """Where environments are kept (XDG base directories). May be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edge-sorter" / "peers"


def run_quietly(command: Sequence[str]) -> tuple[int, str]:
    """See `Run`; a command that cannot be started or takes an hour counts as failed."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"it took longer than {TIMEOUT_S:g} s"
    except OSError as exc:
        return 1, exc.strerror or str(exc)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def environment(name: str, requirements: Sequence[str], folder: Path | None = None, run: Run = run_quietly) -> Path:
    """The Python of an environment that holds the requirements; it is made first if it is not there.

    Args:
        name: of the library; the folder is `<name>-<digest of the requirements and of Python's version>`.
        requirements: as pip takes them; none at all means the environment of this process.
        folder: instead of `peers_folder()`.
    Raises: SorterError in one sentence if it cannot be made; nothing half-built is left then.
    """
    if not requirements:
        return Path(sys.executable)
    home = (folder or peers_folder()) / f"{name}-{_digest(*requirements, '{}.{}'.format(*sys.version_info))}"
    python, marker = home / "bin" / "python", home / MARKER
    with _locked(home):
        if marker.is_file() and python.exists():
            return python
        shutil.rmtree(home, ignore_errors=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        try:
            made = run([sys.executable, "-m", "venv", str(home)])
            _demand(made, f"python -m venv could not make an environment for {name}", "see that it has ensurepip")
            installed = run([*pip, *requirements])
            _demand(installed, f"pip could not install {', '.join(requirements)}", "see that this system can have them")
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        os.sync()  # the marker must not reach the disk before what it vouches for
        marker.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    return python


def network(
    name: str,
    python: Path,
    command: Sequence[str],
    bundle: Path,
    folder: Path | None = None,
    run: Run = run_quietly,
) -> Path:
    """The bundle's network in another library's format, made once for each model and converter.

    Args:
        name: of the library and the format.
        python: of an environment that has the library.
        command: the converter's script, the name of the file it writes or "." for a folder, and what it wants more.
        bundle: folder of the bundle.
    Raises: SorterError in one sentence if the converter fails.
    """
    script, result, *more = command
    scripts = Path(__file__).parent
    sources = [(scripts / one).read_bytes() for one in (script, "graph.py")]
    digest = _digest((bundle / "model.tflite").read_bytes(), *sources, *command, python.parent.parent.name)
    home = (folder or peers_folder()) / "networks" / f"{name}-{digest}"
    with _locked(home):
        if not home.is_dir():
            aside = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=home.parent))
            try:
                words = [str(python), str(scripts / script), str(bundle), str(aside / result), *more]
                _demand(run(words), f"{script} could not write the network for {name}", "try another bundle")
                os.replace(aside, home)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return home / result


def _demand(outcome: tuple[int, str], what: str, remedy: str) -> None:
    status, output = outcome
    if status == 0:
        return
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or [f"status {status}"]
    reason = without_places(errors[-1].removeprefix("ERROR:").strip())[:200]
    raise SorterError(f"{what} ({reason}); {remedy}")


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One process at a time makes a folder; the others wait, and find it made."""
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        lock = (home.parent / f"{home.name}.lock").open("w")
    except OSError as exc:
        raise SorterError(
            f"the cache folder cannot be written ({exc.strerror}); set XDG_CACHE_HOME to one that can"
        ) from exc
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(*parts: str | bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update((part.encode() if isinstance(part, str) else part) + b"\0")
    return found.hexdigest()[:DIGITS]
