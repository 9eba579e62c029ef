"""From the configuration to a store of captured pictures."""

from pathlib import Path

from edge.capture.limits import DAY_S, Limits
from edge.config import Config
from edge.paths import ledger_path

__all__ = ["captures_path", "limits_of"]


def captures_path(config: Config) -> Path:
    """Folder of the pictures: the configured one, else `captures/` beside the ledger."""
    path = config.capture.path
    return Path(path) if path is not None else ledger_path(config).parent / "captures"


def limits_of(config: Config) -> Limits:
    """The limits that the configuration sets."""
    capture = config.capture
    return Limits(
        max_bytes=round(capture.max_mb * 1e6),
        max_count=capture.max_count,
        max_age_s=capture.max_days * DAY_S,
        keep_free_bytes=round(capture.keep_free_mb * 1e6),
        max_a_day=capture.max_a_day,
    )
