"""How much the store may keep, what a model may cost, and what a trial takes."""

from __future__ import annotations

from typing import Annotated

import msgspec

MOST_FAILURES = 3
"""In a row, after which a version is bad."""


class StoreRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of installing and keeping."""

    quota_mb: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 256.0
    """All versions together, in units of 1000 * 1000 bytes. The oldest ones go; never the active,
    the previous, the candidate, or one that is pinned."""
    most_p50_ms: Annotated[float, msgspec.Meta(gt=0, le=3_600_000)] = 1000.0
    """Median time that a picture may take on this device, resizing included."""
    most_memory_mb: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 128.0
    """By which a process may grow by loading and running a model."""


class TrialRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a candidate becomes the active model: after so many minutes or frames."""

    healthy_min: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 10.0
    """Minutes in which frames were answered and the model did not fail."""
    frames: Annotated[int, msgspec.Meta(gt=0, le=2**53)] = 10_000
    """Answered."""
    pause_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
    """A longer time between two answers does not count as healthy: perhaps there was no camera."""
    patience_h: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 72.0
    """Hours of running after which a candidate is given up that has proved nothing."""
