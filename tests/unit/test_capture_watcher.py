"""Which pictures are picked while the sorter runs, and that each is whole and the right one."""

import numpy as np
import pytest

from edge.capture.watcher import CaptureWatcher
from edge.machine import Machine
from tests.capture_rig import PRESENCE, about, decision, frame
from tests.rigs import rules

KINDS = ("uncertain", "rejected", "deadline", "fault")
MACHINE = Machine(rules())


class Pocket:
    """A store that keeps what it is given in memory, and counts copies."""

    def __init__(self) -> None:
        self.is_ready = True
        self.kept: list[tuple[np.ndarray, dict]] = []
        self.copies = 0

    def keep(self, image, fields):
        self.copies += 1
        self.kept.append((image.copy(), fields))


class Rig:
    """A watcher whose camera writes every frame to the same memory."""

    def __init__(self, kinds=KINDS) -> None:
        self.store = Pocket()
        self.watcher = CaptureWatcher(self.store, kinds, "v4l2:/dev/video0")
        self.memory = np.zeros((48, 64, 3), np.uint8)
        self.index = 0

    def see(self, grey: int) -> None:
        self.memory[:] = grey
        self.index += 1
        self.watcher.on_frame(frame(self.index, self.memory), PRESENCE, MACHINE)

    def decide(self, kind: str, t_s: float = 1.0) -> None:
        self.watcher.on_decision(frame(self.index, self.memory), decision(kind, t_s))

    def item(self, kind: str, t_s: float = 1.0, number: int = 5) -> None:
        self.watcher.on_event({**about(number, decision=kind), "type": "item", "t_s": t_s})

    def fault(self, reason: str, number: int = 6, **fields) -> None:
        base = {"event_id": f"b1-{number}", "boot_id": "b1", "utc": "", "t_s": 2.0, "type": "fault"}
        self.watcher.on_event(base | {"reason": reason, "detail": "", "state": "routing", **fields})

    @property
    def greys(self) -> list[int]:
        """Of what was kept; fails on a picture that is torn."""
        assert all((image == image[0, 0, 0]).all() for image, _ in self.store.kept)
        return [int(image[0, 0, 0]) for image, _ in self.store.kept]


@pytest.mark.parametrize("kind", ["uncertain", "rejected", "deadline"])
def test_the_frame_that_voted_is_filed_once_the_event_is_durable(kind):
    rig = Rig()
    rig.see(10)
    rig.decide(kind)
    for grey in range(20, 60):
        rig.see(grey)
    assert rig.greys == []
    rig.item(kind)
    assert rig.greys == [10]
    ((_, fields),) = rig.store.kept
    assert fields["event_id"] == "b1-5"
    assert fields["decision"] == kind
    assert fields["source"] == "v4l2:/dev/video0"
    assert fields["reason"] is None
    assert fields["model"] == about(5)["model"]


def test_what_was_decided_with_confidence_is_neither_copied_nor_kept():
    rig = Rig()
    rig.see(10)
    rig.decide("confident")
    assert rig.watcher._item is None
    rig.item("confident")
    assert rig.greys == []


@pytest.mark.parametrize("kinds", [(), ("rejected",), ("fault",)])
def test_only_the_kinds_that_are_asked_for_are_kept(kinds):
    rig = Rig(kinds)
    rig.see(10)
    rig.decide("uncertain")
    rig.item("uncertain")
    assert rig.greys == []


def test_nothing_is_copied_for_a_store_that_would_not_take_it():
    rig = Rig()
    rig.store.is_ready = False
    rig.see(10)
    rig.decide("uncertain")
    assert rig.watcher._item is None


def test_a_frame_is_not_filed_under_another_item():
    rig = Rig()
    rig.see(10)
    rig.decide("uncertain", t_s=1.0)
    rig.item("uncertain", t_s=7.0)
    rig.item("uncertain", t_s=1.0)
    assert rig.greys == []


@pytest.mark.parametrize("reason", ["gate_jammed", "tray_blocked", "drop_unconfirmed"])
def test_a_fault_that_mends_keeps_the_next_frame_since_the_last_may_be_overwritten(reason):
    rig = Rig()
    rig.see(10)
    rig.memory[:24] = 77
    rig.fault(reason)
    assert rig.greys == []
    rig.see(11)
    rig.see(12)
    assert rig.greys == [11]
    assert rig.store.kept[0][1] | {"utc": ""} == {
        "event_id": "b1-6",
        "boot_id": "b1",
        "utc": "",
        "t_s": 2.0,
        "label": None,
        "route": None,
        "decision": "fault",
        "confidence": None,
        "reason": reason,
        "model": None,
        "source": "v4l2:/dev/video0",
    }


