"""Which profile a device has, by its facts."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_recog_devices.probing.facts import Facts, Python
    from edge_recog_devices.profiles.schema import Profile, System

OLDEST_PYTHON: Final = (3, 11)
"""That edge_recog runs on."""
NEWEST_PYTHON: Final = {64: (3, 14), 32: (3, 11)}
"""By bits: that ai-edge-litert 2.3, or tflite-runtime 2.14, has wheels for."""


def match(facts: Facts, profiles: Iterable[Profile]) -> Profile | None:
    """Return the profile that says most of a device; None if none is about it.

    A profile is about a device that has its board, its processor and all its accelerators. One that
    names more accelerators says more, then one that names a board.

    Args:
        facts: Of the device.
        profiles: To choose from.
    """
    fitting = [profile for profile in profiles if _is_about(profile, facts)]
    return max(fitting, key=_detail, default=None)


def system_of(profile: Profile, facts: Facts) -> System | None:
    """Return the operating system of the profile that the device runs; None if it is another."""
    return next(
        (
            system
            for system in profile.systems
            if system.id == facts.os_id and system.version in ("", facts.os_version)
        ),
        None,
    )


def chosen_python(facts: Facts) -> Python | None:
    """Return the interpreter to install with; None if none is fit.

    The system's own is preferred, since it alone finds the camera's packages; after it the newest.
    """
    fit = [python for python in facts.pythons if is_fit_python(python)]
    own = [python for python in fit if python.path.startswith("/usr/bin/")]
    return max(own or fit, key=lambda python: (python.picamera2, python.minor), default=None)


def is_fit_python(python: Python) -> bool:
    """Tell whether edge_recog and an interpreter of models can be installed with it."""
    newest = NEWEST_PYTHON.get(python.bits, OLDEST_PYTHON)
    usual = python.implementation == "CPython" and not python.free_threaded
    return usual and OLDEST_PYTHON <= python.minor <= newest


def _is_about(profile: Profile, facts: Facts) -> bool:
    if not _is_processor(profile, facts):
        return False
    boards = profile.boards
    if boards and not any(fnmatch.fnmatchcase(facts.board, pattern) for pattern in boards):
        return False
    plugged = {accelerator.kind for accelerator in facts.accelerators}
    return plugged.issuperset(profile.hardware.accelerators)


def _is_processor(profile: Profile, facts: Facts) -> bool:
    wanted = profile.hardware.architecture
    # A board that is named stays itself with a 32-bit kernel; what is wrong is told then.
    narrow = bool(profile.boards) and wanted == "aarch64"
    return facts.kernel == wanted or (narrow and facts.kernel in {"armv7l", "armv8l"})


def _detail(profile: Profile) -> tuple[int, bool]:
    return len(profile.hardware.accelerators), bool(profile.boards)
