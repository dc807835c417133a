"""The shipped profiles, and what becomes of a profile that says something wrong."""

from __future__ import annotations

import fnmatch
from importlib import resources
from typing import TYPE_CHECKING

import pytest
from edge_recog_benchmarks.anchors import all_anchors
from edge_recog_devices.errors import ProfileError
from edge_recog_devices.profiles import find_profile, load_profile, shipped_profiles
from edge_recog_devices.profiles.reading import parse_profile

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [
    "coral-dev-board",
    "generic-aarch64",
    "generic-x86-64",
    "raspberry-pi-3-b-plus",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "raspberry-pi-coral-m2",
    "raspberry-pi-coral-usb",
    "raspberry-pi-zero-2-w",
]
MINIMAL = """\
schema_version = 1
name = "mine"
title = "My board"

[hardware]
architecture = "aarch64"
processor = "Cortex-A72"

[camera]
stack = "v4l2"
source = "v4l2:/dev/video0"

[[systems]]
title = "Debian 13"
id = "debian"
version = "13"
python = "3.13"
glibc = "2.41"

[budgets]
latency_ms = 50
memory_mb = 256
disk_mb = 600
threads = 2
"""


def test_all_profiles_are_shipped_under_their_names() -> None:
    assert [profile.name for profile in shipped_profiles()] == NAMES
    files = resources.files("edge_recog_devices.profiles")
    assert sorted(f"{name}.toml" for name in NAMES) == sorted(
        file.name for file in files.iterdir() if file.name.endswith(".toml")
    )
    for name in NAMES:
        assert find_profile(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_budgets_fit_the_hardware(name: str) -> None:
    profile = find_profile(name)
    if profile.hardware.memory_mb:
        assert profile.budgets.memory_mb < min(profile.hardware.memory_mb)
    if profile.hardware.cores is not None:
        assert profile.budgets.threads < profile.hardware.cores


@pytest.mark.parametrize("name", NAMES)
def test_no_published_latency_is_invented(name: str) -> None:
    known = {
        (anchor.by, anchor.document, anchor.model, anchor.precision, anchor.statistic, anchor.value)
        for anchor in all_anchors()
        if anchor.metric == "latency_ms"
    }
    for group in find_profile(name).published:
        assert group.document
        if group.by == "Alasdair Allan":
            continue  # A network that detects, which the benchmarks have no anchors for.
        for figure in group.figures:
            told = (figure.network, figure.precision, figure.statistic, figure.ms)
            assert (group.by, group.document, *told) in known


@pytest.mark.parametrize("name", NAMES)
def test_published_latencies_are_of_that_board(name: str) -> None:
    """Or the profile says of which other one."""
    profile = find_profile(name)
    for group in profile.published:
        if group.device or group.by == "Alasdair Allan":
            continue
        figure = group.figures[0]
        (anchor,) = (
            one
            for one in all_anchors()
            if (one.by, one.document, one.model) == (group.by, group.document, figure.network)
            and (one.precision, one.statistic) == (figure.precision, figure.statistic)
            and (one.value, one.runtime or "not stated") == (figure.ms, group.runtime)
        )
        if not anchor.board:
            assert anchor.device == profile.title
            continue
        boards = [board.replace("*", "Rev 1.0") for board in profile.boards]
        assert any(fnmatch.fnmatchcase(board, anchor.board) for board in boards)


def test_a_profile_of_one_s_own_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL)
    assert find_profile(str(path)).title == "My board"


def test_a_name_that_is_not_there_brings_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"no profile 'rasberry-pi-5'; did you mean raspberry-pi-5\?"
    ):
        find_profile("rasberry-pi-5")
    with pytest.raises(UsageError, match="there are coral-dev-board, generic-aarch64"):
        find_profile("zzz")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("title", "titel", r"mine\.toml:3: titel: unknown key; did you mean title\?"),
        ("processor", "procesor", r"mine\.toml:7: hardware\.procesor: .* did you mean processor\?"),
        ("glibc", "libc", r"systems\[0\]\.libc: unknown key; did you mean glibc\?"),
        ("schema_version = 1", "schema_version = 2", "schema_version 2; this program reads 1"),
        ("schema_version = 1", "", "no schema_version; this program reads 1"),
        ("schema_version = 1", "schema_version = true", "schema_version True"),
        ('"aarch64"', '"z80"', r'architecture is "z80"; it must be "aarch64" or "x86_64"'),
        ('"3.13"', '"2.7"', r"python"),
        (
            "memory_mb = 256",
            "memory_mb = -1",
            r"memory_mb is -1; it must be a whole number above 0",
        ),
        ("threads = 2", 'threads = "two"', r"threads is \"two\""),
        ("threads = 2", "", "threads: missing"),
        ("threads = 2", "threads = 2\nthreads = 3", "not TOML"),
        ("My board", "My \\u0000board\\q", "not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    path = tmp_path / "mine.toml"
    assert old in MINIMAL
    path.write_text(MINIMAL.replace(old, new, 1))
    with pytest.raises(ProfileError, match=reason):
        load_profile(path)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL.replace("latency_ms = 50", "latency_ms = 0").replace("debian", "De bi"))
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xfe", "not a text file in UTF-8"),
        (b"x = " + b"[" * 100_000, "not TOML"),
        (b" " * 300_000, "larger than 262144 bytes"),
    ],
    ids=["not UTF-8", "nested", "huge"],
)
def test_what_is_no_profile_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ProfileError, match=reason):
        parse_profile(data, "mine.toml")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read: No such file"):
        load_profile(tmp_path / "mine.toml")
