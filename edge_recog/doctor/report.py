"""What was found, for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from edge_recog.doctor.findings import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_recog.doctor.checks import Row
    from edge_recog.doctor.subject import Subject

SCHEMA = 1
"""Of the document: raised when a key changes its meaning or goes; new keys may come."""


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """Return how often each outcome came."""
    counted = Counter(row.finding.outcome for row in rows)
    return {outcome: counted[outcome] for outcome in OUTCOMES}


def is_fit(rows: Sequence[Row]) -> bool:
    """Tell whether nothing is bad."""
    return not counts(rows)["bad"]


def document(subject: Subject, rows: Sequence[Row]) -> dict[str, Any]:
    """Return all of it as plain values, with stable keys."""
    return {
        "schema": SCHEMA,
        "fit": is_fit(rows),
        "counts": counts(rows),
        "board": subject.system.board or None,
        "model": None if subject.model_path is None else str(subject.model_path),
        "checks": [
            {
                "id": row.check.id,
                "title": row.check.title,
                **msgspec.to_builtins(row.finding),
            }
            for row in rows
        ],
    }
