"""How cost grows: the fit on made costs, the turns, the ledgers that are made, and one tiny run of everything."""

import random
import shutil
import sqlite3
from collections import namedtuple
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import edge.machine_state
from edge.bench.facts import machine_facts
from edge.bench.frames import play_frames
from edge.bench.growth import Growth, measure_growth, to_markdown
from edge.bench.growth import ledger as ledger_axis
from edge.bench.growth.book import build_book, filesystem, item_body, real_disk
from edge.bench.growth.ledger import measure_ledger
from edge.bench.growth.plan import FULL, PLANS, QUICK, Plan
from edge.bench.growth.rate import _Clock
from edge.bench.growth.records import Axis, Curve, fit_exponent
from edge.bench.growth.rig import open_sorter
from edge.bench.growth.rounds import cpu_us, interleave
from edge.bench.growth.uptime import _Endless
from edge.bench.report import Noise
from edge.classifier import open_classifier
from edge.config import Config, DropSensorConfig, LedgerConfig, RearmConfig
from edge.ledger import SqliteLedger
from edge.ledger_read import LedgerReader
from edge.presence.local_contrast import LocalContrastDetector
from edge.records import Event
from edge.sources.replay import ReplaySource

TINY = Plan(
    rounds=2,
    calls=2,
    sizes_px=((64, 64), (160, 120)),
    rates_fps=(40.0, 80.0),
    window_s=0.3,
    labels=(2, 20),
    bins=(2, 5),
    rows=(100, 1500),
    appends=1,
    summary_rounds=1,
    ages_frames=(150, 300),
)
X = [1.0, 10.0, 100.0, 1000.0]


def rounds_of(cost: Any, count: int = 6, noise: float = 0.02) -> list[list[float]]:
    """Costs at each place of X, each round a little slower or faster as a whole and place by place."""
    rng = random.Random(1)
    luck = [rng.uniform(1 - 10 * noise, 1 + 10 * noise) for _ in range(count)]
    return [[cost(x) * whole * rng.uniform(1 - noise, 1 + noise) for whole in luck] for x in X]


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.5, 1.0, 2.0])
def test_a_power_law_gives_its_exponent_whatever_the_luck_of_a_round(exponent):
    found = fit_exponent(X, rounds_of(lambda x: 3.0 * x**exponent))
    assert found is not None
    assert found.exponent == pytest.approx(exponent, abs=0.01)
    assert found.low <= found.exponent <= found.high
    assert found.high - found.low < 0.03
    assert found.coverage > 0.95


def test_a_constant_part_hides_the_growth_but_not_at_the_upper_end():
    found = fit_exponent(X, rounds_of(lambda x: 50.0 + x))
    assert found is not None
    assert found.exponent < 0.6
    assert found.upper == pytest.approx(0.85, abs=0.03)


def test_one_odd_place_does_not_move_the_exponent():
    places = [float(2**index) for index in range(8)]
    found = fit_exponent(places, [[x * (5.0 if x == 8 else 1.0)] for x in places])
    assert found is not None
    assert found.exponent == pytest.approx(1.0, abs=0.1)
    assert found.coverage == 0


@pytest.mark.parametrize(
    ("x", "rounds"), [([1.0], [[1.0]]), ([1.0, 2.0], [[0.0], [1.0]]), ([0.0, 1.0], [[1.0], [1.0]])]
)
def test_without_two_places_above_zero_there_is_no_exponent(x, rounds):
    assert fit_exponent(x, rounds) is None


@pytest.mark.parametrize(
    ("unit", "cost", "meaning"),
    [
        ("us", lambda x: 5.0, "1000 times the rows cost 1 times as much: does not grow"),
        ("ms", lambda x: x, "1000 times the rows cost 1000 times as much: grows in step"),
        ("us", lambda x: x**0.5, "1000 times the rows cost 31.6 times as much: grows, but slower than in step"),
        ("us", lambda x: x**1.3, "1000 times the rows cost 7943 times as much: grows faster than in step"),
        ("MB", lambda x: 70 + x / 100, "1000 times the rows make 70 into 80 MB: hardly grows"),
        ("count", lambda x: 9, "1000 times the rows make 9 into 9: does not grow"),
        ("us", lambda x: x**-0.5, "1000 times the rows cost 0.0316 times as much: shrinks"),
        ("us", lambda x: 0.0, "too small or too few to say how it grows"),
    ],
)
def test_a_sentence_says_what_it_means(unit, cost, meaning):
    curve = Curve.of("a", unit, "cpu", {(x, f"{x:g}"): [cost(x)] * 6 for x in X}, "rows")
    assert curve.meaning == meaning


