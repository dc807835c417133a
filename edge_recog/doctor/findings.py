"""What a check comes to."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Outcome = Literal["good", "warning", "bad", "skipped"]
"""`bad` keeps the classifier from working well or at all; a `warning` may do so one day; `skipped`
means that nothing could be judged here."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one check found."""

    outcome: Outcome
    evidence: str
    """What was measured, or why nothing could be."""
    fix: str = ""
    """What to do, with a command to type where there is one; only where something is wrong."""


def good(evidence: str) -> Finding:
    """Return that all is well."""
    return Finding("good", evidence)


def warning(evidence: str, fix: str) -> Finding:
    """Return that this may hurt."""
    return Finding("warning", evidence, fix)


def bad(evidence: str, fix: str) -> Finding:
    """Return that this is wrong."""
    return Finding("bad", evidence, fix)


def skipped(why: str) -> Finding:
    """Return that there was nothing to judge."""
    return Finding("skipped", why)
