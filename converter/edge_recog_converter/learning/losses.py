"""Losses from logits, on targets that may be soft.

Targets are one-hot or multi-hot and may be mixed (MixUp, CutMix): every loss here is linear in
the target, so that the loss of a mixed target is the mixed loss. Keras has focal losses, but from
clipped probabilities (keras 3.15, `losses.py`: a logit that is wrong by more than 16 has no
gradient), and the binary one is not linear in the target. So they are computed here, in
logarithms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.learning.sections import (
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_recog_converter.learning.sections import Loss


def loss_of(section: Loss, *, positive_weights: NDArray[np.float64] | None = None) -> Any:
    """Return the `keras.losses.Loss` of a section: `loss(targets, logits, sample_weight)`.

    Targets and logits are (batch, classes); the result is the mean over the batch of
    `sample_weight * loss`, a scalar.

    Args:
        section: Of the recipe.
        positive_weights: (classes,), what the presence of each label weighs, for the binary
            losses; from `balance.positive_weights`.

    Raises:
        ValueError: Positive weights with a loss that is not binary; weigh the pictures instead.
    """
    if isinstance(section, BinaryCrossEntropy):
        return BinaryFocalLoss(
            label_smoothing=section.label_smoothing, positive_weights=positive_weights
        )
    if isinstance(section, BinaryFocal):
        return BinaryFocalLoss(
            gamma=section.gamma, alpha=section.alpha, positive_weights=positive_weights
        )
    if positive_weights is not None:
        raise ValueError("positive_weights are for binary losses; give sample_weight instead")
    if isinstance(section, Focal):
        return FocalLoss(gamma=section.gamma, alpha=section.alpha)
    assert isinstance(section, CrossEntropy)
    return keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=section.label_smoothing
    )


class FocalLoss(keras.losses.Loss):  # type: ignore[misc]
    """`-alpha * sum(target * (1 - p) ** gamma * log(p))` with `p = softmax(logits)`.

    Lin et al., arXiv:1708.02002, equation 5, with all classes' alpha the same.
    """

    def __init__(self, *, gamma: float, alpha: float = 1.0) -> None:
        super().__init__(name="focal")
        self.gamma = gamma
        self.alpha = alpha

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the losses (batch,)."""
        log_p = tf.nn.log_softmax(y_pred)
        # At p = 1 the power has no gradient if gamma < 1; the loss is then 0 anyhow.
        wrong = tf.maximum(-tf.math.expm1(log_p), 1e-7)
        terms = tf.cast(y_true, log_p.dtype) * wrong**self.gamma * log_p
        return -self.alpha * tf.reduce_sum(terms, axis=-1)


class BinaryFocalLoss(keras.losses.Loss):  # type: ignore[misc]
    """The mean over the labels of the focal loss with `p = sigmoid(logit)`.

        alpha * weight * target * (1 - p) ** gamma * -log(p)
        + (1 - alpha) * (1 - target) * p ** gamma * -log(1 - p)

    Lin et al., arXiv:1708.02002, equation 5; both factors are 1 without an alpha.
    """

    def __init__(
        self,
        *,
        gamma: float = 0.0,
        alpha: float | None = None,
        label_smoothing: float = 0.0,
        positive_weights: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(name="binary_focal")
        self.gamma = gamma
        self.present, self.absent = (1.0, 1.0) if alpha is None else (alpha, 1.0 - alpha)
        self.label_smoothing = label_smoothing
        self.positive_weights = np.float32(1.0 if positive_weights is None else positive_weights)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the losses (batch,)."""
        log_p, log_not_p = tf.math.log_sigmoid(y_pred), tf.math.log_sigmoid(-y_pred)
        target = tf.cast(y_true, log_p.dtype)
        target = target * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        present = self.present * self.positive_weights * target
        absent = self.absent * (1.0 - target)
        terms = (
            present * tf.exp(self.gamma * log_not_p) * log_p
            + absent * tf.exp(self.gamma * log_p) * log_not_p
        )
        return -tf.reduce_mean(terms, axis=-1)
