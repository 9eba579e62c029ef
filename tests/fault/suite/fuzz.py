"""Configurations and bundles that nobody would write: one sentence each, no motion, and the last good ones work."""

import json
import os
import random
import resource
import shutil
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from gpiozero.pins.mock import MockPin
from hypothesis import HealthCheck, Phase, given, settings

from edge.bundle import load_bundle
from edge.classifier import open_classifier
from edge.config import Config, PinsConfig
from edge.configfile import load_config
from edge.drivers import make_gate, open_hardware, open_pins
from edge.errors import ConfigError, SorterError
from edge.health.lastgood import LastGood, used_now
from edge.wiring import wiring_remarks, wiring_svg, wiring_text
from tests.fault.fs.disk import ROOT, scratch
from tests.fault.suite.mutants import BUNDLE_CHANGES, TANGLED, changed_config, config_files
from tests.fault.suite.pinlog import read_pins
from tests.fault.suite.rows import Rows, bound
from tests.fault.suite.signals import stroke_server
from tests.rigs import SHIPPED_BUNDLE, rehash

__all__ = ["Fuzzed", "fuzz_bundles", "fuzz_configs", "report", "start_with_bad"]

OTHER_WIRES = "the last good configuration has other wires"
TANGLED_SHARE = 0.2
SLOW_S = 20.0
MEMORY_BYTES = 4 << 30


@dataclass
class Fuzzed:
    """How many there were, what became of them, and what was wrong."""

    count: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def fuzz_configs(examples: int) -> Fuzzed:
    """Offer files as a configuration. What is accepted is opened on simulated pins, and closed again."""
    found = Fuzzed()
    with scratch() as folder, _spied() as moved:
        path = folder / "config.yaml"

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(config_files())
        def offer(raw: bytes) -> None:
            path.write_bytes(raw)
            found.count += 1
            begun_s = time.monotonic()
            try:
                found.outcomes[_offer(path)] += 1
            except Exception as exc:
                found.failures.append(f"{_where(exc)}: {raw[:300]!r}")
            found.slowest_s = max(found.slowest_s, time.monotonic() - begun_s)
            if moved:
                found.failures.append(f"pins {moved} got power: {raw[:300]!r}")
                moved.clear()

        offer()
    if found.slowest_s > SLOW_S:
        found.failures.append(f"one took {found.slowest_s:.0f} s")
    return found


def _offer(path: Path) -> str:
    try:
        config = load_config(path)
    except ConfigError as exc:
        sentence = str(exc)
        if "\n" in sentence or str(path) not in sentence or len(sentence) > 2000:
            raise AssertionError(f"no sentence that names the file: {sentence[:300]!r}") from exc
        return "refused"
    config = config.model_copy(update={"pins": PinsConfig(factory="mock")})
    with suppress(SorterError):
        _open(config, path)
    return "accepted"


def _open(config: Config, path: Path) -> None:
    wiring_text(config)
    wiring_svg(config, "fuzzed")
    wiring_remarks(config)
    with open_pins(config) as factory:
        gate = make_gate(config.gate, factory)
        try:
            gate.open()
        finally:
            gate.close()
    with open_hardware(config, path):
        pass


@contextmanager
def _spied() -> Iterator[list[str]]:
    """Names of outputs that were given power meanwhile; a lamp has some by right, so only pulses count."""
    moved: list[str] = []
    change = MockPin._change_state

    def spy(self: Any, value: float) -> bool:
        if self.function == "output" and self.frequency is not None and value > 0:
            moved.append(self.info.name)
        return bool(change(self, value))

    with mock.patch.object(MockPin, "_change_state", spy):
        yield moved


