"""The probe's script, in three shells, on folders with the files of machines we do not have."""

from __future__ import annotations

import hashlib
import shutil
import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHELLS = ["dash", "bash --posix", "busybox sh"]

AARCH64, ARM, X86_64, I386 = 183, 40, 62, 3


def elf(bits: int, machine: int) -> bytes:
    """Return the first 20 bytes of a program: e_ident, e_type, e_machine."""
    return b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9) + struct.pack("<HH", 2, machine)


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """Return a folder with files as on a Raspberry Pi 5 with a Coral USB Accelerator."""
    root = tmp_path / "root"
    write(
        root,
        {
            "proc/device-tree/model": b"Raspberry Pi 5 Model B Rev 1.0\0",
            "proc/meminfo": "MemTotal: 8245000 kB\nMemFree: 1 kB\nMemAvailable:  7500000 kB\n",
            "bin/sh": elf(64, AARCH64),
            "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n'
            'VERSION_ID="13"\nEVIL=$(touch /tmp/evil)\n',
            "etc/rpi-issue": "Raspberry Pi reference\n",
            "etc/group": "root:x:0:\nvideo:x:44:pi\nrender:x:105:\nplugdev:x:46:\n",
            "dev/video0": "",
            "dev/video19": "",
            "sys/class/video4linux/video0/name": "unicam\n",
            "sys/class/video4linux/video19/name": "rpi-hevc-dec\n",
            "usr/lib/aarch64-linux-gnu/libcamera.so.0.5": "",
            "usr/lib/aarch64-linux-gnu/libedgetpu.so.1": "",
            "sys/bus/usb/devices/2-1/idVendor": "18d1\n",
            "sys/bus/usb/devices/2-1/idProduct": "9302\n",
            "sys/bus/usb/devices/2-1/speed": "5000\n",
            "sys/bus/usb/devices/usb1/idVendor": "1d6b\n",
            "sys/bus/pci/devices/0001:01:00.0/vendor": "0x1ac1\n",
            "sys/bus/pci/devices/0001:01:00.0/device": "0x089a\n",
            "dev/apex_0": "",
            "run/systemd/timesync/synchronized": "",
            "opt/edge-recog/lib/python3.13/site-packages/edge_recog-0.1.0.dist-info/METADATA": "",
            "etc/edge-recog/config.toml": 'source = "picamera2:0"\nmodel = "/srv/m.tflite"  # x\n'
            '[other]\nmodel = "no"\n',
            "srv/m.tflite": "a model",
        },
    )
    return root


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with programs that answer as on that machine."""
    folder = tmp_path / "programs"
    program(folder, "uname", "case $1 in -n) echo kitchen ;; *) echo aarch64 ;; esac")
    program(folder, "getconf", 'case $1 in GNU*) echo "glibc 2.41" ;; *) echo 4 ;; esac')
    program(folder, "systemctl", 'case $1 in --version) echo "systemd 257 (257.9)" ;; esac')
    program(folder, "id", 'case $1 in -un) echo pi ;; -Gn) echo "pi video" ;; *) echo 1000 ;; esac')
    program(folder, "sudo", "exit 1")
    return folder


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, missing: Callable[[str], Any]) -> str:
    name: str = request.param
    if shutil.which(name.split()[0]) is None:
        missing(f"{name.split()[0]} is not installed")
    return name


def test_a_raspberry_pi_is_told(
    run_probe: Callable[..., Any], pi: Path, programs: Path, shell: str
) -> None:
    (pi / "run/systemd/system").mkdir(parents=True)
    facts = run_probe(pi, shell=shell, programs=programs)

    assert facts.board == "Raspberry Pi 5 Model B Rev 1.0"
    assert (facts.glibc, facts.cores) == ((2, 41), 4)
    assert (facts.userland, facts.bits) == ("aarch64", 64)
    if shell != "busybox sh":  # It has these itself, and takes no others.
        assert (facts.hostname, facts.kernel) == ("kitchen", "aarch64")
        assert (facts.user, facts.groups) == ("pi", ("pi", "video"))
        assert facts.sudo == "password"
    assert (facts.os_id, facts.os_version) == ("debian", "13")
    assert facts.os_name == "Debian GNU/Linux 13 (trixie)"
    assert facts.raspberry_pi_os is True
    assert (facts.memory_total_kib, facts.memory_available_kib) == (8_245_000, 7_500_000)
    assert facts.libcamera is True
    told = [(one.path, one.name, one.accessible) for one in facts.cameras]
    assert told == [("/dev/video0", "unicam", True), ("/dev/video19", "rpi-hevc-dec", True)]
    assert facts.known_groups == ("video", "render", "plugdev")
    assert facts.systemd == 257
    assert facts.clock_synchronized is True
    found = [(one.kind, one.id, one.speed_mbit) for one in facts.accelerators]
    assert found == [("coral-usb", "18d1:9302", 5000), ("coral-pci", "1ac1:089a", None)]
    assert facts.apex is True
    assert facts.edgetpu_library == "/usr/lib/aarch64-linux-gnu/libedgetpu.so.1"
    assert [(one.path, one.version) for one in facts.installed] == [("/opt/edge-recog", "0.1.0")]
    assert facts.model == "/srv/m.tflite"
    assert facts.model_id == f"sha256:{hashlib.sha256(b'a model').hexdigest()}"
    assert facts.folder.existing == "/opt/edge-recog"
    assert facts.folder.free_kib is not None


def test_a_machine_of_which_nothing_is_known_is_told_too(
    run_probe: Callable[..., Any], tmp_path: Path, shell: str
) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    facts = run_probe(root, shell=shell)
    assert (facts.board, facts.os_id, facts.memory_total_kib) == ("", "", None)
    assert facts.userland == "other"
    assert (facts.cameras, facts.accelerators, facts.installed) == ((), (), ())
    assert (facts.systemd, facts.service, facts.model) == (None, "", "")
    assert (facts.folder.path, facts.folder.existing) == ("/opt/edge-recog", "/")


@pytest.mark.parametrize(
    ("header", "userland", "bits"),
    [
        (elf(64, AARCH64), "aarch64", 64),
        (elf(64, X86_64), "x86_64", 64),
        (elf(32, ARM), "armv7l", 32),
        (elf(32, I386), "i686", 32),
        (elf(64, 243), "other", 32),
        (b"#!/bin/busybox", "other", 32),
    ],
    ids=["aarch64", "x86-64", "32-bit ARM under a 64-bit kernel", "i386", "RISC-V", "no ELF"],
)
def test_what_programs_are_built_for_is_told_by_one_of_them(
    run_probe: Callable[..., Any],
    pi: Path,
    programs: Path,
    header: bytes,
    userland: str,
    bits: int,
) -> None:
    (pi / "bin/sh").write_bytes(header)
    facts = run_probe(pi, programs=programs)
    assert (facts.userland, facts.bits, facts.kernel) == (userland, bits, "aarch64")


def test_what_a_machine_says_of_itself_becomes_one_printable_line(
    run_probe: Callable[..., Any], pi: Path, shell: str
) -> None:
    write(
        pi,
        {
            "proc/device-tree/model": b"Evil \x1b[31m\ttab=1 \xff\nend\nboard=twice\0",
            "sys/class/video4linux/video0/name": "\x1b]0;title\x07 camera\r",
            "etc/os-release": "ID=debian\nPRETTY_NAME=" + "x" * 5000 + "\n",
        },
    )
    facts = run_probe(pi, shell=shell)
    assert facts.board == "Evil [31mtab=1 "
    assert facts.cameras[0].name == "]0;title camera"
    assert facts.os_name == "x" * 200


def test_a_python_is_asked_for_what_it_can(
    run_probe: Callable[..., Any], pi: Path, shell: str
) -> None:
    pythons = run_probe(pi, shell=shell).pythons
    assert pythons
    assert len({python.path for python in pythons}) == len(pythons)
    assert all(python.bits in (32, 64) for python in pythons)


def test_a_python_that_answers_something_else_is_left_out(
    run_probe: Callable[..., Any], pi: Path, programs: Path, shell: str
) -> None:
    program(programs, "python3", "echo one; echo 'two *'")
    program(programs, "python3.14", "exit 1")
    facts = run_probe(pi, shell=shell, programs=programs)
    assert all(python.path not in ("one", "two *") for python in facts.pythons)


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ("", "built-in"),
        ("[web]\nmodel = 'x'\n", "built-in"),
        ("model = 'active'\n", "active"),
        ('  model   =   "/a b"\n', "/a b"),
    ],
)
def test_the_model_is_what_the_configuration_names(
    run_probe: Callable[..., Any], pi: Path, shell: str, config: str, model: str
) -> None:
    write(pi, {"etc/edge-recog/config.toml": config})
    facts = run_probe(pi, shell=shell)
    assert (facts.model, facts.model_id, facts.config_readable) == (model, "", True)


def test_the_active_model_is_that_of_the_store(
    run_probe: Callable[..., Any], pi: Path, shell: str
) -> None:
    from edge_recog.store.document import encode
    from edge_recog.store.state import State, Version

    digest = "ab" * 32
    state = State(
        active=digest, versions={digest: Version(order=1, name="clothing", size_bytes=656_000)}
    )
    write(
        pi,
        {
            "etc/edge-recog/config.toml": "model = 'active'\n",
            "var/lib/edge-recog/models/state.json": encode(state),
        },
    )
    assert run_probe(pi, shell=shell).model_id == f"sha256:{digest}"
