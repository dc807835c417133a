"""Numbers as people read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge_recog.markup import Markup, tag

if TYPE_CHECKING:
    from edge_recog_benchmarks.statistics import Interval

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"


def significant(value: float) -> str:
    """Return three significant digits, or all of a larger number; never an exponent."""
    return f"{value:.{_decimals(value)}f}"


def plain(value: float) -> str:
    """Return the same without zeros at its end: `5`, `0.25`, `1.2`."""
    text = significant(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def times(ratio: float) -> str:
    """Return a ratio with the sign of multiplication behind it."""
    return f"{significant(ratio)} {TIMES}"


def span(interval: Interval, *, scale: float = 1.0, decimals: int | None = None) -> str:
    """Return where an interval begins and ends: `3.98 to 4.05`; empty if it is unbounded."""
    if not interval.bounded:
        return ""
    if decimals is None:
        decimals = _decimals(interval.estimate * scale)
    return " to ".join(
        f"{value * scale:.{decimals}f}".replace("-", MINUS)
        for value in (interval.low, interval.high)
    )


def percent(share: float) -> str:
    """Return a share with one decimal, without its sign of unit: `91.4`."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, with its sign; none before zero."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", MINUS)


def sentence(text: str) -> str:
    """Return it with a capital at its start and a full stop at its end."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def cell(interval: Interval | float | None, *, scale: float = 1.0) -> str | Markup:
    """Return an estimate, and its interval in small print below it; a dash for None."""
    if interval is None:
        return DASH
    if isinstance(interval, (int, float)):
        return significant(interval * scale)
    text, ends = significant(interval.estimate * scale), span(interval, scale=scale)
    if not ends or ends == f"{text} to {text}":
        return text
    return Markup(text + tag("small", ends))


def megabytes(size_mb: float) -> str:
    """Return a size of a file or of memory, in MB of 10^6 bytes."""
    return f"{size_mb:.{1 if size_mb >= 10 else 2}f}"


def _decimals(value: float) -> int:
    return 2 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value)) + 1e-9))