def test_a_sentence_names_the_upper_end_and_the_scatter():
    bent = Curve.of("a", "us", "cpu", {(x, ""): [20.0 + x] * 6 for x in X}, "rows")
    assert bent.meaning.endswith(": grows, but slower than in step; at the upper end it grows in step, exponent 0.93")
    more = Curve.of("a", "us", "cpu", {(x, ""): [100.0 + x] * 6 for x in X}, "rows")
    assert more.meaning.endswith(": grows, but slower than in step; at the upper end with exponent 0.74")
    noise = Curve.of("a", "us", "cpu", {(1.0, ""): [1.0] * 6, (10.0, ""): [0.9, 1.1, 1.1, 1.1, 1.2, 1.3]}, "rows")
    assert noise.meaning.endswith(": does not grow")
    wild = Curve.of("a", "us", "cpu", {(1.0, ""): [1.0] * 6, (10.0, ""): [1, 1, 1, 10, 10, 10]}, "rows")
    assert "the rounds scatter too much to be sure" in wild.meaning


def test_every_place_is_measured_once_a_round_and_never_in_the_same_order():
    done: list[str] = []
    found = interleave({key: lambda key=key: done.append(key) or len(done) for key in "abc"}, rounds=4)
    rounds = ["".join(done[start : start + 3]) for start in range(0, 12, 3)]
    assert [sorted(one) for one in rounds] == [["a", "b", "c"]] * 4
    assert len(set(rounds)) == 4
    # In the order of rounds, whatever the order within.
    assert all(values == sorted(values) for values in found.values())


def test_the_cost_of_a_call_is_its_processor_time():
    def work() -> None:
        sum(range(20_000))

    assert cpu_us(work, calls=5, batch=2) == pytest.approx(cpu_us(work, calls=5), rel=0.9)
    assert cpu_us(work, calls=5) > 10


@pytest.fixture
def config() -> Config:
    """The default one, which is ready a little sooner."""
    return Config(rearm=RearmConfig(empty_s=0.1))


def test_a_ledger_that_is_made_is_as_sound_as_one_that_was_written(tmp_path, config):
    made, written = tmp_path / "made.db", tmp_path / "written.db"
    build_book(made, 2500, config)
    with LedgerReader(made) as reader:
        report = reader.verify()
        assert report.is_clean
        assert (report.rows, report.boots) == (2500, 3)
        assert reader.summary().events == {"item": 2497, "boot": 3}
    ledger = SqliteLedger(written)
    ledger.open()
    ledger.close()
    assert schema_of(made) == schema_of(written)
    ledger = SqliteLedger(made)
    ledger.open()
    ledger.append(Event("item", 1.0, item_body(config, random.Random(1))))
    ledger.close()
    with LedgerReader(made) as reader:
        assert reader.verify().is_clean


def schema_of(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
        return [*rows, db.execute("PRAGMA application_id").fetchone(), db.execute("PRAGMA journal_mode").fetchone()]


def test_a_size_that_the_disk_has_no_room_for_is_left_out_and_named(tmp_path, config, monkeypatch):
    usage = namedtuple("usage", "total used free")
    spare = ledger_axis.SPARE_BYTES
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, spare + 500_000))
    axis = measure_ledger(config, TINY, tmp_path, lambda words: None)
    assert [cost.label for cost in axis.curves[0].costs] == ["100"]
    assert axis.curves[0].exponent is None
    (remark,) = axis.remarks
    assert remark.startswith("1 500 rows are left out: they need 0.0 GB")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_with_room_for_no_size_leaves_an_axis_without_curves(tmp_path, config, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 1000))
    axis = measure_ledger(config, TINY, tmp_path, lambda words: None)
    assert axis.curves == ()
    assert [remark.partition(" rows are left out")[0] for remark in axis.remarks] == ["100", "1 500"]
    growth = growth_of(axis)
    assert Growth.read(growth.write()) == growth
    section = to_markdown(growth).split("## Ledger size\n")[1]
    assert section.startswith("\nNothing was measured.\n\n- 100 rows are left out: they need 0.0 GB")
    assert "|" not in section


def test_the_file_system_of_a_folder_is_that_of_its_nearest_mount(tmp_path):
    mounts = tmp_path / "mountinfo"
    here = tmp_path.resolve()
    mounts.write_text(
        "22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
        f"30 22 0:27 / {here}/ram\\040disk rw - tmpfs tmpfs rw\n"
        "nonsense\n"
    )
    (here / "ram disk/deep").mkdir(parents=True)
    assert filesystem(here / "ram disk/deep", mounts) == "tmpfs"
    assert filesystem(here, mounts) == "ext4"
    assert filesystem(here, tmp_path / "missing") is None


@pytest.mark.parametrize("in_memory", ["tmpfs", "overlay"])
def test_ledgers_are_made_beside_the_configured_one_unless_that_is_in_memory(tmp_path, monkeypatch, in_memory):
    beside, elsewhere = tmp_path / "beside", tmp_path / "elsewhere"
    beside.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    configured = Config(ledger=LedgerConfig(path=str(beside / "ledger.db")))
    kinds = {beside: "ext4", elsewhere: "ext4"}
    assert real_disk(configured, lambda folder: kinds.get(folder, in_memory)) == beside
    del kinds[beside]
    assert real_disk(configured, lambda folder: kinds.get(folder, in_memory)) == elsewhere
    # Better in memory than nowhere, and better there than where nobody asked for it.
    assert real_disk(configured, lambda folder: in_memory) == beside
    assert real_disk(Config(ledger=LedgerConfig(path="/nonexistent/ledger.db"))).is_dir()


