"""Quantisation-aware training with the float network as teacher.

The model that rounds learns to say what the float network says of the training pictures: the
cross-entropy with the teacher's scores, which is the Kullback-Leibler divergence from them and a
constant. Labels are not looked at; the aim is the float network, mistakes and all. Mishra and Marr
2018, Apprentice, https://arxiv.org/abs/1711.05852.

Ranges of activations follow their batches but in the last epoch, which is of a tenth of the rate,
so that weights settle on levels that do not move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from edge_recog_converter._tensorflow import keras
from edge_recog_converter.acceptance.forms import logits_view
from edge_recog_converter.learning.fitting import fit
from edge_recog_converter.learning.inference import inference_of
from edge_recog_converter.learning.plans import Plan, Samples, unchanged
from edge_recog_converter.learning.sections import Balance
from edge_recog_converter.qat import freeze_ranges
from edge_recog_converter.qat.kernels import FAKE_QUANT_KINDS
from edge_recog_converter.qat.simplifying import simplified

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_recog_converter.acceptance.quantizable import Quantizable
    from edge_recog_converter.report.document import Epoch

BATCH_SIZE: Final = 32
_LAST_RATE: Final = 0.1
"""Of the learning rate, in the last epoch."""
_KERNEL_KINDS: Final = tuple(FAKE_QUANT_KINDS.values())


def distil(
    model: Any,
    quantizable: Quantizable,
    *,
    epochs: int,
    learning_rate: float,
    on_epoch: Callable[[Epoch], object] = lambda epoch: None,
) -> None:
    """Have a model that rounds learn from its float network.

    The epoch that is kept has the best mean of agreement with the float network and score.

    Args:
        model: From `qat.with_ranges`, of the network in some form; trained in place, its ranges are
            frozen in the end.
        quantizable: The network and its lessons.
        epochs: How many.
        learning_rate: Of Adam.
        on_epoch: Called after each one.

    Raises:
        ConversionError: Layers have no form in integers.
        TrainingError: The loss is not a number any more.
    """
    lessons = quantizable.lessons
    teacher = inference_of(
        logits_view(simplified(quantizable.network)), mean=lessons.mean, std=lessons.std
    )
    train = Samples(lessons.train.pixels, _scores(quantizable, teacher(lessons.train.pixels)))
    taught = teacher(lessons.validation.pixels)
    validation = Samples(lessons.validation.pixels, _scores(quantizable, taught))
    student = logits_view(model)
    zeros = KeptKernelZeros(student) if quantizable.sparse else None

    def score(logits: NDArray[np.float32], _: NDArray[np.float32]) -> float:
        right = lessons.objective.score(logits, lessons.validation.targets)
        return (_agreement(quantizable, logits, taught) + right) / 2

    def plan(number: int, before: int, rate: float) -> Plan:
        return Plan(
            loss=lessons.objective.loss(None, Balance(), train.targets),
            optimizer=keras.optimizers.Adam(rate),
            epochs=number,
            batch_size=BATCH_SIZE,
            mean=lessons.mean,
            std=lessons.std,
            order=lambda epoch: np.random.default_rng(
                [quantizable.seed, before + epoch]
            ).permutation(len(train.pixels)),
            score=score,
            augment=unchanged,
            zeros=zeros,
        )

    best = -np.inf
    if epochs > 1:
        first = fit(
            student, train, validation, plan(epochs - 1, 0, learning_rate), on_epoch=on_epoch
        )
        best = first.best.score
    kept = student.get_weights()
    freeze_ranges(model)
    last_plan = plan(1, epochs - 1, learning_rate * _LAST_RATE if epochs > 1 else learning_rate)
    last = fit(
        student,
        train,
        validation,
        last_plan,
        on_epoch=lambda epoch: on_epoch(msgspec.structs.replace(epoch, number=epochs)),
    )
    if last.best.score < best:
        student.set_weights(kept)


class KeptKernelZeros:
    """Holds those weights of kernels at 0 that are so at first; a `learning.plans.KeptZeros`."""

    def __init__(self, model: Any) -> None:
        """Look where they are, in a model that rounds."""
        self._kept = [
            (layer.kernel, (np.asarray(layer.kernel) != 0).astype(np.float32))
            for layer in model.layers
            if isinstance(layer, _KERNEL_KINDS)
        ]

    def take_up(self, step: int) -> None:
        """Do nothing: they are known."""
        del step

    def after_step(self, step: int) -> None:
        """Set them to 0 again."""
        del step
        self.apply()

    def apply(self) -> None:
        """Set them to 0 in weights that were put in meanwhile."""
        for kernel, kept in self._kept:
            kernel.assign(kernel * kept)


def _scores(quantizable: Quantizable, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(quantizable.lessons.objective.scores(logits), np.float32)


def _agreement(
    quantizable: Quantizable, logits: NDArray[np.float32], taught: NDArray[np.float32]
) -> float:
    """Return how often two say the same, 0-1; of several labels, of how many."""
    if quantizable.lessons.objective.activation == "softmax":
        return float(np.mean(logits.argmax(axis=1) == taught.argmax(axis=1)))
    return float(np.mean((logits >= 0) == (taught >= 0)))
