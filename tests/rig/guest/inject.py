"""Faults inside the service's process, without changing the program: Python runs `sitecustomize` at every start.

What is injected waits for a file that names its process, so that the one which is started afterwards is sound.
"""

import subprocess
from pathlib import Path

__all__ = ["Injection"]

FOLDER = Path("/run/rig/injected")
DROP_IN = Path("/etc/systemd/system/edge-sorter.service.d/injected.conf")
CUSTOMIZE = f"""
import ctypes, mmap, os, sys, threading, time

def is_asked(what):
    try:
        with open("{FOLDER}/" + what) as file:
            return file.read() == str(os.getpid())
    except OSError:
        return False

def attend():
    while True:
        time.sleep(0.02)
        if is_asked("hog"):
            # A foreign function that is called without letting go of the interpreter's lock.
            ctypes.PyDLL(None).sleep(3600)
        held = []
        while is_asked("eat"):
            held.append(mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE))

if "run" in sys.orig_argv:
    threading.Thread(target=attend, daemon=True).start()
    from edge.sources.v4l2 import V4l2Camera

    grab = V4l2Camera.grab

    def hang(camera, out=None):
        while is_asked("hang"):
            time.sleep(3600)
        return grab(camera, out)

    V4l2Camera.grab = hang
"""


class Injection:
    """Faults that wait in the service. Take effect from its next start on."""

    def install(self) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        FOLDER.chmod(0o755)
        (FOLDER / "sitecustomize.py").write_text(CUSTOMIZE)
        DROP_IN.write_text(f"[Service]\nEnvironment=PYTHONPATH={FOLDER}\n")
        subprocess.run(["systemctl", "daemon-reload"], check=True)

    def remove(self) -> None:
        DROP_IN.unlink(missing_ok=True)
        subprocess.run(["systemctl", "daemon-reload"], check=True)

    def ask(self, what: str, pid: int) -> None:
        """Let it happen to a process: `hog` the interpreter's lock, `eat` memory, `hang` in the camera's driver."""
        aside = FOLDER / f".{what}"
        aside.write_text(str(pid))
        aside.rename(FOLDER / what)
