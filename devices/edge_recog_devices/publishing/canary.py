"""When a release is to be stopped, judged by the first devices that have it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

if TYPE_CHECKING:
    from edge_recog.updates.reports import Report

Place = Literal["trial", "failed", "committed"]


class CanaryRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many failures are too many."""

    tolerated: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.05
    """Share of the devices with the release that may fail: power is cut, cards wear out."""
    least_failures: Annotated[int, msgspec.Meta(ge=1)] = 3
    """Fewer failed devices are never enough."""
    z: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.96
    """Standard normal quantile of the confidence that more fail than are tolerated."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Devices that have got a release, each counted once."""

    trial: int = 0
    """Whose verdict is still open."""
    failed: int = 0
    committed: int = 0

    @property
    def begun(self) -> int:
        """All of them."""
        return self.trial + self.failed + self.committed


def lower_bound(failed: int, begun: int, z: float) -> float:
    """Return the lower end of Wilson's interval for the share that fails; 0 without devices.

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    if not begun:
        return 0.0
    share = failed / begun
    centre = share + z * z / (2 * begun)
    half = z * math.sqrt(share * (1 - share) / begun + z * z / (4 * begun * begun))
    return max(0.0, (centre - half) / (1 + z * z / begun))


def verdict(tally: Tally, rules: CanaryRules) -> str | None:
    """Return why a release is to be stopped, a sentence; None if it may go on.

    Devices whose verdict is open count as if they would not fail: verdicts of failures come
    earlier than others, so the first ones would otherwise stop every release.
    """
    if tally.failed < rules.least_failures:
        return None
    if lower_bound(tally.failed, tally.begun, rules.z) <= rules.tolerated:
        return None
    return (
        f"{tally.failed} of the first {tally.begun} devices failed, and "
        f"{rules.tolerated * 100:g} % are tolerated"
    )


class Canaries:
    """What the devices said about one release. A device that failed has, until it succeeds."""

    def __init__(self, channel: str, number: int) -> None:
        """Begin.

        Args:
            channel: Of the release.
            number: Of the release.
        """
        self._channel = channel
        self._number = number
        self._places: dict[str, Place] = {}
        self._counts: dict[Place, int] = {"trial": 0, "failed": 0, "committed": 0}

    def hear(self, device: str, report: Report) -> bool:
        """Take a report; tell whether it was about this release and changed something."""
        if (report.channel, report.number) != (self._channel, self._number):
            return False
        before = self._places.get(device)
        after: Place
        if report.state == "trial":
            after = "failed" if before == "failed" else "trial"
        elif report.state == "failed":
            after = "failed"
        elif report.state in {"committed", "current"}:
            after = "committed"
        else:
            return False
        if after == before:
            return False
        if before is not None:
            self._counts[before] -= 1
        self._counts[after] += 1
        self._places[device] = after
        return True

    @property
    def tally(self) -> Tally:
        """How many devices stand where."""
        return Tally(**self._counts)
