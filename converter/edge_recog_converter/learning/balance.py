"""Classes of unequal size: weights in the loss, and how often their pictures are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_recog_converter.errors import DatasetError
from edge_recog_converter.learning.sections import EffectiveNumber, Inverse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog_converter.learning.sections import Balance, Oversample


def picture_weights(
    balance: Balance, labels: NDArray[np.integer], *, classes: int
) -> NDArray[np.float32] | None:
    """Return what each training picture weighs in the loss; None for all the same.

    Args:
        balance: Of the recipe. If it oversamples, weights are those of what is drawn.
        labels: (pictures,), 0 to `classes - 1`.
        classes: How many there are.

    Returns:
        (pictures,), their mean over an epoch's pictures being 1.

    Raises:
        DatasetError: A class has no pictures.
    """
    if balance.class_weights is None:
        return None
    drawn = np.bincount(labels, minlength=classes)
    if balance.oversample is not None:
        drawn = oversampled(balance.oversample, drawn)
    weights = class_weights(balance.class_weights, drawn).astype(np.float32)
    return np.take(weights, labels)


def epoch_order(
    balance: Balance, labels: NDArray[np.integer], *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return the indices of an epoch's pictures, in order; a function of the seed and the epoch.

    An epoch has as many pictures as the training split. A class is gone through in a
    random order, and again in another one, until there are enough: within it, the numbers of draws
    differ by one at most.

    Args:
        balance: Of the recipe. Without oversampling, each picture comes once.
        labels: (pictures,); whatever has the pictures' length will do without oversampling.
        seed: Of the run.
        epoch: Its number.

    Raises:
        DatasetError: Pictures have several labels, or a class has none, and oversampling is on.
    """
    rng = np.random.default_rng((seed, epoch))
    if balance.oversample is None:
        return rng.permutation(len(labels))
    if labels.ndim != 1:
        raise DatasetError(
            "pictures with several labels cannot be oversampled by class; leave balance.oversample "
            "out and use balance.class_weights"
        )
    chosen = []
    for label, wanted in enumerate(oversampled(balance.oversample, np.bincount(labels)).tolist()):
        members = np.flatnonzero(labels == label)
        rounds = [rng.permutation(members) for _ in range(-(-wanted // len(members)))]
        chosen.append(np.concatenate(rounds)[:wanted])
    return rng.permutation(np.concatenate(chosen))


def class_weights(
    section: Inverse | EffectiveNumber, drawn: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return what a picture of each class weighs in the loss.

    Args:
        section: Of the recipe.
        drawn: (classes,), how many pictures of each class an epoch has.

    Returns:
        (classes,), scaled so that the mean weight of an epoch's pictures is 1.

    Raises:
        DatasetError: A class has no pictures.
    """
    _require_all(drawn, "has no training pictures")
    weights = 1.0 / _sizes(section, drawn)
    weights *= drawn.sum() / (weights @ drawn)
    return weights


def positive_weights(
    section: Inverse | EffectiveNumber, targets: NDArray[np.generic]
) -> NDArray[np.float64]:
    """Return what the presence of each label weighs in a multi-label loss; its absence weighs 1.

    With `inverse`, a label's presences and its absences weigh the same in total.

    Args:
        section: Of the recipe.
        targets: (pictures, classes), 0 or 1.

    Returns:
        (classes,).

    Raises:
        DatasetError: A label is in no picture or in all of them.
    """
    present = np.asarray(targets, np.int64).sum(axis=0)
    absent = len(targets) - present
    _require_all(present, "has no training pictures")
    _require_all(absent, "is in every training picture, so that there is nothing to learn about it")
    return _sizes(section, absent) / _sizes(section, present)


def oversampled(section: Oversample, present: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return how many pictures of each class an epoch draws.

    As many in all as there are, so that epochs and steps mean the same with and without
    oversampling; parts of a picture go to the classes with the largest remainders.

    Args:
        section: Of the recipe.
        present: (classes,), how many there are.

    Raises:
        DatasetError: A class has no pictures.
    """
    _require_all(present, "has no training pictures")
    shares = present.astype(np.float64) ** (1.0 - section.strength)
    wanted = shares * (present.sum() / shares.sum())
    drawn: NDArray[np.int64] = np.floor(wanted).astype(np.int64)
    first = np.argsort(drawn - wanted, kind="stable")
    drawn[first[: present.sum() - drawn.sum()]] += 1
    return drawn


def _sizes(
    section: Inverse | EffectiveNumber, pictures: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return how large each class counts: its number of pictures, or its effective number.

    The latter is `(1 - beta ** n) / (1 - beta)`: Cui et al., arXiv:1901.05555, proposition 1.
    """
    if isinstance(section, Inverse):
        return pictures.astype(np.float64)
    return np.asarray((1.0 - section.beta**pictures) / (1.0 - section.beta), np.float64)


def _require_all(pictures: NDArray[np.integer], complaint: str) -> None:
    missing = np.flatnonzero(pictures == 0)
    if missing.size:
        raise DatasetError(f"class {missing[0]} {complaint}; add pictures or leave the class out")
