"""Faults of delivered pictures: when they are told, and when to open the source anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_recog.supervision.rules import Backoff, SupervisionRules
    from edge_recog.watching import FaultKind


class PictureCare:
    """Follows faulty frames while the source goes on to be read."""

    def __init__(self, rules: SupervisionRules, backoff: Backoff) -> None:
        """Begin without faults.

        Args:
            rules: How long a fault has to last, and the waits.
            backoff: The source's; shared with other reasons to open it anew.
        """
        self._rules = rules
        self._backoff = backoff
        self.clear()

    def clear(self) -> None:
        """Note that the picture is good, or that the source is opened anew."""
        self._kind: FaultKind | None = None
        """Of the fault that lasted."""
        self._first_ns: int | None = None
        self._last_ns = 0
        self._reopen_ns: int | None = None

    def fault(self, kind: FaultKind, now_ns: int) -> bool:
        """Take a faulty frame; tell whether the fault has lasted.

        A frame that only repeats the one before is not told: if that goes on, it becomes `frozen`.
        """
        if kind == "repeated":
            return False
        # Faults with good frames between them that nobody had to classify are not one fault.
        gap_ns = round(max(self._rules.fault_s, self._rules.stall_s) * 1e9)
        if self._first_ns is None or now_ns - self._last_ns > gap_ns:
            self._first_ns = now_ns
        self._last_ns = now_ns
        lasted_ns = now_ns - self._first_ns
        # Frozen is known only after a while anyway.
        if kind != "frozen" and lasted_ns < round(self._rules.fault_s * 1e9):
            return False
        if kind != self._kind:
            self._kind = kind
            self._plan_reopening(kind, now_ns)
        return True

    def is_reopening_due(self, now_ns: int) -> bool:
        """Tell whether it is time to open the source anew."""
        return self._reopen_ns is not None and now_ns >= self._reopen_ns

    def _plan_reopening(self, kind: FaultKind, now_ns: int) -> None:
        rules = self._rules
        longest_s = rules.retry_max_s if kind == "frozen" else rules.dark_retry_max_s
        due_ns = now_ns + round(self._backoff.next_s(longest_s) * 1e9)
        if self._reopen_ns is None or due_ns < self._reopen_ns:
            self._reopen_ns = due_ns
