"""Whether an INT8 file is as good as the float network, from what both say of the same pictures.

A file is accepted if its score drops by no more than is allowed, it says what float says often
enough, and the pictures do not show that something is really lost. The first two are estimates; the
third asks whether so many more lost than won pictures could be chance (`paired`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edge_recog_converter.acceptance.mean_precision import drop_of_mean_precision
from edge_recog_converter.acceptance.paired import (
    Drop,
    drop_of_share,
    mcnemar_p_value,
    smallest_loss_shown,
    too_many_lost,
)
from edge_recog_converter.evaluation import multi_label, single_label
from edge_recog_converter.evaluation.thresholds import claimed
from edge_recog_converter.report.document import Lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.acceptance.sections import Accept


_SAME: Final = 1e-9
"""Shares that differ by less are the same: 7 pictures of 1000 are not more than 0.7 points."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The pictures, and what the float network says of them."""

    labels: tuple[str, ...]
    """Names of the classes."""
    targets: NDArray[np.float32]
    """(pictures, classes) of 0 and 1: one-hot, or 1 for each label that a picture has."""
    scores: NDArray[np.floating]
    """(pictures, classes), 0-1, of the float file; at least one picture."""
    thresholds: tuple[float, ...] | None
    """(classes,), from which score on a label is said; None if each picture has one label."""

    @property
    def metric(self) -> str:
        """What the score is called."""
        return "top-1" if self.thresholds is None else "mean average precision"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say of a file; the fields are those of `report.document.Attempt`."""

    count: int
    drop: Drop
    agreement: float
    p_value: float
    smallest_loss_shown: float
    lost: tuple[Lost, ...]
    calibration_error: float
    float_calibration_error: float
    excess: float
    """How far it misses what is wanted: what the drop, the agreement and the pictures lost each
    have too much or too little, as shares 0-1, added up; 0 if it is accepted."""
    reason: str
    """What it misses; empty if it is accepted."""

    @property
    def accepted(self) -> bool:
        """Whether the file is good enough."""
        return not self.reason


def judged(reference: Reference, scores: NDArray[np.floating], accept: Accept) -> Verdict:
    """Return how a file does beside the float network.

    Args:
        reference: The pictures.
        scores: (pictures, classes), 0-1, of the file to be judged.
        accept: What is wanted.
    """
    said, float_said = _said(reference, scores), _said(reference, reference.scores)
    right, float_right = _right(reference, said), _right(reference, float_said)
    lost, won = float_right & ~right, right & ~float_right
    count = len(lost)
    losses, gains = int(lost.sum()), int(won.sum())
    if reference.thresholds is None:
        drop = drop_of_share(losses, gains, count, confidence=accept.confidence)
    else:
        drop = drop_of_mean_precision(
            reference.targets > 0, reference.scores, scores, confidence=accept.confidence
        )
    agreement = float(np.mean((said == float_said).all(axis=1)))
    p_value = mcnemar_p_value(losses, gains)
    excesses = (
        _beyond(drop.estimate, accept.max_drop / 100),
        _beyond(accept.min_agreement, agreement),
        too_many_lost(losses, gains, confidence=accept.confidence) / count,
    )
    reasons = (
        _drop_reason(reference.metric, drop.estimate, accept),
        _agreement_reason(agreement, accept),
        f"{losses} pictures lost and {gains} won are a real loss at {100 * accept.confidence:g} % "
        f"confidence (p = {p_value:.2g})",
    )
    return Verdict(
        count=count,
        drop=drop,
        agreement=agreement,
        p_value=p_value,
        smallest_loss_shown=smallest_loss_shown(count, confidence=accept.confidence),
        lost=_lost_by_class(reference, lost, won, said, float_said),
        calibration_error=_calibration_error(reference, scores),
        float_calibration_error=_calibration_error(reference, reference.scores),
        excess=sum(excesses),
        reason="; ".join(
            reason for reason, excess in zip(reasons, excesses, strict=True) if excess > 0
        ),
    )


def _said(reference: Reference, scores: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return (pictures, classes), which labels are said: the best one, or those from thresholds."""
    if reference.thresholds is not None:
        return claimed(scores, reference.thresholds)
    said = np.zeros(scores.shape, np.bool_)
    said[np.arange(len(said)), scores.argmax(axis=1)] = True
    return said


def _right(reference: Reference, said: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (pictures,): whether exactly the labels that apply are said."""
    return np.asarray((said == (reference.targets > 0)).all(axis=1), np.bool_)


def _lost_by_class(
    reference: Reference,
    lost: NDArray[np.bool_],
    won: NDArray[np.bool_],
    said: NDArray[np.bool_],
    float_said: NDArray[np.bool_],
) -> tuple[Lost, ...]:
    """Return the classes in which something changed, the one with most lost first.

    A picture with one label counts for the class that it has. One with several may be right in some
    labels and wrong in others, so each label counts by itself: it is lost where only float has it
    right, said or not.
    """
    if reference.thresholds is None:
        present = reference.targets > 0
        losses, gains = (present & lost[:, None]).sum(axis=0), (present & won[:, None]).sum(axis=0)
    else:
        right, float_right = (one == (reference.targets > 0) for one in (said, float_said))
        losses, gains = (float_right & ~right).sum(axis=0), (right & ~float_right).sum(axis=0)
    found = [
        Lost(label=label, lost=int(down), won=int(up))
        for label, down, up in zip(reference.labels, losses, gains, strict=True)
        if down or up
    ]
    return tuple(sorted(found, key=lambda one: (-one.lost, one.won)))


def _calibration_error(reference: Reference, scores: NDArray[np.floating]) -> float:
    if reference.thresholds is None:
        found = single_label.calibration(scores, reference.targets.argmax(axis=1))
    else:
        found = multi_label.calibration(scores, reference.targets)
    return found.expected_calibration_error


def _beyond(value: float, limit: float) -> float:
    return value - limit if value > limit + _SAME else 0.0


def _drop_reason(metric: str, drop: float, accept: Accept) -> str:
    dropped, allowed = _told_apart((100 * drop, accept.max_drop))
    return f"{metric} drops {dropped} points, {allowed} are allowed"


def _agreement_reason(agreement: float, accept: Accept) -> str:
    found, wanted = _told_apart((100 * agreement, 100 * accept.min_agreement))
    return f"agreement {found} %, at least {wanted} % are wanted"


def _told_apart(numbers: Sequence[float]) -> list[str]:
    """Return two numbers with one decimal, or as many as it takes to show that they differ."""
    for decimals in range(1, 7):
        texts = [f"{number:.{decimals}f}" for number in numbers]
        if texts[0] != texts[1]:
            break
    return [text.rstrip("0").rstrip(".") for text in texts]
