"""Combinations are held against the bare inference of their own model, runtime and threads."""

import math

import pytest

from edge.bench import against, matrix, noise
from edge.bench.peers.registry import BARE_INVOKE, EDGE_SORTER, TFLITE_RUNTIME, Peer
from edge.errors import SorterError
from tests.bench_turns import BURST, STEADY, play
from tests.rigs import SHIPPED_BUNDLE

FAST_BUNDLE = SHIPPED_BUNDLE.with_name("waste-mobilenetv2-fast")


def test_the_matrix_measures_every_combination(monkeypatch):
    monkeypatch.setattr(noise, "FAIR", math.inf)
    monkeypatch.setattr(matrix, "ALIVE", 3)
    found = matrix.measure_matrix([FAST_BUNDLE], [1, 2], ["litert"], [(64, 48), (128, 96)], 2, 2, lambda _: None)
    assert [(one.settings["threads"], one.settings["frame_px"]) for one in found] == [
        ("1", "64x48"),
        ("1", "128x96"),
        ("2", "64x48"),
        ("2", "128x96"),
    ]
    for one in found:
        assert one.missing is None
        assert one.settings["runtime"] == "litert"
        assert ("label_us" in one.figures) is (one.settings["threads"] == "1"), "several threads only by the wall"
        assert len(one.figures["label_wall_us"].rounds) == 2
        assert len(one.figures["label_ratio"].rounds) == 2


def test_a_cell_is_held_against_the_bare_inference_on_as_many_threads(monkeypatch):
    def takes(peer: Peer, threads: int) -> list[float]:
        return [us / threads * (1.0 if peer.script == BARE_INVOKE.script else 1.2) for us in STEADY]

    opened = play(monkeypatch, takes)
    found = matrix.measure_matrix([FAST_BUNDLE], [1, 2], ["litert"], [(64, 48), (128, 96)], 3, 2, lambda _: None)
    for one in found:
        assert one.figures["label_ratio"].rounds == pytest.approx((1.2, 1.2, 1.2))
    assert found[2].figures["label_wall_us"].median == pytest.approx(60.6)
    # One yardstick for each number of threads, and none among the contenders.
    assert [threads for script, threads in opened if script == BARE_INVOKE.script] == [1, 2]
    assert len(found) == 4


def test_the_yardsticks_count_among_the_processes_that_wait(monkeypatch):
    monkeypatch.setattr(matrix, "ALIVE", 4)
    rounds: list[str] = []
    opened = play(monkeypatch, lambda peer, threads: STEADY)
    sizes_px = [(64, 48), (128, 96)]
    matrix.measure_matrix([FAST_BUNDLE], [1, 2], ["litert"], sizes_px, 1, 1, lambda said: rounds.append(said))
    parts = " ".join("|" if said.startswith("round") else "." for said in rounds).split("|")
    # Two cells of one thread and their yardstick: a cell of two threads would bring another one with it.
    assert [part.count(".") for part in parts] == [3, 3, 0]
    assert len(opened) == 6


def test_a_cell_whose_yardstick_was_not_steady_is_not_shown(monkeypatch):
    def takes(peer: Peer, threads: int) -> list[float]:
        return BURST if peer.script == BARE_INVOKE.script and threads == 2 else STEADY

    play(monkeypatch, takes)
    one, two = matrix.measure_matrix([FAST_BUNDLE], [1, 2], ["litert"], [(64, 48)], 3, 2, lambda _: None)
    assert one.missing is None
    assert one.figures
    assert two.missing is not None
    assert "spread by 40\u00a0%" in two.missing
    assert two.figures == {}
    assert two.settings["threads"] == "2"


def test_cells_of_tflite_runtime_have_a_yardstick_of_their_own(monkeypatch):
    libraries = []

    def takes(peer: Peer, threads: int) -> list[float]:
        libraries.append((peer.script, peer.library, peer.requirements))
        return STEADY

    play(monkeypatch, takes)
    matrix.measure_matrix([FAST_BUNDLE], [1], ["litert", "tflite_runtime"], [(64, 48)], 1, 1, lambda _: None)
    assert libraries == [
        (BARE_INVOKE.script, "", ()),
        (EDGE_SORTER.script, "", ()),
        (BARE_INVOKE.script, "tflite-runtime", TFLITE_RUNTIME),
        (EDGE_SORTER.script, "tflite-runtime", TFLITE_RUNTIME),
    ]


def test_a_cell_that_cannot_be_measured_says_why(monkeypatch):
    def refuse(peer, argument, package, *, name):
        raise SorterError(f"pip could not install {peer.library}")

    monkeypatch.setattr(against, "open_worker", refuse)
    (found,) = matrix.measure_matrix([FAST_BUNDLE], [1], ["tflite_runtime"], [(64, 48)], 1, 1, lambda _: None)
    assert found.missing == "pip could not install tflite-runtime"
    assert found.figures == {}
    assert found.settings["runtime"] == "tflite_runtime"
