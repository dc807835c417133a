"""For what wheels are collected."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.errors import WheelsError
from edge_recog_devices.profiles import find_profile, shipped_profiles
from edge_recog_devices.wheels import Target, target_of_facts, target_of_profile
from edge_recog_devices.wheels.target import parse_python
from packaging.markers import Marker
from packaging.tags import Tag, sys_tags

from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

PI5 = Target(architecture="aarch64", python=(3, 13), glibc=(2, 41))


def test_a_target_is_told_in_one_line() -> None:
    assert str(PI5) == "aarch64, Python 3.13, glibc 2.41"


def test_older_c_libraries_are_served_too() -> None:
    platforms = PI5.platforms
    assert platforms[0] == "manylinux_2_41_aarch64"
    assert platforms[-3:] == ("manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64")
    assert "manylinux_2_42_aarch64" not in platforms
    old = Target(architecture="x86_64", python=(3, 11), glibc=(2, 36)).platforms
    assert {"manylinux1_x86_64", "manylinux2010_x86_64", "manylinux_2_5_x86_64"} <= set(old)


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("cp313-cp313-manylinux_2_28_aarch64", True),
        ("cp37-abi3-manylinux_2_28_aarch64", True),
        ("py3-none-any", True),
        ("cp313-cp313-manylinux_2_42_aarch64", False),
        ("cp312-cp312-manylinux_2_28_aarch64", False),
        ("cp314-abi3-manylinux_2_28_aarch64", False),
        ("cp313-cp313-manylinux_2_28_x86_64", False),
        ("cp313-cp313-musllinux_1_2_aarch64", False),
        ("cp313-cp313t-manylinux_2_28_aarch64", False),
        ("cp313-cp313-macosx_11_0_arm64", False),
    ],
)
def test_a_wheel_fits_or_not(tag: str, fits: bool) -> None:
    assert (Tag(*tag.split("-")) in PI5.tags) == fits


def test_our_own_machine_is_described_as_it_describes_itself() -> None:
    """Tags, as far as they are of glibc and the usual interpreter, and markers."""
    told = subprocess.run(
        ["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    major, minor = map(int, told.split("."))
    architecture: Any = os.uname().machine
    here = Target(architecture=architecture, python=sys.version_info[:2], glibc=(major, minor))
    assert here.tags == frozenset(sys_tags())
    for text in ("sys_platform", "os_name", "platform_machine", "python_version"):
        value = here.marker_environment[text]
        assert Marker(f"{text} == '{value}'").evaluate()


@pytest.mark.parametrize(
    ("profile", "python", "target"),
    [
        ("raspberry-pi-5", None, PI5),
        ("raspberry-pi-5", (3, 13), PI5),
        (
            "raspberry-pi-5",
            (3, 11),
            Target(architecture="aarch64", python=(3, 11), glibc=(2, 36), constraints=("numpy<2",)),
        ),
        # Not the system's own, so that its packages do not matter.
        (
            "raspberry-pi-4",
            (3, 12),
            Target(architecture="aarch64", python=(3, 12), glibc=(2, 41)),
        ),
        (
            "generic-x86-64",
            (3, 12),
            Target(architecture="x86_64", python=(3, 12), glibc=(2, 39)),
        ),
        (
            "coral-dev-board",
            (3, 11),
            Target(architecture="aarch64", python=(3, 11), glibc=(2, 28)),
        ),
    ],
)
def test_a_profile_says_for_what(
    profile: str, python: tuple[int, int] | None, target: Target
) -> None:
    assert target_of_profile(find_profile(profile), python) == target


def test_a_system_that_is_too_old_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Mendel .* has Python 3\.7, and edge_recog needs 3\.11"):
        target_of_profile(find_profile("coral-dev-board"))


@pytest.mark.parametrize("text", ["3.10", "3.15", "3", "3.13.5", "2.7", "3.x", ""])
def test_a_python_that_edge_recog_does_not_run_on_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"from 3\.11 to 3\.14, such as 3\.13"):
        parse_python(text)


@pytest.mark.parametrize(
    ("changes", "python", "target"),
    [
        ({}, {}, PI5),
        (
            {"os_version": "12", "libc": "glibc 2.36"},
            {"path": "/usr/bin/python3.11", "version": "3.11.2"},
            Target(architecture="aarch64", python=(3, 11), glibc=(2, 36), constraints=("numpy<2",)),
        ),
        # A Python of one's own does not see the system's packages.
        (
            {"os_version": "12", "libc": "glibc 2.36"},
            {"path": "/opt/p/bin/python3.12", "version": "3.12.2"},
            Target(architecture="aarch64", python=(3, 12), glibc=(2, 36)),
        ),
        (
            {"userland": "armv7l", "os_version": "12", "libc": "glibc 2.36"},
            {"path": "/usr/bin/python3.11", "version": "3.11.2", "bits": 32},
            Target(architecture="armv7l", python=(3, 11), glibc=(2, 36), constraints=("numpy<2",)),
        ),
    ],
)
def test_a_device_says_for_what(
    make_facts: Callable[..., Any],
    make_python: Callable[..., Any],
    changes: dict[str, Any],
    python: dict[str, Any],
    target: Target,
) -> None:
    facts = make_facts(pythons=(make_python(**python),), **changes)
    assert target_of_facts(facts, find_profile("raspberry-pi-5")) == target


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pythons": ()}, "kitchen has no Python; edge_recog needs one from 3.11 to 3.14"),
        ({"libc": "musl"}, "kitchen has musl; wheels need glibc"),
        ({"userland": "other"}, "no Python|runs other programs"),
    ],
)
def test_a_device_for_which_there_are_no_wheels_is_refused(
    make_facts: Callable[..., Any], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(WheelsError, match=reason):
        target_of_facts(make_facts(**changes), None)


def test_every_system_that_is_new_enough_has_a_target() -> None:
    for profile in shipped_profiles():
        for system in profile.systems:
            if system.python_version >= (3, 11):
                target = target_of_profile(profile, system.python_version)
                assert target.python == system.python_version
