"""What is said to a broker and where: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.errors import UsageError
from edge_recog.wire import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_recog.predictions import Prediction

_NODE = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish."""

    topic: str
    payload: bytes
    """Empty takes back what is retained."""
    retain: bool = False
    """Whether the broker keeps it for those who come later."""
    qos: int = 0
    """1 for what must not be lost while the broker is away."""


class ModelCard(msgspec.Struct, frozen=True):
    """What others may know of the model in use."""

    id: str
    """`sha256:` and 64 hexadecimal digits."""
    name: str
    labels: tuple[str, ...]
    """All it can say."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device."""

    node: str
    """Its name."""

    def __post_init__(self) -> None:
        """Check the name.

        Raises:
            UsageError: It has characters that topics give a meaning to, or others that are odd.
        """
        if not _NODE.fullmatch(self.node):
            raise UsageError(
                f"mqtt.node is {self.node!r}; use 1 to 64 of the characters a-z, 0-9, _ and -"
            )

    @property
    def availability(self) -> str:
        """`online` or `offline`, retained."""
        return f"edge_recog/{self.node}/availability"

    @property
    def state(self) -> str:
        """The latest classification with what is present, retained."""
        return f"edge_recog/{self.node}/state"

    @property
    def event(self) -> str:
        """Each event once, not retained."""
        return f"edge_recog/{self.node}/event"

    @property
    def model(self) -> str:
        """The model in use, retained."""
        return f"edge_recog/{self.node}/model"

    @property
    def status(self) -> str:
        """State of the camera and the reason, retained."""
        return f"edge_recog/{self.node}/status"

    @property
    def updates(self) -> str:
        """How the newest release fares here, retained."""
        return f"edge_recog/{self.node}/updates"


def state_document(
    classification: Mapping[str, Any],
    smoothed: Iterable[Prediction],
    present: Iterable[str],
) -> dict[str, Any]:
    """Return what the state topic holds: a classification and what came of the last moments.

    Args:
        classification: As `classification_document` makes it.
        smoothed: Best first.
        present: Labels that have appeared and not vanished.
    """
    return {
        **classification,
        "smoothed": [{"label": one.label, "score": round(one.score, 4)} for one in smoothed],
        "present": sorted(present),
    }


def model_document(model: ModelCard) -> dict[str, Any]:
    """Return what the model topic holds."""
    return {"schema": SCHEMA, "id": model.id, "name": model.name, "labels": list(model.labels)}


def frigate_document(
    event: Mapping[str, Any], *, node: str, began: float, now: float
) -> dict[str, Any]:
    """Return an event in the shape of those of Frigate, as far as a classifier can fill it.

    https://docs.frigate.video/integrations/mqtt#frigateevents

    Args:
        event: As `event_document` makes it.
        node: The camera's name there.
        began: When it appeared, Unix time in seconds.
        now: When this event was, likewise.
    """
    is_new = event["event"] == "appeared"
    after = {
        "id": f"{began:.6f}-{node}-{event['label']}",
        "camera": node,
        "label": event["label"],
        "sub_label": None,
        "top_score": event["score"],
        "score": event["score"],
        "start_time": began,
        "end_time": None if is_new else now,
        "active": is_new,
        "stationary": False,
        "false_positive": False,
        "has_snapshot": False,
        "has_clip": False,
    }
    before = after if is_new else {**after, "end_time": None, "active": True}
    return {"type": "new" if is_new else "end", "before": before, "after": after}
