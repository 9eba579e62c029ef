"""The store beside the loop: it takes a copy, never waits, never raises, and mends itself."""

import errno
import os
import threading

import numpy as np
import pytest

from edge.capture import store as store_module
from edge.capture.limits import DAY_S, Limits
from edge.capture.shelf import Shelf
from edge.capture.store import FIRST_PAUSE_S, LONGEST_PAUSE_S, QUEUE_COUNT, CaptureStore
from tests.capture_rig import PLENTY_BYTES, WAIT_S, HandClock, about, filled, noise


class Rig:
    """A store on a clock of the test's, whose disk does as it is told.

    Attributes:
        error: number of the error that every write fails with; None lets it go well.
        gate: writes wait for it.
    """

    def __init__(self, folder, monkeypatch, **limits) -> None:
        self.clock = HandClock()
        self.error: int | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.free = PLENTY_BYTES
        write = Shelf._write

        def slow(shelf, name, content):
            assert self.gate.wait(WAIT_S)
            if self.error is not None:
                raise OSError(self.error, os.strerror(self.error))
            write(shelf, name, content)

        monkeypatch.setattr(Shelf, "_write", slow)
        limits = Limits(**limits)
        self.store = CaptureStore(folder, limits, now_s=self.clock, free=lambda _: self.free)
        self.shelf = Shelf(folder)
        self.store.open()

    def keep(self, number: int, image=None) -> None:
        self.store.keep(noise(seed=number) if image is None else image, about(number))

    def settle(self) -> list[str]:
        """Ids of what is kept once nothing waits."""
        assert self.store.flush(WAIT_S)
        return [entry.id for entry in self.shelf.scan()]


@pytest.fixture
def make(tmp_path, monkeypatch):
    made = []

    def build(**limits) -> Rig:
        made.append(Rig(tmp_path / "captures", monkeypatch, **limits))
        return made[-1]

    yield build
    for rig in made:
        rig.gate.set()
        rig.store.close()


def test_a_picture_is_copied_before_keep_returns(make):
    rig = make()
    image = np.full((48, 64, 3), 200, np.uint8)
    rig.gate.clear()
    rig.keep(1, image)
    image[:] = 0
    rig.gate.set()
    assert rig.settle() == ["b1-1"]
    jpeg = rig.shelf.picture(rig.shelf.scan()[0])
    import cv2

    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).mean() > 195


def test_a_slow_disk_costs_pictures_and_no_time(make):
    rig = make()
    rig.gate.clear()
    for number in range(1, QUEUE_COUNT + 20):
        rig.keep(number)
    assert not rig.store.is_ready
    rig.gate.set()
    kept = rig.settle()
    # One was in the thread's hands, or none yet.
    assert len(kept) in (QUEUE_COUNT, QUEUE_COUNT + 1)
    figures = rig.store.figures
    assert figures.kept == len(kept) == figures.count
    assert figures.kept + figures.missed == QUEUE_COUNT + 19


def test_large_pictures_fill_the_queue_sooner_but_one_may_always_wait(make, monkeypatch):
    monkeypatch.setattr(store_module, "QUEUE_BYTES", 1000)
    rig = make()
    rig.gate.clear()
    for number in range(1, 6):
        rig.keep(number)
    rig.gate.set()
    assert 1 <= len(rig.settle()) <= 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_an_error_of_the_disk_is_told_once_and_mends_itself(make, caplog, number):
    rig = make()
    rig.error = number
    rig.keep(1)
    assert rig.settle() == []
    assert rig.store.figures.problem == os.strerror(number)
    for second in range(2, 50):
        rig.keep(second)
        rig.clock.s += 20.0
        rig.settle()
    assert [os.strerror(number) in record.message for record in caplog.records] == [True]
    rig.error = None
    rig.clock.s += LONGEST_PAUSE_S
    rig.keep(90)
    assert rig.settle() == ["b1-90"]
    assert rig.store.figures.problem is None
    assert len(caplog.records) == 2
    assert "kept again" in caplog.text


def test_while_it_pauses_nothing_is_copied_or_tried(make):
    rig = make()
    rig.error = errno.EIO
    rig.keep(1)
    rig.settle()
    rig.error = None
    rig.clock.s += FIRST_PAUSE_S - 0.1
    assert not rig.store.is_ready
    rig.keep(2)
    assert rig.settle() == []
    rig.clock.s += 0.2
    assert rig.store.is_ready
    rig.keep(3)
    assert rig.settle() == ["b1-3"]


