"""Time stamps of cameras, on the clock that everything else here uses."""

from __future__ import annotations

_OLDEST_NS = 10_000_000_000
"""A frame older than this is not believed: no camera keeps one for 10 s."""


def to_monotonic(stamp_ns: int, *, monotonic_ns: int, boottime_ns: int) -> int:
    """Return a camera's time stamp as a time of CLOCK_MONOTONIC.

    libcamera documents SensorTimestamp as CLOCK_BOOTTIME, some of its pipelines hand on V4L2's,
    which is CLOCK_MONOTONIC. The two differ by the time that the machine was suspended. A frame was
    taken in the recent past, so the clock by which it is youngest, and not of the future, is meant.

    Args:
        stamp_ns: What the camera says; 0 or less if it says nothing.
        monotonic_ns: CLOCK_MONOTONIC now.
        boottime_ns: CLOCK_BOOTTIME now.

    Returns:
        The time it was taken, or `monotonic_ns` if the stamp is of neither clock.
    """
    ages = [now - stamp_ns for now in (monotonic_ns, boottime_ns)] if stamp_ns > 0 else []
    likely = [age for age in ages if 0 <= age <= _OLDEST_NS]
    return monotonic_ns - min(likely, default=0)
