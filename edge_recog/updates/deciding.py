"""What a device does about the releases that it is offered: values in, a decision out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edge_recog.updates.cohort import has_turn
from edge_recog.updates.release import Offer, Offers, Release, Stops, version_tuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

MOST_REJECTIONS: Final = 3
"""Of one model by this device, after which it is not fetched again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a device stands with its channel."""

    device: str
    """Its id."""
    version: str
    """Of edge-recog here."""
    profile: str | None = None
    """What kind of device it is; None if nobody said."""
    number: int = 0
    """Of the newest release that was in use here; 0 for none."""
    model: str = ""
    """Its digest."""
    on_trial: int | None = None
    """Number of the release that is on trial."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Digests of models → how often they were rejected, or failed on trial."""


@dataclass(frozen=True, slots=True)
class Install:
    """Fetch a release and have it tried."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Give up the release that is on trial: it was stopped."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stay:
    """Do nothing."""

    reason: str
    """A sentence without a full stop."""
    waits_for: Offer | None = None
    """What this device may get later."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """What is signed must not come after what was here."""

    reason: str
    kind: str
    """`downgrade` or `mixed`."""


Decision = Install | Withdraw | Stay | Refuse


def decide(standing: Standing, offers: Offers) -> Decision:
    """Return what to do now."""
    on_trial = standing.on_trial
    if on_trial is not None and (stopped := offers.stops.reason_for(on_trial)) is not None:
        return Withdraw(on_trial, stopped)
    if offers.latest is None:
        return Stay("nothing is published there yet")
    latest = offers.latest.release
    if latest.number < standing.number:
        return Refuse(
            f"the newest release is {latest.number}, and {standing.number} was in use here",
            "downgrade",
        )
    if latest.number == standing.number:
        if latest.model != standing.model:
            return Refuse(f"release {latest.number} is another model than it was here", "mixed")
        return Stay("up to date")
    why: list[str] = []
    for offer in (offers.latest, offers.settled):
        if offer is None or offer.release.number <= standing.number:
            continue
        release = offer.release
        # Whoever has it on trial goes on with it, and does not turn to an older one.
        if release.number == on_trial:
            return Stay("on trial")
        obstacle = _obstacle(standing, release, offers.stops)
        if obstacle is None:
            return Install(offer)
        why.append(obstacle)
    return Stay(why[0], waits_for=offers.latest)


def seems_early(now: datetime, offers: Offers, *, tolerance_s: float = 86_400.0) -> bool:
    """Tell whether the clock here is behind what was signed: then nothing is known to be fresh."""
    latest = offers.latest
    return latest is not None and (latest.release.created_at - now).total_seconds() > tolerance_s


def _obstacle(standing: Standing, release: Release, stops: Stops) -> str | None:
    """Return why a release is not for this device now; None if it is."""
    stopped = stops.reason_for(release.number)
    if stopped is not None:
        return f"release {release.number} was stopped: {stopped}"
    if version_tuple(release.minimum_version) > version_tuple(standing.version):
        return (
            f"release {release.number} needs edge-recog {release.minimum_version}, and "
            f"{standing.version} is here"
        )
    if release.profiles and standing.profile not in release.profiles:
        return f"release {release.number} is for {', '.join(release.profiles)}"
    if not has_turn(standing.device, release.id, release.share_ppm):
        return (
            f"release {release.number} is for {release.share_ppm / 1e4:g} % of the devices so far"
        )
    if standing.rejected.get(release.model, 0) >= MOST_REJECTIONS:
        return f"release {release.number} failed here {MOST_REJECTIONS} times"
    return None
