"""The kernel's files on supply and heat: trees of a Pi, files that vanish, that hold rubbish, that nobody refreshes."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.board.supply_gauges import COMMAND_EVERY_S, LOOK_AGAIN_MOST_S, LOOK_AGAIN_S, SupplyGauges, SupplyReading
from edge.board.throttling import troubles
from tests.rigs import FakeClock

ALARM = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
PI5_THROTTLED = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"
NOTHING = SupplyReading()


class Board:
    """A tree of files, the command of the firmware, and gauges over both."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock(100.0)
        self.answer: str | None = None
        self.commands = 0
        self.gauges = SupplyGauges(root, self._run, self.clock.now_s)

    def write(self, name: str, content: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def become_a_pi(self, throttled: str = THROTTLED) -> "Board":
        self.write("sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
        self.write("sys/class/hwmon/hwmon1/name", "rpi_volt\n")
        self.write(ALARM, "0\n")
        self.write(throttled, "0\n")
        self.write("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
        self.write(TEMPERATURE, "48312\n")
        return self

    def read(self, after_s: float = 1.0) -> SupplyReading:
        self.clock.advance(after_s)
        return self.gauges.read()

    def _run(self, command) -> str | None:
        assert tuple(command) == ("vcgencmd", "get_throttled")
        self.commands += 1
        return self.answer


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


@pytest.fixture
def pi(board: Board) -> Board:
    return board.become_a_pi()


@pytest.mark.parametrize("throttled", [THROTTLED, PI5_THROTTLED], ids=["Pi 3 and 4", "Pi 5"])
def test_a_healthy_pi_tells_all_three_and_no_process_is_started(board, throttled):
    board.become_a_pi(throttled)
    assert board.read() == SupplyReading(0, False, pytest.approx(48.312), 2.0)
    assert board.commands == 0


def test_nothing_is_touched_before_the_first_reading(tmp_path):
    SupplyGauges(tmp_path / "hangs", lambda command: pytest.fail("a command was run"))


def test_a_report_may_be_about_the_kernels_two_seconds_before_the_reading_before(pi):
    pi.read()
    pi.write(ALARM, "1\n")
    assert pi.read(after_s=1.5).covers_s == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("alarm", "bits", "is_low"),
    [
        ("0\n", "0\n", False),
        ("1\n", "50005\n", True),
        ("1\n", "0\n", True),
        ("0\n", "1\n", True),
        pytest.param("0\n", "50000\n", False, id="the alarm says the same as bit 16, and is asked"),
        ("0\n", "8\n", False),
    ],
)
def test_the_supply_is_low_by_the_alarm_or_by_the_bit_of_now(pi, alarm, bits, is_low):
    pi.read()
    pi.write(ALARM, alarm)
    pi.write(THROTTLED, bits)
    reading = pi.read()
    assert (reading.is_low, reading.bits) == (is_low, int(bits, 16))


def test_the_names_of_now_and_of_what_occurred_are_told_apart():
    assert troubles(0xE0005) == ("undervoltage", "throttled")
    assert troubles(0xE0005, occurred=True) == ("frequency capped", "throttled", "soft temperature limit")
    assert troubles(0) == troubles(0xFFF0FFF0) == ()


@pytest.mark.parametrize("rubbish", ["", "\n", "-1\n", "none\n", "0x\n", "\0\0\0", "9" * 40, "1 2 3\n"])
def test_rubbish_in_a_file_is_nothing_told(pi, rubbish):
    pi.read()
    pi.write(THROTTLED, rubbish)
    pi.write(TEMPERATURE, rubbish)
    reading = pi.read()
    assert (reading.bits, reading.temperature_c, reading.is_low) == (None, None, False)


@given(content=st.binary(max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_of_any_file_raises(pi, content):
    for name in (ALARM, THROTTLED, TEMPERATURE):
        (pi.root / name).write_bytes(content)
    reading = pi.read(after_s=LOOK_AGAIN_MOST_S)
    assert reading.temperature_c is None or 0 <= reading.temperature_c <= 150


def test_without_the_driver_the_kernels_word_is_what_somebody_asked_once_and_is_not_read(pi):
    shutil.rmtree(pi.root / "sys/class/hwmon/hwmon1")
    pi.write(THROTTLED, "50005\n")
    reading = pi.read()
    assert (reading.bits, reading.is_low) == (None, None)
    assert reading.temperature_c is not None


def test_a_driver_that_is_taken_out_and_comes_back_under_another_number_is_found_again(pi):
    pi.read()
    (pi.root / "sys/class/hwmon/hwmon1").rename(pi.root / "sys/class/hwmon/hwmon7")
    assert pi.read().is_low is None
    pi.write("sys/class/hwmon/hwmon7/in0_lcrit_alarm", "1\n")
    assert pi.read().is_low is True


def test_a_driver_that_is_loaded_after_the_program_is_found(board):
    assert board.read() == NOTHING
    board.become_a_pi()
    readings = [board.read() for _ in range(round(2 * LOOK_AGAIN_S) + 1)]
    assert readings[0].is_low is None
    assert readings[-1].is_low is False


def test_what_is_never_there_is_looked_for_ever_more_rarely(board):
    looks = 0
    for _ in range(86_400 // 60):
        before = board.commands
        board.read(after_s=60.0)
        looks += board.commands - before
    assert looks <= 86_400 / LOOK_AGAIN_MOST_S + 10


def test_a_folder_in_place_of_a_file_is_nothing_told(pi):
    (pi.root / TEMPERATURE).unlink()
    (pi.root / TEMPERATURE).mkdir()
    assert pi.read().temperature_c is None


def test_a_sensor_that_burns_is_broken(pi):
    pi.read()
    pi.write(TEMPERATURE, "900000\n")
    assert pi.read().temperature_c is None


class TestCommand:
    """Where the kernel has no driver for the supply."""

    def test_the_command_is_run_every_five_seconds_and_not_more_often(self, board):
        board.answer = "throttled=0x0\n"
        readings = [board.read() for _ in range(60)]
        assert 60 / COMMAND_EVERY_S <= board.commands <= 60 / COMMAND_EVERY_S + 2
        assert {reading.bits for reading in readings} == {0}
        assert [reading.is_low for reading in readings[:7]] == [False, None, None, None, None, False, None]

    def test_what_occurred_before_the_program_was_started_is_no_dip_now(self, board):
        board.answer = "throttled=0x50000\n"
        assert not any(board.read().is_low for _ in range(30))

    def test_what_comes_to_have_occurred_is_a_dip_and_only_once(self, board):
        board.answer = "throttled=0x0\n"
        board.read()
        board.answer = "throttled=0x50000\n"
        told = [board.read() for _ in range(30)]
        dips = [reading for reading in told if reading.is_low]
        assert len(dips) == 1
        assert dips[0].covers_s == pytest.approx(COMMAND_EVERY_S)

    def test_low_now_is_low_every_time(self, board):
        board.answer = "throttled=0x50005\n"
        assert sum(bool(board.read().is_low) for _ in range(30)) == 6

    @pytest.mark.parametrize("answer", [None, "", "VCHI initialization failed\n", "throttled=zzz"])
    def test_a_command_that_does_not_answer_is_nothing_told(self, board, answer):
        board.answer = answer
        assert board.read() == NOTHING

    def test_a_command_that_stops_answering_is_nothing_told(self, board):
        board.answer = "throttled=0x50005\n"
        board.read()
        board.answer = None
        assert board.read(after_s=6.0) == NOTHING
