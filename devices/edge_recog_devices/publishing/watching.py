"""Listening to the devices by MQTT, and stopping a release whose canaries fail.

It needs the keys `stops`, `snapshot` and `timestamp` only, so the machine that watches cannot make
devices run anything. Whoever may publish at `edge_recog/NODE/updates` of a node can report for it:
the broker must let each device write to its own topics alone.
"""

from __future__ import annotations

import logging
import queue
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from edge_recog.updates.reports import Report
from edge_recog_devices.publishing.canary import Canaries, CanaryRules, Tally, verdict
from edge_recog_devices.publishing.errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_recog.service.mqtt.settings import MqttSettings
    from edge_recog.updates.release import Stopped
    from edge_recog_devices.publishing.publisher import Publisher

_LOG = logging.getLogger(__name__)

TOPIC: Final = "edge_recog/+/updates"
MOST_RELEASES: Final = 8
"""That are watched at a time; the newest."""
_NODE: Final = re.compile(r"edge_recog/([a-z0-9_-]{1,64})/updates")
_MOST_BYTES: Final = 16_384
_MOST_WAITING: Final = 100_000
_REFRESH_S: Final = 3600.0
_LOOK_S: Final = 0.5


@dataclass
class Watch:
    """What the devices of one channel said; pure, apart from what it is told."""

    channel: str
    rules: CanaryRules = field(default_factory=CanaryRules)
    releases: dict[int, Canaries] = field(default_factory=dict)

    def hear(self, topic: str, payload: bytes) -> int | None:
        """Take a message; return the number of the release of which more is known, if any."""
        node = _NODE.fullmatch(topic)
        if node is None or len(payload) > _MOST_BYTES:
            return None
        try:
            report = msgspec.json.decode(payload, type=Report)
        except (ValueError, RecursionError):
            return None  # Anybody's message; devices of a newer version may say more.
        number = report.number
        if report.channel != self.channel or number is None or number < 1:
            return None
        if number not in self.releases:
            if len(self.releases) >= MOST_RELEASES and number < min(self.releases):
                return None
            self.releases[number] = Canaries(self.channel, number)
            for old in sorted(self.releases)[:-MOST_RELEASES]:
                del self.releases[old]
        return number if self.releases[number].hear(node[1], report) else None

    def tally(self, number: int) -> Tally:
        """Return how the devices with a release stand."""
        found = self.releases.get(number)
        return Tally() if found is None else found.tally

    def verdict(self, number: int) -> str | None:
        """Return why a release is to be stopped; None if it may go on."""
        return verdict(self.tally(number), self.rules)


def watch(
    publisher: Publisher,
    settings: MqttSettings,
    channel: str,
    *,
    rules: CanaryRules,
    tell: Callable[[int, Tally], None],
    is_over: Callable[[], bool] = lambda: False,
) -> Stopped | None:
    """Listen until a release had to be stopped; meanwhile keep the signatures fresh.

    Args:
        publisher: With the keys for stops, snapshot and timestamp.
        settings: Of the broker.
        channel: To watch.
        rules: How many failures are too many.
        tell: Gets a release's number and how its devices stand, whenever that has changed.
        is_over: Asked twice a second; ends it.

    Returns:
        What was stopped; None if `is_over` said so.

    Raises:
        EdgeRecogError: The broker's settings cannot be used, or it cannot be published.
    """
    from edge_recog.service.mqtt.client import Connection
    from edge_recog.service.mqtt.topics import Message

    heard: queue.Queue[tuple[str, bytes]] = queue.Queue(_MOST_WAITING)

    def take(topic: str, payload: bytes, retained: bool) -> None:
        del retained
        heard.put((topic, payload))  # Where they come too fast, the broker has to wait.

    client = settings.client_id or f"edge_recog-watch-{settings.node or channel}"
    farewell = Message(f"edge_recog/{settings.node or 'publisher'}/watch", b"offline")
    watching = Watch(channel, rules)
    connection = Connection(
        settings,
        client_id=client,
        will=farewell,
        subscriptions=(TOPIC,),
        on_up=lambda: None,
        on_message=take,
    )
    refreshed_s = 0.0
    try:
        while not is_over():
            if not refreshed_s or time.monotonic() - refreshed_s > _REFRESH_S:
                _refresh(publisher)
                refreshed_s = time.monotonic()
            try:
                topic, payload = heard.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            number = watching.hear(topic, payload)
            if number is None:
                continue
            tell(number, watching.tally(number))
            reason = watching.verdict(number)
            if reason is not None and _may_be_stopped(publisher, channel, number):
                return publisher.stop(channel, reason, number=number)
    finally:
        connection.close(farewell)
    return None


def _refresh(publisher: Publisher) -> None:
    """Sign anew; where that fails once, it is more important to go on listening."""
    try:
        publisher.refresh()
    except PublishError as error:
        _LOG.warning("the signatures were not refreshed: %s", error)


def _may_be_stopped(publisher: Publisher, channel: str, number: int) -> bool:
    """Tell whether there is such a release, and it was not stopped before."""
    known = publisher.channels().get(channel)
    if known is None:
        return False
    numbers = {known.latest.number, *(() if known.settled is None else (known.settled.number,))}
    return number in numbers and known.stops.reason_for(number) is None
