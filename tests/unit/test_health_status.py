"""The status file and the metrics: true of a whole run, whole at any moment, and harmless."""

import itertools
import logging
import os
import stat
import time

import pytest

from edge.health.place import METRICS_NAME, STATUS_NAME
from edge.health.status import FACTS, StatusFile
from edge.machine import BinLevel, GateJammed, Machine, PauseAsked, State, SupplyLevel
from edge.records import Status
from tests.health_rig import KINDS, MODEL, Watched, check, look, metrics, read, watched
from tests.rigs import DOUBTFUL, GLASS, FakeClock, rules

__all__ = ["watched"]


def test_a_whole_run_keeps_to_the_schema_at_every_state(tmp_path):
    answers = iter([GLASS] * 200)
    watched = Watched(tmp_path / "run", predict=lambda: next(answers, DOUBTFUL))
    statuses, written = {}, watched.status._write

    def note(now_s: float) -> None:
        written(now_s)
        fields = check(read(tmp_path / "run"))
        metrics(tmp_path / "run")
        statuses[fields["state"]] = fields["status"]

    watched.status._write = note  # type: ignore[method-assign]  # looks at each writing
    watched.start()
    for _ in range(12):
        watched.sort()
    watched.sort(drops=False)
    watched.see(1.0)
    watched.rig.send(PauseAsked("lid_open"))
    watched.see(2.0)
    watched.status.show("stand_by", Status.FAULT)
    watched.status.close(3, "no camera")
    assert {"homing", "ready", "settling", "routing", "returning", "fault", "paused", "ended"} <= set(statuses)
    assert statuses["paused"] == "paused"


def test_what_it_says_of_items_is_what_was_written_down(watched, tmp_path):
    watched.start()
    watched.sort()
    watched.rig.predict = lambda: DOUBTFUL
    watched.sort()
    watched.see(6.0)
    fields = read(tmp_path / "run")
    assert fields["items"]["by_both"] == [
        {"route": "recyclable", "decision": "confident", "count": 1},
        {"route": "residue", "decision": "uncertain", "count": 1},
    ]
    assert (fields["last_item"]["route"], fields["last_item"]["confirmed"]) == ("residue", True)
    assert (fields["boot_id"], fields["model"]) == ("b", MODEL)
    assert fields["latency"]["decide"]["count"] == 2
    assert fields["is_sorting"]
    found = metrics(tmp_path / "run")
    assert found['edge_sorter_items_total{route="residue",decision="uncertain"}'] == 1
    assert found[f'edge_sorter_info{{version="{fields["version"]}",model="waste",model_version="1.2"}}'] == 1
    assert found["edge_sorter_sorting"] == 1


def test_a_fault_is_told_with_its_detail_and_gone_when_it_is_over(watched, tmp_path):
    watched.start()
    watched.rig.send(GateJammed("the flap is stuck"))
    watched.see(0.5, occupied=True)
    fields = read(tmp_path / "run")
    assert (fields["fault"]["reason"], fields["fault"]["detail"]) == ("gate_jammed", "the flap is stuck")
    assert (fields["status"], fields["is_sorting"]) == ("fault", False)
    assert metrics(tmp_path / "run")['edge_sorter_fault{reason="gate_jammed"}'] == 1
    watched.see(20.0)
    fields = read(tmp_path / "run")
    assert (fields["fault"], fields["last_fault"]["reason"]) == (None, "gate_jammed")
    assert fields["is_sorting"]
    assert metrics(tmp_path / "run")['edge_sorter_faults_total{reason="gate_jammed"}'] == 1


def test_an_item_that_was_broken_off_is_counted_as_unfinished(watched, tmp_path):
    watched.start()
    watched.see(0.3, occupied=True, disturbed=True)
    while watched.rig.state is not State.ROUTING:
        watched.see(0.05, occupied=True)
    watched.rig.send(PauseAsked("lid_open"))
    watched.see(1.0)
    fields = read(tmp_path / "run")
    assert (fields["unfinished"], fields["items"]["total"]) == (1, 0)
    assert fields["holds"][0]["reason"] == "lid_open"


def test_a_way_home_that_waits_for_the_supply_is_a_hold_as_long_as_it_waits(watched, tmp_path):
    watched.rig.send(SupplyLevel(is_low=True))
    watched.start()
    fields = check(read(tmp_path / "run"))
    assert (fields["state"], fields["holds"]) == ("homing", [{"reason": "supply_low", "t_s": 0.0}])
    assert metrics(tmp_path / "run")['edge_sorter_hold{reason="supply_low"}'] == 1
    watched.rig.send(SupplyLevel(is_low=False))
    watched.see(0.6)
    assert read(tmp_path / "run")["holds"] == []


def test_a_tray_that_cannot_be_seen_in_the_dark_is_told_at_once(watched, tmp_path):
    watched.start()
    watched.see(3.0)
    assert not read(tmp_path / "run")["is_dark"]
    watched.see(1.0, lit=False)
    assert read(tmp_path / "run")["is_dark"]
    assert metrics(tmp_path / "run")["edge_sorter_dark"] == 1


