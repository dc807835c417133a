"""Learning from what teachers say: the answers of larger networks, softened, beside the labels.

Hinton et al. 2015, Distilling the knowledge in a neural network, https://arxiv.org/abs/1503.02531;
features as hints: Romero et al. 2015, FitNets, https://arxiv.org/abs/1412.6550. The losses are
those of `keras.distillation`.

Teachers see the very pictures that the network sees, augmented alike (Beyer et al. 2022, Knowledge
distillation: a good teacher is patient and consistent, https://arxiv.org/abs/2106.05237), each in
the size it was made for: what is drawn follows from seed and step, not from the size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from edge_recog_converter._tensorflow import keras, tf
from edge_recog_converter.learning.plans import unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_recog_converter.learning.plans import Augment, Pixels

_LEAST = 1e-7
"""Score below which an answer says no."""


class Teacher(Protocol):
    """A network that is asked."""

    def __call__(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (pictures, classes) logits of (pictures, height, width, channels), 0-255.

        Features may follow in further columns.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Pupilage:
    """A teacher and the pictures as it sees them."""

    teacher: Teacher
    pixels: Pixels
    """(pictures, height, width, channels), the same pictures in the same order as the network's."""
    augment: Augment
    """The network's augmentation, for this size."""


@dataclass(eq=False)
class TaughtBy:
    """The `Teaching` of a plan."""

    lessons: Sequence[Pupilage]
    """At least one."""
    activation: Literal["softmax", "sigmoid"]
    """What makes scores of logits."""
    classes: int
    share: float
    """Of the whole loss, 0-1."""
    temperature: float
    """Softens the answers of both: the higher, the more small scores count; 1 or more."""
    features: float = 0.0
    """Weight of the mean squared error of features, beside the answers'."""
    remember: bool = False
    """Keep what teachers say: for plans whose views repeat."""
    _kept: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the losses."""
        # By its name, it would be taken of logits as they are (keras 3.15, `distillation_loss.py`).
        loss = keras.losses.KLDivergence()
        if self.activation == "sigmoid":
            loss = _BinaryDivergence(self.temperature)
        self._answers_loss = keras.distillation.LogitsDistillation(self.temperature, loss)
        self._features_loss = keras.losses.MeanSquaredError()

    def answers(self, chosen: NDArray[np.integer], step: int) -> NDArray[np.float32]:
        """See `Teaching`; with several teachers, logits of their mean scores."""
        if step in self._kept:
            return self._kept[step]
        said = [self._asked(lesson, chosen, step) for lesson in self.lessons]
        answers = said[0] if len(said) == 1 else mean_answer(said, self.activation)
        if self.remember:
            self._kept[step] = answers
        return answers

    def loss(self, answers: Any, outputs: Any) -> Any:
        """See `Teaching`."""
        of = self.classes
        lost = self._answers_loss.compute_loss(answers[:, :of], outputs[:, :of])
        if self.features:
            lost += self.features * self._features_loss(answers[:, of:], outputs[:, of:])
        return lost

    def _asked(self, lesson: Pupilage, chosen: NDArray[np.integer], step: int) -> Any:
        pictures = tf.cast(lesson.pixels[chosen], tf.float32)
        if lesson.augment is not unchanged:
            pictures, _ = lesson.augment(pictures, tf.zeros((len(chosen), 1)), step)
        return lesson.teacher(np.asarray(pictures))


def mean_answer(
    said: Sequence[NDArray[np.float32]], activation: Literal["softmax", "sigmoid"]
) -> NDArray[np.float32]:
    """Return the logits, (pictures, classes), of teachers' mean scores."""
    score = keras.ops.softmax if activation == "softmax" else keras.ops.sigmoid
    scores = np.mean([np.asarray(score(logits)) for logits in said], axis=0)
    return logits_of(scores, activation)


def logits_of(
    scores: NDArray[np.float32], activation: Literal["softmax", "sigmoid"]
) -> NDArray[np.float32]:
    """Return logits that give these scores, 0-1; those of 8-bit models may be 0 or 1 exactly."""
    bounded = np.clip(scores, _LEAST, 1.0 - _LEAST)
    logits = np.log(bounded)
    if activation == "sigmoid":
        logits = logits - np.log1p(-bounded)
    return np.asarray(logits, np.float32)


class _BinaryDivergence(keras.losses.Loss):  # type: ignore[misc]
    """Kullback-Leibler divergence of sigmoids, the mean over labels, of softened logits.

    Scaled by the temperature's square as that of softmax is (Hinton et al., section 2).
    """

    def __init__(self, temperature: float) -> None:
        super().__init__(name="binary_divergence")
        self._scale = temperature**2

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return (batch,) of logits (batch, labels)."""
        wanted = tf.sigmoid(y_true)
        cross = tf.nn.sigmoid_cross_entropy_with_logits(wanted, y_pred)
        own = tf.nn.sigmoid_cross_entropy_with_logits(wanted, y_true)
        return self._scale * tf.reduce_mean(cross - own, axis=-1)
