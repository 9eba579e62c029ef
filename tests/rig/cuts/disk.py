"""The disk that outlives the cuts: made, and looked at from the host as a copy, while the guest is without power."""

import shutil
import subprocess
from pathlib import Path

__all__ = ["DiskError", "StateDisk"]

SIZE = "96M"
BAD_STATUS = 4
"""Of e2fsck: errors that it left."""


class DiskError(Exception):
    """The file system itself did not survive."""


class StateDisk:
    """An ext4 image.

    Args:
        image: where it lies; made anew.
        scratch: for copies.
    """

    def __init__(self, image: Path, scratch: Path) -> None:
        self.image = image
        self._scratch = scratch
        # No lazy initialisation: nobody writes but the program.
        options = ["-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"]
        subprocess.run(
            ["mke2fs", "-q", "-F", "-t", "ext4", *options, str(image), SIZE], check=True, capture_output=True
        )

    def files(self) -> Path:
        """What the next boot will find: a copy of the disk after its journal was played back. Raises: DiskError."""
        copy, files = self._scratch / "copy.img", self._scratch / "files"
        shutil.copyfile(self.image, copy)
        done = subprocess.run(["e2fsck", "-f", "-y", str(copy)], capture_output=True, text=True, check=False)
        if done.returncode >= BAD_STATUS:
            raise DiskError(f"e2fsck ended with {done.returncode}: {done.stdout[-400:]}")
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        subprocess.run(["debugfs", "-R", f"rdump / {files}", str(copy)], capture_output=True, check=True)
        return files