def test_a_full_bin_is_told(watched, tmp_path):
    watched.start()
    watched.rig.send(BinLevel("residue", True))
    watched.see(1.0)
    assert read(tmp_path / "run")["full_bins"][0]["bin"] == "residue"
    assert metrics(tmp_path / "run")['edge_sorter_bin_full{bin="residue"}'] == 1


def test_a_ledger_that_cannot_be_written_is_a_fault_also_while_it_sorts_on(watched, tmp_path):
    watched.start()
    book = {"is_failing": True, "detail": "disk full"}
    watched.status.follow("ledger", lambda: book)
    watched.status.follow("uncredited", lambda: 3)
    watched.see(6.0)
    fields = read(tmp_path / "run")
    assert (fields["status"], fields["is_sorting"], fields["uncredited"]) == ("fault", False, 3)
    assert fields["fault"] == {"reason": "ledger_failed", "detail": "disk full", "t_s": None}
    book["is_failing"] = False
    watched.status.follow("uncredited", lambda: 0)
    watched.append("fault", {"reason": "ledger_failed", "detail": "disk full", "missed": {"item": 3, "pause": 1}})
    watched.see(1.0)
    fields = read(tmp_path / "run")
    assert (fields["fault"], fields["uncredited"], fields["is_sorting"]) == (None, 3, True)
    assert metrics(tmp_path / "run")["edge_sorter_items_uncredited_total"] == 3


def test_facts_that_others_know_are_told_added_to_and_taken_back(watched, tmp_path):
    status = watched.status
    status.tell(config={"path": "/etc/c.yaml", "is_last_good": True}, starts={"count": 4, "reasons": ["x"]})
    status.tell(config={"sha256": "ff"}, reload={"is_ok": False, "detail": "bad", "utc": "u"})
    status.tell(safe_mode={"is_on": True, "detail": "storm", "left_s": 299})
    status.follow("captures", lambda: {"count": 12, "bytes": 4096, "path": "/x", "bad-name": 1})
    status.follow("supply", lambda: {"is_low": True, "is_hot": False, "temperature_c": 61.5, "now": ["undervoltage"]})
    status.close()
    fields = check(read(tmp_path / "run"))
    assert fields["config"] == {"path": "/etc/c.yaml", "is_last_good": True, "sha256": "ff"}
    found = metrics(tmp_path / "run")
    assert found['edge_sorter_last_good_used{of="config"}'] == 1
    assert found["edge_sorter_starts_in_a_row"] == 4
    assert found["edge_sorter_reload_ok"] == 0
    assert found["edge_sorter_safe_mode"] == 1
    assert found["edge_sorter_captures_count"] == 12
    assert found["edge_sorter_supply_low"] == 1
    assert found["edge_sorter_temperature_celsius"] == 61.5
    assert found['edge_sorter_throttled{trouble="undervoltage"}'] == 1
    status.tell(safe_mode=None, starts=None)
    status.close()
    assert "edge_sorter_starts_in_a_row" not in metrics(tmp_path / "run")
    assert read(tmp_path / "run")["safe_mode"] is None


def test_a_fact_that_nobody_knows_is_refused_by_name(watched):
    for ask in (lambda: watched.status.tell(wetter=1), lambda: watched.status.follow("wetter", dict)):
        with pytest.raises(TypeError, match="wetter"):
            ask()


def test_whoever_cannot_tell_a_fact_makes_it_null(watched, tmp_path):
    watched.status.tell(captures={"count": 3})
    watched.status.follow("captures", lambda: 1 / 0)
    watched.status.close()
    assert read(tmp_path / "run")["captures"] is None


def test_a_throttled_event_is_what_is_known_of_the_supply(watched, tmp_path):
    watched.append("throttled", {"bits": "0x50005", "now": ["undervoltage"], "advice": "feed it", "changes": 3})
    watched.status.close()
    assert read(tmp_path / "run")["supply"] == {"bits": "0x50005", "now": ["undervoltage"], "advice": "feed it"}


def writes(watched: Watched) -> list[float]:
    """When it is written, from now on."""
    times: list[float] = []
    written = watched.status._write

    def note(now_s: float) -> None:
        times.append(now_s)
        written(now_s)

    watched.status._write = note  # type: ignore[method-assign]  # notes each writing
    return times


def test_without_news_it_is_written_every_five_seconds(watched):
    watched.start()
    times = writes(watched)
    watched.see(60.0)
    gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert 11 <= len(times) <= 12
    assert max(gaps) <= 5.06


def test_news_come_at_most_twice_a_second_and_at_the_latest_half_a_second_later(watched):
    watched.start()
    times = writes(watched)
    for index in range(200):
        watched.append("pause", {"reason": str(index)})
        watched.see(0.05)
    assert all(later - sooner >= 0.5 for sooner, later in itertools.pairwise(times))
    assert 18 <= len(times) <= 20


