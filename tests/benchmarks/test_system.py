"""The state of the machine, told by a pretended one and by this one."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from edge_recog_benchmarks.device import system
from edge_recog_benchmarks.device.events import SystemFacts, SystemSample
from edge_recog_benchmarks.device.fake_system import ENERGY_RANGE_UJ, FakeSystem
from edge_recog_benchmarks.device.machine import machine_facts, read_int, read_text
from edge_recog_benchmarks.device.system import SystemProbe
from hypothesis import given, settings
from hypothesis import strategies as st

CPU = "sys/devices/system/cpu"
ZONE = "sys/class/thermal/thermal_zone0"
PACKAGE = "sys/class/powercap/intel-rapl:0"
KERNEL_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
SECOND = 10**9

PI_4 = """processor\t: 0
model name\t: ARMv7 Processor rev 3 (v7l)

Hardware\t: BCM2711
Model\t\t: Raspberry Pi 4 Model B Rev 1.5
"""
PC = """processor\t: 0
model\t\t: 143
model name\t: Some: Processor
flags\t\t: fpu vme

processor\t: 1
model name\t: Some: Processor
"""
JUNK = ["", "\n", "nonsense", "0x", "1e3", "12,5", "- 1", "9" * 400, "nan", "é", "1\n2"]


class Clock:
    """Nanoseconds as told."""

    def __init__(self) -> None:
        self.ns = 5 * SECOND

    def __call__(self) -> int:
        return self.ns


class Vcgencmd:
    """Answers as told, and remembers the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, str | Exception] = {
            "get_throttled": "throttled=0x0\n",
            "measure_clock arm": "frequency(48)=2400033792\n",
        }

    def __call__(self, *question: str) -> str:
        self.asked.append(" ".join(question))
        answer = self.answers[self.asked[-1]]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def fake(tmp_path: Path) -> FakeSystem:
    return FakeSystem(tmp_path / "pi")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vcgencmd() -> Vcgencmd:
    return Vcgencmd()


def test_a_raspberry_pi_5_is_told_as_one(fake: FakeSystem) -> None:
    facts = SystemProbe(fake.root).facts()

    assert facts.board == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts.governor == "performance"
    assert facts.max_frequency_mhz == 2400
    assert facts.cores == 4
    assert facts.machine["os"] == "Debian GNU/Linux 13 (trixie)"
    assert facts.machine["kernel"] == "6.12.47+rpt-rpi-2712"
    assert facts.machine["memory_bytes"] == 8256928 * 1024
    assert "container" not in facts.machine


def test_a_sample_tells_what_the_machine_shows(fake: FakeSystem, clock: Clock) -> None:
    probe = SystemProbe(fake.root, clock=clock, wall_clock=lambda: 1795478848.5)
    fake.temperature_c = 82.35
    fake.frequency_mhz = 1500
    fake.throttled = 0x50005
    fake.load_1min = 1.25
    fake.busy(3 * SECOND)
    fake.idle(5 * SECOND)
    fake.steal(2 * SECOND)
    clock.ns += 7
    sample = probe.sample(thorough=True)

    assert msgspec.structs.replace(sample, own_cpu_ns=0) == SystemSample(
        at_ns=7,
        temperature_c=82.35,
        frequencies_mhz=(1500, 1500, 1500, 1500),
        throttled=0x50005,
        load_1min=1.25,
        cpu_ns=(3 * SECOND, 2 * SECOND, 10 * SECOND),
        energy_uj=None,
        wall_clock_s=1795478848.5,
    )


def test_this_machine_can_be_asked() -> None:
    probe = SystemProbe()
    facts, sample = probe.facts(), probe.sample()

    assert facts.cores == len(os.sched_getaffinity(0))
    assert sample.at_ns >= 0
    assert sample.cpu_ns is not None
    assert sample.cpu_ns[2] > sample.cpu_ns[0] > 0
    for told in (facts, sample):
        assert msgspec.json.decode(msgspec.json.encode(told), type=type(told)) == told


