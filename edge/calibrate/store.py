"""The configuration file as calibration keeps it: checked as a whole, replaced as a whole, the old ones kept."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from edge import configfile
from edge.calibrate.desk import Desk
from edge.calibrate.files import replace_and_keep
from edge.config import Config
from edge.configedit import KeyPath, dotted, edited
from edge.errors import ConfigError

__all__ = ["ConfigStore", "store_and_tell", "told"]


class ConfigStore:
    """A configuration file that is read once and then replaced by its next version.

    At any moment the file is one version or the next, also after a power cut: the new one is written beside it and put
    on the disk before it takes the name. Nothing is written that `configfile` would refuse to read.

    Args:
        path: the file, which must exist; None is the system's, which need not.
        may_begin: a file that is named need not exist either. The first value that is stored makes it.
    Raises: ConfigError if it cannot be read, or is not valid.
    """

    def __init__(self, path: Path | None = None, *, may_begin: bool = False) -> None:
        # A link stays a link: what it leads to is replaced.
        self._path = (path if path is not None else configfile.SYSTEM_CONFIG).resolve()
        self._bytes = _read(self._path)
        if self._bytes is None and path is not None and not may_begin:
            raise ConfigError(
                f"there is no {self._path}; check --config, or begin a new configuration with calibrate set --new"
            )
        self._config = Config() if self._bytes is None else configfile.parse_config(self._text, str(self._path))

    @property
    def path(self) -> Path:
        return self._path

    @property
    def config(self) -> Config:
        """What the file says; the defaults where there is none."""
        return self._config

    @property
    def is_new(self) -> bool:
        """True as long as there is no file."""
        return self._bytes is None

    def refuse_unwritable(self) -> None:
        """Raises: ConfigError where `store` would fail, so that nobody calibrates for nothing."""
        folder = self._path.parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigError(
                f"{self._path} cannot be written by this user; begin the command with sudo, or name another --config"
            )

    def checked(self, changes: Mapping[KeyPath, Any]) -> Config:
        """The configuration with these values. Raises: ConfigError if the whole would not be valid."""
        return self._edit(changes)[1]

    def store(self, changes: Mapping[KeyPath, Any]) -> Path | None:
        """Write these values.

        Returns: where the former file is kept; None if there was none, or if nothing changed.
        Raises: ConfigError if the whole would not be valid, if the file was changed by someone else meanwhile, or
            cannot be written; the file is then as it was.
        """
        text, config = self._edit(changes)
        data = text.encode("utf-8")
        if data == self._bytes:
            return None
        if _read(self._path) != self._bytes:
            raise ConfigError(f"{self._path} was changed by someone else meanwhile; begin again, nothing was written")
        try:
            kept = replace_and_keep(self._path, data)
        except OSError as exc:
            raise ConfigError(
                f"cannot write {self._path} ({exc.strerror}); free some space or begin the command with sudo, "
                "nothing was stored"
            ) from exc
        self._bytes, self._config = data, config
        return kept

    @property
    def _text(self) -> str:
        try:
            return "" if self._bytes is None else self._bytes.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise ConfigError(f"{self._path} is no UTF-8 text; name a YAML file") from exc

    def _edit(self, changes: Mapping[KeyPath, Any]) -> tuple[str, Config]:
        text = edited(self._text, self._with_whole_maps(changes), str(self._path))
        try:
            return text, configfile.parse_config(text, str(self._path))
        except ConfigError as exc:
            raise ConfigError(f"nothing was stored: with the new values, {exc}") from exc

    def _with_whole_maps(self, changes: Mapping[KeyPath, Any]) -> dict[KeyPath, Any]:
        """The changes, with one of a default map's keys taken for the whole map.

        A map that a file has takes the place of the default one: `bins_deg` with a single bin would lose the others.
        """
        written = yaml.safe_load(self._text)
        found: dict[KeyPath, Any] = {}
        for path, value in changes.items():
            place = self._default_map(path, written)
            if place is None:
                found[path] = value
            else:
                found.setdefault(path[:place], dict(_at(self._config, path[:place])))[path[place]] = value
        return found

    def _default_map(self, path: KeyPath, written: Any) -> int | None:
        """How deep in a path there is a map that the file does not have; None if there is none."""
        for depth in range(1, len(path)):
            here = _at(self._config, path[:depth])
            if isinstance(here, Mapping) and here and depth == len(path) - 1:
                return None if _at(written, path[:depth]) is not None else depth
        return None


def _at(tree: Any, path: KeyPath) -> Any:
    """What stands at a place of models and maps; None if nothing does."""
    for part in path:
        tree = tree.get(part) if isinstance(tree, Mapping) else getattr(tree, part, None)
    return tree


def store_and_tell(store: ConfigStore, changes: Mapping[KeyPath, Any], desk: Desk) -> None:
    """Store values and say so. Raises: ConfigError; nothing was stored then."""
    kept = store.store(changes)
    desk.say(f"Stored in {store.path}: {told(changes)}.")
    if kept is not None:
        desk.say(f"The former file is {kept}.")


def told(changes: Mapping[KeyPath, Any]) -> str:
    """Values as a sentence names them."""
    return ", ".join(f"{dotted(key)} {value}" for key, value in changes.items())


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"cannot read {path} ({exc.strerror}); name a YAML file that this user may read") from exc
