"""How channels stand, read from what is signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_recog.updates.cohort import WHOLE_PPM
from edge_recog.updates.release import (
    SCHEMA_VERSION,
    Release,
    Stops,
    decode_release,
    decode_stops,
    latest_path,
    settled_path,
    stops_path,
)

if TYPE_CHECKING:
    from edge_recog_devices.publishing.site import Signed


@dataclass(frozen=True, slots=True)
class Channel:
    """How a channel stands."""

    latest: Release
    settled: Release | None
    stops: Stops


def channel_of(signed: Signed, channel: str) -> Channel | None:
    """Return how a channel stands; None if there is none."""
    releases: list[Release | None] = []
    for path in (latest_path(channel), settled_path(channel)):
        target = signed.targets.signed.targets.get(path)
        releases.append(
            None
            if target is None
            else decode_release(target.custom, channel=channel, digest=target.hashes["sha256"])
        )
    latest, settled = releases
    if latest is None:
        return None
    listed = signed.stops.signed.targets.get(stops_path(channel))
    stops = (
        Stops(schema_version=SCHEMA_VERSION, channel=channel)
        if listed is None
        else decode_stops(listed.custom, channel=channel)
    )
    return Channel(latest, settled, stops)


def newest_number(channel: Channel | None) -> int:
    """Return the highest number that a release had."""
    if channel is None:
        return 0
    settled = 0 if channel.settled is None else channel.settled.number
    return max(channel.latest.number, settled, *(one.number for one in channel.stops.stopped), 0)


def is_settled(channel: Channel) -> bool:
    """Tell whether everybody may have the latest release."""
    is_stopped = channel.stops.reason_for(channel.latest.number) is not None
    return channel.latest.share_ppm == WHOLE_PPM and not is_stopped