def test_pauses_grow_up_to_ten_minutes(make):
    rig = make()
    rig.error = errno.EIO
    pauses = []
    for number in range(1, 10):
        rig.keep(number)
        rig.settle()
        start_s = rig.clock.s
        while not rig.store.is_ready:
            rig.clock.s += 5.0
        pauses.append(rig.clock.s - start_s)
    assert pauses == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0, 600.0]


def test_too_little_room_is_no_error_of_the_disk_but_told_like_one(make, caplog):
    rig = make(keep_free_bytes=1000)
    rig.free = 0
    rig.keep(1)
    assert rig.settle() == []
    assert "would stay free" in rig.store.figures.problem
    rig.free = PLENTY_BYTES
    rig.clock.s += LONGEST_PAUSE_S
    rig.keep(2)
    assert rig.settle() == ["b1-2"]


@pytest.mark.parametrize("image", [np.zeros((0, 0, 3), np.uint8), np.zeros((4, 4), complex)], ids=["empty", "complex"])
def test_a_picture_that_cannot_be_kept_ends_nothing(make, caplog, image):
    rig = make()
    rig.keep(1, image)
    rig.keep(2)
    assert rig.settle() == ["b1-2"]
    assert rig.store.figures.missed == 1
    assert "could not be kept" in caplog.text


def test_no_memory_for_a_copy_is_a_picture_missed(make):
    class Huge:
        def copy(self):
            raise MemoryError

    rig = make()
    rig.store.keep(Huge(), about(1))
    assert rig.settle() == []
    assert rig.store.figures.missed == 1


def test_a_day_brings_so_many_and_is_told_once(make, caplog):
    rig = make(max_a_day=30)
    for number in range(1, 8):
        rig.keep(number)
        rig.settle()
    assert rig.settle() == ["b1-1", "b1-2", "b1-3"], "a tenth at once"
    assert [record.message.count("max_a_day") for record in caplog.records] == [1]
    rig.clock.s += DAY_S / 28
    rig.keep(8)
    rig.keep(9)
    assert rig.settle()[-1] == "b1-8"


def test_before_opening_and_after_closing_it_takes_nothing(tmp_path):
    store = CaptureStore(tmp_path / "c")
    store.keep(noise(), about(1))
    store.close()
    store.open()
    store.close()
    store.close()
    store.keep(noise(), about(2))
    assert store.figures.missed == 2
    assert Shelf(tmp_path / "c").scan() == []


def test_closing_writes_what_waits(make):
    rig = make()
    for number in range(1, 4):
        rig.keep(number)
    rig.store.close()
    assert [entry.id for entry in rig.shelf.scan()] == ["b1-1", "b1-2", "b1-3"]


def test_a_disk_that_hangs_holds_nothing_up_at_the_end(make, monkeypatch, caplog):
    monkeypatch.setattr(store_module, "CLOSE_S", 0.01)
    rig = make()
    rig.gate.clear()
    rig.keep(1)
    rig.store.close()
    assert "hangs" in caplog.text


def test_room_is_given_up_at_once_also_where_nothing_could_be_opened(tmp_path):
    folder = filled(tmp_path / "c", 3)
    store = CaptureStore(folder)
    assert store.prune(1, tmp_path) > 0
    assert [entry.id for entry in Shelf(folder).scan()] == ["b1-2", "b1-3"]


def test_no_picture_is_forgotten_by_the_count_whoever_counts(make):
    """The loop counts what it may not hand over while the thread counts what it wrote."""
    rig = make(max_a_day=100_000)
    for number in range(300):
        rig.keep(number, noise(8))
    rig.settle()
    assert rig.store.figures.kept + rig.store.figures.missed == 300

    class Slow(int):
        """A count that gives the other thread its turn between reading and writing."""

        def __add__(self, other):
            turn.wait(0.2)
            return Slow(int(self) + other)

    turn = threading.Event()
    rig.store._missed = Slow(0)
    threads = [threading.Thread(target=rig.store._tally, kwargs={"is_kept": False}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert rig.store.figures.missed == 2


def test_its_thread_steps_aside_for_the_loop(make):
    rig = make()
    rig.keep(1)
    rig.settle()
    (thread,) = [one for one in threading.enumerate() if one is rig.store._thread]
    assert thread.daemon
    assert os.getpriority(os.PRIO_PROCESS, thread.native_id) >= store_module.NICE
    assert os.getpriority(os.PRIO_PROCESS, 0) < store_module.NICE
