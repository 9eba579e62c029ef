"""What an unattended sorter may run with: what is configured, and what served well the last time."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edge.config import Config
from edge.configfile import parse_config, read_config
from edge.errors import BundleError, ConfigError, SorterError
from edge.health.lastgood import LastGood
from edge.machine import State
from edge.records import Event
from edge.rewired import has_same_wires, refuse_other_wires

__all__ = ["Choice", "Wishes", "choices", "configured", "refused"]

Wishes = Callable[[Config], Config]
"""Puts what the command line asks for in place of what a file says."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """A configuration to run with.

    Attributes:
        file: where it was read; None for the packaged default.
        text: what was read there.
        told: events to be written down about it.
        is_last_good: some of it is not what is configured.
        is_for_bundle: it differs from the one before by its model only.
    """

    config: Config
    file: Path | None
    text: str | None = None
    told: tuple[Event, ...] = ()
    is_last_good: bool = False
    is_for_bundle: bool = False

    @property
    def sha256(self) -> str | None:
        """Of the text."""
        return None if self.text is None else hashlib.sha256(self.text.encode()).hexdigest()


def configured(file: Path | None, wishes: Wishes) -> Choice:
    """What a file asks for now. Raises: ConfigError."""
    if file is None:
        return Choice(wishes(Config()), None)
    text = read_config(file)
    return Choice(wishes(parse_config(text, str(file))), file, text)


def choices(file: Path | None, wishes: Wishes, last_good: LastGood) -> Iterator[Choice]:
    """What to run with, best first: as configured, with the last good model, with the last good configuration.

    The last good configuration keeps the book of the present one, where that can be read: what is in it, and the
    emergency stop that is remembered beside it, hold for the machine.

    One with other wires is none: a machine that was wired anew is not driven as it was before, whatever fails. The last
    good model works with the new wires too.

    Raises: ConfigError if the file is refused, and no last good one is kept, or that has other wires.
    """
    kept, bundle = _kept(wishes, last_good), last_good.bundle()
    try:
        chosen = configured(file, wishes)
    except ConfigError as exc:
        if kept is None:
            raise
        refuse_other_wires(file, kept.config, kept.text or "", exc)
        _log.error("%s", exc)
        kept = replace(kept, told=(refused(exc),))
    else:
        yield chosen
        if bundle is not None:
            yield replace(chosen, config=_with_model(chosen.config, bundle), is_last_good=True, is_for_bundle=True)
        if kept is not None and not has_same_wires(chosen.config, kept.config):
            kept = None
        if kept is not None:
            kept = replace(kept, config=kept.config.model_copy(update={"ledger": chosen.config.ledger}))
    if kept is not None:
        yield kept
        if bundle is not None:
            yield replace(kept, config=_with_model(kept.config, bundle), is_for_bundle=True)


def refused(error: SorterError) -> Event:
    """What is written down of a configuration or a bundle that is not used."""
    reason = "model_refused" if isinstance(error, BundleError) else "config_refused"
    return Event("fault", 0.0, {"reason": reason, "detail": str(error), "state": State.BOOT.value})


def _kept(wishes: Wishes, last_good: LastGood) -> Choice | None:
    """The last good configuration; None without one that this version still takes."""
    file = last_good.config()
    try:
        return None if file is None else replace(configured(file, wishes), is_last_good=True)
    except ConfigError as exc:
        _log.warning("the last good configuration is of no use: %s", exc)
        return None


def _with_model(config: Config, folder: Path) -> Config:
    return config.model_copy(update={"model": config.model.model_copy(update={"path": str(folder)})})