def test_no_item_waits_for_a_file_while_it_is_voted_on(watched):
    watched.start()
    watched.rig.predict = lambda: None
    watched.see(0.5, occupied=True, disturbed=True)
    while watched.rig.state is not State.VOTING:
        watched.see(0.05, occupied=True)
    watched.append("pause", {"reason": "news"})
    times = writes(watched)
    watched.see(1.0, occupied=True)
    assert watched.rig.state is State.VOTING
    assert times == []


def test_a_state_without_frames_is_written_by_whoever_waits(tmp_path):
    clock = FakeClock()
    status = StatusFile(tmp_path, clock)
    status.tell(safe_mode={"is_on": True, "detail": "too many starts failed", "left_s": 300})
    status.show("stand_by", Status.FAULT)
    fields = check(read(tmp_path))
    assert (fields["state"], fields["fault"]["reason"]) == ("stand_by", "restart_storm")
    clock.advance(4.9)
    status.tell()
    first = fields["run_s"]
    status.refresh()
    assert read(tmp_path)["run_s"] > first


def test_the_end_is_told_with_its_status(watched, tmp_path):
    watched.start()
    watched.append("fault", {"reason": "source_lost", "detail": "the camera is gone"})
    watched.status.close(3, "the camera is gone")
    fields = check(read(tmp_path / "run"))
    assert fields["ended"] == {"exit_code": 3, "detail": "the camera is gone"}
    assert (fields["state"], fields["status"], fields["is_sorting"]) == ("ended", "fault", False)
    assert fields["fault"]["reason"] == "source_lost"
    assert metrics(tmp_path / "run")['edge_sorter_state{state="ended"}'] == 1


def test_an_end_as_asked_is_no_fault(watched, tmp_path):
    watched.start()
    watched.status.close()
    fields = read(tmp_path / "run")
    assert (fields["fault"], fields["status"], fields["is_sorting"]) == (None, "stopped", False)


def test_a_reader_sees_a_whole_file_between_any_two_steps_of_a_writing(watched, tmp_path, monkeypatch):
    watched.start()
    seen = []

    def looked_at(name):
        real = getattr(os, name)

        def call(*args, **kwargs):
            seen.append(read(tmp_path / "run")["frames"])
            metrics(tmp_path / "run")
            result = real(*args, **kwargs)
            seen.append(read(tmp_path / "run")["frames"])
            return result

        return call

    for name in ("fdopen", "fchmod", "replace", "unlink"):
        monkeypatch.setattr(os, name, looked_at(name))
    watched.status.close()
    assert len(seen) >= 12
    assert seen == sorted(seen)


def test_files_are_for_all_to_read_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        StatusFile(tmp_path / "run", FakeClock()).close()
    finally:
        os.umask(before)
    for name in (STATUS_NAME, METRICS_NAME):
        assert stat.S_IMODE((tmp_path / "run" / name).stat().st_mode) == 0o644


def test_no_litter_is_left_and_that_of_a_killed_process_is_removed(tmp_path):
    (tmp_path / f".{STATUS_NAME}.4711").write_text("{")
    status = StatusFile(tmp_path, FakeClock())
    status.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [METRICS_NAME, STATUS_NAME]


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    status = StatusFile(tmp_path / "run", FakeClock())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f".{STATUS_NAME}.{os.getpid()}").symlink_to(victim)
    status.close()
    assert victim.read_text() == "mine"
    assert not (tmp_path / "run" / STATUS_NAME).is_symlink()


@pytest.mark.parametrize("errno", [28, 30, 5, 13])
def test_a_folder_that_takes_nothing_is_told_once_and_stops_nothing(watched, tmp_path, monkeypatch, caplog, errno):
    watched.start()
    before = read(tmp_path / "run")

    def refuse(*args, **kwargs):
        raise OSError(errno, os.strerror(errno))

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(os, "replace", refuse)
        watched.see(60.0)
        watched.sort()
    assert caplog.text.count("cannot write the status") == 1
    assert read(tmp_path / "run") == before
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [METRICS_NAME, STATUS_NAME]
    watched.see(6.0)
    assert read(tmp_path / "run")["items"]["total"] == 1


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    watched = Watched(tmp_path / "file" / "run").start()
    watched.sort()
    assert "cannot write the status" in caplog.text


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    watched = Watched(None).start()
    watched.sort()
    watched.status.close()
    assert list(tmp_path.iterdir()) == []


def test_a_frame_without_news_costs_next_to_nothing(tmp_path):
    clock = FakeClock()
    status = StatusFile(tmp_path, clock)
    machine = Machine(rules())._replace(state=State.READY)
    look(status, machine)
    written = read(tmp_path)["frames"]
    best_s = float("inf")
    for _ in range(20):
        started_s = time.perf_counter()
        for _ in range(200):
            look(status, machine)
        best_s = min(best_s, (time.perf_counter() - started_s) / 200)
    assert read(tmp_path)["frames"] == written
    # Aimed at 5 us; the bound leaves room for a busy machine, and is far below one writing.
    assert best_s < 50e-6


def test_every_fact_has_its_place_in_the_schema():
    assert set(FACTS) <= set(KINDS)
