"""The regression gate: ratios of one commit after the other, and whether a new one is worse than the noise explains.

Only ratios are kept, never times: both parts of a ratio are measured in the same run, so that a faster or a busier
machine changes neither. Ratios of different processors still differ; a new one is held against the last of its own.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bench.report import Report
from edge.bench.stats import compare_rounds, holm
from edge.errors import ConfigError, SorterError

__all__ = ["Record", "check", "last_of", "read_records", "record_of", "write_record"]

LEVEL = 0.05
"""Chance that anything at all fails where nothing has changed."""
LEAST_WORSE = 0.02
"""Smaller losses are not worth a failure, however sure: the next run of the same code may differ by as much, since all
rounds of a run share its luck."""
NOT_OURS = frozenset({"cold_ratio"})
"""Ratios of the library alone."""
SLACK = {
    "overhead_tail": 0.5,
    "gate_command_ratio": 0.25,
    "start_ratio": 0.10,
    "idle_turn_ratio": 0.15,
    "presence_ratio": 0.15,
    "throughput_ratio": 0.03,
}
"""The same, where runs of the same code were seen to differ by more."""


class Record(BaseModel):
    """The ratios of one commit on one kind of machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    commit: str | None = Field(description="`+` at its end: with changes that were not committed")
    utc: str
    version: str
    machine: str = Field(description="processor, cores and architecture: only records of the same are compared")
    model_sha256: str
    ratios: dict[str, tuple[float, ...]] = Field(description="by figure, one value a round")
    better: dict[str, str] = Field(description="`lower` or `higher`, by figure")


def record_of(report: Report) -> Record:
    """What is kept of a report. Raises: SorterError if it was measured on a noisy machine."""
    if report.noise.verdict == "noisy":
        raise SorterError(f"{report.noise.sentence} Nothing was recorded or checked.")
    ratios = {
        name: figure for name, figure in report.figures.items() if figure.unit == "ratio" and name not in NOT_OURS
    }
    machine = report.machine
    return Record(
        commit=report.commit,
        utc=report.utc,
        version=report.version,
        machine=f"{machine.board or machine.model}, {machine.cores} x {machine.architecture}",
        model_sha256=report.model.sha256,
        ratios={name: tuple(round(value, 5) for value in figure.rounds) for name, figure in ratios.items()},
        better={name: figure.better for name, figure in ratios.items()},
    )


def read_records(path: Path) -> list[Record]:
    """All records of a file, oldest first; none where there is no file. Raises: ConfigError."""
    if not path.exists():
        return []
    try:
        return [Record.model_validate(fields) for fields in json.loads(path.read_text(encoding="utf-8"))["records"]]
    except OSError as exc:
        raise ConfigError(f"cannot read {path} ({exc.strerror}); check --records") from exc
    except (ValueError, KeyError, TypeError, ValidationError) as exc:
        raise ConfigError(f"{path} holds no ratios of `bench record` ({type(exc).__name__}); check --records") from exc


def write_record(path: Path, record: Record) -> None:
    """Append it; one of the same commit and machine takes the place of the former. Raises: ConfigError."""
    kept = [one for one in read_records(path) if (one.commit, one.machine) != (record.commit, record.machine)]
    # One record a line: a change shows as a line of its own.
    lines = ",\n".join(one.model_dump_json() for one in [*kept, record])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f'{{"records": [\n{lines}\n]}}\n')
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except OSError as exc:
        raise ConfigError(f"cannot write {path} ({exc.strerror}); check --records") from exc


def last_of(records: Sequence[Record], new: Record) -> Record:
    """The newest record of the same machine and model. Raises: ConfigError if there is none."""
    for record in reversed(records):
        if (record.machine, record.model_sha256) == (new.machine, new.model_sha256):
            return record
    raise ConfigError(
        f"no ratios are recorded for {new.machine} with this model; run `edge-sorter bench record` on a commit that "
        "is known to be good"
    )


def check(old: Record, new: Record) -> list[str]:
    """One sentence for each ratio that got worse by more than the noise; empty if none did.

    A ratio is worse if the permutation test over rounds says so, corrected for how many are looked at, and the loss is
    more than runs of the same code differ by.
    """
    names = [name for name in old.ratios if name in new.ratios]
    found = {name: compare_rounds(old.ratios[name], new.ratios[name]) for name in names}
    adjusted = dict(zip(names, holm([found[name].p for name in names]), strict=True))
    worse = []
    for name in names:
        loss = found[name].ratio - 1.0 if new.better[name] == "lower" else 1.0 / found[name].ratio - 1.0
        if loss > SLACK.get(name, LEAST_WORSE) and adjusted[name] <= LEVEL:
            worse.append(
                f"{name} is {loss:.1%} worse than in {old.commit or old.utc} (ratio of the medians "
                f"{found[name].ratio:.3f} [{found[name].low:.3f}, {found[name].high:.3f}], p {adjusted[name]:.4f})"
            )
    return worse
