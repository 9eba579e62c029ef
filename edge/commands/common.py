"""What several commands share: the configuration with the command line's wishes, and where things lie."""

import logging
import sys
from contextlib import suppress
from pathlib import Path

from edge.config import Config
from edge.configfile import load_config
from edge.paths import ledger_path as configured_ledger_path
from edge.printable import printable

__all__ = ["ledger_path", "load", "log_to_stderr", "wish"]


def load(
    config: Path | None,
    *,
    source: str | None = None,
    ledger: Path | None = None,
    model: Path | None = None,
    sim_items: int | None = None,
) -> Config:
    """The configuration, with what the command line asks for in place of what the file says.

    Raises: ConfigError.
    """
    return wish(load_config(config), source=source, ledger=ledger, model=model, sim_items=sim_items)


def wish(
    settings: Config,
    *,
    source: str | None = None,
    ledger: Path | None = None,
    model: Path | None = None,
    sim_items: int | None = None,
) -> Config:
    """A configuration with what the command line asks for in its place."""
    if source is not None:
        settings = settings.model_copy(update={"source": settings.source.model_copy(update={"spec": source})})
    if sim_items is not None:
        settings = settings.model_copy(update={"source": settings.source.model_copy(update={"sim_items": sim_items})})
    if ledger is not None:
        settings = settings.model_copy(update={"ledger": settings.ledger.model_copy(update={"path": str(ledger)})})
    if model is not None:
        settings = settings.model_copy(update={"model": settings.model.model_copy(update={"path": str(model)})})
    return settings


def ledger_path(explicit: Path | None, config: Path | None = None) -> Path:
    """The ledger that was named, else the one of the configuration."""
    return explicit if explicit is not None else configured_ledger_path(load_config(config))


class _StderrHandler(logging.Handler):
    """Looks standard error up at each message, since the live view redirects it."""

    def emit(self, record: logging.LogRecord) -> None:
        # Whoever logs has something more important to do than to find a reader.
        with suppress(OSError, ValueError):
            print(self.format(record), file=sys.stderr)


class _PrintableFormatter(logging.Formatter):
    """A message may hold names of files and labels: none of them forges another line, or steers the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        return printable(super().formatMessage(record))


def log_to_stderr() -> None:
    """Messages go to standard error, one line each; data keeps standard output to itself."""
    handler = _StderrHandler()
    handler.setFormatter(_PrintableFormatter("edge-sorter: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
