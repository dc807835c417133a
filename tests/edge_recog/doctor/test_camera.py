"""Bindings, rights, other users of the camera, formats."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_recog.doctor.board import System
from edge_recog.doctor.camera import (
    Access,
    Bindings,
    Stream,
    device_of,
    judge_access,
    judge_bindings,
    judge_colour,
    judge_holders,
    judge_stride,
    read_access,
    read_bindings,
    read_camera_holders,
    read_stream,
    scheme_of,
)
from edge_recog.processes import Holder, Holders, read_holders

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.doctor.probes import Machine

_PI, _PC = System("Raspberry Pi 5 Model B Rev 1.0", "aarch64", 64), System("", "x86_64", 64)
_HERE = ".".join(map(str, sys.version_info[:2]))
_PACKAGES = "/usr/lib/python3/dist-packages"


def _bindings(**values: object) -> Bindings:
    known: dict[str, object] = {
        "here": False,
        "in_system": True,
        "in_venv": True,
        "sees_system": False,
        "built_for": "3.13",
        "python": "3.13",
    }
    return Bindings(**(known | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bindings", "fix"),
    [
        (_bindings(in_system=False), "sudo apt install python3-picamera2"),
        (_bindings(), "--system-site-packages .venv"),
        (_bindings(python="3.11"), "/usr/bin/python3 -m venv"),
        (_bindings(in_venv=False, built_for=""), "/usr/bin/python3 -m venv"),
    ],
    ids=["not installed", "venv of its own", "another Python", "not found"],
)
def test_missing_bindings_are_bad_where_they_are_wanted(bindings: Bindings, fix: str) -> None:
    wanted = judge_bindings(bindings, _PI, "picamera2:0")
    unused = judge_bindings(bindings, _PI, "v4l2:/dev/video0")

    assert (wanted.outcome, unused.outcome) == ("bad", "warning")
    assert fix in wanted.fix
    assert judge_bindings(bindings, _PC, None).outcome == "skipped"


def test_bindings_that_are_here_are_good() -> None:
    assert judge_bindings(_bindings(here=True), _PI, "picamera2:0").outcome == "good"


@pytest.mark.parametrize(("setting", "sees"), [("true", True), ("True", True), ("false", False)])
def test_a_venv_tells_whether_it_sees_the_systems_packages(
    build: Callable[..., Machine], setting: str, sees: bool
) -> None:
    name = "_libcamera.cpython-313-aarch64-linux-gnu.so"
    machine = build(
        {
            f"{_PACKAGES}/picamera2/__init__.py": "",
            f"{_PACKAGES}/libcamera/{name}": "",
            "/venv/pyvenv.cfg": f"home = /usr/bin\ninclude-system-site-packages = {setting}\n",
        }
    )
    bindings = read_bindings(machine, prefix=Path("/venv"))

    assert bindings == Bindings(
        here=False, in_system=True, in_venv=True, sees_system=sees, built_for="3.13", python=_HERE
    )


def test_a_system_without_bindings_has_none(build: Callable[..., Machine]) -> None:
    bindings = read_bindings(build({}), prefix=Path("/usr"))

    assert (bindings.in_system, bindings.in_venv, bindings.built_for) == (False, False, "")


_VIDEO = ("/dev/video0", "/dev/video1")


@pytest.mark.parametrize(
    ("access", "outcome", "fix"),
    [
        (Access("pi", _VIDEO, (), True, True), "good", ""),
        (Access("pi", _VIDEO, (), False, False), "good", ""),
        (Access("pi", _VIDEO, _VIDEO, False, False), "bad", "sudo usermod -aG video pi"),
        (Access("pi", _VIDEO, _VIDEO, False, True), "bad", "log out and in again"),
        (Access("pi", _VIDEO, _VIDEO[:1], True, True), "bad", "ls -l /dev/video0"),
        (Access("pi", (), (), False, False), "skipped", ""),
    ],
    ids=["in group", "by another rule", "not in group", "not yet", "another group", "no camera"],
)
def test_the_user_must_be_let_to_the_camera(access: Access, outcome: str, fix: str) -> None:
    finding = judge_access(access)

    assert finding.outcome == outcome
    assert fix in finding.fix


def test_rights_are_those_of_this_process(build: Callable[..., Machine]) -> None:
    group = os.getegid()
    machine = build({"/dev/video0": "", "/etc/group": f"x:x:0:\nvideo:x:{group}:somebody\n"})
    access = read_access(machine)

    assert (access.devices, access.closed) == (("/dev/video0",), ())
    assert access.in_group
    assert not access.listed
    assert not read_access(build({"/etc/group": "video:x:broken\n"})).in_group


def test_processes_with_a_camera_are_found(build: Callable[..., Machine]) -> None:
    machine = build(
        {"/proc/812/comm": "python3\n", "/proc/9/comm": "sh\n", "/proc/cpuinfo": ""},
        links={
            "/proc/812/fd/0": "/dev/null",
            "/proc/812/fd/5": "/dev/video0",
            "/proc/812/fd/6": "/dev/video0",
            "/proc/812/fd/7": "/dev/media2",
            "/proc/9/fd/1": "/dev/video0.txt",
            f"/proc/{os.getpid()}/fd/3": "/dev/video0",
        },
    )

    assert read_camera_holders(machine) == Holders(
        (Holder(812, "python3", "/dev/media2"), Holder(812, "python3", "/dev/video0")), 0
    )


def test_processes_of_others_are_counted(
    build: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = build({"/proc/7/comm": "sshd", "/proc/7/fd/0": ""})

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)

    assert read_holders(bool, proc=machine.path("/proc")) == Holders((), 1)


_TAKEN = Holders((Holder(812, "motion", "/dev/video0"), Holder(812, "motion", "/dev/media0")), 3)


@pytest.mark.parametrize(
    ("holders", "source", "device", "outcome"),
    [
        (Holders((), 0), "picamera2:0", None, "good"),
        (_TAKEN, None, None, "warning"),
        (_TAKEN, "picamera2:0", None, "bad"),
        (_TAKEN, "v4l2:/dev/video0", "/dev/video0", "bad"),
        (_TAKEN, "v4l2:/dev/video2", "/dev/video2", "warning"),
        (_TAKEN, "rtsp://camera/1", None, "warning"),
    ],
)
def test_a_camera_in_use_is_bad_where_it_is_wanted(
    holders: Holders, source: str | None, device: str | None, outcome: str
) -> None:
    finding = judge_holders(holders, source, device)

    assert finding.outcome == outcome
    if holders.found:
        assert "motion (process 812) has /dev/video0, /dev/media0" in finding.evidence
        assert "kill 812" in finding.fix


def test_a_link_to_a_camera_is_followed(build: Callable[..., Machine]) -> None:
    machine = build({"/dev/video2": ""}, links={"/dev/v4l/by-id/usb-cam": "../../video2"})

    assert device_of(machine, "v4l2:/dev/v4l/by-id/usb-cam?width=640") == "/dev/video2"
    assert device_of(machine, "v4l2:/dev/video2") == "/dev/video2"
    assert device_of(machine, "picamera2:0") is None


@pytest.mark.parametrize(
    ("source", "scheme"), [("picamera2:0", "picamera2"), ("clip.mp4", ""), (None, "")]
)
def test_a_source_may_have_a_scheme(source: str | None, scheme: str) -> None:
    assert scheme_of(source) == scheme


@pytest.mark.parametrize(
    ("source", "stream"),
    [
        ("picamera2:0", Stream("", None)),
        ("picamera2:0?format=yuv420&main=1280x720&lores=320x240", Stream("YUV420", 320)),
        ("picamera2:0?main=1280x720", Stream("", 1280)),
        ("v4l2:/dev/video0?format=YUV420", None),
        (None, None),
    ],
)
def test_the_stream_is_the_one_the_network_sees(source: str | None, stream: Stream | None) -> None:
    assert read_stream(source) == stream


@pytest.mark.parametrize(
    ("stream", "outcome"),
    [
        (Stream("RGB888", None), "good"),
        (Stream("NV12", 640), "good"),
        (Stream("SRGGB10", None), "bad"),
        (Stream("", 640), "skipped"),
        (None, "skipped"),
    ],
)
def test_colours_must_come_in_a_known_order(stream: Stream | None, outcome: str) -> None:
    assert judge_colour(stream).outcome == outcome


@pytest.mark.parametrize(
    ("stream", "outcome", "fix"),
    [
        (Stream("YUV420", 640), "good", ""),
        (Stream("RGB888", 333), "good", ""),
        (Stream("YUV420", 456), "warning", "448"),
        (Stream("NV12", 32), "warning", "64"),
        (Stream("NV12", None), "skipped", ""),
        (Stream("", 640), "skipped", ""),
        (None, "skipped", ""),
    ],
)
def test_planar_rows_that_are_padded_are_told(
    stream: Stream | None, outcome: str, fix: str
) -> None:
    finding = judge_stride(stream)

    assert finding.outcome == outcome
    assert fix in finding.fix
