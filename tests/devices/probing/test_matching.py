"""Which profile a device has, which Python it is used with, and what its facts come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from edge_recog_devices.probing import chosen_python, is_fit, judge, match
from edge_recog_devices.probing.facts import AcceleratorFound, CameraNode, Folder, Installed
from edge_recog_devices.probing.matching import system_of
from edge_recog_devices.profiles import find_profile, shipped_profiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog_devices.probing.facts import Facts

USB = AcceleratorFound(kind="coral-usb", id="1a6e:089a", speed_mbit=480)
PCI = AcceleratorFound(kind="coral-pci", id="1ac1:089a", speed_mbit=None)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "raspberry-pi-5"),
        ({"board": "Raspberry Pi Zero 2 W Rev 1.0"}, "raspberry-pi-zero-2-w"),
        ({"board": "Raspberry Pi 3 Model B Plus Rev 1.3"}, "raspberry-pi-3-b-plus"),
        ({"board": "Raspberry Pi 4 Model B Rev 1.5"}, "raspberry-pi-4"),
        ({"accelerators": (USB,)}, "raspberry-pi-coral-usb"),
        ({"accelerators": (PCI,)}, "raspberry-pi-coral-m2"),
        (
            {"board": "Freescale i.MX8MQ Phanbell", "accelerators": (PCI,)},
            "coral-dev-board",
        ),
        ({"board": "Google i.MX8MQ Phanbell", "accelerators": (PCI,)}, "coral-dev-board"),
        ({"board": "Raspberry Pi Compute Module 5 Rev 1.0"}, "generic-aarch64"),
        ({"board": "Radxa ROCK 5B"}, "generic-aarch64"),
        ({"board": "", "kernel": "x86_64", "userland": "x86_64"}, "generic-x86-64"),
        # What is wrong with it is told by the judgements.
        ({"kernel": "aarch64", "userland": "armv7l"}, "raspberry-pi-5"),
        ({"kernel": "armv7l", "userland": "armv7l"}, "raspberry-pi-5"),
        ({"board": "Raspberry Pi 2 Model B Rev 1.1", "kernel": "armv7l"}, None),
        ({"board": "VisionFive 2", "kernel": "riscv64", "userland": "other"}, None),
    ],
)
def test_a_device_has_the_profile_that_says_most(
    make_facts: Callable[..., Facts], changes: dict[str, Any], name: str | None
) -> None:
    found = match(make_facts(**changes), shipped_profiles())
    assert (None if found is None else found.name) == name
    # Whatever order they are in.
    assert match(make_facts(**changes), reversed(shipped_profiles())) == found


@pytest.mark.parametrize(
    ("pythons", "path"),
    [
        ([], None),
        ([{"version": "3.9.2"}], None),
        ([{"version": "3.15.0"}], None),
        ([{"implementation": "PyPy"}], None),
        ([{"free_threaded": True}], None),
        ([{"bits": 32}], None),
        ([{"bits": 32, "version": "3.11.2", "path": "/usr/bin/python3.11"}], "/usr/bin/python3.11"),
        ([{"path": "/opt/p/bin/python3.13"}], "/opt/p/bin/python3.13"),
        # The system's own finds the camera's packages.
        (
            [
                {"path": "/opt/p/bin/python3.14", "version": "3.14.1", "picamera2": False},
                {"path": "/usr/bin/python3.11", "version": "3.11.2"},
            ],
            "/usr/bin/python3.11",
        ),
        (
            [
                {"path": "/usr/bin/python3.9", "version": "3.9.2"},
                {"path": "/opt/a/bin/python3.11", "version": "3.11.2"},
                {"path": "/opt/b/bin/python3.12", "version": "3.12.2"},
            ],
            "/opt/b/bin/python3.12",
        ),
    ],
)
def test_the_python_to_install_with(
    make_facts: Callable[..., Facts],
    make_python: Callable[..., Any],
    pythons: list[dict[str, Any]],
    path: str | None,
) -> None:
    facts = make_facts(pythons=tuple(make_python(**changes) for changes in pythons))
    found = chosen_python(facts)
    assert (None if found is None else found.path) == path


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "Raspberry Pi OS 13 (trixie), 64-bit"),
        ({"os_version": "12"}, "Raspberry Pi OS 12 (bookworm), 64-bit"),
        ({"os_version": "14"}, None),
        ({"os_id": "alpine"}, None),
    ],
)
def test_a_system_is_known_by_its_release(
    make_facts: Callable[..., Facts], changes: dict[str, Any], title: str | None
) -> None:
    found = system_of(find_profile("raspberry-pi-5"), make_facts(**changes))
    assert (None if found is None else found.title) == title


def findings(facts: Facts, profile: str | None = "raspberry-pi-5") -> dict[str, Any]:
    found = None if profile is None else find_profile(profile)
    return {row.id: row.finding for row in judge(facts, found)}


def test_a_good_device_is_fit(make_facts: Callable[..., Facts]) -> None:
    facts = make_facts()
    found = findings(facts)
    assert is_fit(judge(facts, find_profile("raspberry-pi-5")))
    assert {one.outcome for one in found.values()} == {"good", "skipped"}
    assert [name for name, one in found.items() if one.outcome == "skipped"] == [
        "accelerator",
        "installed",
    ]


def folder(**changes: Any) -> Folder:
    facts = {"path": "/opt/edge-recog", "existing": "/opt", "free_kib": 9_000_000}
    return Folder(**{**facts, "read_only": False, "writable": True, **changes})


@pytest.mark.parametrize(
    ("changes", "name", "outcome", "words"),
    [
        ({"userland": "armv7l"}, "architecture", "bad", "32-bit programs (armv7l) on a aarch64"),
        ({"libc": "musl"}, "architecture", "bad", "musl: wheels need glibc"),
        ({"libc": ""}, "architecture", "bad", "unknown libc"),
        ({"libc": "glibc 2.27"}, "architecture", "bad", "wheels need 2.28"),
        ({"os_version": "14"}, "system", "warning", "its profile knows"),
        ({"pythons": ()}, "python", "bad", "no Python"),
        ({"memory_total_kib": 100_000}, "memory", "bad", "97 MiB"),
        ({"memory_available_kib": 100_000}, "memory", "warning", "97 available"),
        ({"memory_total_kib": None}, "memory", "skipped", "does not tell"),
        ({"folder": folder(free_kib=100_000)}, "space", "bad", "102 MB free for /opt/edge-recog"),
        ({"folder": folder(free_kib=None)}, "space", "skipped", "not told"),
        ({"folder": folder(read_only=True)}, "file-system", "bad", "read-only"),
        ({"folder": folder(read_only=None)}, "file-system", "good", "may write into /opt"),
        (
            {"folder": folder(writable=False), "sudo": "absent"},
            "file-system",
            "bad",
            "may not write into /opt, and there is no sudo",
        ),
        (
            {"folder": folder(writable=False), "sudo": "password"},
            "file-system",
            "warning",
            "without a password",
        ),
        ({"groups": ("pi",)}, "rights", "warning", "not in the group video"),
        ({"systemd": None}, "services", "warning", "no systemd"),
        ({"systemd": 241}, "services", "bad", "the unit needs 252"),
        ({"clock_now_s": 0}, "clock", "bad", "1970-01-01"),
        ({"clock_now_s": 10**14}, "clock", "bad", "no time of this world"),
        ({"clock_synchronized": False}, "clock", "warning", "not set from the network"),
        ({"accelerators": (USB,)}, "accelerator", "bad", "no libedgetpu"),
        ({"accelerators": (PCI,)}, "accelerator", "bad", "no /dev/apex_0"),
        (
            {"accelerators": (USB,), "edgetpu_library": "/usr/lib/libedgetpu.so.1"},
            "accelerator",
            "good",
            "coral-usb",
        ),
        (
            {
                "installed": (Installed(path="/opt/edge-recog", version="0.1.0"),),
                "model": "active",
                "model_id": "sha256:" + 64 * "a",
                "config_readable": True,
            },
            "installed",
            "good",
            "0.1.0 (/opt/edge-recog), model active (sha256:aaaaaaaaaaaa…)",
        ),
    ],
)
def test_what_is_wrong_is_told(
    make_facts: Callable[..., Facts],
    changes: dict[str, Any],
    name: str,
    outcome: str,
    words: str,
) -> None:
    facts = make_facts(**changes)
    found = findings(facts)[name]
    assert (found.outcome, words in found.evidence) == (outcome, True), found.evidence
    assert bool(found.fix) == (outcome in {"bad", "warning"})
    assert is_fit(judge(facts, find_profile("raspberry-pi-5"))) == (outcome != "bad")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": "3.9.2"}, "Python 3.9.2 (/usr/bin/python3.13), but none from 3.11 to 3.14"),
        ({"venv": False}, "cannot make environments"),
    ],
)
def test_a_python_that_is_not_fit_is_told(
    make_facts: Callable[..., Facts],
    make_python: Callable[..., Any],
    changes: dict[str, Any],
    words: str,
) -> None:
    found = findings(make_facts(pythons=(make_python(**changes),)))["python"]
    assert found.outcome == "bad"
    assert words in found.evidence
    assert "python3-venv" in found.fix


def test_a_raspberry_pi_without_picamera2_is_told(
    make_facts: Callable[..., Facts], make_python: Callable[..., Any]
) -> None:
    found = findings(make_facts(pythons=(make_python(picamera2=False),)))["camera"]
    assert (found.outcome, found.fix) == ("warning", "sudo apt install python3-picamera2")


def test_a_pc_needs_a_camera_on_usb(make_facts: Callable[..., Facts]) -> None:
    pc = make_facts(kernel="x86_64", userland="x86_64")
    assert findings(pc, "generic-x86-64")["camera"].outcome == "warning"
    camera = CameraNode(path="/dev/video0", name="Webcam", accessible=True)
    told = findings(msgspec.structs.replace(pc, cameras=(camera,)), "generic-x86-64")["camera"]
    assert (told.outcome, told.evidence) == ("good", "/dev/video0 (Webcam)")


def test_a_device_without_a_profile_is_not_fit(make_facts: Callable[..., Facts]) -> None:
    found = findings(make_facts(kernel="riscv64", userland="other"), None)
    assert found["board"].outcome == "bad"
    assert found["architecture"].outcome == "bad"
