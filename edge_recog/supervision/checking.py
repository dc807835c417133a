"""Checks of the model while there is no picture that could show that it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_recog.supervision.rules import SupervisionRules
    from edge_recog.supervision.status import State

_DARK: Final[frozenset[str]] = frozenset({"black", "overexposed"})
"""Faults of pictures that come from a camera which is well."""


class CheckCare:
    """Knows when a check is due, and whether it stands in for pictures that are not there."""

    def __init__(self, rules: SupervisionRules, now_ns: int) -> None:
        """Begin with a model that works."""
        self._rules = rules
        self._blind_since_ns: int | None = None
        """Since when there is no picture that could be answered."""
        self._proved_ns = now_ns
        """When the model showed last that it works."""
        self.is_running = False
        """Whether one was asked for of which nothing is known yet."""

    def answered(self, now_ns: int) -> None:
        """Note that a picture was answered."""
        self._blind_since_ns = None
        self._proved_ns = now_ns

    def blind(self, now_ns: int) -> None:
        """Note that there is no picture that could be answered."""
        if self._blind_since_ns is None:
            self._blind_since_ns = now_ns

    def begin_if_due(self, state: State, trouble: str, now_ns: int) -> bool:
        """Tell whether a check is due, which then runs.

        Args:
            state: How things are.
            trouble: What the reason of `degraded` is about.
            now_ns: Monotonic.
        """
        since_ns = now_ns - self._proved_ns
        if self.is_running or since_ns < round(self._rules.check_s * 1e9):
            return False
        self.is_running = self.counts(state, trouble, now_ns)
        return self.is_running

    def passed(self, now_ns: int) -> bool:
        """Take that the model works; tell whether anybody had asked."""
        if not self.is_running:
            return False
        self.is_running = False
        self._proved_ns = now_ns
        return True

    def counts(self, state: State, trouble: str, now_ns: int) -> bool:
        """Tell whether a check stands in for pictures; arguments as `begin_if_due`."""
        if state != "degraded":
            return state == "standby"
        if self._blind_since_ns is None:
            return False
        is_lost = now_ns - self._blind_since_ns > round(self._rules.lost_s * 1e9)
        return trouble in _DARK or not is_lost
