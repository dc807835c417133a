"""From scores to events: what appeared before the camera, and what vanished.

Hysteresis keeps a score that wavers around its threshold from making many events of one; a minimum
duration drops what flashes by; a refractory time keeps one thing that comes and goes from being
told over and over.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAY_S = 86_400.0


class Event(msgspec.Struct, frozen=True):
    """Something appeared or vanished."""

    kind: Literal["appeared", "vanished"]
    label: str
    score: float
    """Of the frame that decided, 0-1; 0 of what vanished because the camera was lost."""
    at_ns: int
    """That frame's capture, monotonic."""
    duration_s: float | None = None
    """Of `vanished`: the time since it `appeared`."""


class EventRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a score becomes an event. The same for all labels."""

    threshold: float = 0.6
    """A score that is at or above it says that the label is there; above 0, at most 1."""
    release: float | None = None
    """A score below it says that the label is gone; above 0, at most `threshold`.

    None for `threshold` - 0.2, or half of it where that is more.
    """
    min_duration_s: float = 0.5
    """How long a label has to be there, without a score below `release`, before it is told."""
    refractory_s: float = 2.0
    """How long a label that vanished is not told again."""
    labels: tuple[str, ...] = ()
    """Only these; all if empty."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One is out of its range.
        """
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold}; it must be above 0 and at most 1")
        if self.release is not None and not 0 < self.release <= self.threshold:
            raise ValueError(
                f"release is {self.release}; it must be above 0 and at most the threshold, which "
                f"is {self.threshold}"
            )
        for name in ("min_duration_s", "refractory_s"):
            if not 0 <= getattr(self, name) <= _DAY_S:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be from 0 to {_DAY_S}")

    @property
    def release_below(self) -> float:
        """`release`, with its default filled in."""
        if self.release is not None:
            return self.release
        # Never 0: no score is below it, and nothing would ever vanish.
        return max(self.threshold - 0.2, self.threshold / 2)


class EventDetector:
    """Turns the smoothed scores of one source into events, label by label."""

    def __init__(self, rules: EventRules | None = None) -> None:
        """Begin with nothing there.

        Args:
            rules: The defaults if None.
        """
        self.rules = rules or EventRules()
        self._release = self.rules.release_below
        self._only = frozenset(self.rules.labels)
        self._min_duration_ns = round(self.rules.min_duration_s * 1e9)
        self._refractory_ns = round(self.rules.refractory_s * 1e9)
        self._candidates: dict[str, int] = {}
        """Label → since when it is there, but was not told."""
        self._present: dict[str, int] = {}
        self._vanished: dict[str, int] = {}
        """Label → when it vanished last, while that matters."""
        self._last_ns: int | None = None

    @property
    def present(self) -> Mapping[str, int]:
        """What appeared and has not vanished: label → `at_ns` of its `appeared`."""
        return MappingProxyType(self._present)

    def update(self, scores: Mapping[str, float], at_ns: int) -> tuple[Event, ...]:
        """Take the scores of a frame in; return what they bring, what vanished first.

        Args:
            scores: Label → score, 0-1; a label that is absent counts as 0.
            at_ns: The frame's capture, monotonic, not before the last one's.
        """
        at_ns = self._advance(at_ns)
        events = self._vanishing(scores, at_ns)
        self._candidates = {
            label: since_ns
            for label, since_ns in self._candidates.items()
            if scores.get(label, 0.0) >= self._release
        }
        appeared = []
        for label, score in scores.items():
            if score < self.rules.threshold or label in self._present:
                continue
            if self._only and label not in self._only:
                continue
            since_ns = self._candidates.setdefault(label, at_ns)
            if at_ns - since_ns >= self._min_duration_ns and label not in self._vanished:
                del self._candidates[label]
                self._present[label] = at_ns
                appeared.append(Event("appeared", label, score, at_ns))
        appeared.sort(key=lambda event: (-event.score, event.label))
        return (*events, *appeared)

    def interrupt(self, at_ns: int) -> tuple[Event, ...]:
        """Let all that is there vanish, because the camera is lost; return those events.

        Args:
            at_ns: When it was lost, monotonic.
        """
        at_ns = self._advance(at_ns)
        self._candidates.clear()
        return self._vanishing({}, at_ns)

    def _vanishing(self, scores: Mapping[str, float], at_ns: int) -> tuple[Event, ...]:
        gone = [label for label in self._present if scores.get(label, 0.0) < self._release]
        events = []
        for label in sorted(gone):
            duration_s = (at_ns - self._present.pop(label)) / 1e9
            self._vanished[label] = at_ns
            events.append(Event("vanished", label, scores.get(label, 0.0), at_ns, duration_s))
        return tuple(events)

    def _advance(self, at_ns: int) -> int:
        """Return the time, which never goes back, and forget refractory times that are over."""
        self._last_ns = at_ns if self._last_ns is None else max(at_ns, self._last_ns)
        for label, vanished_ns in tuple(self._vanished.items()):
            if self._last_ns - vanished_ns >= self._refractory_ns:
                del self._vanished[label]
        return self._last_ns
