"""The whole measurement once, as small as can be: every figure is there and makes sense, whatever its size."""

import gc
import threading
import time

import numpy as np
import pytest

from edge.bench import live
from edge.bench.camera import PlayedCamera
from edge.bench.frames import play_frames
from edge.bench.label import LabelRound, measure_label
from edge.bench.loop import open_loop
from edge.bench.report import Report
from edge.bench.samples import Samples
from edge.bench.suite import Plan, measure, noise_of, soak_step
from edge.bench.throughput import Swing
from edge.bench.wording import percent
from edge.classifier import open_classifier
from edge.config import Config

TINY = Plan(rounds=2, frames=3, plays=1, items=1, idle_s=1, throughput_frames=8, starts=0)


@pytest.fixture(scope="module")
def report() -> Report:
    """One item in real time takes five seconds, and so does a tray that becomes idle."""
    said: list[str] = []
    found = measure(Config(), TINY, 30.0, "edge-sorter bench", said.append, has_processes=False)
    assert "round 2 of 2" in said
    return found


def test_every_figure_of_the_loop_is_there_with_its_rounds(report: Report):
    figures = report.figures
    assert figures["label_ratio"].median > 0.0
    assert len(figures["label_ratio"].rounds) == len(figures["throughput_ratio"].rounds) == TINY.rounds
    assert figures["idle_share"].median > 0.0
    assert len(figures["rest_to_decision_s"].rounds) + figures["items_undecided"].median == TINY.items
    assert figures["decision_to_pin_ms"].median > 0.0
    assert figures["item_cpu_ms"].median > 0.0
    assert "of 3 items" in figures["decision_to_pin_ms"].title, "two in the replay and one in real time"
    assert figures["turn_kb"].median > 0.0
    assert figures["cold_ratio"].median > 0.0
    assert len(figures["collector_pause_ms"].rounds) == TINY.rounds
    assert len(figures["blocks_kept"].rounds) == 2
    assert {name for name, figure in figures.items() if figure.goal is not None} == {
        "label_ratio",
        "overhead_tail",
        "throughput_ratio",
        "rest_to_decision_s",
        "decision_to_pin_ms",
        "items_undecided",
        "missed_frames",
        "idle_share",
        "presence_us",
    }


def test_every_stage_of_a_frames_way_is_there(report: Report):
    assert {"capture", "presence", "preprocess", "invoke", "name", "decide", "gate_command"} <= set(report.stages)
    assert {"frame_to_label", "rest_to_decision", "decision_to_pin"} <= set(report.stages)
    assert report.stages["invoke"].wall.count == report.stages["name"].wall.count == TINY.rounds * TINY.frames


def test_it_says_what_was_measured_and_survives_its_json(report: Report):
    assert report.model.threads == 1
    assert report.model.has_delegate
    assert report.frames.frames == 150 + 12
    assert report.settings["config"]["vote"]["min_frames"] == 2
    assert Report.read(report.write()) == report


def test_it_leaves_the_collector_and_no_thread_behind(report: Report):
    assert gc.isenabled()
    assert [thread.name for thread in threading.enumerate() if thread.name == "camera"] == []


def test_the_frames_are_the_same_every_time():
    first, second = play_frames(30.0), play_frames(30.0)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(first, second, strict=True))


def rounds_of(cpu_us: list[float], wall: float = 1.0) -> list[LabelRound]:
    found = []
    for value in cpu_us:
        one = LabelRound()
        one.samples["bare"] = Samples([value] * 5, [value * wall] * 5, [0.0] * 5)
        found.append(one)
    return found


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        pytest.param(rounds_of([100, 102, 101]), "quiet", id="two per cent"),
        pytest.param(rounds_of([100, 110, 101]), "fair", id="ten per cent"),
        pytest.param(rounds_of([100, 140, 101]), "noisy", id="forty per cent"),
        pytest.param(rounds_of([100, 101, 100], wall=1.3), "noisy", id="steady, but a quarter of the time was stolen"),
    ],
)
def test_the_verdict_on_the_noise(rounds: list[LabelRound], verdict: str):
    found = noise_of(rounds)
    assert found.verdict == verdict
    assert percent(found.spread) in found.sentence


def test_a_step_of_a_soak_does_real_work():
    with soak_step(Config.model_validate({"model": {"threads": 1}})) as step:
        found = step()
    assert min(found["label_us"], found["invoke_us"], found["idle_turn_us"]) > 0


class Clock:
    """A performance counter that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now_s)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s


def test_a_played_camera_keeps_time_and_skips_what_nobody_fetched(monkeypatch):
    clock = Clock(monkeypatch)
    frames = play_frames(30.0)[:4]
    camera = PlayedCamera(frames, 10.0)
    camera.open()
    assert np.array_equal(camera.grab(), frames[0].image)
    buffer = np.empty_like(frames[0].image)
    assert camera.grab(buffer) is buffer
    assert clock.now_s == pytest.approx(100.1)
    assert np.array_equal(buffer, frames[1].image)
    clock.now_s = 100.55
    camera.grab(buffer)
    assert camera.due_s == {0: 100.0, 1: pytest.approx(100.1), 5: 100.55}, "number 5 was due, 2 to 4 are lost"
    assert np.array_equal(buffer, frames[5 % 4].image)
    assert camera.own_cpu_s > 0


def test_a_camera_that_is_fetched_late_counts_what_it_lost_and_one_that_is_halted_loses_nothing(monkeypatch):
    clock = Clock(monkeypatch)
    camera = PlayedCamera(play_frames(30.0)[:4], 10.0)
    camera.open()
    for _ in range(3):
        camera.grab()
    assert camera.skipped == 0
    clock.now_s += 0.35
    camera.grab()
    assert camera.skipped == 2
    with camera.halted():
        clock.now_s += 5.0
    camera.grab()
    assert camera.skipped == 2


def test_of_items_that_left_undecided_no_wait_is_claimed():
    found = live.LiveFindings(undecided=2, item_cpu_ms=[1.0, 1.0], idle_shares=[0.01], throughput=[0.9])
    figures = live.figures_of(found, 30.0)
    assert "rest_to_decision_s" not in figures
    assert figures["items_undecided"].median == 2.0
    assert figures["items_undecided"].is_met is False
    assert live.pins_figure([found.samples["decision_to_pin"]]) == {}


def test_a_beam_in_the_configuration_is_not_waited_for():
    config = Config.model_validate({"model": {"threads": 1}, "drop_sensor": {"kind": "beam"}})
    bundle, classifier = open_classifier(config)
    with open_loop(config, bundle, classifier, play_frames()) as rig:
        assert len(rig.play(3).samples["decide"].cpu) == 3


def test_a_gate_that_swings_is_told_to_move_as_soon_as_it_has_arrived():
    told: list[str] = []
    reports = iter([None, None, "there", None, "there", None])
    swing = Swing(lambda at: told.append("home"), lambda at: told.append("bin"), lambda at: next(reports))
    for step in range(6):
        swing.tick(step * 0.01)
        swing.tick(step * 0.01 + 0.001)
    assert told == ["home", "bin", "home"]


def test_the_classifier_is_left_as_it_was_found():
    _, classifier = open_classifier(Config.model_validate({"model": {"threads": 1}}))
    bare = classifier.invoke
    measure_label(classifier, np.zeros((2, 48, 64, 3), np.uint8), 2)
    assert classifier.invoke == bare
