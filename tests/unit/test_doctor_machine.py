"""What doctor says of the board, its supply, its clock and its card: a Pi in good order, and each thing spoilt."""

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from edge.doctor.clock import check_clock
from edge.doctor.machine import Machine, is_kernel_clock_synchronized, this_user
from edge.doctor.power import check_power
from edge.doctor.storage import check_storage, existing_folder, mount_of
from edge.doctor.system import _libraries, check_system
from tests.doctor_rig import PI_USER, a_pi, found, is_good, write

LEDGER = Path("/var/lib/edge-sorter/ledger.db")
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
CARD = "sys/block/mmcblk0/device"


def system(machine):
    return list(check_system(machine))


def power(machine):
    return list(check_power(machine))


def storage(machine, ledger=LEDGER):
    return list(check_storage(machine, ledger))


def test_a_pi_in_good_order_has_nothing_but_ok(tmp_path):
    machine = a_pi(tmp_path)
    assert is_good(system(machine))
    assert is_good(power(machine))
    assert is_good(list(check_clock(machine)))
    assert is_good(storage(machine))
    assert found(system(machine), "system.board").found == "Raspberry Pi 4 Model B Rev 1.4"


def test_a_machine_that_tells_nothing_gives_notes_only(tmp_path):
    machine = Machine(root=tmp_path, run=lambda command: None, user=PI_USER, is_clock_synchronized=lambda: None)
    findings = [*system(machine), *power(machine), *check_clock(machine), *storage(machine)]
    assert {finding.level for finding in findings} == {"ok", "note"}
    assert platform.machine() in found(findings, "system.board").found
    for check in ("power.supply", "power.temperature", "clock.synchronized", "storage.filesystem", "system.memory"):
        assert found(findings, check).level == "note"


@pytest.mark.parametrize(
    ("changes", "check", "level", "words"),
    [
        ({"pointer_bits": 32}, "system.userland", "warning", "LiteRT"),
        ({"python": (3, 14)}, "system.python", "warning", "3.14"),
        ({"user": replace(PI_USER, is_root=True)}, "system.user", "note", "root"),
        ({"user": replace(PI_USER, groups=frozenset())}, "system.user", "ok", "neither gpio nor video"),
        ({"files": {"dev/watchdog": None}}, "system.watchdog", "note", "no hardware watchdog"),
        ({"files": {"proc/device-tree/model": "ODROID-C4"}}, "system.board", "note", "no Raspberry Pi"),
        ({"files": {"etc/os-release": 'VERSION_CODENAME="noble"\n'}}, "system.os", "note", "tested"),
        (
            {"files": {"proc/meminfo": "MemTotal: 400000 kB\nMemAvailable: 100000 kB\n"}},
            "system.memory",
            "warning",
            "102 of 410 MB",
        ),
    ],
)
def test_what_the_system_lacks_is_told(tmp_path, changes, check, level, words):
    finding = found(system(a_pi(tmp_path, **changes)), check)
    assert finding.level == level
    assert words in finding.found


def test_tflite_runtime_beside_numpy_2_is_a_conflict():
    findings = list(_libraries({"numpy": "2.4.6", "tflite-runtime": "2.14.0"}))
    assert found(findings, "system.numpy").level == "warning"
    assert is_good(list(_libraries({"numpy": "1.26.4", "tflite-runtime": "2.14.0"})))


def test_two_opencv_packages_overwrite_each_other(monkeypatch):
    both = {"opencv-python": "4.10", "opencv-python-headless": "4.11"}
    monkeypatch.setattr("edge.doctor.system.installed_versions", lambda names: both)
    assert "opencv-python and opencv-python-headless" in found(_libraries({}), "system.opencv").found


@pytest.mark.parametrize(
    ("bits", "supply", "throttling"),
    [
        ("0", "ok", "ok"),
        ("1", "warning", "ok"),
        ("10000", "warning", "ok"),
        ("2", "ok", "warning"),
        ("e0006", "ok", "warning"),
        ("e0000", "ok", "note"),
        ("50005", "warning", "warning"),
    ],
)
def test_undervoltage_and_throttling_are_told_apart_now_and_before(tmp_path, bits, supply, throttling):
    findings = power(a_pi(tmp_path, {THROTTLED: f"{bits}\n"}))
    assert found(findings, "power.supply").level == supply
    assert found(findings, "power.throttling").level == throttling


def test_the_kernels_alarm_tells_undervoltage_without_the_firmwares_bits(tmp_path):
    files = {
        THROTTLED: "n/a\n",
        "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
        "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
    }
    findings = power(a_pi(tmp_path, files))
    assert found(findings, "power.supply").level == "warning"
    assert not [finding for finding in findings if finding.check == "power.throttling"]


@pytest.mark.parametrize(("millidegrees", "level"), [("75000", "ok"), ("75001", "warning"), ("99000", "warning")])
def test_heat_is_a_warning_and_never_a_blocker(tmp_path, millidegrees, level):
    machine = a_pi(tmp_path, {"sys/class/thermal/thermal_zone0/temp": millidegrees})
    assert found(power(machine), "power.temperature").level == level


def test_a_slow_governor_and_a_lowered_clock_are_notes(tmp_path):
    cpu = "sys/devices/system/cpu/cpu0/cpufreq"
    findings = power(a_pi(tmp_path, {f"{cpu}/scaling_governor": "powersave", f"{cpu}/scaling_max_freq": "600000"}))
    assert found(findings, "power.governor").level == "note"
    assert "600 of 1800 MHz" in found(findings, "power.clock").found


