"""For what wheels are collected: a processor, a Python and a C library."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec
from packaging.tags import Tag, compatible_tags, cpython_tags

from edge_recog.errors import UsageError
from edge_recog_devices.errors import WheelsError
from edge_recog_devices.probing.matching import (
    NEWEST_PYTHON,
    OLDEST_PYTHON,
    chosen_python,
    system_of,
)

if TYPE_CHECKING:
    from edge_recog_devices.probing.facts import Facts
    from edge_recog_devices.profiles.schema import Profile

_PYTHON = re.compile(r"3\.([0-9]{1,2})", re.ASCII)
# Older tags of one C library each: PEP 513, 571 and 599.
_NAMED = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST_MINOR = {"aarch64": 17, "armv7l": 17, "x86_64": 5}
"""Of glibc 2 that there is a tag for: PEP 600 begins there, and PEP 599 on ARM."""


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What wheels must be made for."""

    architecture: Literal["aarch64", "x86_64", "armv7l"]
    python: tuple[int, int]
    glibc: tuple[int, int]
    constraints: tuple[str, ...] = ()
    """On what is chosen, as pip has them."""

    def __str__(self) -> str:
        """Return e.g. `aarch64, Python 3.13, glibc 2.41`."""
        return f"{self.architecture}, Python {_dotted(self.python)}, glibc {_dotted(self.glibc)}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """Tags of platforms, those of the newest C library first."""
        found = []
        for minor in range(self.glibc[1], _OLDEST_MINOR[self.architecture] - 1, -1):
            found.append(f"manylinux_2_{minor}_{self.architecture}")
            if minor in _NAMED:
                found.append(f"{_NAMED[minor]}_{self.architecture}")
        # What is built for 32-bit Raspberry Pi OS has no tag of a C library.
        return (*found, f"linux_{self.architecture}")

    @property
    def tags(self) -> frozenset[Tag]:
        """All tags of wheels that can be installed."""
        own = cpython_tags(self.python, [self._abi], self.platforms)
        return frozenset([*own, *compatible_tags(self.python, f"cp{self._digits}", self.platforms)])

    @property
    def pip_options(self) -> list[str]:
        """By which pip chooses the same."""
        platforms = [word for tag in self.platforms for word in ("--platform", tag)]
        python = ["--python-version", _dotted(self.python), "--implementation", "cp"]
        return ["--only-binary=:all:", *platforms, *python, "--abi", self._abi]

    @property
    def marker_environment(self) -> dict[str, str]:
        """What markers of requirements are evaluated with.

        pip evaluates them for the computer on which it runs, whatever it is told of the target:
        https://github.com/pypa/pip/issues/11664
        """
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{_dotted(self.python)}.0",
            "os_name": "posix",
            "platform_machine": self.architecture,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{_dotted(self.python)}.0",
            "python_version": _dotted(self.python),
            "sys_platform": "linux",
        }

    @property
    def _digits(self) -> str:
        return "".join(map(str, self.python))

    @property
    def _abi(self) -> str:
        return f"cp{self._digits}"


def parse_python(text: str) -> tuple[int, int]:
    """Return what `3.13` names.

    Raises:
        UsageError: It names no Python that edge_recog runs on.
    """
    found = _PYTHON.fullmatch(text)
    version = (3, int(found[1])) if found else (0, 0)
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON[64]:
        raise UsageError(
            f"Python {text!r}: write one from {_dotted(OLDEST_PYTHON)} to "
            f"{_dotted(NEWEST_PYTHON[64])}, such as 3.13"
        )
    return version


def target_of_profile(profile: Profile, python: tuple[int, int] | None = None) -> Target:
    """Return what a device of this profile needs.

    Args:
        profile: Of the device.
        python: That it has; that of the system that the profile prefers if None.

    Raises:
        UsageError: None of its systems has a Python that edge_recog runs on, and none is named.
    """
    with_it = [system for system in profile.systems if system.python_version == python]
    system = (with_it or list(profile.systems))[0]
    version = system.python_version if python is None else python
    if version < OLDEST_PYTHON:
        raise UsageError(
            f"{profile.name}: {system.title} has Python {system.python}, and edge_recog needs "
            f"{_dotted(OLDEST_PYTHON)}: install a newer one there and name it, --python 3.11"
        )
    return Target(
        architecture=profile.hardware.architecture,
        python=version,
        glibc=_version(system.glibc),
        # They are about what the system itself has for its own Python.
        constraints=system.constraints if with_it or python is None else (),
    )


def target_of_facts(facts: Facts, profile: Profile | None) -> Target:
    """Return what a device needs.

    Args:
        facts: Of the device.
        profile: That it has, for constraints of its system.

    Raises:
        WheelsError: There are no wheels for such a device.
    """
    name = facts.hostname or "the device"
    python = chosen_python(facts)
    if python is None:
        told = ", ".join(one.version for one in facts.pythons) or "no Python"
        raise WheelsError(
            f"{name} has {told}; edge_recog needs one from {_dotted(OLDEST_PYTHON)} to "
            f"{_dotted(NEWEST_PYTHON[facts.bits])}"
        )
    if facts.glibc is None:
        raise WheelsError(f"{name} has {facts.libc or 'an unknown C library'}; wheels need glibc")
    system = None if profile is None else system_of(profile, facts)
    own = system is not None and system.python_version == python.minor
    try:
        architecture = msgspec.convert(facts.userland, Literal["aarch64", "x86_64", "armv7l"])
    except msgspec.ValidationError as error:
        raise WheelsError(f"{name} runs {facts.userland} programs: no wheels for that") from error
    return Target(
        architecture=architecture,
        python=python.minor,
        glibc=facts.glibc,
        constraints=system.constraints if system is not None and own else (),
    )


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