def test_the_sorter_of_the_uptime_really_sorts(tmp_path, config):
    config = config.model_copy(update={"drop_sensor": DropSensorConfig(kind="beam")})
    bundle, _ = open_classifier(config)
    recording = _Endless(play_frames(20.0, 160, 120))
    source, presence = ReplaySource(recording, "fast"), LocalContrastDetector(config.presence)
    with open_sorter(config, bundle, source, presence, tmp_path) as runtime:
        while recording.index < 3 * recording.length:
            runtime.turn()
        (book,) = tmp_path.rglob("ledger.db")
        with LedgerReader(book) as reader:
            assert reader.summary().events["item"] == 3
    assert list(tmp_path.iterdir()) == []


def test_the_time_of_a_halt_does_not_go_by():
    clock, inner_s = _Clock(), iter([10.0, 12.0, 50.0, 51.0])
    clock._clock.now_s = lambda: next(inner_s)
    assert clock.now_s() == 10.0
    clock.halt()
    assert [clock.now_s(), clock.now_s()] == [12.0, 12.0]
    clock.resume()
    clock.resume()
    assert clock.now_s() == 13.0


def test_everything_once_on_a_tiny_scale(tmp_path, config, monkeypatch):
    monkeypatch.setitem(PLANS, "quick", TINY)
    monkeypatch.setattr(edge.machine_state, "IDLE_AFTER_S", 0.1)
    said: list[str] = []
    found = measure_growth(config, "quick", said.append, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert [axis.name for axis in found.axes] == [
        "frame_size",
        "frame_rate",
        "labels",
        "bins",
        "ledger_size",
        "uptime",
    ]
    for axis in found.axes:
        for curve in axis.curves:
            assert len(curve.costs) == 2, curve.title
            assert all(cost.median > 0 for cost in curve.costs), curve.title
            assert curve.exponent is not None, curve.title
    assert any(words.startswith("uptime") for words in said)
    assert Growth.read(found.write()) == found

    text = to_markdown(found)
    assert text.startswith("# How cost grows\n")
    assert text.count("\n## ") == len(found.axes)
    for axis in found.axes:
        section = text.split(f"## {axis.title}\n")[1].split("## ")[0]
        table = [line for line in section.splitlines() if line.startswith("|")]
        assert len(table) == 2 + 2 + 2
        assert {line.count("|") for line in table} == {len(axis.curves) + 2}
        assert all(f": {curve.meaning}." in section for curve in axis.curves)


def axis_of(curve: Curve, remarks: tuple[str, ...] = ()) -> Axis:
    return Axis(name="a", title="Axis", x_title="rows", method="So.", curves=(curve,), remarks=remarks)


def growth_of(axis: Axis) -> Growth:
    return Growth(
        version="1",
        utc="2026-11-22T09:00:00.123Z",
        scale="quick",
        took_s=30.0,
        model="m 1",
        noise=Noise(spread=0.01, stolen=0.0, verdict="quiet", sentence="The machine was quiet."),
        machine=machine_facts().model_copy(update={"model": "a|b", "is_virtual": False}),
        axes=(axis,),
    )


def test_a_table_has_intervals_exponents_and_units():
    rounds = {(10.0, "10"): [0.001, 0.002, 0.003], (1000.0, "1 000"): [0.1, 0.2, 0.3]}
    text = to_markdown(growth_of(axis_of(Curve.of("share", "share", "cpu", rounds, "rows"), ("One more thing.",))))
    assert "| rows | share, %, processor time |\n|---|---:|\n" in text
    assert "| 10 | 0.2 [0.1, 0.3] |\n| 1 000 | 20 [10, 30] |\n" in text
    assert "| exponent | 1.00 [1.00, 1.00] |\n| upper | 1.00 |\n" in text
    assert "So. Intervals: 3 rounds, 75%.\n" in text
    assert "\n- Share: 100 times the rows cost 100 times as much: grows in step.\n- One more thing.\n" in text
    assert "on a\\|b, " in text
    assert "virtual" not in text


def test_a_single_value_has_no_interval():
    curve = Curve.of("memory", "MB", "none", {(1.0, "1"): [70.0], (10.0, "10"): [69.9]}, "rows")
    text = to_markdown(growth_of(axis_of(curve)))
    assert "| rows | memory, MB |" in text
    assert "| 1 | 70 |\n| 10 | 69.9 |\n| exponent | 0.00 |" in text
    assert "A value without an interval was read once." in text


def test_the_plans_reach_as_far_as_they_promise():
    assert FULL.rows[-1] == 10_000_000
    assert FULL.ages_frames[-1] == 1_000_000
    assert (QUICK.labels[0], QUICK.labels[-1]) == (2, 1000)
    assert (QUICK.bins[0], QUICK.bins[-1]) == (2, 50)
    assert (QUICK.rates_fps[0], QUICK.rates_fps[-1]) == (5.0, 120.0)
    for plan in (QUICK, FULL):
        assert plan.sizes_px[0] == (320, 240)
        assert plan.sizes_px[-1] == (1920, 1080)
