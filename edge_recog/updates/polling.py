"""When a device looks for updates again. Pure: the random number is an argument."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

MOST_DOUBLINGS: Final = 5
_MOST_ASKED_S: Final = 7 * 86_400.0
"""Of what a server may ask for: else it could send devices to sleep for ever."""


class PollRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often a device looks."""

    every_min: Annotated[float, msgspec.Meta(ge=1, le=10_080)] = 60.0
    """Minutes between two looks, in the mean."""
    jitter: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.25
    """Share by which that differs at most, so that devices do not come all at once."""


def first_delay_s(rules: PollRules, random: float) -> float:
    """Return seconds from the start to the first look: anywhere within one interval.

    A power cut ends for all devices of a street at the same moment.

    Args:
        rules: How often.
        random: From 0 to 1, evenly.
    """
    return rules.every_min * 60 * random


def next_delay_s(
    rules: PollRules, random: float, *, failures: int = 0, retry_after_s: float | None = None
) -> float:
    """Return seconds from one look to the next.

    A look that failed never brings the next one nearer: a server that is down is not asked more
    often than one that is up.

    Args:
        rules: How often.
        random: From 0 to 1, evenly.
        failures: Looks in a row that failed; the interval doubles with each up to 32 times.
        retry_after_s: What the server asks for at least; up to a week is granted.
    """
    every_s = rules.every_min * 60
    if failures:
        every_s *= 2.0 ** (min(failures, MOST_DOUBLINGS + 1) - 1)
    delay_s = every_s * (1 + rules.jitter * (2 * random - 1))
    if retry_after_s is not None:
        # Spread as well: all were told the same moment.
        asked_s = min(max(0.0, retry_after_s), _MOST_ASKED_S)
        delay_s = max(delay_s, asked_s + rules.every_min * 60 * rules.jitter * random)
    return delay_s
