"""What `edge-sorter run` is asked for."""

from dataclasses import dataclass
from pathlib import Path

from edge.sources.replay import Pace

__all__ = ["RunOptions"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line asked for; None where it said nothing."""

    config: Path | None = None
    source: str | None = None
    pace: Pace | None = None
    events: Path | None = None
    ledger: Path | None = None
    model: Path | None = None
    items: int | None = None
    truth: Path | None = None
    against: Path | None = None
    as_json: bool = False