def fuzz_bundles(count: int, seed: int = 1) -> Fuzzed:
    """Change copies of the packaged bundle, and load each in a process of its own, as a start would.

    In half of those with a changed model the manifest promises the changed one, so that the loader itself meets it.
    """
    found = Fuzzed()
    names = list(BUNDLE_CHANGES)
    with scratch() as folder:
        for number in range(count):
            draw = random.Random(f"{seed}/{number}")
            name = names[number % len(names)]
            bundle = folder / "bundle"
            shutil.copytree(SHIPPED_BUNDLE, bundle)
            BUNDLE_CHANGES[name](bundle, draw)
            if name == "model spoilt" and number % (2 * len(names)) < len(names):
                name = "model spoilt, digest mended"
                rehash(bundle)
            told = _apart(bundle)
            found.count += 1
            found.outcomes[f"{name}: {told['is']}"] += 1
            if told["is"] not in ("accepted", "refused"):
                found.failures.append(f"{name}, seed {seed}/{number}: {told['is']} {told.get('detail', '')}")
            shutil.rmtree(bundle)
    return found


def _apart(bundle: Path) -> dict[str, str]:
    """What came of a bundle in a process of its own, which may die of it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        signal.alarm(int(SLOW_S))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        os.write(writing, json.dumps(_load(bundle)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    _, status = os.waitpid(pid, 0)
    if said:
        told: dict[str, str] = json.loads(said)
        return told
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGALRM:
        return {"is": "hung"}
    return {"is": "killed the process", "detail": signal.Signals(-code).name if code < 0 else str(code)}


def _load(bundle: Path) -> dict[str, str]:
    config = Config.model_validate({"model": {"path": str(bundle), "threads": 1}})
    try:
        _, classifier = open_classifier(config)
        classifier.classify(np.full((240, 320, 3), 120, np.uint8))
        classifier.close()
    except SorterError as exc:
        if "\n" in str(exc) or len(str(exc)) > 2000:
            return {"is": "refused in more than a sentence", "detail": str(exc)[:300]}
        return {"is": "refused"}
    except BaseException as exc:
        return {"is": "raised", "detail": _where(exc)}
    return {"is": "accepted"}


def _where(exc: BaseException) -> str:
    frames = traceback.extract_tb(exc.__traceback__)
    ours = [frame for frame in frames if "/edge/" in frame.filename] or frames
    return f"{type(exc).__name__}: {str(exc)[:200]} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"


def report(rows: Rows, configs: int, bundles: int, runs: int) -> None:
    """Three entries of the matrix."""
    with rows.timed() as timer:
        found = fuzz_configs(configs)
    rows.add(
        "fuzz",
        fault="configurations that nobody would write",
        injected_by=f"hypothesis, {found.count} files: any bytes, any YAML, packaged ones with something changed",
        required="refused in one sentence that names the file, or opened and closed on simulated pins; no other "
        "exception, no "
        f"pulse, none longer than {SLOW_S:g} s",
        figure=f"{bound(len(found.failures), found.count)}; {found.outcomes['refused']} refused, the slowest took "
        f"{found.slowest_s:.1f} s",
        is_held=not found.failures,
        wall_s=timer.wall_s,
    )
    with rows.timed() as timer:
        loaded = fuzz_bundles(bundles)
    mended = loaded.outcomes["model spoilt, digest mended: accepted"]
    rows.add(
        "fuzz",
        fault="bundles that were damaged or forged",
        injected_by=f"{loaded.count} changed copies of the packaged bundle (manifest, model, golden images; half of "
        "the changed "
        "models with a digest that fits), each loaded in a process of its own",
        required="refused in one sentence, or accepted with its golden outputs as they were; no other exception, no "
        "crash",
        figure=f"{bound(len(loaded.failures), loaded.count)}; {mended} forged models passed their golden images",
        is_held=not loaded.failures,
        wall_s=timer.wall_s,
    )
    with rows.timed() as timer:
        started = start_with_bad(runs)
    rows.add(
        "fuzz",
        fault="`run --unattended` with a bad configuration or bundle",
        injected_by=f"{started.count} starts of the whole program, half of them with a last good one kept",
        required="with a last good one: sorts with it and says so in the book, unless its wires are others; "
        "without: exit 2 or 4, and no pulse",
        figure=f"{bound(len(started.failures), started.count)}; {started.outcomes['sorted']} sorted with the last "
        "good one",
        is_held=not started.failures and started.outcomes["sorted"] > 0 and started.outcomes["refused"] > 0,
        wall_s=timer.wall_s,
    )
    for failure in (found.failures + loaded.failures + started.failures)[:10]:
        print(f"  {failure}")


def start_with_bad(count: int, seed: int = 1) -> Fuzzed:
    """Start the whole program, unattended, with what `config_files` and `BUNDLE_CHANGES` make and a start refuses.

    Every second time there is a last good configuration and bundle.
    """
    found = Fuzzed()
    draw = random.Random(seed)
    with scratch() as folder, stroke_server(folder) as server:
        good = folder / "good.yaml"
        good.write_text((ROOT / "config" / "default.yaml").read_text())
        used = used_now(good, load_config(good), SHIPPED_BUNDLE, load_bundle(SHIPPED_BUNDLE).id)
        jobs = []
        for number in range(count):
            name = f"{number:04d}-{('config', 'bundle')[number // 2 % 2]}-{('kept', 'none')[number % 2]}"
            state = folder / f"{name}.state"
            if name.endswith("kept"):
                LastGood(state / "edge-sorter" / "last-good").keep(used)
            options = (
                _bad_config(folder / f"{name}.yaml", draw) if "config" in name else _bad_bundle(folder / name, draw)
            )
            jobs.append(
                {"name": name, "state": str(state), "options": ["--unattended", *options], "limit_s": 2 * SLOW_S}
            )
        ended = server.run(jobs)
        for name, status in ended.items():
            found.count += 1
            _look_at_start(folder, name, status, found)
    return found


def _bad_config(path: Path, draw: random.Random) -> list[str]:
    """Options that name a file which is refused: the packaged default with something changed."""
    sound = (ROOT / "config" / "default.yaml").read_text()
    if draw.random() < TANGLED_SHARE:
        path.write_text(draw.choice(TANGLED))
        return ["--config", str(path)]
    for _ in range(100):
        path.write_bytes(changed_config(sound, draw.getrandbits(32)))
        try:
            load_config(path)
        except ConfigError:
            return ["--config", str(path)]
    raise AssertionError("every changed configuration was accepted")


def _bad_bundle(folder: Path, draw: random.Random) -> list[str]:
    shutil.copytree(SHIPPED_BUNDLE, folder)
    (folder / "model.tflite").write_bytes((folder / "model.tflite").read_bytes()[: draw.randrange(2_000_000)])
    return ["--model", str(folder)]


def _look_at_start(folder: Path, name: str, status: int, found: Fuzzed) -> None:
    told = [json.loads(line) for line in (folder / f"{name}.out").read_text().splitlines() if line.startswith("{")]
    err = (folder / f"{name}.err").read_text()
    pulses = [
        change for change in read_pins(folder / f"{name}.pins") if change.pin.startswith("GPIO") and change.value > 0
    ]
    if "Traceback" in err:
        found.failures.append(f"{name}: {err[-300:]}")
    elif name.endswith("kept") and OTHER_WIRES in err:
        # Which pins are meant is unknown then: the old ones may be another motor's.
        found.outcomes["other wires"] += 1
        if status != 2 or pulses:
            found.failures.append(f"{name}: exit {status}, {len(pulses)} pulses: {err[-300:]}")
    elif name.endswith("kept"):
        reasons = [record["reason"] for record in told if record["type"] == "fault"]
        items = sum(record["type"] == "item" for record in told)
        if status != 0 or items != 1 or reasons != ["config_refused" if "config" in name else "model_refused"]:
            found.failures.append(f"{name}: exit {status}, {items} items, faults {reasons}: {err[-300:]}")
        else:
            found.outcomes["sorted"] += 1
    elif status != (2 if "config" in name else 4) or pulses:
        found.failures.append(f"{name}: exit {status}, {len(pulses)} pulses: {err[-300:]}")
    else:
        found.outcomes["refused"] += 1
