"""Keeps what a sound run worked with: the configuration's text and the model's bundle, to fall back on.

    last-good/config -> config-1f9a…    config.yaml and its picture of the empty tray, under their own names
    last-good/bundle -> bundle-77c0…    manifest, model, golden images

A folder is written aside, checked, renamed, and only then pointed to; its name holds a digest of its content. At any
moment, also after a power cut, the old one or the new one is whole.
"""

import hashlib
import logging
import os
import re
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle import MANIFEST_NAME, MODEL_NAME, load_bundle
from edge.config import Config
from edge.errors import BundleError
from edge.paths import sync_folder
from edge.presence.tray_picture import tray_picture_path
from edge.records import ModelId

__all__ = ["LastGood", "Used", "is_kept", "used_now"]

CARD_NAME = "CARD.md"
JOIN_S = 10.0
_NEW = "new-"
_DIGEST_CHARACTERS = 16
_KEPT = re.compile(rf"(config|bundle)-[0-9a-f]{{{_DIGEST_CHARACTERS}}}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Used:
    """What a run works with, as it was read at its start: the files may be another's by the time it proves sound.

    Attributes:
        config: files by their names, the configuration first; empty for the packaged default.
        bundle: folder of the model.
        model: which one was loaded from there.
    """

    bundle: Path
    model: ModelId
    config: Mapping[str, bytes] = field(default_factory=dict)


def used_now(file: Path | None, config: Config, bundle: Path, model: ModelId, text: str | None = None) -> Used:
    """Note what is used by a run that begins.

    Args:
        file: where the configuration was read; None for the packaged default.
        text: what was read there; None: it is read again, and whoever wrote to it since is believed.
    Raises: OSError.
    """
    if file is None:
        return Used(bundle, model)
    files = {file.name: file.read_bytes() if text is None else text.encode()}
    picture = tray_picture_path(file, config.source)
    with suppress(FileNotFoundError):
        files[picture.name] = picture.read_bytes()
    return Used(bundle, model, files)


def is_kept(folder: Path) -> bool:
    """Whether this is a folder that some `LastGood` keeps, by its name."""
    return _KEPT.fullmatch(folder.resolve().name) is not None


class LastGood:
    """The last good configuration and bundle. Nothing here raises: what cannot be kept is told.

    Args:
        folder: of its own, in the state folder; made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread: threading.Thread | None = None

    def config(self) -> Path | None:
        """The configuration file that is kept; relative paths in it mean what they meant."""
        folder = self._find("config")
        if folder is None:
            return None
        return next((path for path in sorted(folder.iterdir()) if path.suffix != ".png"), None)

    def bundle(self) -> Path | None:
        """Folder of the bundle that is kept; `load_bundle` checks it like any other."""
        return self._find("bundle")

    def keep_aside(self, used: Used) -> None:
        """`keep` in a thread of its own: a bundle has megabytes, and the loop does not wait for a disk.

        One that still writes is not waited for either, and stays the only one: the next sound run keeps what is new.
        """
        if self._thread is not None and self._thread.is_alive():
            _log.warning("the disk is still busy with the last good configuration before; this one is not kept")
            return
        self._thread = threading.Thread(target=self.keep, args=(used,), name="last-good", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for `keep_aside`, not for ever: what is cut off in the middle does no harm."""
        if self._thread is not None:
            self._thread.join(JOIN_S)
            self._thread = None

    def keep(self, used: Used) -> None:
        """Keep what a stable run used; what is kept already is not written again."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if used.config:
                self._put("config", used.config)
            if self._folder.resolve() not in used.bundle.resolve().parents:
                self._keep_bundle(used)
        except OSError as exc:
            _log.warning("cannot keep the last good configuration in %s (%s); free some space", self._folder, exc)
        except BundleError as exc:
            _log.warning("the last good bundle is not kept: %s", exc)

    def _keep_bundle(self, used: Used) -> None:
        """Raises: OSError, BundleError."""
        bundle = load_bundle(used.bundle)
        if bundle.id != used.model:
            raise BundleError(f"{used.bundle} holds another model than the one at work; it is kept when it has proved")
        files = {MODEL_NAME: bundle.model, MANIFEST_NAME: (used.bundle / MANIFEST_NAME).read_bytes()}
        files |= {golden.file: bundle.golden_image(golden) for golden in bundle.manifest.golden}
        with suppress(FileNotFoundError):
            files[CARD_NAME] = (used.bundle / CARD_NAME).read_bytes()
        self._put("bundle", files)

    def _put(self, kind: str, files: Mapping[str, bytes]) -> None:
        """Raises: OSError; what was kept before is kept still."""
        name = f"{kind}-{_digest({file: _sha256(content) for file, content in files.items()})}"
        target, link = self._folder / name, self._folder / kind
        if not _is_whole(target):
            partial = self._folder / f"{_NEW}{name}"
            _remove(partial)
            _remove(target)
            partial.mkdir(mode=0o700)
            for file, content in files.items():
                _write(partial / file, content)
            for folder in {(partial / file).parent for file in files} | {partial}:
                sync_folder(folder)
            os.rename(partial, target)
            sync_folder(self._folder)
        if not _points_to(link, name):
            fresh = self._folder / f"{_NEW}{kind}"
            _remove(fresh)
            os.symlink(name, fresh)
            os.replace(fresh, link)
            sync_folder(self._folder)
        for former in self._folder.glob(f"*{kind}*"):
            if former.name not in (kind, name):
                _remove(former)

    def _find(self, kind: str) -> Path | None:
        """The folder that is pointed to; where that was lost, any other one: each served a sound run."""
        # Of the megabytes of a bundle only the names are looked at: whoever loads it checks them.
        is_fit = _is_whole if kind == "config" else _is_bundle
        with suppress(OSError):
            found = sorted(
                self._folder.glob(f"{kind}-*"), key=lambda path: not _points_to(self._folder / kind, path.name)
            )
            return next((path for path in found if is_kept(path) and is_fit(path)), None)
        return None


def _is_bundle(folder: Path) -> bool:
    return (folder / MANIFEST_NAME).is_file() and (folder / MODEL_NAME).is_file()


def _is_whole(folder: Path) -> bool:
    """Whether a kept folder holds what its name says."""
    try:
        paths = [path for path in folder.rglob("*") if not path.is_dir()]
        digests = {path.relative_to(folder).as_posix(): _sha256(path.read_bytes()) for path in paths}
    except OSError:
        return False
    return folder.name.rpartition("-")[2] == _digest(digests)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(digests: Mapping[str, str]) -> str:
    """Of a whole folder, from those of its files."""
    lines = "".join(f"{name}\0{digests[name]}\n" for name in sorted(digests))
    return _sha256(lines.encode("utf-8", "surrogateescape"))[:_DIGEST_CHARACTERS]


def _points_to(link: Path, name: str) -> bool:
    try:
        return os.readlink(link) == name
    except OSError:
        return False


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
