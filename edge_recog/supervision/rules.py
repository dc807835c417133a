"""How long to wait for what, and how long between attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable


class SupervisionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When something counts as failed, and how it is tried again. All times in seconds."""

    open_s: float = 10.0
    """For opening the source."""
    first_frame_s: float = 3.0
    """For the first frame of an open source; at least `stall_s`."""
    stall_s: float = 2.0
    """Without a frame, a read hangs; and a frame older than this is stale and not answered. Above
    the time between two frames of the source."""
    inference_s: float = 10.0
    """For one frame in the model, which hangs if it takes longer."""
    fault_s: float = 1.0
    """Black or overexposed frames for so long are told; single ones are only left out."""
    healthy_s: float = 30.0
    """Of answers without a failure, after which failures before are forgotten."""
    retry_min_s: float = 0.5
    """Longest wait before the first new attempt; it doubles with every failure."""
    retry_max_s: float = 2.0
    """Longest wait before any new attempt."""
    dark_retry_max_s: float = 300.0
    """The same for a source that delivers, but black or overexposed frames: it may well be night,
    and frames are watched all the time."""
    check_s: float = 10.0
    """How often the model is checked while there is no picture to classify. At most half of the
    time that a watchdog waits."""
    lost_s: float = 900.0
    """How long a source that gives nothing is made up for by these checks; afterwards a watchdog
    starts the process anew, which mends what a driver may have left in it. A dark picture is no
    lost one."""
    close_s: float = 1.0
    """For closing the source; the process ends within this time after it is told to stop."""
    cpu_fallback: bool = False
    """Whether a model may run without the accelerator that it was given."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One is out of its range.
        """
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name != "cpu_fallback" and not 0 < value <= 3600:
                raise ValueError(f"{name} is {value}; it must be above 0 and at most 3600")
        if self.first_frame_s < self.stall_s:
            raise ValueError(f"first_frame_s is {self.first_frame_s}; it must be at least stall_s")
        for name in ("retry_max_s", "dark_retry_max_s"):
            if getattr(self, name) < self.retry_min_s:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be at least retry_min_s"
                )


class Backoff:
    """Waits that grow with every failure, drawn at random so that many do not come at once.

    "Full jitter" of Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015:
    uniform between 0 and min(longest, first * 2 ** failures).
    """

    def __init__(self, first_s: float, random: Callable[[], float]) -> None:
        """Begin without failures.

        Args:
            first_s: Longest wait after the first failure.
            random: Returns numbers from 0 to below 1.
        """
        self._first_s = first_s
        self._random = random
        self.failures = 0
        """Since `reset`."""

    def next_s(self, longest_s: float) -> float:
        """Count a failure and return how long to wait.

        Args:
            longest_s: No wait is longer.
        """
        # An exponent that stays a float for years of failures.
        ceiling_s = min(longest_s, self._first_s * 2.0 ** min(self.failures, 60))
        self.failures += 1
        return self._random() * ceiling_s

    def reset(self) -> None:
        """Forget the failures."""
        self.failures = 0
