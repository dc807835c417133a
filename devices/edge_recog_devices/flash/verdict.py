"""What a device says of a model that it was given, read strictly."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_recog_devices.errors import FactsError
from edge_recog_devices.remote.failures import visible

_SHOWN = 3
"""Labels that people are told."""


class Score(msgspec.Struct, frozen=True):
    """A label and how sure the model is of it."""

    label: str
    score: float
    """0-1."""


class Seen(msgspec.Struct, frozen=True):
    """What the model says of the camera's last picture."""

    predictions: tuple[Score, ...]

    def __str__(self) -> str:
        """Return the best labels for people."""
        return ", ".join(
            f"{visible(one.label)} {one.score:.0%}" for one in self.predictions[:_SHOWN]
        )


class Verdict(msgspec.Struct, frozen=True):
    """How it went."""

    verdict: Literal["healthy", "given-up", "late"]
    reason: str
    """Why it is not healthy, a sentence without a full stop."""
    on_trial: bool
    """Whether the device goes on watching, and would go back by itself."""
    active: str | None
    waited_s: float
    classification: Seen | None

    @property
    def is_healthy(self) -> bool:
        """Whether the model answers."""
        return self.verdict == "healthy"


def read_verdict(data: bytes) -> Verdict:
    """Return what the watcher wrote.

    Raises:
        FactsError: It makes no sense.
    """
    try:
        return msgspec.json.decode(data, type=Verdict)
    except msgspec.MsgspecError as error:
        raise FactsError(f"what the device says of its model makes no sense: {error}") from error
