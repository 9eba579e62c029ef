"""A replay gives the same events at any speed, on any machine, every time. The wall clock here is a fake."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

import edge.clock
from edge.app import open_session
from edge.config import Config, LedgerConfig, SourceConfig
from edge.sources.sim_script import Hand, draw_script
from tests.replay.data import scene_files
from tests.replay.rig import BAG, CAN, FPS, JAR, darkened, play
from tests.replay.test_scenes import Events, sorted_scene

SLOW_FRAME_S = 0.23
"""A consumer that takes so long for a frame is more than four frames late."""


class FakeWall:
    """A wall clock that passes only while somebody sleeps, or works."""

    def __init__(self):
        self.now_s = 1000.0
        self.slept_s = 0.0

    def monotonic(self):
        return self.now_s

    def sleep(self, duration_s):
        assert duration_s > 0
        self.slept_s += duration_s
        self.now_s += duration_s

    def work(self, duration_s):
        self.now_s += duration_s


@pytest.fixture
def wall(monkeypatch):
    wall = FakeWall()
    monkeypatch.setattr(edge.clock, "time", SimpleNamespace(monotonic=wall.monotonic, sleep=wall.sleep))
    return wall


def essence(records):
    """Events without what names the run or measures this machine."""
    stripped = []
    for record in records:
        kept = {name: value for name, value in record.items() if name not in ("boot_id", "event_id", "utc")}
        if "latency_ms" in kept:
            kept["latency_ms"] = {name: value for name, value in kept["latency_ms"].items() if name != "classify"}
        stripped.append(kept)
    return stripped


def play_again(folder, name, **options):
    """A short day with much in it: darkness over an item, a hand, an item held for long."""
    acts = [CAN, Hand(duration_s=2.0), JAR, replace(BAG, rest_s=3.0), CAN]
    (folder / name).mkdir()
    return essence(play(acts, folder / name, edit=darkened(2.6, 4.0), **options).records)


def test_a_second_run_gives_the_same_events(tmp_path):
    first = play_again(tmp_path, "first")
    assert [record["type"] for record in first] == ["boot"] + ["item"] * 4
    assert play_again(tmp_path, "second") == first


def test_realtime_gives_the_same_events_as_fast_and_takes_its_time(tmp_path, wall):
    """A second of the recording lasts a second at least."""
    fast = play_again(tmp_path, "fast")
    assert wall.slept_s == 0.0
    seen_s = []
    realtime = play_again(
        tmp_path, "realtime", pace="realtime", watch=lambda frame: seen_s.append((frame.t_s, wall.now_s))
    )
    assert realtime == fast
    (first_t_s, first_wall_s), (last_t_s, last_wall_s) = seen_s[0], seen_s[-1]
    assert last_wall_s - first_wall_s == pytest.approx(last_t_s - first_t_s)
    assert wall.slept_s == pytest.approx(last_t_s, abs=1 / FPS)


@pytest.mark.parametrize("is_always", [True, False], ids=["always slow", "slow at times"])
def test_a_machine_that_is_too_slow_for_the_frames_gives_the_same_events(tmp_path, wall, is_always):
    """Late frames are looked at late, never skipped; what is decided does not depend on the machine."""
    late = []

    def watch(frame):
        if is_always or frame.index % 7 < 2:
            wall.work(SLOW_FRAME_S)
        late.append(wall.now_s - 1000.0 - frame.t_s > 1 / FPS)

    fast = play_again(tmp_path, "fast")
    assert play_again(tmp_path, "slow", pace="realtime", watch=watch) == fast
    assert sum(late) > len(late) / 4


def test_an_ordinary_day_is_the_same_at_both_paces(tmp_path, wall):
    runs = []
    for pace in ("fast", "realtime"):
        (tmp_path / pace).mkdir()
        runs.append(essence(play(draw_script(4, 5), tmp_path / pace, seed=4, pace=pace).records))
    assert runs[0] == runs[1]
    assert [record["type"] for record in runs[0]] == ["boot"] + ["item"] * 5


def sort_all(config, pace, limit_s=float("inf")):
    """A source through the whole program, with the shipped model."""
    events = Events()
    with open_session(config, pace, [events]) as session:
        clock = session.parts.source.clock
        session.runtime.run(lambda: clock.now_s() >= limit_s)
    return essence(events.records)


def test_the_whole_program_gives_the_same_events_at_both_paces_and_again(tmp_path, wall):
    """Labels, votes and confidences too: the int8 model computes the same every time."""
    source = SourceConfig(spec="sim:5", sim_items=4)
    config = Config(source=source, ledger=LedgerConfig(path=str(tmp_path / "ledger.db")))
    fast, again, realtime = (sort_all(config, pace, 20.0) for pace in ("fast", "fast", "realtime"))
    assert sum(record["type"] == "item" for record in fast) >= 3
    assert fast == again == realtime


@pytest.mark.parametrize("scene", ["easy1", "hard1"])
def test_a_recorded_tray_gives_the_same_events_at_both_paces_from_end_to_end(tmp_path, wall, scene):
    """The scene at full speed is that of `test_scenes`; here the same one takes its two minutes of a fake wall."""
    video, _ = scene_files(scene)
    ledger = LedgerConfig(path=str(tmp_path / "ledger.db"))
    realtime = sort_all(Config(source=SourceConfig(spec=f"video:{video}"), ledger=ledger), "realtime")
    fast, truth = sorted_scene(scene)
    assert realtime == essence(fast)
    assert len(realtime) == len(truth) + 1
    assert wall.slept_s > truth[-1]["t_out_s"]
