"""How many threads an inference gets: measured on a clock of the test's own, remembered, and never trusted blindly."""

import json
import os
from pathlib import Path

import pytest

import edge.classifier
from edge.classify import tuning
from edge.classify.tuning import DEFAULT, Tuning, held_on, measure, recall, remember
from edge.config import Config
from edge.errors import ConfigError

MODEL = "a" * 64


class Bench:
    """An interpreter whose inference takes as long as the test says, on the test's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, invoke_us: dict[int, float], held_us: float) -> None:
        self.now_s = 0.0
        self.opened: list[int] = []
        self._invoke_us = invoke_us
        self._held_us = held_us
        self._is_held = False
        monkeypatch.setattr(tuning, "open_interpreter", self._open)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
        monkeypatch.setattr(os, "sched_setaffinity", self._hold)

    def clock(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s

    def _hold(self, pid: int, cores: set[int]) -> None:
        self._is_held = len(cores) == 1

    def _open(self, runtime: str, model: bytes, threads: int) -> "Bench._Interpreter":
        self.opened.append(threads)
        return Bench._Interpreter(self, threads)

    class _Interpreter:
        def __init__(self, bench: "Bench", threads: int) -> None:
            self._bench = bench
            self._threads = threads

        def invoke(self) -> None:
            bench = self._bench
            bench.now_s += (bench._held_us if bench._is_held else bench._invoke_us[self._threads]) / 1e6


@pytest.mark.parametrize(
    ("invoke_us", "held_us", "expected"),
    [
        pytest.param({1: 100, 2: 60, 3: 45, 4: 35}, 60.0, (4, None), id="four are the fastest"),
        pytest.param({1: 100, 2: 60, 3: 45, 4: 42}, 60.0, (3, None), id="three come close to it"),
        pytest.param({1: 100, 2: 99, 3: 120, 4: 300}, 130.0, (1, None), id="more only get in each other's way"),
        pytest.param({1: 100, 2: 99, 3: 120, 4: 300}, 90.0, (1, 3), id="held on a core it is faster"),
        pytest.param({1: 100, 2: 99, 3: 120, 4: 300}, 98.0, (1, None), id="held, but hardly faster"),
    ],
)
def test_the_fewest_threads_that_come_close_to_the_fastest_are_taken(
    monkeypatch, invoke_us: dict[int, float], held_us: float, expected: tuple[int, int | None]
):
    bench = Bench(monkeypatch, invoke_us, held_us)
    found = measure("litert", b"", [0, 1, 2, 3], bench.clock, bench.sleep)
    assert (found.threads, found.core) == expected
    assert found.wall_us["2"] == pytest.approx(invoke_us[2])
    assert bench.opened[:8] == [1, 2, 3, 4, 4, 3, 2, 1], "in turns, and back"


@pytest.mark.parametrize(
    ("invoke_us", "expected", "most_s"),
    [
        pytest.param({1: 80e3, 2: 45e3, 3: 36e3, 4: 28e3}, 4, 3.3, id="a Pi 3: all are tried, if not often"),
        pytest.param({1: 1.5e6, 2: 1.5e6, 3: 1.5e6, 4: 1.5e6}, 1, 6.0, id="too slow to try more than the first"),
        pytest.param({1: 9e6, 2: 9e6, 3: 9e6, 4: 9e6}, 1, 20.0, id="too slow for anything"),
    ],
)
def test_trying_ends_in_time_with_what_is_known(monkeypatch, invoke_us: dict[int, float], expected: int, most_s: float):
    bench = Bench(monkeypatch, invoke_us, invoke_us[1])
    found = measure("litert", b"", [0, 1, 2, 3], bench.clock, bench.sleep)
    assert found.threads == expected
    assert bench.now_s <= most_s


def test_one_core_needs_no_measurement(monkeypatch):
    bench = Bench(monkeypatch, {}, 0.0)
    assert measure("litert", b"", [0], bench.clock, bench.sleep) == DEFAULT
    assert bench.opened == []


def test_what_is_remembered_comes_back_for_the_same_model_and_runtime_only(tmp_path: Path):
    path = tmp_path / "deep" / "tuning.json"
    assert recall(path, "litert", MODEL) is None
    kept = Tuning(3, 1, {"1": 10.0, "3": 5.0})
    remember(path, "litert", MODEL, kept)
    remember(path, "litert", "b" * 64, DEFAULT)
    assert recall(path, "litert", MODEL) == kept
    assert recall(path, "tflite_runtime", MODEL) is None
    assert recall(path, "litert", "c" * 64) is None


def test_another_machine_measures_for_itself(tmp_path: Path, monkeypatch):
    path = tmp_path / "tuning.json"
    remember(path, "litert", MODEL, Tuning(3, None, {}))
    monkeypatch.setattr(tuning, "usable_cores", lambda: [0])
    assert recall(path, "litert", MODEL) is None
    monkeypatch.undo()
    monkeypatch.setattr(tuning, "_processor", lambda: "another board")
    assert recall(path, "litert", MODEL) is None


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"threads": 2}', "[" * 100_000], ids=lambda text: text[:9])
def test_a_damaged_memory_is_none_and_is_written_anew(tmp_path: Path, text: str):
    path = tmp_path / "tuning.json"
    path.write_text(text)
    assert recall(path, "litert", MODEL) is None
    remember(path, "litert", MODEL, Tuning(2, None, {}))
    assert recall(path, "litert", MODEL) == Tuning(2, None, {})


@pytest.mark.parametrize(
    "change",
    [
        *({"threads": threads} for threads in (0, 5, 2.5, "many", None, [1], float("inf"))),
        *({"core": core} for core in (-1, 4000, 10**12, 1.5, "x", [1])),
        {"wall_us": 3},
    ],
    ids=str,
)
def test_what_cannot_be_is_not_taken(tmp_path: Path, change: dict[str, object]):
    path = tmp_path / "tuning.json"
    remember(path, "litert", MODEL, Tuning(2, None, {}))
    known = json.loads(path.read_text())
    next(iter(known.values())).update(change)
    path.write_text(json.dumps(known))
    assert recall(path, "litert", MODEL) is None


def test_the_thread_is_free_again_afterwards_and_a_core_that_is_gone_is_no_error():
    before = os.sched_getaffinity(0)
    with held_on(min(before)):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
    with held_on(4000), held_on(None):
        assert os.sched_getaffinity(0) == before


@pytest.fixture
def state(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "edge-sorter" / "tuning.json"


def opened_threads(monkeypatch, config: Config) -> tuple[int, int]:
    """Threads that a run opens the model with, and how often it measured."""
    measured = []

    def count(*arguments: object) -> Tuning:
        measured.append(arguments)
        return Tuning(2, None, {})

    opened: list[int] = []
    monkeypatch.setattr(edge.classifier, "measure", count)
    monkeypatch.setattr(
        edge.classifier, "TfliteClassifier", lambda bundle, runtime, threads: opened.append(threads) or threads
    )
    edge.classifier.open_tuned(config, None)
    return opened[0], len(measured)


def test_the_first_run_measures_and_the_next_one_remembers(monkeypatch, state: Path):
    assert opened_threads(monkeypatch, Config()) == (2, 1)
    assert state.exists()
    assert opened_threads(monkeypatch, Config()) == (2, 0)
    _, threads = edge.classifier.open_classifier(Config())
    assert threads == 2, "other commands take what a run found out"


def test_a_number_in_the_configuration_is_taken_without_measuring(monkeypatch, state: Path):
    assert opened_threads(monkeypatch, Config.model_validate({"model": {"threads": 3}})) == (3, 0)
    assert not state.exists()


def test_other_commands_do_not_measure(monkeypatch, state: Path):
    monkeypatch.setattr(edge.classifier, "TfliteClassifier", lambda bundle, runtime, threads: threads)
    assert edge.classifier.open_classifier(Config())[1] == 1
    assert not state.exists()


def test_a_state_folder_that_cannot_be_written_is_a_warning(monkeypatch, state: Path, caplog):
    state.parent.write_text("a file in the way")
    assert opened_threads(monkeypatch, Config()) == (2, 1)
    assert "cannot remember in" in caplog.text
    assert "unless model.threads is set" in caplog.text


def test_a_runtime_that_is_not_installed_is_still_told(state: Path):
    with pytest.raises(ConfigError, match="tflite-runtime is not installed"):
        edge.classifier.open_tuned(Config.model_validate({"model": {"runtime": "tflite_runtime"}}), None)