@pytest.mark.parametrize("reason", ["source_lost", "gate_failed", "model_failed", "internal_error"])
def test_a_fault_that_ends_the_run_keeps_the_last_frame(reason):
    rig = Rig()
    rig.see(10)
    rig.see(11)
    rig.fault(reason)
    rig.watcher.close()
    assert rig.greys == [11]


def test_a_camera_that_is_lost_while_a_jam_waits_for_its_frame_gives_the_last_one():
    rig = Rig()
    rig.see(10)
    rig.fault("gate_jammed", number=6)
    rig.fault("source_lost", number=7)
    rig.watcher.close()
    assert rig.greys == [10]
    assert [fields["event_id"] for _, fields in rig.store.kept] == ["b1-6"]


def test_the_end_of_the_run_files_what_waits():
    rig = Rig()
    rig.see(10)
    rig.fault("tray_blocked")
    rig.watcher.close()
    rig.watcher.close()
    assert rig.greys == [10]


@pytest.mark.parametrize("reason", ["ledger_failed", "config_refused", "interrupted", "ledger_damaged", "undervoltage"])
def test_faults_that_no_picture_explains_keep_none(reason):
    rig = Rig()
    rig.see(10)
    rig.fault(reason)
    rig.see(11)
    rig.watcher.close()
    assert rig.greys == []


def test_a_fault_before_the_first_frame_keeps_nothing():
    rig = Rig()
    rig.fault("source_lost")
    rig.watcher.close()
    assert rig.greys == []


def test_an_unsure_item_that_never_fell_is_filed_under_the_fault_that_names_it():
    rig = Rig()
    rig.see(10)
    rig.decide("uncertain")
    rig.see(11)
    rig.fault("gate_jammed", item={"label": "glass", "route": "residue"})
    rig.see(12)
    assert rig.greys == [10]
    fields = rig.store.kept[0][1]
    assert (fields["event_id"], fields["label"], fields["decision"], fields["reason"]) == (
        "b1-6",
        "glass",
        "uncertain",
        "gate_jammed",
    )


def test_a_sure_item_that_jams_the_gate_gives_the_picture_of_the_jam():
    rig = Rig()
    rig.see(10)
    rig.decide("confident")
    rig.fault("gate_jammed", item={"label": "glass", "route": "recyclable"})
    rig.see(12)
    assert rig.greys == [12]
    assert rig.store.kept[0][1]["label"] == "glass"


def test_items_that_follow_one_another_do_not_share_a_picture():
    rig = Rig()
    for number, grey in ((1, 10), (2, 20), (3, 30)):
        rig.see(grey)
        rig.decide("uncertain", t_s=float(number))
        rig.item("uncertain", t_s=float(number), number=number)
    assert rig.greys == [10, 20, 30]


def test_a_camera_that_comes_back_with_another_size_is_copied_whole():
    rig = Rig()
    for side in (48, 96):
        rig.memory = np.zeros((side, 64, 3), np.uint8)
        rig.see(side)
        rig.decide("uncertain")
        rig.item("uncertain")
    assert [image.shape[0] for image, _ in rig.store.kept] == [48, 96]


def test_no_memory_for_a_copy_costs_the_picture_and_not_the_sorting():
    class Huge(np.ndarray):
        def copy(self, order="C"):
            raise MemoryError

    rig = Rig()
    rig.memory = np.zeros((48, 64, 3), np.uint8).view(Huge)
    rig.see(10)
    rig.decide("uncertain")
    rig.item("uncertain")
    assert rig.store.kept == []
    rig.memory = np.zeros((48, 64, 3), np.uint8)
    rig.see(20)
    rig.decide("uncertain")
    rig.item("uncertain")
    assert rig.greys == [20]


def test_a_frame_that_nobody_wants_costs_no_copy():
    rig = Rig()
    for grey in range(200):
        rig.see(grey)
    rig.decide("confident")
    rig.item("confident")
    assert rig.store.copies == 0
    assert rig.watcher._last.image is rig.memory
