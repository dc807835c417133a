"""Whether a candidate has proved itself: counted from answers and time, and decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_recog.store.rules import TrialRules
    from edge_recog.store.state import Candidate


@dataclass(frozen=True, slots=True)
class Commit:
    """It is to be the active model."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """The active model is to come back."""

    reason: str
    """A sentence without a full stop."""
    counts: bool
    """Whether the candidate is to blame."""


Decision = Commit | RollBack


class Health:
    """Of one candidate in one process. Times are monotonic and of this process alone.

    What counts as healthy are the times between one answer and the next, if they are short: a
    camera that is away or a night without motion neither helps nor harms.
    """

    def __init__(self, rules: TrialRules, candidate: Candidate, *, now_ns: int) -> None:
        """Go on from where an earlier process ended in order.

        Args:
            rules: What is to be proved.
            candidate: How far it has come.
            now_ns: Monotonic.
        """
        self.frames = candidate.frames
        self._rules = rules
        self._healthy_ns = round(candidate.healthy_s * 1e9)
        self._ran_before_ns = round(candidate.ran_s * 1e9)
        self._began_ns = now_ns
        self._answered_ns: int | None = None
        self._failure: RollBack | None = None

    @property
    def healthy_s(self) -> float:
        """Seconds that count."""
        return self._healthy_ns / 1e9

    def ran_s(self, now_ns: int) -> float:
        """Return for how many seconds it has run, in all processes."""
        return (self._ran_before_ns + max(0, now_ns - self._began_ns)) / 1e9

    def answered(self, now_ns: int, frames: int = 1) -> None:
        """Take that frames were answered."""
        last_ns, self._answered_ns = self._answered_ns, now_ns
        self.frames += frames
        if last_ns is not None and 0 <= now_ns - last_ns <= round(self._rules.pause_s * 1e9):
            self._healthy_ns += now_ns - last_ns

    def unhealthy(self, reason: str, *, counts: bool = True) -> None:
        """Take that the model failed. The first time decides.

        Args:
            reason: A sentence without a full stop.
            counts: Whether the candidate is to blame.
        """
        if self._failure is None:
            self._failure = RollBack(reason, counts=counts)

    def decide(self, now_ns: int) -> Decision | None:
        """Return what is to be done with the candidate; None while it has to prove itself."""
        if self._failure is not None:
            return self._failure
        if self.frames >= self._rules.frames or self.healthy_s >= self._rules.healthy_min * 60:
            return Commit()
        if self.ran_s(now_ns) >= self._rules.patience_h * 3600:
            return RollBack(
                f"it has not proved itself within {self._rules.patience_h:g} hours", counts=False
            )
        return None
