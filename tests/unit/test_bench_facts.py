"""What a machine tells of itself: fake roots of a Pi 4, a Pi 5 and a PC, and files full of nonsense."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

import edge
from edge.bench.facts import machine_facts
from edge.board.gauges import Gauges, Reading
from edge.board.power import find_meter
from edge.board.sysfiles import run_command
from edge.board.throttling import describe_throttled

PMIC = """\
 3V7_WL_SW_A current(0)=0.10000000A
   VDD_CORE_A current(7)=2.00000000A
 3V7_WL_SW_V volt(8)=3.70000000V
   VDD_CORE_V volt(15)=0.75000000V
      EXT5V_V volt(24)=5.14875000V
       BATT_V volt(25)=0.00000000V
"""
STAT = "4242 (python (a b)) R 1 1 1 0 -1 4194304 100 0 0 0 {user} {system} 0 0 20 0 3 0 3538693 3133440 407\n"


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def commands(answers: Mapping[str, str]) -> Callable[[Sequence[str]], str | None]:
    """Commands that this machine has; every other one is missing."""
    return lambda command: answers.get(" ".join(command))


def no_commands(command: Sequence[str]) -> str | None:
    return None


PROCESS = {
    "proc/self/status": "Name:\tpython\nVmHWM:\t   95000 kB\nVmRSS:\t   71000 kB\nThreads:\t3\n",
    "proc/self/stat": STAT.format(user=300, system=100),
    "proc/self/fd/0": "",
    "proc/self/fd/1": "",
}


@pytest.fixture
def pi4(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        PROCESS
        | {
            "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\nCPU part\t: 0xd08\n\nModel\t\t: Raspberry Pi 4\n",
            "proc/meminfo": "MemTotal:        3884348 kB\nMemFree: 1 kB\n",
            "proc/loadavg": "0.25 0.10 0.05 1/150 999\n",
            "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "82765\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
            "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1800000\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "e0006\n",
            "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
            "sys/class/hwmon/hwmon0/temp1_input": "82765\n",
            "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
            "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
            "sys/class/hwmon/hwmon2/name": "ina219\n",
            "sys/class/hwmon/hwmon2/power1_input": "4300000\n",
        },
    )


def test_a_throttled_pi_4_tells_everything(pi4):
    run = commands({"vcgencmd measure_clock arm": "frequency(48)=1200117248\n"})
    gauges = Gauges(pi4, run)
    assert gauges.read() == Reading(
        temperature_c=pytest.approx(82.765),
        # The kernel's 1500 MHz is what it asked for.
        clock_mhz=pytest.approx(1200.117248),
        governor="ondemand",
        throttled=0xE0006,
        is_undervolted=True,
        power_w=pytest.approx(4.3),
        resident_mb=pytest.approx(72.704),
        processor_s=400 / os.sysconf("SC_CLK_TCK"),
        threads=3,
        descriptors=2,
    )
    assert gauges.power_meter == "ina219"
    assert gauges.clock_max_mhz() == pytest.approx(1800)


def test_facts_of_a_pi_4(pi4):
    facts = machine_facts(pi4, no_commands)
    assert facts.model == facts.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert facts.memory_mb == 3978
    assert facts.os == "Debian GNU/Linux 12 (bookworm)"
    assert facts.load == 0.25
    assert facts.cores == len(os.sched_getaffinity(0))
    assert facts.clock_mhz == pytest.approx(1500)
    assert facts.throttled == "0xe0006"
    assert facts.throttled_meaning == (
        "frequency capped now",
        "throttled now",
        "frequency capped: it occurred",
        "throttled: it occurred",
        "soft temperature limit: it occurred",
    )
    assert facts.is_virtual is None


def test_the_firmware_is_asked_before_the_kernels_copy_of_its_bits(pi4):
    run = commands({"vcgencmd get_throttled": "throttled=0x50005\n"})
    assert Gauges(pi4, run).read().throttled == 0x50005


def test_a_pi_5_measures_its_own_power(tmp_path):
    root = write(
        tmp_path,
        {
            "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "51250\n",
            "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "0\n",
            "sys/class/hwmon/hwmon3/name": "rpi_volt\n",
            "sys/class/hwmon/hwmon3/in0_lcrit_alarm": "0\n",
        },
    )
    gauges = Gauges(root, commands({"vcgencmd pmic_read_adc": PMIC}))
    found = gauges.read()
    assert found.power_w == pytest.approx(0.1 * 3.7 + 2.0 * 0.75)
    assert gauges.power_meter is not None
    assert gauges.power_meter.startswith("PMIC")
    assert found.throttled == 0
    assert found.is_undervolted is False
    facts = machine_facts(root, commands({"systemd-detect-virt --vm": "none\n"}))
    assert facts.throttled == "0x0"
    assert facts.throttled_meaning == ()
    assert facts.is_virtual is False


def test_a_current_without_its_voltage_is_no_power(tmp_path):
    run = commands({"vcgencmd pmic_read_adc": PMIC.replace("VDD_CORE_V", "VDD_OTHER_V")})
    assert find_meter(tmp_path, run) is None


def test_a_machine_that_tells_nothing_is_all_none(tmp_path):
    gauges = Gauges(tmp_path, no_commands)
    assert gauges.read() == Reading()
    assert gauges.power_meter is None
    assert gauges.clock_max_mhz() is None
    facts = machine_facts(tmp_path, no_commands)
    assert facts.board is facts.temperature_c is facts.clock_mhz is facts.throttled is facts.load is None
    assert facts.memory_mb > 0


@pytest.mark.parametrize(("flags", "is_virtual"), [("fpu vme hypervisor", True), ("fpu vme", False)])
def test_an_x86_without_systemd_is_known_by_its_flag(tmp_path, flags, is_virtual):
    write(tmp_path, {"proc/cpuinfo": f"model name\t: AMD EPYC\nflags\t\t: {flags}\n"})
    facts = machine_facts(tmp_path, no_commands)
    assert facts.is_virtual is is_virtual
    assert facts.model == "AMD EPYC"


def test_the_hypervisor_is_asked_for_and_not_the_container(tmp_path):
    answers = {"systemd-detect-virt --vm": "kvm\n", "systemd-detect-virt": "docker\n"}
    assert machine_facts(tmp_path, commands(answers)).is_virtual is True


@pytest.mark.parametrize("garbage", ["", "\n", "n/a\n", "-1\n", "12 34\n", "0x\n", "９９\n", "1.5e3\n", "throttled=\n"])
def test_nonsense_in_files_is_none(pi4, garbage):
    for folder in ("sys/class/thermal", "sys/class/hwmon", "sys/devices", "proc"):
        for path in (pi4 / folder).rglob("*"):
            if path.is_file() and path.name not in ("name", "type", "scaling_governor"):
                path.write_text(garbage)
    reading = Gauges(pi4, commands({"vcgencmd get_throttled": garbage, "vcgencmd pmic_read_adc": garbage})).read()
    assert reading._replace(governor=None, descriptors=None) == Reading()
    assert machine_facts(pi4, no_commands).memory_mb > 0


def test_bytes_that_are_no_text_are_none(pi4):
    path = pi4 / "sys/class/thermal/thermal_zone0/temp"
    gauges = Gauges(pi4, no_commands)
    path.write_bytes(b"\xff\xfe")
    assert gauges.read().temperature_c is None
    (pi4 / "proc/cpuinfo").write_bytes(b"flags\t: \xff\n")
    assert machine_facts(pi4, no_commands).is_virtual is False


def test_a_broken_sensor_is_not_believed(pi4):
    (pi4 / "sys/class/thermal/thermal_zone0/temp").write_text("999999\n")
    assert Gauges(pi4, no_commands).read().temperature_c is None


def test_what_goes_away_is_none_from_then_on(pi4):
    gauges = Gauges(pi4, no_commands)
    assert gauges.read().power_w is not None
    (pi4 / "sys/class/hwmon/hwmon2/power1_input").unlink()
    (pi4 / "sys/class/hwmon/hwmon1/in0_lcrit_alarm").unlink()
    found = gauges.read()
    assert found.power_w is found.is_undervolted is None


def test_only_the_processors_own_temperature_counts(tmp_path):
    files = {
        "sys/class/thermal/thermal_zone0/type": "acpitz\n",
        "sys/class/thermal/thermal_zone0/temp": "27800\n",
        "sys/class/hwmon/hwmon0/name": "nvme\n",
        "sys/class/hwmon/hwmon0/temp1_input": "33000\n",
    }
    assert Gauges(write(tmp_path, files), no_commands).read().temperature_c is None
    files |= {"sys/class/hwmon/hwmon4/name": "k10temp\n", "sys/class/hwmon/hwmon4/temp1_input": "44125\n"}
    assert Gauges(write(tmp_path, files), no_commands).read().temperature_c == pytest.approx(44.125)


def test_energy_counters_give_the_power_since_the_last_reading(tmp_path):
    folder = "sys/class/powercap"
    files = {
        f"{folder}/intel-rapl:0/name": "package-0\n",
        f"{folder}/intel-rapl:0/energy_uj": "1000000\n",
        f"{folder}/intel-rapl:0/max_energy_range_uj": "10000000\n",
        f"{folder}/intel-rapl:0:0/name": "core\n",
        f"{folder}/intel-rapl:0:0/energy_uj": "1\n",
        f"{folder}/intel-rapl:1/name": "psys\n",
        f"{folder}/intel-rapl:1/energy_uj": "1\n",
    }
    write(tmp_path, files)
    now_s = [100.0]
    gauges = Gauges(tmp_path, no_commands, lambda: now_s[0])
    assert gauges.power_meter == "RAPL, processor packages only"
    assert gauges.read().power_w is None
    now_s[0] += 2.0
    (tmp_path / f"{folder}/intel-rapl:0/energy_uj").write_text("9000000\n")
    assert gauges.read().power_w == pytest.approx(4.0)
    # The counter runs over.
    now_s[0] += 2.0
    (tmp_path / f"{folder}/intel-rapl:0/energy_uj").write_text("3000000\n")
    assert gauges.read().power_w == pytest.approx(2.0)


def test_a_graphics_cards_power_is_not_the_machines(tmp_path):
    files = {"sys/class/hwmon/hwmon0/name": "amdgpu\n", "sys/class/hwmon/hwmon0/power1_input": "9000000\n"}
    assert find_meter(write(tmp_path, files), no_commands) is None


@pytest.mark.parametrize(
    ("bits", "meaning"),
    [
        (0, ()),
        (0x1, ("undervoltage now",)),
        (0x80008, ("soft temperature limit now", "soft temperature limit: it occurred")),
        (0x50000, ("undervoltage: it occurred", "throttled: it occurred")),
        (0x100, ("bit 8, which has no known meaning",)),
    ],
)
def test_every_bit_is_decoded(bits, meaning):
    assert describe_throttled(bits) == meaning


def test_versions_are_of_what_runs(tmp_path):
    libraries = machine_facts(tmp_path, no_commands).libraries
    assert libraries["edge-sorter"] == edge.__version__
    assert {"numpy", "opencv", "ai-edge-litert", "sqlite"} <= libraries.keys()


def test_a_command_that_is_missing_or_silent_is_no_error():
    assert run_command(("/nonexistent/vcgencmd", "get_throttled")) is None
    assert run_command(("true",)) == ""


def test_this_process_is_read_on_any_linux():
    found = Gauges().read()
    assert found.resident_mb is not None
    assert found.resident_mb > 1
    assert found.processor_s is not None
    assert found.threads is not None
    assert found.descriptors is not None
