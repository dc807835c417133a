"""A live frame's way: cropped, let through or not, classified, smoothed, made events of.

Everything here runs in one thread, the one that classifies. Why a frame did not become an answer is
always said, so that all frames can be counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from edge_recog.answers import Answer
from edge_recog.cameras.pacing import Limit
from edge_recog.events import EventDetector, EventRules
from edge_recog.masks import Region, cropped, masked
from edge_recog.predictions import Prediction
from edge_recog.smoothing import Smoother
from edge_recog.watching import MotionGate, MotionRules, WatchRules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_recog.classifier import Classifier
    from edge_recog.events import Event
    from edge_recog.frames import Frame
    from edge_recog.predictions import Classification
    from edge_recog.watching import Fault

Outcome = Literal["answered", "overwritten", "stale", "faulty", "still", "limited", "failed"]
"""What became of a frame: an answer; overtaken by a newer one; too old, or there was nothing to
classify it with; black, frozen or the like; without motion, where that is looked at; sooner than
the rate limit allows; lost because the model failed on it."""

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


class PipelineRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is done with every frame, beside the model."""

    roi: Region | None = None
    """The part of the picture that is looked at; all of it if None."""
    masks: tuple[Region, ...] = ()
    """Parts that nobody sees, neither the model nor people: of the whole picture."""
    rate_limit_fps: float | None = None
    """Answers a second at most; as many as there are frames if None."""
    top_k: int = 5
    """Labels that are told and smoothed."""
    half_life_s: float = 0.3
    """Of smoothing, see `Smoother`."""
    events: EventRules = EventRules()
    watch: WatchRules | None = WatchRules()
    """None for a source whose pictures may stand still or be black, such as a folder."""
    motion: MotionRules | None = None
    """Classify only where something moves; every frame if None."""

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            ValueError: A number is out of its range.
        """
        if self.rate_limit_fps is not None and not 0 < self.rate_limit_fps <= 1000:
            raise ValueError("rate_limit_fps must be above 0 and at most 1000")
        if not 1 <= self.top_k <= 10_000:
            raise ValueError("top_k must be 1 to 10000")
        if not 0 <= self.half_life_s <= 3600:
            raise ValueError("half_life_s must be 0 to 3600")


@dataclass(frozen=True, slots=True)
class Passed:
    """A frame that did not become an answer."""

    outcome: Outcome
    fault: Fault | None = None
    """Of a faulty one."""


class Pipeline:
    """Turns the frames of one source into answers. Not thread-safe."""

    def __init__(self, classifier: Classifier, rules: PipelineRules | None = None) -> None:
        """Begin without a past.

        Args:
            classifier: Not closed here.
            rules: The defaults if None.
        """
        self.rules = rules or PipelineRules()
        self._gate = None if self.rules.motion is None else MotionGate(self.rules.motion)
        self._smoother = Smoother(half_life_s=self.rules.half_life_s)
        self._detector = EventDetector(self.rules.events)
        self._classifier = classifier
        self._indices: dict[str, int] = {}
        """Label → position in the model's output, of those that were told."""
        self._limit = Limit(self.rules.rate_limit_fps)

    @property
    def present(self) -> Mapping[str, int]:
        """Label → since when it is there, monotonic ns."""
        return self._detector.present

    def replace_classifier(self, classifier: Classifier) -> Classifier:
        """Go on with another model; return the one before, which is not closed."""
        before, self._classifier = self._classifier, classifier
        self._smoother.reset()
        if self._gate is not None:
            self._gate.reset()
        self._indices.clear()
        return before

    def look(self, frame: Frame, fault: Fault | None = None) -> Answer | Passed:
        """Return what a frame becomes.

        Args:
            frame: Newer than the last one.
            fault: What is wrong with it.

        Raises:
            FrameError: It cannot be resized.
            InterpreterError: The run failed, or the accelerator was lost.
        """
        if fault is not None:
            if self._gate is not None:
                # The next good frame is worth a look, so that recovery is told at once.
                self._gate.reset()
            return Passed("faulty", fault)
        if not self._limit.passes(frame.captured_ns):
            return Passed("limited")
        shown = masked(frame, self.rules.masks)
        seen = shown if self.rules.roi is None else cropped(shown, self.rules.roi)
        if self._gate is not None and not self._gate.moved(seen):
            return Passed("still")
        result = self._classifier.classify(seen, top_k=self.rules.top_k)
        smoothed = self._smoother.update(
            {found.label: found.score for found in result.predictions}, frame.captured_ns
        )
        events = self._detector.update(smoothed, frame.captured_ns)
        return Answer(shown, result, self._ranked(result, smoothed), events)

    def interrupt(self, at_ns: int) -> tuple[Event, ...]:
        """Forget the last moments, since frames are missing; return what vanishes by that.

        Args:
            at_ns: Monotonic, not before the last frame's capture.
        """
        self._smoother.reset()
        if self._gate is not None:
            self._gate.reset()
        self._limit = Limit(self.rules.rate_limit_fps)
        return self._detector.interrupt(at_ns)

    def _ranked(
        self, result: Classification, smoothed: Mapping[str, float]
    ) -> tuple[Prediction, ...]:
        for found in result.predictions:
            self._indices[found.label] = found.index
        best = sorted(smoothed.items(), key=lambda item: -item[1])[: self.rules.top_k]
        return tuple(Prediction(label, score, self._indices[label]) for label, score in best)
