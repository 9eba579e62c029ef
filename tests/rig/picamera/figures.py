"""Where checks in the guest write down what they measured."""

import json
import os
from pathlib import Path

__all__ = ["write_figure"]


def write_figure(what: str, measured: str, limit: str) -> None:
    """What, the figure, what must hold; run.py prints them as a table."""
    with (Path(os.environ["EDGE_SORTER_RIG_OUT"]) / "figures.jsonl").open("a") as lines:
        lines.write(json.dumps({"what": what, "measured": measured, "limit": limit}) + "\n")
