"""The roles of a repository: who signs what, and for how long it holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

Role = Literal["root", "targets", "stops", "snapshot", "timestamp"]

ROLES: Final[tuple[Role, ...]] = ("root", "targets", "stops", "snapshot", "timestamp")
OFFLINE: Final[tuple[Role, ...]] = ("root", "targets")
"""Whoever has these keys decides what runs on the devices: they belong on no server. `stops` can
only stop releases, `snapshot` and `timestamp` only say what is the newest."""
LIFETIMES: Final[dict[Role, timedelta]] = {
    "root": timedelta(days=730),
    "targets": timedelta(days=365),
    "stops": timedelta(days=90),
    "snapshot": timedelta(days=30),
    "timestamp": timedelta(days=3),
}
"""For as long as a timestamp holds can somebody on the way hide from devices that there is
something newer, such as that a release was stopped."""


def expiry(role: Role, now: datetime) -> datetime:
    """Return until when what is signed now holds."""
    return (now + LIFETIMES[role]).replace(microsecond=0)


def is_due(role: Role, expires: datetime, now: datetime) -> bool:
    """Tell whether a role is to be signed again: half of its time is over."""
    return expires - now <= LIFETIMES[role] / 2