@pytest.mark.parametrize(("year", "is_told"), [(1970, True), (2024, True), (2025, False), (2026, False), (2100, True)])
def test_an_impossible_year_is_told(tmp_path, year, is_told):
    findings = check_clock(a_pi(tmp_path, year=lambda: year))
    assert any(finding.check == "clock.time" for finding in findings) == is_told


def test_a_clock_that_nobody_sets_is_a_warning(tmp_path):
    machine = a_pi(
        tmp_path,
        {"run/systemd/timesync/synchronized": None, "sys/class/rtc/rtc0/name": None},
        is_clock_synchronized=lambda: False,
    )
    findings = list(check_clock(machine))
    assert found(findings, "clock.synchronized").level == "warning"
    assert found(findings, "clock.battery").level == "note"


def test_what_timesyncd_has_set_counts_although_the_kernel_does_not_know(tmp_path):
    machine = a_pi(tmp_path, is_clock_synchronized=lambda: False)
    assert found(check_clock(machine), "clock.synchronized").level == "ok"


def test_this_machines_clock_and_user_can_be_asked():
    assert is_kernel_clock_synchronized() in (True, False, None)
    assert this_user().name


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (49 * 10**6, 32 * 10**9, "blocker"),
        (51 * 10**6, 32 * 10**9, "warning"),
        (2 * 10**9, 32 * 10**9, "warning"),
        (4 * 10**9, 32 * 10**9, "ok"),
        (900 * 10**6, 2 * 10**9, "warning"),
    ],
)
def test_room_for_the_ledger(tmp_path, free, total, level):
    machine = a_pi(tmp_path, disk=lambda folder: (total, total - free, free))
    assert found(storage(machine), "storage.space").level == level


def test_room_is_asked_for_where_the_ledger_will_lie(tmp_path):
    asked = []

    def disk(folder):
        asked.append(folder)
        return (10**12, 0, 10**12)

    storage(a_pi(tmp_path, disk=disk), tmp_path / "not/yet/ledger.db")
    assert asked == [tmp_path]
    assert existing_folder(tmp_path / "not/yet/ledger.db") == tmp_path


@pytest.mark.parametrize(
    ("line", "level", "words"),
    [
        ("25 1 179:2 / / ro,noatime - ext4 /dev/root rw", "blocker", "read-only"),
        ("25 1 179:2 / / rw,noatime - ext4 /dev/root ro,errors=remount-ro", "blocker", "read-only"),
        ("25 1 0:40 / / rw shared:1 master:2 - tmpfs tmpfs rw", "warning", "memory"),
        ("25 1 0:40 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/b", "note", "overlay"),
        ("nonsense", "note", "does not tell"),
    ],
)
def test_where_the_ledger_would_not_last(tmp_path, line, level, words):
    finding = found(storage(a_pi(tmp_path, {"proc/self/mountinfo": f"{line}\n"})), "storage.filesystem")
    assert finding.level == level
    assert words in finding.found


def test_the_nearest_mount_counts_and_of_two_the_later(tmp_path):
    lines = (
        "25 1 179:2 / / rw - ext4 /dev/root rw\n"
        "26 25 0:30 / /var/lib rw - tmpfs tmpfs rw\n"
        "27 25 8:1 / /var/lib rw - vfat /dev/sda1 rw\n"
        "28 25 8:2 / /var/li rw - xfs /dev/sda2 rw\n"
        "29 25 8:3 / /mnt/my\\040disk rw - btrfs /dev/sda3 rw\n"
    )
    machine = a_pi(tmp_path, {"proc/self/mountinfo": lines})
    for folder, kind in (("/var/lib/edge", "vfat"), ("/var/log", "ext4"), ("/mnt/my disk", "btrfs")):
        mount = mount_of(machine, Path(folder))
        assert mount is not None
        assert mount.kind == kind


def test_errors_of_the_file_system_are_told(tmp_path):
    finding = found(storage(a_pi(tmp_path, {"sys/fs/ext4/mmcblk0p2/errors_count": "7\n"})), "storage.errors")
    assert finding.level == "warning"
    assert "7 errors" in finding.found


@pytest.mark.parametrize(
    ("life", "reserve", "level"),
    [
        ("0x01 0x02", "0x01", "ok"),
        ("0x09 0x01", "0x01", "warning"),
        ("0x0b 0x01", "0x01", "warning"),
        ("0x01 0x01", "0x02", "warning"),
        ("0x00 0x00", "0x00", "note"),
        ("nonsense", "?", "note"),
    ],
)
def test_how_worn_an_emmc_is(tmp_path, life, reserve, level):
    files = {f"{CARD}/life_time": life, f"{CARD}/pre_eol_info": reserve}
    assert found(storage(a_pi(tmp_path, files)), "storage.card").level == level


def test_an_sd_card_does_not_tell_how_worn_it_is(tmp_path):
    files = {f"{CARD}/type": "SD", f"{CARD}/life_time": None, f"{CARD}/name": "SC32G", f"{CARD}/date": "03/2024"}
    finding = found(storage(a_pi(tmp_path, files)), "storage.card")
    assert finding.level == "note"
    assert "SD card SC32G of 03/2024" in finding.found


def test_a_disk_that_is_no_card_is_left_alone(tmp_path):
    machine = a_pi(tmp_path)
    write(tmp_path, {f"{CARD}/type": None})
    assert not [finding for finding in storage(machine) if finding.check == "storage.card"]
