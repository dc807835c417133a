"""What the two tasks learn by and are judged by: one label a picture, or any number of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from edge_recog_converter.errors import RecipeError
from edge_recog_converter.evaluation.multi_label import average_precision
from edge_recog_converter.evaluation.thresholds import tuned_thresholds
from edge_recog_converter.learning.balance import epoch_order, picture_weights, positive_weights
from edge_recog_converter.learning.losses import loss_of
from edge_recog_converter.learning.sections import (
    Balance,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
)
from edge_recog_converter.learning.temperature import (
    fit_sigmoid_temperature,
    fit_temperature,
    softmax,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from numpy.typing import NDArray

    from edge_recog_converter.datasets import Task
    from edge_recog_converter.learning.sections import Loss


class Objective(Protocol):
    """How a task learns and is judged. Logits and targets are (pictures, classes)."""

    @property
    def activation(self) -> Literal["softmax", "sigmoid"]:
        """What makes scores of its logits."""

    @property
    def metric(self) -> str:
        """What `score` is called."""

    def check(self, losses: Iterable[Loss | None], balance: Balance) -> None:
        """Refuse what is for the other task.

        Raises:
            RecipeError: It says what to write instead.
        """

    def loss(self, section: Loss | None, balance: Balance, targets: NDArray[np.float32]) -> Any:
        """Return the `keras.losses.Loss` to train by; the task's cross-entropy for None.

        Raises:
            DatasetError: The balance asked for is not possible with these targets.
        """

    def smoothed(self, label_smoothing: float) -> Loss:
        """Return the task's cross-entropy with label smoothing."""

    def weights(self, balance: Balance, targets: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return what each picture weighs in the loss, (pictures,); None for all the same."""

    def first_bias(self, balance: Balance, targets: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits to begin with, (classes,): what is known before a picture is seen."""

    def order(
        self, balance: Balance, targets: NDArray[np.float32], *, seed: int, epoch: int
    ) -> NDArray[np.int64]:
        """Return the indices of an epoch's pictures, in order."""

    def score(self, logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
        """Return how good the answers are, 0-1."""

    def temperature(self, logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
        """Return what to divide logits by so that scores mean what they say."""

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return scores, 0-1."""

    def thresholds(
        self, scores: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> tuple[float, ...] | None:
        """Return the least score of each label, tuned on these; None where the best one counts."""


@dataclass(frozen=True, slots=True)
class SingleLabel:
    """Each picture is of one class."""

    activation: Literal["softmax"] = "softmax"
    metric: str = "top-1"

    def check(self, losses: Iterable[Loss | None], balance: Balance) -> None:
        """See `Objective`."""
        del balance
        if any(isinstance(loss, (BinaryCrossEntropy, BinaryFocal)) for loss in losses):
            raise RecipeError(
                "a binary loss is for pictures with any number of labels, and each of these has "
                'one: set loss to kind "cross-entropy" or "focal"'
            )

    def loss(self, section: Loss | None, balance: Balance, targets: NDArray[np.float32]) -> Any:
        """See `Objective`."""
        del balance, targets
        return loss_of(section or CrossEntropy())

    def smoothed(self, label_smoothing: float) -> Loss:
        """See `Objective`."""
        return CrossEntropy(label_smoothing=label_smoothing)

    def weights(self, balance: Balance, targets: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """See `Objective`."""
        return picture_weights(balance, targets.argmax(axis=1), classes=targets.shape[1])

    def first_bias(self, balance: Balance, targets: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return zeros: softmax's scores are about right with them."""
        del balance
        return np.zeros(targets.shape[1], np.float32)

    def order(
        self, balance: Balance, targets: NDArray[np.float32], *, seed: int, epoch: int
    ) -> NDArray[np.int64]:
        """See `Objective`."""
        return epoch_order(balance, targets.argmax(axis=1), seed=seed, epoch=epoch)

    def score(self, logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
        """Return the share of pictures whose best label is the right one."""
        return float(np.mean(logits.argmax(axis=1) == targets.argmax(axis=1)))

    def temperature(self, logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
        """See `Objective`."""
        return fit_temperature(logits, targets.argmax(axis=1))

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Objective`."""
        return softmax(logits.astype(np.float64))

    def thresholds(self, scores: NDArray[np.float32], targets: NDArray[np.float32]) -> None:
        """See `Objective`."""
        del scores, targets


@dataclass(frozen=True, slots=True)
class MultiLabel:
    """Each picture has any number of labels."""

    activation: Literal["sigmoid"] = "sigmoid"
    metric: str = "mean average precision"

    def check(self, losses: Iterable[Loss | None], balance: Balance) -> None:
        """See `Objective`."""
        if any(isinstance(loss, (CrossEntropy, Focal)) for loss in losses):
            raise RecipeError(
                "pictures have any number of labels, and this loss is for exactly one: set loss "
                'to kind "binary-cross-entropy" or "binary-focal"'
            )
        if balance.oversample is not None:
            raise RecipeError(
                "pictures with any number of labels cannot be oversampled by class: leave "
                "balance.oversample out and use balance.class_weights"
            )

    def loss(self, section: Loss | None, balance: Balance, targets: NDArray[np.float32]) -> Any:
        """See `Objective`; class weights weigh the presence of each label."""
        weights = balance.class_weights
        return loss_of(
            section or BinaryCrossEntropy(),
            positive_weights=None if weights is None else positive_weights(weights, targets),
        )

    def smoothed(self, label_smoothing: float) -> Loss:
        """See `Objective`."""
        return BinaryCrossEntropy(label_smoothing=label_smoothing)

    def weights(self, balance: Balance, targets: NDArray[np.float32]) -> None:
        """Return None: labels are weighed, not pictures."""
        del balance, targets

    def first_bias(self, balance: Balance, targets: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds of each label's presence, weighed as in the loss.

        With zeros, every rare label would begin as one that half of the pictures have (Lin et al.,
        arXiv:1708.02002, section 3.3), and most of a short training would go into unlearning it.
        """
        present = targets.sum(axis=0, dtype=np.float64)
        absent = len(targets) - present
        odds = (present + 0.5) / (absent + 0.5)
        if balance.class_weights is not None:
            odds *= positive_weights(balance.class_weights, targets)
        return np.asarray(np.log(odds), np.float32)

    def order(
        self, balance: Balance, targets: NDArray[np.float32], *, seed: int, epoch: int
    ) -> NDArray[np.int64]:
        """See `Objective`."""
        del balance
        return epoch_order(Balance(), np.arange(len(targets)), seed=seed, epoch=epoch)

    def score(self, logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
        """Return the mean average precision of the labels that are in some picture."""
        found = [
            average_precision(logits[:, at], targets[:, at] > 0) for at in range(targets.shape[1])
        ]
        return float(np.mean([one for one in found if one is not None] or [0.0]))

    def temperature(self, logits: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
        """See `Objective`."""
        return fit_sigmoid_temperature(logits, targets)

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """See `Objective`."""
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64))), np.float64)

    def thresholds(
        self, scores: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> tuple[float, ...]:
        """See `Objective`."""
        return tuned_thresholds(scores, targets)


OBJECTIVES: Final[Mapping[Task, Objective]] = {
    "single-label": SingleLabel(),
    "multi-label": MultiLabel(),
}
