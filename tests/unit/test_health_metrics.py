"""The metrics keep to Prometheus' text format, whatever they are of."""

import re
from pathlib import Path

from edge.health.metrics import metrics_text
from edge.health.place import METRICS_NAME
from edge.health.status import StatusFile
from tests.health_rig import check, metrics, parse, read, watched
from tests.rigs import FakeClock

__all__ = ["watched"]


def counters(folder: Path) -> dict[str, float]:
    text = (folder / METRICS_NAME).read_text()
    names = {match[1] for match in re.finditer(r"# TYPE (\S+) counter", text)}
    names |= {f"{match[1]}_{part}" for match in re.finditer(r"# TYPE (\S+) summary", text) for part in ("sum", "count")}
    return {name: value for name, value in parse(text).items() if name.partition("{")[0] in names}


def test_counters_never_fall(watched, tmp_path):
    watched.start()
    before: dict[str, float] = {}
    for index in range(6):
        watched.sort(drops=index != 3)
        watched.see(5.0)
        now = counters(tmp_path / "run")
        assert set(before) <= set(now)
        assert all(now[name] >= value for name, value in before.items())
        before = now
    assert before["edge_sorter_frames_total"] > 500
    assert before['edge_sorter_faults_total{reason="drop_unconfirmed"}'] == 1


def test_names_of_any_kind_stay_within_the_format(watched, tmp_path):
    watched.append("fault", {"reason": 'a"b\\c\nd', "detail": "\udcff ü"})
    watched.status.close(1, "\udcff")
    check(read(tmp_path / "run"))
    assert metrics(tmp_path / "run")['edge_sorter_faults_total{reason="a\\"b\\\\c\\nd"}'] == 1


def test_metrics_of_a_status_that_knows_nothing_yet_are_sound(tmp_path):
    text = metrics_text(StatusFile(None, FakeClock()).fields())
    assert parse(text)['edge_sorter_state{state="starting"}'] == 1
