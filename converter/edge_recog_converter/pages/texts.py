"""Numbers as people read them."""

from __future__ import annotations

import math

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share without its sign of unit: `91.4`; a dash for None."""
    return DASH if share is None else f"{100 * share:.{decimals}f}"


def significant(value: float) -> str:
    """Return three significant digits, or all of a larger number; never an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value)) + 1e-9))
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def megabytes(size_bytes: float) -> str:
    """Return a size in MB of 10^6 bytes."""
    size = size_bytes / 1e6
    return f"{size:,.{0 if size >= 100 else 1 if size >= 10 else 2}f} MB"


def duration(seconds: float) -> str:
    """Return a time as `1 h 12 min`, `12 min 4 s` or `4.2 s`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def moment(created: str) -> str:
    """Return an RFC 3339 time of UTC with spaces: `2026-01-31 12:30:00 UTC`."""
    return created.replace("T", " ").replace("Z", " UTC").replace("+00:00", " UTC")
