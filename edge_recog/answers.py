"""What leaves the pipeline: a frame and what was said of it, or what ended without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_recog.events import Event
    from edge_recog.frames import Frame
    from edge_recog.predictions import Classification, Prediction


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One classified frame of a live source."""

    frame: Frame
    """After masks: what people may see."""
    classification: Classification
    """Of this very frame."""
    smoothed: tuple[Prediction, ...]
    """Scores of the last moments, best first."""
    events: tuple[Event, ...]
    """That this frame brought."""


@dataclass(frozen=True, slots=True, eq=False)
class Vanished:
    """Events that no frame brought: frames stopped coming."""

    events: tuple[Event, ...]
    """At least one, `vanished` all."""
    source: str
    """Where they were seen, as in `Frame.source`."""
