"""The regression gate: ratios of one commit after the other, and whether a new one is worse than the noise explains.

Only ratios are kept, never times: both parts of a ratio are measured in the same run, so that a faster or a busier
machine changes neither. Ratios of different processors still differ; a new one is held against the last of its own.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bench.report import MachineFacts, Report
from edge.bench.stats import compare_rounds, holm
from edge.errors import ConfigError
from edge.paths import write_whole

__all__ = ["Record", "check", "kind_of", "read_records", "record_of", "same_kind", "table", "write_record"]

LEVEL = 0.05
"""Chance that anything at all fails where nothing has changed."""
LEAST_WORSE = 0.02
"""Smaller losses are not worth a failure, however sure: the next run of the same code may differ by as much, since all
rounds of a run share its luck."""
NOT_OURS = frozenset({"cold_ratio", "overhead_tail", "overhead_tail_all", "overhead_tail_wall"})
"""Ratios of the library alone, and tails, which a neighbour makes."""
ALSO = frozenset({"idle_share"})
"""What is no ratio by its unit, but processor time over wall time."""
KEPT = 5
"""So many of the last records are looked back to, so that small losses do not add up unseen."""
SLACK = {
    "gate_command_ratio": 0.25,
    "idle_share": 0.30,
    "idle_turn_ratio": 0.15,
    "overhead_ratio": 0.25,
    "overhead_spread": 0.30,
    "presence_ratio": 0.15,
    "start_ratio": 0.10,
    "throughput_ratio": 0.08,
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


def kind_of(machine: MachineFacts) -> str:
    """What must be the same for two records to be compared."""
    return f"{machine.board or machine.model}, {machine.cores} x {machine.architecture}"


def record_of(report: Report) -> Record:
    """What is kept of a report. Raises: ConfigError if it was measured on a noisy machine."""
    if report.noise.verdict == "noisy":
        raise ConfigError(f"{report.noise.sentence} Nothing was recorded or checked.")
    ratios = {
        name: figure
        for name, figure in report.figures.items()
        if (figure.unit == "ratio" and name not in NOT_OURS) or name in ALSO
    }
    return Record(
        commit=report.commit,
        utc=report.utc,
        version=report.version,
        machine=kind_of(report.machine),
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
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as exc:
        raise ConfigError(f"{path} holds no ratios of `bench record` ({type(exc).__name__}); check --records") from exc


def write_record(path: Path, record: Record) -> None:
    """Append it; one of the same commit, machine and model takes the place of the former.

    Raises: ConfigError if it is of no commit, which nobody could go back to, or the file cannot be written.
    """
    if record.commit is None or record.commit.endswith("+"):
        found = record.commit or "no checkout"
        raise ConfigError(f"ratios are recorded of a commit, and this is {found}; commit what was changed first")
    key = (record.commit, record.machine, record.model_sha256)
    kept = [one for one in read_records(path) if (one.commit, one.machine, one.model_sha256) != key]
    # One record a line: a change shows as a line of its own.
    lines = ",\n".join(one.model_dump_json() for one in [*kept, record])
    try:
        write_whole(path, f'{{"records": [\n{lines}\n]}}\n')
    except OSError as exc:
        raise ConfigError(f"cannot write {path} ({exc.strerror}); check --records") from exc


def same_kind(records: Sequence[Record], machine: str, model_sha256: str) -> list[Record]:
    """The last records of the same machine and model, oldest first. Raises: ConfigError if there is none."""
    found = [one for one in records if (one.machine, one.model_sha256) == (machine, model_sha256)]
    if not found:
        raise ConfigError(
            f"no ratios are recorded for {machine} with this model; run `edge-sorter bench record` on a commit that "
            "is known to be good"
        )
    return found[-KEPT:]


def check(known: Sequence[Record], new: Record) -> dict[str, str]:
    """One sentence for each ratio that got worse by more than the noise, by its name; empty if none did.

    A ratio is worse if the permutation test over rounds says so, corrected for how many are looked at, and the loss is
    more than runs of the same code differ by; and likewise, with twice that, beside the best of the last records. One
    that is not measured any more is worse, too.

    Args:
        known: of the same kind, oldest first, one at least.
    """
    gone = [name for name in known[-1].ratios if name not in new.ratios]
    worse = {name: f"{name} was recorded in {_when(known[-1])} and is not measured any more" for name in gone}
    names = [name for name in known[-1].ratios if name in new.ratios]
    pairs = [(name, known[-1], 1.0) for name in names]
    pairs += [(name, best, 2.0) for name in names if (best := _best(known, name, new.better[name])) is not known[-1]]
    found = [compare_rounds(old.ratios[name], new.ratios[name]) for name, old, _ in pairs]
    adjusted = holm([difference.p for difference in found])
    for (name, old, factor), difference, p in zip(pairs, found, adjusted, strict=True):
        loss = difference.ratio - 1.0 if new.better[name] == "lower" else 1.0 / difference.ratio - 1.0
        if loss > factor * SLACK.get(name, LEAST_WORSE) and p <= LEVEL:
            worse[name] = (
                f"{name} is {loss:.1%} worse than in {_when(old)} (ratio of the medians {difference.ratio:.3f} "
                f"[{difference.low:.3f}, {difference.high:.3f}], p {p:.4f})"
            )
    return worse


def table(old: Record, new: Record) -> list[str]:
    """Lines of every ratio that both have: what was recorded, what was found, and the loss that is allowed."""
    lines = [f"{'ratio':<20} {'recorded':>10} {'found':>10} {'worse by':>9} {'allowed':>8}"]
    for name in (name for name in old.ratios if name in new.ratios):
        was, found = median(old.ratios[name]), median(new.ratios[name])
        loss = found / was - 1.0 if new.better[name] == "lower" else was / found - 1.0
        lines.append(f"{name:<20} {was:>10.4g} {found:>10.4g} {loss:>9.1%} {SLACK.get(name, LEAST_WORSE):>8.0%}")
    return lines


def _best(known: Sequence[Record], name: str, better: str) -> Record:
    """The record with the best median of a ratio; the newest of equals."""
    sign = 1.0 if better == "lower" else -1.0
    having = [record for record in reversed(known) if name in record.ratios]
    return min(having, key=lambda record: sign * median(record.ratios[name]))


def _when(record: Record) -> str:
    return record.commit or record.utc
