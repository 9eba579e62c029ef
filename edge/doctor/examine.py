"""All checks, in order, each with its limit of time."""

from collections.abc import Iterator
from pathlib import Path

from edge.board.processes import Program
from edge.config import Config
from edge.configfile import config_file, load_config
from edge.doctor.book import check_ledger
from edge.doctor.bounded import Outcome, Subject, look_at
from edge.doctor.camera import CAMERA_LIMIT_S, check_camera
from edge.doctor.clock import check_clock
from edge.doctor.findings import Finding, note, ok, refused
from edge.doctor.machine import Machine
from edge.doctor.model import check_model
from edge.doctor.pins import check_pins
from edge.doctor.power import check_power
from edge.doctor.running import other_sorters, running_sorter
from edge.doctor.storage import check_storage
from edge.doctor.system import check_system
from edge.errors import ConfigError
from edge.paths import ledger_path

__all__ = ["examine"]

MODEL_LIMIT_S = 120.0
"""Golden images without XNNPACK on the smallest board take a minute."""
LEDGER_LIMIT_S = 60.0


def examine(machine: Machine, path: Path | None) -> Iterator[Outcome]:
    """Look at everything; nothing is written, claimed or moved.

    Args:
        path: the configuration that was named; None takes the one that `run` would take.
    Returns: one outcome a subject, as each is done.
    """
    found = _configuration(path)
    config, findings = found
    yield Outcome(findings, False)
    settled = config or Config()
    file, ledger = config_file(path), ledger_path(settled)
    yield look_at(Subject("system", lambda: check_system(machine), hang_level="warning"))
    yield look_at(Subject("power", lambda: check_power(machine), hang_level="warning"))
    yield look_at(Subject("clock", lambda: check_clock(machine), hang_level="warning"))
    yield look_at(Subject("storage", lambda: check_storage(machine, ledger)))
    yield look_at(Subject("model", lambda: check_model(machine, settled, file if config else None), MODEL_LIMIT_S))
    if config is None:
        reason = "not looked at, since the configuration is refused"
        yield Outcome(tuple(note(f"{subject}.check", reason) for subject in ("ledger", "camera", "gpio")), False)
        return
    sorter = running_sorter(machine, ledger)
    yield look_at(Subject("ledger", lambda: _ledger(machine, config, ledger, sorter), LEDGER_LIMIT_S))
    yield look_at(Subject("camera", lambda: check_camera(machine, config, sorter), CAMERA_LIMIT_S))
    yield look_at(Subject("gpio", lambda: check_pins(machine, config, sorter)))


def _ledger(machine: Machine, config: Config, path: Path, sorter: Program | None) -> Iterator[Finding]:
    yield from other_sorters(machine, config, sorter)
    yield from check_ledger(machine, path, sorter)


def _configuration(path: Path | None) -> tuple[Config | None, tuple[Finding, ...]]:
    try:
        config, file = load_config(path), config_file(path)
    except ConfigError as exc:
        return None, (refused("config.file", exc),)
    what = f"source {config.source.spec}, pins {config.pins.factory}, gate {config.gate.kind}"
    if file is None:
        remedy = "copy one from config/ to /etc/edge-sorter/config.yaml, or name one with --config"
        return config, (note("config.file", f"no configuration file, so the packaged default: {what}", remedy),)
    return config, (ok("config.file", f"{file} is valid: {what}"),)