def test_an_empty_folder_tells_nothing(tmp_path: Path) -> None:
    probe = SystemProbe(tmp_path)
    facts, sample = probe.facts(), probe.sample(thorough=True)

    assert (facts.governor, facts.max_frequency_mhz, facts.board) == ("", None, "")
    assert facts.cores == 1
    assert (sample.temperature_c, sample.throttled, sample.load_1min) == (None, None, None)
    assert (sample.cpu_ns, sample.energy_uj, sample.frequencies_mhz) == (None, None, ())


class TestFrequency:
    def test_cores_come_in_the_order_of_their_numbers(self, tmp_path: Path) -> None:
        fake = FakeSystem(tmp_path, cores=12, firmware="none")
        fake.write(f"{CPU}/cpu2/cpufreq/scaling_cur_freq", "1000000\n")

        assert SystemProbe(fake.root).sample().frequencies_mhz[2] == 1000

    def test_the_highest_reachable_is_what_is_allowed(self, fake: FakeSystem) -> None:
        for core in range(4):
            fake.write(f"{CPU}/cpu{core}/cpufreq/scaling_max_freq", "1800000\n")

        assert SystemProbe(fake.root).facts().max_frequency_mhz == 1800

    def test_different_governors_are_all_named(self, fake: FakeSystem) -> None:
        fake.write(f"{CPU}/cpu3/cpufreq/scaling_governor", "ondemand\n")

        assert SystemProbe(fake.root).facts().governor == "performance,ondemand"

    def test_what_the_firmware_grants_counts_more_than_what_the_kernel_asked_for(
        self, fake: FakeSystem
    ) -> None:
        probe = SystemProbe(fake.root)
        fake.granted_mhz = 1500.4

        assert probe.sample(thorough=True).frequencies_mhz == (1500, 1500, 1500, 1500)

    def test_the_granted_clock_is_told_where_the_kernel_tells_none(self, fake: FakeSystem) -> None:
        fake.remove(CPU)

        assert SystemProbe(fake.root).sample(thorough=True).frequencies_mhz == (2400,)

    def test_a_core_that_goes_away_is_left_out(self, tmp_path: Path) -> None:
        fake = FakeSystem(tmp_path, firmware="none")
        probe = SystemProbe(fake.root)
        fake.remove(f"{CPU}/cpu3")

        assert probe.sample().frequencies_mhz == (2400, 2400, 2400)


class TestTemperature:
    def test_the_hottest_zone_counts(self, fake: FakeSystem) -> None:
        fake.write("sys/class/thermal/thermal_zone1/temp", "61500\n")

        assert SystemProbe(fake.root).sample().temperature_c == 61.5

    def test_frost_is_a_temperature(self, fake: FakeSystem) -> None:
        fake.temperature_c = -12

        assert SystemProbe(fake.root).sample().temperature_c == -12

    @pytest.mark.parametrize("millidegrees", ["-274000", "999000"])
    def test_a_broken_sensor_is_none(self, fake: FakeSystem, millidegrees: str) -> None:
        fake.write(f"{ZONE}/temp", millidegrees)

        assert SystemProbe(fake.root).sample().temperature_c is None


