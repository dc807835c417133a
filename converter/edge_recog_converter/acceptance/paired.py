"""Statistics of two models on the same pictures: those that only one of them gets right.

A picture is *lost* if only the first model gets it right, *won* if only the second one does.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from statistics import NormalDist

from scipy.stats import binomtest


@dataclass(frozen=True, slots=True)
class Drop:
    """What a score loses, -1 to 1, and where that lies; `low` <= `estimate` <= `high`."""

    estimate: float
    low: float
    high: float


def drop_of_share(lost: int, won: int, count: int, *, confidence: float) -> Drop:
    """Return by how much the share of right pictures drops.

    A. Agresti and Y. Min, "Simple improved confidence intervals for comparing matched proportions",
    Statistics in Medicine 24 (2005), 729-740: Wald's interval after adding half a picture to each
    cell of the table. It does not shrink to nothing where no picture changed, which a few pictures
    cannot prove for all.

    Args:
        lost: Pictures.
        won: Pictures.
        count: All pictures; at least 1.
        confidence: 0-1, of the two-sided interval.
    """
    total = count + 2
    shift = (lost - won) / total
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(
        ((lost + won + 1) / total - shift**2) / total
    )
    estimate = (lost - won) / count
    return Drop(
        estimate, max(-1.0, min(estimate, shift - half)), min(1.0, max(estimate, shift + half))
    )


def mcnemar_p_value(lost: int, won: int) -> float:
    """Return the chance of at least so many lost among the changed pictures if nothing is lost.

    McNemar's exact test, one-sided: each changed picture is then lost or won with even chances. Q.
    McNemar, Psychometrika 12 (1947), 153-157.

    Returns:
        0-1; 1 if no picture changed.
    """
    if lost + won == 0:
        return 1.0
    return float(binomtest(lost, lost + won, 0.5, alternative="greater").pvalue)


def is_real(lost: int, won: int, *, confidence: float) -> bool:
    """Return whether the pictures show a loss: its chance is at most what confidence leaves."""
    return mcnemar_p_value(lost, won) <= 1 - confidence


def too_many_lost(lost: int, won: int, *, confidence: float) -> int:
    """Return how many lost pictures fewer would not show a loss; 0 if they show none now."""
    return bisect.bisect_left(
        range(lost), True, key=lambda fewer: not is_real(lost - fewer, won, confidence=confidence)
    )


def smallest_loss_shown(count: int, *, confidence: float) -> float:
    """Return the least loss that so many pictures can show at some confidence, 0-1.

    With k pictures lost and none won, the exact test gives `2**-k`, and every won picture makes it
    larger. So the least k for which `2**-k <= 1 - confidence` is the fewest pictures that can show
    a loss: 5 at 95 %, 7 at 99 %. A true loss of a smaller share than `k / count` may go unnoticed
    however the pictures fall.

    Args:
        count: Pictures; at least 1.
        confidence: 0.5-1.

    Returns:
        `k / count`; 1 if there are fewer than k pictures, which cannot show any loss.
    """
    lost = 1
    while not is_real(lost, 0, confidence=confidence):
        lost += 1
    return min(1.0, lost / count)
