"""The recorded trays beside the project, sorted with the shipped model: each item once, to the right bin, in time."""

import functools
import json
import statistics
import tempfile
from pathlib import Path

import pytest

from edge.app import open_session
from edge.commands.watchers import Silent
from edge.config import Config, LedgerConfig, SourceConfig
from edge.ledger_read import LedgerReader
from tests.replay.data import scene_files
from tests.replay.rig import counts_per_item

RIGHT_SHARE = {"easy1": 0.95, "hard1": 0.90}
DECIDE_LIMIT_S = 0.6


class Events(Silent):
    def __init__(self):
        self.records = []

    def on_event(self, record):
        self.records.append(dict(record))


@functools.cache
def sorted_scene(name):
    """Sort a scene once for all tests: its events, its truth, and what `ledger verify` says."""
    video, truth = scene_files(name)
    events = Events()
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.db"
        config = Config(source=SourceConfig(spec=f"video:{video}"), ledger=LedgerConfig(path=str(ledger)))
        with open_session(config, "fast", [events]) as session:
            session.runtime.run(lambda: False)
        with LedgerReader(ledger) as reader:
            assert reader.verify().problems == ()
            assert list(reader.iterate()) == events.records
    return events.records, json.loads(truth.read_text())["items"]


@pytest.fixture(params=RIGHT_SHARE)
def scene(request):
    return request.param


def items_of(records):
    return [record for record in records if record["type"] == "item"]


def test_every_item_of_a_scene_is_counted_exactly_once(scene):
    """No phantom, no double, no fault, though hands pass and the light drifts and flickers."""
    records, truth = sorted_scene(scene)
    assert counts_per_item(records, [item["t_in_s"] for item in truth]) == [0] + [1] * len(truth)
    assert [record["type"] for record in records] == ["boot"] + ["item"] * len(truth)


def test_an_item_is_decided_while_it_lies_on_the_tray(scene):
    records, truth = sorted_scene(scene)
    for record, item in zip(items_of(records), truth, strict=True):
        assert item["t_rest_s"] <= record["t_s"] < item["t_out_s"], item


def test_a_decision_falls_within_its_time_of_the_item_coming_to_rest(scene):
    records, truth = sorted_scene(scene)
    waits_s = [record["t_s"] - item["t_rest_s"] for record, item in zip(items_of(records), truth, strict=True)]
    assert statistics.median(waits_s) <= DECIDE_LIMIT_S


def test_the_share_that_is_routed_right_is_as_promised(scene):
    records, truth = sorted_scene(scene)
    pairs = list(zip(items_of(records), truth, strict=True))
    wrong = [
        f"{item.get('file', item['label'])} as {record['label']} to {record['route']} ({record['decision']})"
        for record, item in pairs
        if record["route"] != item["route"]
    ]
    assert 1 - len(wrong) / len(pairs) >= RIGHT_SHARE[scene], wrong