class TestFirmware:
    def test_one_question_a_second_is_asked_at_most(
        self, fake: FakeSystem, clock: Clock, vcgencmd: Vcgencmd
    ) -> None:
        probe = SystemProbe(fake.root, clock=clock, vcgencmd=vcgencmd)
        for _ in range(40):
            probe.sample()
            clock.ns += SECOND // 10

        assert vcgencmd.asked == ["get_throttled", "measure_clock arm"] * 2

    def test_everything_is_asked_if_it_must_be_thorough(
        self, fake: FakeSystem, clock: Clock, vcgencmd: Vcgencmd
    ) -> None:
        probe = SystemProbe(fake.root, clock=clock, vcgencmd=vcgencmd)
        probe.sample()
        probe.sample(thorough=True)

        assert vcgencmd.asked == ["get_throttled", "get_throttled", "measure_clock arm"]

    def test_between_two_questions_the_bits_are_remembered_and_the_clock_is_not(
        self, fake: FakeSystem, clock: Clock, vcgencmd: Vcgencmd
    ) -> None:
        vcgencmd.answers["get_throttled"] = "throttled=0x50005\n"
        vcgencmd.answers["measure_clock arm"] = "frequency(48)=600000000\n"
        probe = SystemProbe(fake.root, clock=clock, vcgencmd=vcgencmd)
        fresh, remembered = probe.sample(thorough=True), probe.sample()

        assert (fresh.throttled, remembered.throttled) == (0x50005, 0x50005)
        assert (max(fresh.frequencies_mhz), max(remembered.frequencies_mhz)) == (600, 2400)

    @pytest.mark.parametrize(
        "failure",
        [
            OSError("no /dev/vcio"),
            subprocess.CalledProcessError(255, "vcgencmd"),
            subprocess.TimeoutExpired("vcgencmd", 0.5),
            'error=1 error_msg="Command not registered"',
            "",
            "throttled=",
            "throttled=0x" + "f" * 40,
        ],
        ids=["absent", "refused", "hanging", "unknown", "silent", "cut off", "huge"],
    )
    def test_it_is_left_alone_after_failing_three_times(
        self, tmp_path: Path, clock: Clock, vcgencmd: Vcgencmd, failure: str | Exception
    ) -> None:
        fake = FakeSystem(tmp_path, firmware="kernel")
        fake.throttled = 0x80008
        vcgencmd.answers = {"get_throttled": failure, "measure_clock arm": failure}
        probe = SystemProbe(fake.root, clock=clock, vcgencmd=vcgencmd)
        first, *_, last = [probe.sample(thorough=True) for _ in range(5)]

        assert len(vcgencmd.asked) == 3
        assert first.throttled is None
        assert first.frequencies_mhz == (2400,) * 4
        assert last.throttled == 0x80008

    def test_a_single_failure_is_forgiven(
        self, fake: FakeSystem, clock: Clock, vcgencmd: Vcgencmd
    ) -> None:
        probe = SystemProbe(fake.root, clock=clock, vcgencmd=vcgencmd)
        good = vcgencmd.answers["get_throttled"]
        for answer in (OSError(), good) * 5:
            vcgencmd.answers["get_throttled"] = answer
            probe.sample(thorough=True)

        assert probe.sample().throttled == 0

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            (KERNEL_FILE, "50005\n"),
            ("sys/devices/platform/soc@0/soc@0:firmware/get_throttled", "0x50005\n"),
        ],
        ids=["as it is", "another name"],
    )
    def test_without_the_program_the_kernel_is_asked(
        self, tmp_path: Path, path: str, text: str
    ) -> None:
        fake = FakeSystem(tmp_path, firmware="none")
        fake.write(path, text)

        assert SystemProbe(fake.root).sample().throttled == 0x50005

    @pytest.mark.parametrize("text", ["", "nonsense", "0x", "5000g", "-1", "123456789"])
    def test_what_the_kernel_says_must_be_bits(self, tmp_path: Path, text: str) -> None:
        fake = FakeSystem(tmp_path, firmware="none")
        fake.write(KERNEL_FILE, text)

        assert SystemProbe(fake.root).sample().throttled is None

    def test_a_program_that_hangs_is_ended(
        self, fake: FakeSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(system, "VCGENCMD_TIMEOUT_S", 0.05)
        (fake.root / "usr/bin/vcgencmd").write_text("#!/bin/sh\nexec sleep 60\n")

        assert SystemProbe(fake.root).sample().throttled is None


class TestProcessorTime:
    @pytest.mark.parametrize(
        ("line", "ticks"),
        [
            ("cpu  1 2 4 8 16 32 64 128 256 512", (103, 128, 255)),
            ("cpu 1 2 4 8", (7, 0, 15)),
            ("cpu0 1 2 4 8 16 32 64 128", None),
            ("cpu 1 2 4", None),
            ("cpu 1 2 -4 8", None),
            ("cpu 1 2 x 8", None),
            (f"cpu 1 2 {'9' * 30} 8", None),
        ],
        ids=["guests are users", "old kernel", "one core", "short", "negative", "word", "huge"],
    )
    def test_it_is_told_as_the_kernel_counts(
        self, fake: FakeSystem, line: str, ticks: tuple[int, ...] | None
    ) -> None:
        fake.write("proc/stat", line + "\n")
        tick_ns = SECOND // os.sysconf("SC_CLK_TCK")
        expected = None if ticks is None else tuple(count * tick_ns for count in ticks)

        assert SystemProbe(fake.root).sample().cpu_ns == expected

    def test_a_child_counts_while_it_lives_and_after_it_has_ended(self, fake: FakeSystem) -> None:
        probe = SystemProbe(fake.root)
        with _busy_child() as child:
            probe.watch(child.pid)
            while_alive = probe.sample().own_cpu_ns
            child.communicate("")
        afterwards = probe.sample().own_cpu_ns

        assert while_alive >= 90_000_000  # Counted in ticks of 10 ms.
        assert afterwards >= while_alive

    def test_a_grandchild_counts_after_it_has_ended(
        self, fake: FakeSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        probe = SystemProbe(fake.root)
        with _busy_child() as child:
            monkeypatch.setattr(os, "getpid", lambda: -1)  # As if somebody else's.
            probe.watch(child.pid)
            while_alive = probe.sample().own_cpu_ns
            child.communicate("")
        assert probe.sample().own_cpu_ns >= while_alive

    def test_a_child_that_nobody_watches_does_not_count_while_it_lives(
        self, fake: FakeSystem
    ) -> None:
        probe = SystemProbe(fake.root)
        with _busy_child() as child:
            watching = SystemProbe(fake.root)
            watching.watch(child.pid)
            unwatched, watched = probe.sample().own_cpu_ns, watching.sample().own_cpu_ns
            child.communicate("")
        assert unwatched + 50_000_000 < watched

    def test_another_process_with_the_same_number_does_not_count(
        self, fake: FakeSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stat(born: int, ticks: int) -> list[str]:
            return ["R", "1", *["0"] * 9, str(ticks), *["0"] * 7, str(born)]

        probe = SystemProbe(fake.root)
        monkeypatch.setattr(system, "_process_stat", lambda pid: stat(born=7, ticks=1000))
        probe.watch(4)
        first = probe.sample().own_cpu_ns
        monkeypatch.setattr(system, "_process_stat", lambda pid: stat(born=8, ticks=9000))

        assert 10 * SECOND <= first <= probe.sample().own_cpu_ns < 20 * SECOND

    def test_a_process_that_does_not_exist_counts_nothing(self, fake: FakeSystem) -> None:
        probe = SystemProbe(fake.root)
        with _busy_child() as child:
            child.communicate("")
        probe.watch(child.pid)

        assert probe.sample().own_cpu_ns >= 0


class TestEnergy:
    @pytest.fixture
    def pc(self, tmp_path: Path) -> FakeSystem:
        fake = FakeSystem(tmp_path / "pc", board="", firmware="none", rapl=True)
        fake.energy(ENERGY_RANGE_UJ - 1000)
        return fake

    def test_it_counts_from_the_start(self, pc: FakeSystem) -> None:
        probe = SystemProbe(pc.root)
        before = probe.sample().energy_uj
        pc.energy(700)

        assert (before, probe.sample().energy_uj) == (0, 700)

    def test_it_goes_on_when_the_counter_begins_anew(self, pc: FakeSystem) -> None:
        probe = SystemProbe(pc.root)
        for _ in range(3):
            pc.energy(900)
            probe.sample()

        assert probe.sample().energy_uj == 2700

    def test_all_packages_count_but_nothing_twice(self, pc: FakeSystem) -> None:
        for zone, name in ((":1", "package-1"), (":0:0", "core"), (":2", "psys")):
            pc.write(f"sys/class/powercap/intel-rapl{zone}/name", name)
            pc.write(f"sys/class/powercap/intel-rapl{zone}/energy_uj", "0")
        probe = SystemProbe(pc.root)
        for zone in (":1", ":0:0", ":2"):
            pc.write(f"sys/class/powercap/intel-rapl{zone}/energy_uj", "50")

        assert probe.sample().energy_uj == 50

    @pytest.mark.parametrize("text", [*JUNK, "-5"])
    def test_it_is_none_from_when_it_cannot_be_read(self, pc: FakeSystem, text: str) -> None:
        probe = SystemProbe(pc.root)
        pc.write(f"{PACKAGE}/max_energy_range_uj", "0")
        pc.write(f"{PACKAGE}/energy_uj", text)
        unread = probe.sample().energy_uj
        pc.energy(1)

        assert (unread, probe.sample().energy_uj) == (None, None)

    def test_a_counter_that_goes_back_without_a_range_is_not_believed(self, pc: FakeSystem) -> None:
        probe = SystemProbe(pc.root)
        pc.remove(f"{PACKAGE}/max_energy_range_uj")
        pc.energy(2000)

        assert probe.sample().energy_uj is None


@pytest.mark.parametrize("text", JUNK)
@pytest.mark.parametrize(
    ("path", "field", "nothing"),
    [
        (f"{ZONE}/temp", "temperature_c", None),
        (f"{CPU}/cpu0/cpufreq/scaling_cur_freq", "frequencies_mhz", (2400, 2400, 2400)),
        ("proc/loadavg", "load_1min", None),
        ("proc/stat", "cpu_ns", None),
    ],
    ids=["temperature", "frequency", "load", "processor time"],
)
def test_what_cannot_be_read_as_a_number_is_left_out(
    tmp_path: Path, path: str, field: str, nothing: object, text: str
) -> None:
    fake = FakeSystem(tmp_path, firmware="none")
    probe = SystemProbe(fake.root)
    fake.write(path, text)

    assert getattr(probe.sample(), field) == nothing


@pytest.mark.parametrize("gone", ["proc", "sys", "usr", "etc"])
def test_what_vanishes_between_two_looks_is_left_out(fake: FakeSystem, gone: str) -> None:
    probe = SystemProbe(fake.root)
    fake.remove(gone)

    assert isinstance(probe.sample(thorough=True), SystemSample)
    assert isinstance(probe.facts(), SystemFacts)


def test_a_folder_in_a_files_place_is_left_out(fake: FakeSystem) -> None:
    probe = SystemProbe(fake.root)
    for path in (f"{ZONE}/temp", "proc/stat", "proc/device-tree/model", "etc/os-release"):
        fake.remove(path)
        (fake.root / path).mkdir()
    sample = probe.sample()

    assert (sample.temperature_c, sample.cpu_ns) == (None, None)
    assert probe.facts().board == ""


def test_a_pipe_that_nobody_fills_keeps_nobody_waiting(fake: FakeSystem) -> None:
    fake.remove("proc/loadavg")
    os.mkfifo(fake.root / "proc/loadavg")

    assert SystemProbe(fake.root).sample().load_1min is None


_FILES = [
    "proc/stat",
    "proc/loadavg",
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/device-tree/model",
    "etc/os-release",
    f"{ZONE}/temp",
    f"{CPU}/cpu0/cpufreq/scaling_cur_freq",
    f"{CPU}/cpu0/cpufreq/scaling_governor",
    f"{CPU}/cpu0/cpufreq/scaling_max_freq",
    f"{PACKAGE}/energy_uj",
    f"{PACKAGE}/max_energy_range_uj",
    KERNEL_FILE,
]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(_FILES), st.binary(max_size=60), min_size=1))
def test_whatever_the_files_hold_facts_and_samples_can_be_told(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fake = FakeSystem(Path(folder), firmware="kernel", rapl=True)
        probe = SystemProbe(fake.root)
        for path, content in files.items():
            (fake.root / path).write_bytes(content)
        for told in (probe.facts(), probe.sample(), SystemProbe(fake.root).sample()):
            assert msgspec.json.decode(msgspec.json.encode(told), type=type(told)) == told


@settings(derandomize=True)
@given(st.text(max_size=80))
def test_whatever_the_firmware_answers_a_sample_can_be_told(answer: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        probe = SystemProbe(Path(folder), vcgencmd=lambda *question: answer)
        sample = probe.sample(thorough=True)

    assert sample.throttled is None or sample.throttled >= 0


class TestMachineFacts:
    def test_they_are_plain_values_of_this_machine(self) -> None:
        facts = machine_facts()

        assert msgspec.json.decode(msgspec.json.encode(facts)) == facts
        assert facts["cores"] == len(os.sched_getaffinity(0))
        assert facts["machine"] == platform.machine()
        assert facts["kernel"] == platform.release()
        assert facts["python"] == platform.python_version()
        assert facts["load_1min"] >= 0
        assert facts["memory_bytes"] > 10**6

    def test_time_is_utc_to_the_second(self) -> None:
        measured = machine_facts()["measured"]

        assert len(measured) == len("2025-01-01T00:00:00Z")
        assert measured.endswith("Z")
        assert abs(datetime.fromisoformat(measured) - datetime.now(UTC)) < timedelta(minutes=1)

    def test_versions_are_those_of_installed_packages_only(self) -> None:
        packages = machine_facts()["packages"]

        assert "edge-recog" in packages
        assert packages == {name: importlib.metadata.version(name) for name in packages}

    @pytest.mark.parametrize(
        ("cpuinfo", "processor"),
        [
            (PI_4, "Raspberry Pi 4 Model B Rev 1.5"),
            (PC, "Some: Processor"),
            ("processor : 0\n", "Raspberry Pi 5 Model B Rev 1.0"),
        ],
        ids=["pi", "pc", "device tree"],
    )
    def test_a_processor_is_named_as_people_know_it(
        self, fake: FakeSystem, cpuinfo: str, processor: str
    ) -> None:
        fake.write("proc/cpuinfo", cpuinfo)

        assert machine_facts(fake.root)["processor"] == processor

    @pytest.mark.parametrize(
        ("path", "text", "kind"),
        [
            (".dockerenv", "", "docker"),
            ("run/.containerenv", "", "podman"),
            ("run/systemd/container", "lxc\n", "lxc"),
        ],
        ids=["docker", "podman", "systemd"],
    )
    def test_a_container_is_named(self, fake: FakeSystem, path: str, text: str, kind: str) -> None:
        fake.write(path, text)

        assert machine_facts(fake.root)["container"] == kind

    @pytest.mark.parametrize(
        ("files", "maker"),
        [
            ({"proc/cpuinfo": "flags : fpu hypervisor\n"}, "unknown"),
            (
                {
                    "proc/cpuinfo": "flags : fpu hypervisor\n",
                    "sys/class/dmi/id/sys_vendor": "QEMU\n",
                    "sys/class/dmi/id/product_name": "Standard PC\n",
                },
                "QEMU Standard PC",
            ),
            ({"proc/device-tree/model": "linux,dummy-virt\0"}, "QEMU"),
            ({"sys/hypervisor/type": "xen\n"}, "xen"),
            ({"proc/cpuinfo": PC, "sys/class/dmi/id/sys_vendor": "Dell Inc.\n"}, None),
        ],
        ids=["nameless", "qemu", "qemu on arm", "xen", "bare metal"],
    )
    def test_a_virtual_machine_is_named(
        self, fake: FakeSystem, files: dict[str, str], maker: str | None
    ) -> None:
        for path, text in files.items():
            fake.write(path, text)

        assert machine_facts(fake.root).get("hypervisor") == maker

    def test_nothing_is_read_beyond_64_kib(self, tmp_path: Path) -> None:
        (tmp_path / "long").write_bytes(b"1" * 10**6)

        assert len(read_text(tmp_path / "long")) == 65536
        assert read_int(tmp_path / "long") is None


class TestFakeSystem:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("temperature_c", 71.5),
            ("frequency_mhz", 1800.0),
            ("granted_mhz", 600.0),
            ("throttled", 0x20000),
            ("governor", "ondemand"),
            ("load_1min", 3.5),
        ],
    )
    def test_what_was_set_can_be_asked_for(self, fake: FakeSystem, name: str, value: Any) -> None:
        setattr(fake, name, value)

        assert getattr(fake, name) == value

    def test_removing_what_is_not_there_is_no_error(self, fake: FakeSystem) -> None:
        fake.remove("no/such/file")

    def test_its_vcgencmd_refuses_other_questions(self, fake: FakeSystem) -> None:
        done = subprocess.run(
            [fake.root / "usr/bin/vcgencmd", "measure_volts"],
            capture_output=True,
            check=False,
            text=True,
        )

        assert done.returncode == 1
        assert "error" in done.stdout

    def test_a_machine_without_a_board_is_no_raspberry_pi(self, tmp_path: Path) -> None:
        facts = SystemProbe(FakeSystem(tmp_path, board="", cores=2).root).facts()

        assert (facts.board, facts.cores) == ("", 2)


def _busy_child() -> subprocess.Popen[str]:
    """Return a process that has used 0.1 s of CPU time and waits for its stdin to end."""
    code = (
        "import sys, time\n"
        "while time.process_time() < 0.11: pass\n"
        "print('done', flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "done\n"
    return child
